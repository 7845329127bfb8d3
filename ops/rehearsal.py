"""An environment on Azure without Azure: `REHEARSE=1 make up ENV=dev`.

The same program and the same engine, with a stand-in for the provider that keeps a cloud in a file, and a
real cluster behind it. Never silently: it is asked for, it has a state of its own, and it says what it is.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.table import Table

from components.model.naming import KUBECONFIG_VARIABLE, REHEARSAL_VARIABLE
from components.model.settings import Settings
from localcluster.azure import plugin
from localcluster.azure.backing import BEHIND_VARIABLE, BehindError
from localcluster.azure.behind import SCALE_VARIABLE, Clusters, Scale
from localcluster.images import TOOLS as IMAGE_TOOLS
from localcluster.node.embedded import EmbeddedNode
from ops import presumed
from ops.errors import UserError
from ops.paths import checkout_dir
from ops.progress import Progress

ASKED = "REHEARSE"
# What REHEARSE may be, and what the user pools are then.
SCALES: Mapping[str, Scale] = {"1": "nodes", "pods": "pods"}
SAID: Mapping[Scale, str] = {
    "nodes": "user pools are pretended nodes, in the zones and of the size asked for: their pods are not run",
    "pods": "reduced scale: everything really runs, on the one node of this machine",
}
TOOLS = ("engine", "node", "rehearsal", *IMAGE_TOOLS)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The rehearsal of one environment."""

    environment: str
    scale: Scale

    @property
    def folder(self) -> Path:
        """Everything it has: the cloud, the cluster behind it, the stack's state."""
        return checkout_dir().with_suffix(".rehearsal") / self.environment

    @property
    def node(self) -> EmbeddedNode:
        """The machine that stands for the system pool, whether it exists or not."""
        return EmbeddedNode(self.folder / "node")

    def variables(self) -> dict[str, str]:
        """What tells the program and the provider that this is one."""
        return {
            REHEARSAL_VARIABLE: str(self.folder),
            BEHIND_VARIABLE: "localcluster.azure.behind:clusters",
            SCALE_VARIABLE: self.scale,
            KUBECONFIG_VARIABLE: "",  # no cluster of a person's shell, which is a real one
        }

    def begin(self, settings: Settings, home: Path) -> None:
        """Put the stand-in where the engine looks for azure-native, and into its cloud what is presumed.

        `home` is Pulumi's home, for this rehearsal alone.
        """
        plugin.launcher(home)
        presumed.presume(self.folder, settings)

    def resume(self, progress: Progress) -> None:
        """Have the cluster run again that an earlier update made: what is in it is looked at first.

        Raises:
            UserError: it does not start.
        """
        if not self.node.exists() or self.node.status().running:
            return
        try:
            with progress.step("starting the rehearsal's node again"):
                Clusters(self.folder, progress.note).resume()
        except BehindError as error:
            raise UserError(str(error)) from None

    def said(self) -> tuple[str, ...]:
        """What a person must know: that this is none of Azure, and what its nodes are."""
        return (
            f"a rehearsal of {self.environment}: nothing here is Azure, nor Azure's build of Istio",
            SAID[self.scale],
        )

    def played(self) -> Table:
        """What stands in for what only AKS brings, as the cluster is now."""
        table = Table(title="Stand-ins of this rehearsal", box=box.SIMPLE_HEAD)
        table.add_column("for", no_wrap=True)
        table.add_column("there is")
        for one in Clusters(self.folder, lambda _: None).standins():
            table.add_row(one.name, one.what)
        return table

    def remove(self) -> None:
        """Everything goes, the cluster first."""
        if self.node.exists():
            self.node.destroy()
        shutil.rmtree(self.folder, ignore_errors=True)


def asked(environment: str, environ: Mapping[str, str] = os.environ) -> Rehearsal | None:
    """The rehearsal that is asked for, if one is.

    Raises:
        UserError: REHEARSE is neither of its values.
    """
    given = environ.get(ASKED, "")
    if not given:
        return None
    if given not in SCALES:
        raise UserError(f'{ASKED} = "{given}": must be {" or ".join(SCALES)}, e.g. {ASKED}=1')
    return Rehearsal(environment, SCALES[given])
