"""Official release files, taken only when their published checksum says they are whole."""

import hashlib
import platform
import shutil
import tarfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
from pydantic import BaseModel, ConfigDict

from localcluster.tools.catalogue import Download, Tool
from localcluster.tools.store import Store, installed, lock
from ops.errors import UserError
from ops.paths import input_key
from ops.progress import Progress

PROBE_SECONDS = 2.5
TIMEOUT = httpx2.Timeout(20.0, connect=3.0)
CHUNK = 1 << 20

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class Unavailable(Exception):  # noqa: N818 - a fact about the network, which the caller has an answer to
    """The file cannot be had here: no answer, not found, or no checksum for it."""


class Platform(BaseModel):
    """This machine, in the words release files use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    os: str
    arch: str

    def fill(self, template: str) -> str:
        return template.format(os=self.os, arch=self.arch, x64={"amd64": "x64"}.get(self.arch, self.arch))


def this_platform() -> Platform:
    machine = platform.machine().lower()
    return Platform(os=platform.system().lower(), arch=_ARCHITECTURES.get(machine, machine))


def answers(url: str, seconds: float = PROBE_SECONDS) -> bool:
    """Whether the internet is there: one HEAD, given up after `seconds` whatever hangs.

    In a thread, because a resolver that never answers ignores every timeout of the client.
    """
    said: list[bool] = []

    def ask() -> None:
        try:
            said.append(httpx2.head(url, timeout=seconds).status_code < 400)
        except httpx2.HTTPError:
            said.append(False)

    asker = threading.Thread(target=ask, daemon=True)
    asker.start()
    asker.join(seconds)
    return bool(said and said[0])


def published_digest(text: str, filename: str) -> str | None:
    """The digest a checksum file gives for `filename`; a file with a lone digest speaks of its only file."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    for row in rows:
        if len(row) == 2 and row[1].lstrip("*").rpartition("/")[2] == filename:
            return row[0].lower()
    return rows[0][0].lower() if len(rows) == 1 and len(rows[0]) == 1 else None


class Downloader:
    """Fetches tools; remembers hosts that did not answer, so that nobody waits for one twice."""

    def __init__(self, store: Store, machine: Platform, progress: Progress) -> None:
        self._store = store
        self._machine = machine
        self._progress = progress
        self._silent: set[str] = set()

    def target(self, tool: Tool, source: Download) -> Path:
        """The folder a download of this tool is kept in."""
        url = self._machine.fill(source.url)
        return self._store.folder(tool.name, input_key("download", url, source.member or ""))

    def fetch(self, tools: Sequence[Tool], *, number: int, total: int) -> None:
        """Fetch the tools of one unit, which share one release file.

        Raises:
            Unavailable: it cannot be had from here.
            UserError: it is there, but is not what its makers published.
        """
        sources = [(tool, tool.download) for tool in tools if tool.download]
        with lock(self._store, tools[0].unit, self._progress):
            if all(installed(self.target(tool, source), tool.name) for tool, source in sources):
                return
            title = f"download {' '.join(tool.name for tool in tools)}"
            with (
                self._progress.step(title, number, total),
                self._store.workshop(f"download-{tools[0].unit}") as work,
            ):
                self._fetch(sources, work)

    def _fetch(self, sources: Sequence[tuple[Tool, Download]], work: Path) -> None:
        first = sources[0][1]
        url, checksums = self._machine.fill(first.url), self._machine.fill(first.checksums)
        filename = urlsplit(url).path.rpartition("/")[2]
        length = hashlib.new(first.digest).digest_size * 2
        expected = published_digest(self._text(checksums), filename)
        if expected is None or len(expected) != length:
            raise Unavailable(f"{checksums} has no {first.digest} for {filename}")
        found = self._file(url, work / filename, first.digest)
        if found != expected:
            raise UserError(
                f"{url}: its {first.digest} is {found}, published is {expected}; "
                "run again, or build the tools instead: PITSTOP_TOOLS=build"
            )
        for tool, source in sources:
            stage = work / f"stage-{tool.name}"
            stage.mkdir()
            self._unpack(tool, source, work / filename, stage)
            self._store.install(stage, self.target(tool, source))

    def _unpack(self, tool: Tool, source: Download, file: Path, stage: Path) -> None:
        if source.member is None:
            file.rename(stage / tool.name)
            (stage / tool.name).chmod(0o755)
            return
        member = self._machine.fill(source.member)
        folder = member.rpartition("/")[0]
        wanted = {tool.name: member} | {
            companion.name: f"{folder}/{companion.name}".lstrip("/") for companion in tool.companions
        }
        with tarfile.open(file) as archive:
            present = {name.removeprefix("./"): name for name in archive.getnames()}
            for name, path in wanted.items():
                content = archive.extractfile(present[path]) if path in present else None
                if content is None:
                    raise Unavailable(f"{file.name} has no {path}")
                with (stage / name).open("wb") as sink:
                    shutil.copyfileobj(content, sink, CHUNK)
                (stage / name).chmod(0o755)

    def _text(self, url: str) -> str:
        with self._answer(url) as response:
            response.read()
            return response.text

    def _file(self, url: str, target: Path, digest: str) -> str:
        counted = hashlib.new(digest)
        with self._answer(url) as response, target.open("wb") as sink:
            for chunk in response.iter_bytes(CHUNK):
                sink.write(chunk)
                counted.update(chunk)
        return counted.hexdigest()

    @contextmanager
    def _answer(self, url: str) -> Iterator[httpx2.Response]:
        host = urlsplit(url).netloc
        if host in self._silent:
            raise Unavailable(f"{host} did not answer before")
        try:
            with httpx2.stream("GET", url, timeout=TIMEOUT, follow_redirects=True) as response:
                response.raise_for_status()
                yield response
        except httpx2.HTTPStatusError as error:
            raise Unavailable(f"{url} answered {error.response.status_code}") from None
        except (httpx2.ConnectError, httpx2.TimeoutException) as error:
            self._silent.add(host)
            raise Unavailable(f"{host}: {error or type(error).__name__}") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unavailable(f"{url}: {error or type(error).__name__}") from None
