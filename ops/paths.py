"""Where things are kept: one cache for every checkout, one folder in it for each checkout's state."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
# What `make env` says of some environments only. With this checkout's id in it, it is ours, else a person's.
TOLD = (
    "KUBECONFIG",
    "PITSTOP_KUBECONFIG",
    "PITSTOP_OWNER",
    "PITSTOP_REHEARSAL",
    "PITSTOP_SECRETS",
    "PULUMI_BACKEND_URL",
    "PULUMI_CONFIG_PASSPHRASE_FILE",
    "PULUMI_HOME",
)
# Where no id can be in it, it goes with what has one: nobody else says these beside it.
TOLD_WITH_THEM = (
    "PITSTOP_CHARTS",
    "PITSTOP_REHEARSAL_BEHIND",
    "PITSTOP_REHEARSAL_SCALE",
    "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION",
    "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER",
    "PULUMI_PYTHON_CMD",
)


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


def told(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What `make env` put into a shell, for whichever environment; what a person has set is not in it."""
    ours = tuple(name for name in TOLD if checkout_id() in environ.get(name, ""))
    emptied = (name for name in TOLD if environ.get(name) == "")  # which a rehearsal must not be told
    return (*ours, *emptied, *(name for name in TOLD_WITH_THEM if name in environ)) if ours else ()


def leave_shell(environment: str) -> str:
    """Forget what `make env` put into the shell this was called from; the environment asked for, as it was.

    A command makes its own of it, and another environment's state, secrets and cluster are not to be met.
    """
    for name in told(os.environ):
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
