"""A machine of its own for every test: a `go` that only pretends, a cache, and a release server."""

import io
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from localcluster.tools.catalogue import Catalogue, Download, catalogue
from localcluster.tools.download import Platform
from localcluster.tools.pins import read_pins
from localcluster.tools.space import GB
from localcluster.tools.toolbox import Surroundings
from ops.paths import CHECKOUT
from ops.progress import Progress

LINUX = Platform(os="linux", arch="amd64")

# Writes down what it was asked for and makes a file for each package, as `go build` would.
FAKE_GO = r"""
import json, os, pathlib, re, subprocess, sys, time
here = pathlib.Path(sys.argv[0]).parent
arguments = sys.argv[1:]
if arguments == ["version"]:
    print("go version " + os.environ.get("FAKE_GO_VERSION", "go1.26.8") + " linux/amd64")
    sys.exit()
with (here / "calls").open("a") as calls:
    calls.write(json.dumps({"arguments": arguments, "cwd": os.getcwd(), "env": dict(os.environ)}) + "\n")
if arguments[0] == "env":
    print(os.environ.get("FAKE_GO_VERSION", "go1.26.8"))
elif arguments[0] == "mod":
    if not (here / "module").exists():
        sys.exit("go: module not found: no answer from the proxy")
    print(json.dumps({"Dir": str(here / "module")}))
elif arguments[0] == "build":
    print("go: downloading example.org/one v1.0.0", file=sys.stderr)
    print("example.org/one/package", file=sys.stderr, flush=True)
    if os.environ.get("FAKE_GO_FAIL"):
        sys.exit("# example.org/one/package\none.go:1:1: undefined: everything")
    if os.environ.get("FAKE_GO_SLEEP"):
        compiler = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        (here / "pids").write_text(f"{os.getpid()} {compiler.pid}")
        time.sleep(60)
    if touched := os.environ.get("FAKE_GO_TOUCH"):
        pathlib.Path(touched).touch()
    time.sleep(float(os.environ.get("FAKE_GO_DELAY", "0")))
    out = pathlib.Path(arguments[arguments.index("-o") + 1])
    for package in arguments[arguments.index("-o") + 2:]:
        name = [part for part in package.split("/") if not re.fullmatch(r"v\d+", part)][-1]
        program = out / (pathlib.Path.cwd().name if name == "." else name)
        program.write_text("#!/bin/sh\necho built\n")
        program.chmod(0o755)
"""


def script(path: Path, text: str) -> Path:
    """An executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def says(path: Path, line: str) -> Path:
    """A program that prints one line, whatever it is asked."""
    return script(path, f"#!/bin/sh\necho '{line}'\n")


class Machine:
    """A pretended machine: its PATH, its home, its Go, its disk."""

    def __init__(self, root: Path) -> None:
        self.bin = root / "bin"
        self.home = root / "home"
        self.cache = root / "cache"
        self.checkout = CHECKOUT
        self.catalogue: Catalogue = catalogue(read_pins(CHECKOUT))
        self.free = 100 * GB
        self.environ = {"PATH": f"{self.bin}:{root / 'system'}", "HOME": str(self.home)}
        self.output = io.StringIO()
        self.progress = Progress(Console(file=self.output, width=200, highlight=False))
        for folder in (self.bin, self.home, self.cache, root / "system"):
            folder.mkdir(exist_ok=True)
        for name in ("sh", "sleep", "setpriv"):  # nothing else of the real machine is on its PATH
            program, link = shutil.which(name), root / "system" / name
            if program and not link.exists():
                link.symlink_to(program)
        if not (self.bin / "go").exists():
            script(self.bin / "go", f"#!{sys.executable}\n{FAKE_GO}")

    @property
    def around(self) -> Surroundings:
        return Surroundings(
            cache=self.cache,
            checkout=self.checkout,
            environ=self.environ,
            home=self.home,
            machine=LINUX,
            catalogue=self.catalogue,
            free=lambda _: self.free,
        )

    @property
    def go_calls(self) -> str:
        """Everything `go` was asked for, `go version` left out."""
        calls = self.bin / "calls"
        return calls.read_text() if calls.exists() else ""

    def releases_from(self, base: str) -> None:
        """Let every official download come from `base`."""

        def moved(download: Download | None) -> Download | None:
            return download and download.model_copy(
                update={
                    "url": _rebase(download.url, base),
                    "checksums": _rebase(download.checksums, base),
                }
            )

        tools = tuple(t.model_copy(update={"download": moved(t.download)}) for t in self.catalogue.tools)
        self.catalogue = self.catalogue.model_copy(update={"tools": tools})


def _rebase(url: str, base: str) -> str:
    return base + "/" + url.split("/", 3)[3]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A pretended machine whose internet does not answer."""
    made = Machine(tmp_path)
    made.releases_from("http://127.0.0.1:9")  # the discard port: refused at once
    return made


Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """A release server on loopback: `files` by path, `special` answers by path, and what was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.special: dict[str, Answer] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self._serve(body=False)

            def do_GET(self) -> None:
                self._serve(body=True)

            def _serve(self, *, body: bool) -> None:
                outer.asked.append(f"{self.command} {self.path}")
                if self.path in outer.special:
                    outer.special[self.path](self)
                    return
                content = outer.files.get(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                if body and content:
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "*")
    made = Server()
    yield made
    made.close()
