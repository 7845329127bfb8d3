"""How much disk a build takes, and the refusal to start one that cannot end."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from localcluster.tools.catalogue import Build
from ops.errors import UserError

GB = 10**9
# Every build together takes less than the sum of them: they share modules and compiled packages.
EVERYTHING = 16.0
TO_LINK = 3.0


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def needed(builds: Sequence[Build], compiled: float) -> float:
    """Gigabytes that `builds` still take where `compiled` gigabytes of packages are in Go's cache.

    Those are taken for theirs, since nobody can tell cheaply whose they are: a build that is let
    start may run out of disk all the same, one that is refused could not have ended. What is
    compiled counts twice, for its modules and programs.
    """
    whole = min(EVERYTHING, sum(build.space for build in builds))
    return max(min(TO_LINK, whole), whole - 2 * compiled)


def require_space(cache: Path, free: int, builds: Sequence[Build]) -> None:
    """Refuse `builds` where the disk of the cache, `free` bytes of it, cannot hold what is missing.

    Raises:
        UserError: with what is free, what is needed, and what to do.
    """
    compiled = sum(entry.stat().st_size for entry in (cache / "go" / "build").glob("*/*-d"))
    wanted = needed(builds, compiled / GB)
    if free < wanted * GB:
        names = ", ".join(build.name for build in builds)
        raise UserError(
            f"disk: {free / GB:.1f} GB free in {cache}, and building {names} takes about {wanted:.1f} GB; "
            "free some, or name a folder on a larger disk, e.g. PITSTOP_CACHE=/data/pitstop"
        )
