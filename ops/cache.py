"""What nobody has used for a month leaves the cache.

Programs and Python environments lie in folders named after all they are made from, so each new
version of anything leaves the old ones behind: three gigabytes with a new Kubernetes. (Go trims its
own cache; of image archives the last three are kept.) Only the standard library is used here,
because `./pitstop` runs this before there is any environment.
"""

import os
import shutil
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

DAYS = 30
GOING = ".going-"


def used(folder: Path) -> None:
    """Note that the folder was used now."""
    with suppress(OSError):  # somebody else's, or a disk that is read only: then nobody removes it either
        os.utime(folder)


def forget_unused(parent: Path, in_use: Collection[str] = ()) -> list[str]:
    """Remove the folders of `parent` that were not used for `DAYS` days; the names of those removed.

    A folder goes in one rename, so none is ever there by half; what an interrupted run left under
    its new name goes with the next. Hidden entries and the names in `in_use` stay.
    """
    for left in parent.glob(f"{GOING}*"):
        shutil.rmtree(left, ignore_errors=True)
    oldest, gone = time.time() - DAYS * 24 * 60 * 60, []
    for folder in sorted(entry for entry in parent.iterdir() if entry.is_dir()):
        if folder.name.startswith(".") or folder.name in in_use or folder.stat().st_mtime > oldest:
            continue
        going = folder.with_name(f"{GOING}{folder.name}")
        with suppress(OSError):  # another run was faster
            folder.rename(going)
            shutil.rmtree(going, ignore_errors=True)
            gone.append(folder.name)
    return gone
