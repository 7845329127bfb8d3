"""The real cluster behind a rehearsal of Azure: the embedded node, nodes without a machine, and stand-ins.

`PITSTOP_REHEARSAL_BEHIND=localcluster.azure.behind:clusters` puts it there.
"""

import contextlib
import os
import threading
from pathlib import Path
from typing import get_args

from localcluster.azure import state
from localcluster.azure.backing import Behind, BehindError, Say, Vaults
from localcluster.azure.behind.asked import Scale
from localcluster.azure.behind.clusters import Cloud, Clusters
from localcluster.azure.behind.played import StandIn, standins
from ops.errors import UserError

SCALE_VARIABLE = "PITSTOP_REHEARSAL_SCALE"
SCALES: tuple[Scale, ...] = get_args(Scale)
PUBLIC_ADDRESS = "network:PublicIPAddress"
LOOK_SECONDS = 1.0


def scale() -> Scale:
    """Whether user pools are nodes without a machine (`nodes`), or labels where pods really run (`pods`).

    Raises:
        UserError: the variable holds something else.
    """
    text = os.environ.get(SCALE_VARIABLE, "")
    for known in SCALES:
        if text in {known, ""}:
            return known
    raise UserError(f"{SCALE_VARIABLE} = {text}: valid: {', '.join(SCALES)}")


def clusters(say: Say, vaults: Vaults) -> Behind:
    """What stands behind the managed cluster of the rehearsal that this process plays."""
    folder = Path(os.environ[state.FOLDER_VARIABLE])
    made = Clusters(
        folder, say, lambda: Cloud(vaults=vaults(), addresses=addresses(state.Cloud(folder).look())), scale()
    )
    threading.Thread(target=_watch, args=(folder / state.FILE, made), daemon=True).start()
    return made


def addresses(known: state.State) -> dict[str, str]:
    """Public addresses by the names of their resources, as a Service asks for one."""
    return {
        record.identity.rpartition("/")[2]: str(record.outputs["ipAddress"])
        for record in known.resources.values()
        if record.token == PUBLIC_ADDRESS and record.outputs.get("ipAddress")
    }


def _watch(file: Path, made: Clusters) -> None:
    """Has the cluster know each change of the rest of Azure while this process lives."""
    seen, pause = 0, threading.Event()
    while not pause.wait(LOOK_SECONDS):
        with contextlib.suppress(OSError, BehindError):
            written = file.stat().st_mtime_ns
            if written != seen:
                made.secrets()
                seen = written


__all__ = ["Cloud", "Clusters", "Scale", "StandIn", "addresses", "clusters", "scale", "standins"]
