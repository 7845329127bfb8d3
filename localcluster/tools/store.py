"""Where tools are kept: one folder for each tool and content of its inputs, complete or absent."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict

from ops.progress import Progress


class Store(BaseModel):
    """The tools' part of the cache."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cache: Path

    @property
    def root(self) -> Path:
        return self.cache / "tools"

    def folder(self, name: str, key: str) -> Path:
        return self.root / f"{name}-{key}"

    def log(self, name: str) -> Path:
        """What the last build of this name printed."""
        self.root.mkdir(parents=True, exist_ok=True)
        return self.root / f"{name}.log"

    @contextmanager
    def workshop(self, name: str) -> Iterator[Path]:
        """A scratch folder for the holder of the lock `name`; what a killed run left in it goes first."""
        work = self.root / f".work-{name}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def install(self, stage: Path, target: Path) -> None:
        """Make a finished folder the tool's, in one rename; the holder of the lock calls this."""
        if target.exists():  # whole folders only appear by rename: this one lost a file since
            shutil.rmtree(target)
        stage.rename(target)


def installed(folder: Path, name: str) -> bool:
    """Whether the folder holds the program."""
    program = folder / name
    return program.is_file() and bool(program.stat().st_mode & 0o100)


def copy_writable(source: Path, target: Path) -> None:
    """Copy a folder of the module cache, where everything is read-only, so that it can be removed again."""
    target.mkdir()
    for entry in source.iterdir():
        if entry.is_dir():
            copy_writable(entry, target / entry.name)
        else:
            shutil.copyfile(entry, target / entry.name)


@contextmanager
def lock(store: Store, name: str, progress: Progress) -> Iterator[None]:
    """Let one process at a time make `name`; say so when another one is at it."""
    store.root.mkdir(parents=True, exist_ok=True)
    guard = FileLock(store.root / f".lock-{name}")
    try:
        guard.acquire(timeout=0)
    except Timeout:
        progress.note(f"another run is making {name}; waiting for it")
        guard.acquire()
    try:
        yield
    finally:
        guard.release()
