"""Where things are kept: one cache for every checkout, one folder in it for each checkout's state."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def cache_root() -> Path:
    """The folder that holds everything this project writes outside the checkout."""
    if explicit := os.environ.get("PITSTOP_CACHE"):
        return Path(explicit).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().resolve() / "pitstop"


def checkout_id() -> str:
    """Eight hex digits that tell this checkout from any other on the machine."""
    return hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]


def checkout_dir() -> Path:
    """State of this checkout alone: its node, its Pulumi backend, its passphrase."""
    return cache_root() / "checkouts" / checkout_id()


def leave_shell(environment: str) -> str:
    """Forget what `make env` put into the shell this was called from; the environment asked for, as it was.

    A command makes its own of it, and another environment's state, secrets and cluster are not to be met.
    What belongs to this checkout has its id in it; what a person has set stays.
    """
    for name, value in list(os.environ.items()):
        if name.startswith(("KUBECONFIG", "PITSTOP_", "PULUMI_")) and checkout_id() in value:
            del os.environ[name]
    return environment


def input_key(*parts: bytes | str | Path) -> str:
    """Twelve hex digits over the given strings and file contents: the same inputs, the same key."""
    digest = hashlib.sha256()
    for part in parts:
        data = (
            part.read_bytes() if isinstance(part, Path) else part.encode() if isinstance(part, str) else part
        )
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:12]


def write_private(path: Path, text: str, *, replace: bool = True) -> None:
    """A file that appears whole or not at all, and that its owner alone reads.

    Without `replace`, one that is there already stays: of several runs at once the first one's is kept.
    """
    scratch = path.with_name(f".{path.name}-{os.getpid()}")
    scratch.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        if replace:
            scratch.replace(path)
        else:
            with suppress(FileExistsError):
                os.link(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def atomic_dir(target: Path) -> Iterator[Path]:
    """A scratch folder that becomes `target` in one rename, or leaves nothing behind.

    A run that is interrupted, or loses a race to another that made the same target, removes its
    own scratch folder only.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield scratch
        scratch.chmod(0o755)
        try:
            scratch.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
