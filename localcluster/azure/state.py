"""The cloud of a rehearsal: one file with what was made, kept between runs.

The file is readable by its owner alone, because it holds what Azure would hold: secret values too. It is
written whole or not at all, and one process changes it at a time.
"""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock

from localcluster.azure import paths
from localcluster.azure.values import Document

FOLDER_VARIABLE = "PITSTOP_REHEARSAL"
FILE = "cloud.json"
SUCCEEDED, FAILED = "Succeeded", "Failed"


@dataclass(slots=True)
class Record:
    """One resource that exists."""

    identity: str
    token: str
    inputs: Document  # what it was last asked to be, or what somebody changed it to since
    outputs: Document
    version: int = 1  # of its value: counts the changes
    state: str = SUCCEEDED


@dataclass(slots=True)
class State:
    """Everything a rehearsal remembers. Ids are compared as Azure does, without regard to case."""

    resources: dict[str, Record] = field(default_factory=dict)
    deleted: dict[str, Record] = field(default_factory=dict)  # vaults that can be recovered, by name
    faults: dict[str, int] = field(default_factory=dict)  # how often each injected failure has struck

    def get(self, identity: str) -> Record | None:
        """The resource with an id, if it exists."""
        return self.resources.get(identity.lower())

    def put(self, record: Record) -> None:
        """Remember a resource."""
        self.resources[record.identity.lower()] = record

    def below(self, identity: str) -> list[Record]:
        """What is in a resource, or extends it; what is in something comes before that."""
        prefix = f"{identity.lower()}/"
        inside = sorted((key for key in self.resources if key.startswith(prefix)), reverse=True)
        return [self.resources[key] for key in inside]

    def remove(self, identity: str) -> list[Record]:
        """Forget a resource and everything in it; what was forgotten."""
        record = self.resources.get(identity.lower())
        gone = [*self.below(identity), *([record] if record else [])]
        for one in gone:
            del self.resources[one.identity.lower()]
        return gone


class Cloud:
    """The file of one rehearsal."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read or written yet."""
        self._folder = folder
        self._file = folder / FILE
        self._turn = threading.Lock()  # between threads: waiting for the file's lock means polling

    def look(self) -> State:
        """The state as it is now; changes to it are not kept."""
        try:
            content = json.loads(self._file.read_text())
        except FileNotFoundError:
            return State()
        return State(
            resources={key: Record(**one) for key, one in content["resources"].items()},
            deleted={key: Record(**one) for key, one in content["deleted"].items()},
            faults=content["faults"],
        )

    @contextmanager
    def change(self) -> Iterator[State]:
        """The state to change: kept when the block ends well, and nobody else changes it meanwhile."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._turn, FileLock(self._folder / f".{FILE}.lock"):
            state = self.look()
            yield state
            self._save(state)

    def _save(self, state: State) -> None:
        scratch = self._folder / f".{FILE}-{os.getpid()}"
        scratch.unlink(missing_ok=True)
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(state), file, indent=1, sort_keys=True)
        scratch.replace(self._file)


def drift(folder: Path, identity: str, changes: Mapping[str, object]) -> None:
    """Change properties of a resource behind the program's back, as somebody in the portal would.

    Args:
        folder: of the rehearsal (`PITSTOP_REHEARSAL`).
        identity: the resource's Azure id.
        changes: new values by path, e.g. {"tags.owner": "me", "agentPoolProfiles[0].count": 5}; None removes.

    Raises:
        LookupError: there is no such resource, or nothing at one of the paths to change.
    """
    with Cloud(folder).change() as state:
        record = state.get(identity)
        if record is None:
            known = ", ".join(one.identity for one in state.resources.values()) or "none"
            raise LookupError(f"{identity}: not in this rehearsal; there are: {known}")
        for path, value in changes.items():
            steps = paths.parse(path)
            done = paths.put(record.outputs, steps, value)
            asked = steps[0] in record.inputs or steps[0] == "tags"
            if not done or (asked and not paths.put(record.inputs, steps, value)):
                raise LookupError(f"{identity}: nothing at {path}")
        record.version += 1


def vanish(folder: Path, identity: str) -> None:
    """Remove a resource behind the program's back, with everything in it.

    Raises:
        LookupError: there is no such resource.
    """
    with Cloud(folder).change() as state:
        if not state.remove(identity):
            raise LookupError(f"{identity}: not in this rehearsal")


def inventory(folder: Path) -> dict[str, str]:
    """What exists: type tokens by id. Empty after everything was destroyed."""
    return {one.identity: one.token for _, one in sorted(Cloud(folder).look().resources.items())}


def purge(folder: Path, vault: str) -> None:
    """Let go of the name of a deleted vault, as `az keyvault purge` does; with purge protection nobody can.

    Raises:
        LookupError: no such vault was deleted, or it is protected.
    """
    with Cloud(folder).change() as state:
        record = state.deleted.get(vault.lower())
        if record is None:
            raise LookupError(f"{vault}: no deleted vault of this name")
        if paths.at(record.inputs, "properties.enablePurgeProtection"):
            raise LookupError(f"{vault}: has purge protection; its name is free again after its retention")
        del state.deleted[vault.lower()]
