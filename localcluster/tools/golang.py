"""The Go toolchain as we use it: the same settings on every machine, and builds that can be stopped."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psutil
from pydantic import BaseModel, ConfigDict

from ops.errors import UserError

OLDEST = (1, 21)  # the first that fetches the toolchain a go.mod asks for
USUAL_PLACE = Path("/usr/local/go/bin/go")
GRACE_SECONDS = 5.0
TICK_SECONDS = 0.5
# The shell that leads the build's process group: when told to end, it ends the whole group. `go`
# alone would end and leave its compilers running. Killing them is safe: both of Go's caches check
# what they read, and the programs are linked in a scratch folder.
LEADER = "trap 'kill -KILL 0' TERM; \"$@\" & wait $!"

_VERSION = re.compile(r"go version go(?P<major>\d+)\.(?P<minor>\d+)")
_PACKAGE = re.compile(r"[\w.~/-]+")


class Cancelled(Exception):  # noqa: N818 - a request that was granted, not an error
    """The caller asked for the build to stop."""


class Go(BaseModel):
    """A usable Go and the environment every call of it gets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    program: Path
    environ: Mapping[str, str]

    def version_in(self, directory: Path) -> str:
        """The Go that builds in `directory`; may be fetched because its go.mod asks for a newer one."""
        return self._answer(["env", "GOVERSION"], directory).strip()

    def module_dir(self, module: str, directory: Path) -> Path:
        """The unpacked sources of `module` at the version the go.mod in `directory` resolves to."""
        answer = json.loads(self._answer(["mod", "download", "-json", module], directory))
        return Path(answer["Dir"])

    def _answer(self, arguments: Sequence[str], directory: Path) -> str:
        done = subprocess.run(
            [str(self.program), *arguments],
            cwd=directory,
            env=dict(self.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = first_error(f"{done.stderr}\n{done.stdout}".splitlines())
            raise UserError(f"go {' '.join(arguments)} failed in {directory.name}: {said}")
        return done.stdout


class Order(BaseModel):
    """What `go build` is asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arguments: tuple[str, ...]
    directory: Path
    log: Path


class Counts:
    """What a running build has done so far, read from the lines it prints."""

    def __init__(self) -> None:
        self.packages = 0
        self.modules = 0
        self.current = ""

    def take(self, line: str) -> None:
        if line.startswith("go: downloading "):
            self.modules += 1
            self.current = line.split()[2]
        elif _PACKAGE.fullmatch(line):
            self.packages += 1
            self.current = line

    def __str__(self) -> str:
        parts = [f"{self.modules} modules downloaded"] if self.modules else []
        return ", ".join([*parts, f"{self.packages} packages compiled", f"now {self.current}"])


def find_go(environ: Mapping[str, str], cache: Path) -> Go:
    """The machine's Go, if it is there and new enough; one line otherwise."""
    usual = str(USUAL_PLACE) if USUAL_PLACE.exists() else None
    found = shutil.which("go", path=environ.get("PATH")) or usual
    if found is None:
        raise UserError(
            "go: not found on PATH; Go 1.21 or newer builds the tools, e.g. from https://go.dev/dl/"
        )
    said = subprocess.run([found, "version"], capture_output=True, text=True, check=False).stdout
    match = _VERSION.search(said)
    if match is None or (int(match["major"]), int(match["minor"])) < OLDEST:
        version = said.removeprefix("go version ").strip() or "does not tell its version"
        raise UserError(f"go: {found} is {version}; Go 1.21 or newer is needed, e.g. from https://go.dev/dl/")
    return Go(program=Path(found), environ=go_environ(environ, cache))


def go_environ(environ: Mapping[str, str], cache: Path) -> dict[str, str]:
    """The caller's environment with what would change a build replaced.

    Proxy settings (GOPROXY, GOPRIVATE, ...) stay the person's. GOFLAGS is set rather than removed,
    because an empty variable lets `go env -w` settings through.
    """
    kept = {key: value for key, value in environ.items() if key not in {"GOOS", "GOARCH", "GOEXPERIMENT"}}
    return kept | {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "auto",
        "GOWORK": "off",
        "GOMODCACHE": str(cache / "go" / "mod"),
        "GOCACHE": str(cache / "go" / "build"),
        # The compiler collects garbage less often than it would by itself, which saves a fifth to a
        # quarter of a build's processor time; the limit keeps a machine of little memory from paying.
        "GOGC": environ.get("GOGC") or "400",
        "GOMEMLIMIT": environ.get("GOMEMLIMIT") or str(memory_share()),
    }


def memory_share() -> int:
    """Bytes of memory one of the programs a build runs at a time may reach before it economises."""
    return psutil.virtual_memory().total // ((os.cpu_count() or 1) + 1)


def first_error(lines: Sequence[str]) -> str:
    """The line of a build's output that says what is wrong."""
    for line in lines:
        text = line.strip()
        if text and not text.startswith(("#", "go: downloading ")) and not _PACKAGE.fullmatch(text):
            return text
    return "no message"


def run_build(
    go: Go,
    order: Order,
    *,
    tick: Callable[[Counts], None],
    cancel: threading.Event | None = None,
) -> None:
    """Run `go build -v` and call `tick` twice a second until it ends.

    The build runs in a process group of its own: when this call is interrupted or cancelled, the
    whole group is stopped before the exception goes on, so that no compiler stays behind.

    Raises:
        UserError: the build failed; the message has its first complaint and the log's path.
        Cancelled: `cancel` was set.
    """
    counts = Counts()
    with order.log.open("w") as sink, _started(go, order) as process:
        assert process.stderr is not None  # noqa: S101 - Popen was given a pipe
        reader = threading.Thread(target=_follow, args=(process.stderr, sink, counts), daemon=True)
        reader.start()
        try:
            while process.poll() is None:
                _heed(cancel)
                tick(counts)
                _wait(process, TICK_SECONDS)
        except BaseException:
            _stop(process)
            raise
        finally:
            reader.join(GRACE_SECONDS)
    if process.returncode:
        said = first_error(order.log.read_text(errors="replace").splitlines())
        raise UserError(f"go build failed (status {process.returncode}): {said}; whole log: {order.log}")


@contextmanager
def aside(go: Go, arguments: Sequence[str], directory: Path) -> Iterator[None]:
    """Run a `go` command beside the block, and end it with the block. Its outcome is of no interest."""
    process = subprocess.Popen(
        _guarded(go, arguments),
        cwd=directory,
        env=dict(go.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    try:
        yield
    finally:
        _stop(process)


def _heed(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled


def _started(go: Go, order: Order) -> subprocess.Popen[str]:
    return subprocess.Popen(
        _guarded(go, ["build", "-v", *order.arguments]),
        cwd=order.directory,
        env=dict(go.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        process_group=0,
    )


def _guarded(go: Go, arguments: Sequence[str]) -> list[str]:
    # With setpriv the kernel also ends the group when this process is killed outright.
    guard = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv", path=go.environ.get("PATH")) else []
    return [*guard, "sh", "-c", LEADER, "sh", str(go.program), *arguments]


def _follow(stream: IO[str], sink: IO[str], counts: Counts) -> None:
    for line in stream:
        sink.write(line)
        sink.flush()
        counts.take(line.strip())


def _wait(process: subprocess.Popen[Any], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _stop(process: subprocess.Popen[Any]) -> None:
    """End the build's process group: its leader kills the others, and nobody survives the second signal."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        _wait(process, GRACE_SECONDS)
    process.wait()
