"""The node's own subtree in every cgroup hierarchy: made before it starts, gone after it ends."""

import time
from pathlib import Path

from ops.errors import UserError

NEEDED_V2 = ("cpu", "cpuset", "memory", "pids")


def hierarchies(mountinfo: str) -> tuple[Path, ...]:
    """Where cgroups are mounted: every v1 hierarchy, or the one of v2 where there is no v1.

    `mountinfo` is the text of /proc/self/mountinfo; proc(5) describes its fields.
    """
    found: dict[str, list[Path]] = {"cgroup": [], "cgroup2": []}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind = after.split(" ")[0]
        if kind in found:
            found[kind].append(Path(before.split(" ")[4]))
    return tuple(dict.fromkeys(found["cgroup"] or found["cgroup2"][:1]))


class Subtree:
    """The cgroups of one name, one in each hierarchy."""

    def __init__(self, name: str, roots: tuple[Path, ...] | None = None) -> None:
        roots = hierarchies(Path("/proc/self/mountinfo").read_text()) if roots is None else roots
        self.folders = tuple(root / name for root in roots)

    def create(self) -> None:
        """Make every folder; an existing one is kept.

        Raises:
            UserError: there are no cgroups, they cannot be written, or v2 does not hand on what pods need.
        """
        if not self.folders:
            raise UserError(
                "no cgroup file system is mounted, e.g. at /sys/fs/cgroup: the node cannot run here"
            )
        for folder in self.folders:
            try:
                if (folder.parent / "cgroup.controllers").exists():
                    _hand_on_controllers(folder)
                else:
                    _make_v1(folder)
            except OSError as error:
                raise UserError(
                    f"{folder}: no cgroup can be made there ({error.strerror}); "
                    "a container needs --privileged and a writable /sys/fs/cgroup for the node"
                ) from error

    def members(self) -> tuple[int, ...]:
        """Processes of the machine itself (those in containers are further down)."""
        for folder in self.folders[:1]:
            for part in (folder / "init", folder):
                try:
                    text = (part / "cgroup.procs").read_text()
                except OSError:
                    continue
                if text.strip():
                    return tuple(int(pid) for pid in text.split())
        return ()

    def remove(self, timeout: float = 5.0) -> None:
        """Remove every folder that has no process any more; dying processes are waited for."""
        deadline = time.monotonic() + timeout
        for folder in self.folders:
            while folder.exists() and not _remove_tree(folder) and time.monotonic() < deadline:
                time.sleep(0.05)


def _hand_on_controllers(folder: Path) -> None:
    for controller in NEEDED_V2:
        try:
            (folder.parent / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError:
            continue  # what matters is what arrives, and that is looked at below
    folder.mkdir(exist_ok=True)
    arrived = (folder / "cgroup.controllers").read_text().split()
    if missing := [name for name in NEEDED_V2 if name not in arrived]:
        raise UserError(
            f"{folder}: cgroup v2 does not hand on {', '.join(missing)} to it; "
            f"the node needs {', '.join(NEEDED_V2)} in {folder.parent}/cgroup.subtree_control"
        )


def _make_v1(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    # A new cpuset has no processor and no memory, and nothing may join it until it has.
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (folder / name).exists():
            (folder / name).write_text((folder.parent / name).read_text())
    if (folder / "cpuset.cpus").exists():
        (folder / "cgroup.clone_children").write_text("1")


def _remove_tree(folder: Path) -> bool:
    """Whether the folder is gone. Only folders are removed: the files in them are the kernel's."""
    for child in folder.iterdir():
        if child.is_dir():
            _remove_tree(child)
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
