"""The real cluster behind a rehearsal of Azure: the embedded node, nodes without a machine, and stand-ins."""

import os
import threading
from pathlib import Path
from typing import get_args

from localcluster.azure.backing import BehindError
from localcluster.azure.behind.clusters import Cloud, Clusters, Scale
from localcluster.azure.behind.standins import StandIn, standins

SCALE_VARIABLE = "PITSTOP_REHEARSAL_SCALE"
FOLDER_VARIABLE = "PITSTOP_REHEARSAL"
SCALES: tuple[Scale, ...] = get_args(Scale)


def scale() -> Scale:
    """Whether user pools are nodes without a machine (`nodes`), or labels where pods really run (`pods`).

    Raises:
        BehindError: the variable holds something else.
    """
    text = os.environ.get(SCALE_VARIABLE, "")
    for known in SCALES:
        if text in {known, ""}:
            return known
    raise BehindError(f"{SCALE_VARIABLE} = {text}: valid: {', '.join(SCALES)}")


__all__ = ["Cloud", "Clusters", "Scale", "StandIn", "scale", "standins"]
