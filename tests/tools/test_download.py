import hashlib
import io
import tarfile
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from localcluster.tools.catalogue import Tool
from localcluster.tools.download import Downloader, Platform, Unavailable, answers, published_digest
from localcluster.tools.store import Store
from ops.errors import UserError
from tests.tools.conftest import LINUX, Machine, Server


def archive(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def path_of(url: str) -> str:
    return "/" + LINUX.fill(url).split("/", 3)[3]


def publish(server: Server, tool: Tool, content: bytes, *, checksum: str | None = None) -> None:
    """Put a release file and its checksum where the tool's download looks for them."""
    assert tool.download is not None
    path = path_of(tool.download.url)
    server.files[path] = content
    digest = checksum or hashlib.new(tool.download.digest, content).hexdigest()
    server.files[path_of(tool.download.checksums)] = f"{digest}  {path.rpartition('/')[2]}\n".encode()


@pytest.fixture
def tool(machine: Machine, server: Server) -> Tool:
    machine.releases_from(server.base)
    return machine.catalogue.tool("etcd")


@pytest.fixture
def downloader(machine: Machine) -> Downloader:
    return Downloader(Store(cache=machine.cache), LINUX, machine.progress)


def leftovers(machine: Machine) -> list[str]:
    return [entry.name for entry in (machine.cache / "tools").iterdir() if not entry.name.startswith(".lock")]


def test_a_verified_program_out_of_an_archive(tool: Tool, server: Server, downloader: Downloader) -> None:
    assert tool.download is not None
    assert tool.download.member is not None
    publish(server, tool, archive({"README": b"hello", LINUX.fill(tool.download.member): b"the program"}))
    downloader.fetch([tool], number=1, total=1)
    program = downloader.target(tool, tool.download) / "etcd"
    assert program.read_bytes() == b"the program"
    assert program.stat().st_mode & 0o777 == 0o755
    asked = list(server.asked)
    downloader.fetch([tool], number=1, total=1)
    assert server.asked == asked


def test_a_program_that_is_the_file_itself(machine: Machine, server: Server, downloader: Downloader) -> None:
    machine.releases_from(server.base)
    kubelet = machine.catalogue.tool("kubelet")
    assert kubelet.download is not None
    publish(server, kubelet, b"kubelet")
    server.files[path_of(kubelet.download.checksums)] = hashlib.sha256(b"kubelet").hexdigest().encode()
    downloader.fetch([kubelet], number=1, total=1)
    assert (downloader.target(kubelet, kubelet.download) / "kubelet").read_bytes() == b"kubelet"


def test_pulumi_its_language_host_and_the_script_come_out_of_one_archive(
    machine: Machine, server: Server, downloader: Downloader
) -> None:
    machine.releases_from(server.base)
    unit = machine.catalogue.select(["pulumi"])
    names = ["pulumi", "pulumi-language-python", "pulumi-language-python-exec"]
    publish(server, unit[0], archive({f"pulumi/{name}": name.encode() for name in names}))
    downloader.fetch(unit, number=1, total=1)
    assert len([asked for asked in server.asked if "tar.gz" in asked]) == 1
    host = unit[1]
    assert host.download is not None
    assert sorted(p.name for p in downloader.target(host, host.download).iterdir()) == names[1:]


def test_a_wrong_checksum_is_refused_and_leaves_nothing(
    tool: Tool, server: Server, downloader: Downloader, machine: Machine
) -> None:
    publish(server, tool, archive({"etcd": b"evil"}), checksum="0" * 64)
    with pytest.raises(
        UserError, match=r"its sha256 is [0-9a-f]{64}, published is 0{64}; .*PITSTOP_TOOLS=build"
    ):
        downloader.fetch([tool], number=1, total=1)
    assert leftovers(machine) == []


def test_an_interrupted_download_is_unavailable_and_leaves_nothing(
    tool: Tool, server: Server, downloader: Downloader, machine: Machine
) -> None:
    assert tool.download is not None

    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"only this")

    publish(server, tool, b"")
    server.special[path_of(tool.download.url)] = cut
    with pytest.raises(Unavailable):
        downloader.fetch([tool], number=1, total=1)
    assert leftovers(machine) == []


def test_an_archive_without_the_program(tool: Tool, server: Server, downloader: Downloader) -> None:
    publish(server, tool, archive({"README": b"nothing else"}))
    with pytest.raises(Unavailable, match=r"has no etcd-v.*/etcd"):
        downloader.fetch([tool], number=1, total=1)


def test_not_found(tool: Tool, downloader: Downloader) -> None:
    with pytest.raises(Unavailable, match="answered 404"):
        downloader.fetch([tool], number=1, total=1)


@pytest.mark.parametrize("text", ["", "<html>Please log in</html>", "0123  {file}"])
def test_no_usable_checksum(tool: Tool, server: Server, downloader: Downloader, text: str) -> None:
    assert tool.download is not None
    publish(server, tool, b"whatever")
    filename = path_of(tool.download.url).rpartition("/")[2]
    server.files[path_of(tool.download.checksums)] = text.format(file=filename).encode()
    with pytest.raises(Unavailable, match="has no sha256 for"):
        downloader.fetch([tool], number=1, total=1)


def test_a_silent_host_is_asked_once(machine: Machine, downloader: Downloader) -> None:
    tool = machine.catalogue.tool("etcd")
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9: "):
        downloader.fetch([tool], number=1, total=1)
    with pytest.raises(Unavailable, match="did not answer before"):
        downloader.fetch([tool], number=1, total=1)


def test_the_probe(server: Server) -> None:
    server.files["/there"] = b"x"
    assert answers(f"{server.base}/there")
    assert not answers(f"{server.base}/missing")
    assert not answers("http://127.0.0.1:9/refused")


def test_a_slow_probe_is_given_up_in_time(server: Server) -> None:
    def slow(_: BaseHTTPRequestHandler) -> None:
        time.sleep(1.5)

    server.special["/slow"] = slow
    started = time.monotonic()
    assert not answers(f"{server.base}/slow", seconds=0.3)
    assert time.monotonic() - started < 1.0


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ("ab  other.tgz\ncd  file.tgz\n", "cd"),
        ("CD *file.tgz", "cd"),
        ("cd  ./dist/file.tgz", "cd"),
        ("cd", "cd"),
        ("cd\nef", None),
        ("ab  other.tgz", None),
        ("", None),
    ],
)
def test_published_digest(text: str, digest: str | None) -> None:
    assert published_digest(text, "file.tgz") == digest


@pytest.mark.parametrize(
    ("machine_name", "filled"), [("amd64", "linux amd64 x64"), ("arm64", "linux arm64 arm64")]
)
def test_platform_names(machine_name: str, filled: str) -> None:
    assert Platform(os="linux", arch=machine_name).fill("{os} {arch} {x64}") == filled


def test_another_version_is_kept_elsewhere(tool: Tool, downloader: Downloader, tmp_path: Path) -> None:
    assert tool.download is not None
    newer = tool.download.model_copy(update={"url": tool.download.url.replace("etcd-v3", "etcd-v4")})
    assert downloader.target(tool, tool.download) != downloader.target(tool, newer)
    assert tmp_path in downloader.target(tool, newer).parents
