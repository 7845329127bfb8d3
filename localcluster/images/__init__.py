"""The container images the local cluster runs, made from files alone.

`ensure` makes the archive that `ctr images import` and `kind load image-archive` take; `names`
lists what is in it. `TOOLS` are the programs it takes, `BOOTSTRAP` the file of Istio's sources.
"""

from localcluster.images.assemble import BOOTSTRAP, TOOLS, ensure, fortio, names

__all__ = ["BOOTSTRAP", "TOOLS", "ensure", "fortio", "names"]
