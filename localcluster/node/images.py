"""Images go into the node from archives made on this machine; it has no registry to ask."""

import json
import time
from pathlib import Path

from localcluster.node.machine import Machine
from ops.errors import UserError

CTR = ("ctr", "--namespace=k8s.io")
RUNTIME_SECONDS = 60.0


class ImageStore:
    """The node's container runtime as a store of images; `remembered` is a file of what it was given."""

    def __init__(self, machine: Machine, remembered: Path, snapshotter: str) -> None:
        self._machine = machine
        self._remembered = remembered
        self._import = (*CTR, "images", "import", f"--snapshotter={snapshotter}", "-")

    def load(self, archive: Path) -> None:
        """Load every image of an archive.

        Raises:
            UserError: the runtime does not answer or refuses the archive.
        """
        known, identity = self._known(), _identity(archive)
        if known.get(str(archive)) == identity:
            return
        self._wait()
        with archive.open("rb") as stream:
            done = self._machine.run(*self._import, stdin=stream, timeout=600)
        if done.returncode:
            raise UserError(f"{archive}: the node could not load these images: {done.stderr.strip()[-300:]}")
        scratch = self._remembered.with_suffix(".new")
        scratch.write_text(json.dumps({**known, str(archive): identity}))
        scratch.rename(self._remembered)

    def _known(self) -> dict[str, list[int]]:
        try:
            known: dict[str, list[int]] = json.loads(self._remembered.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return known

    def _wait(self) -> None:
        deadline = time.monotonic() + RUNTIME_SECONDS
        while True:
            done = self._machine.run(*CTR, "version")
            if done.returncode == 0:
                return
            if time.monotonic() > deadline:
                raise UserError(f"the node's containerd does not answer: {done.stderr.strip()[-300:]}")
            time.sleep(0.1)


def _identity(archive: Path) -> list[int]:
    found = archive.stat()
    return [found.st_size, found.st_mtime_ns]
