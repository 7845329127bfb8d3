"""Digests come from a real registry, and the stack file keeps everything else as it was."""

import hashlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from oras.provider import Registry  # type: ignore[import-untyped]

from components.model import stackfile
from localcluster.node import rootfs
from ops import pin
from ops.errors import UserError
from ops.paths import CHECKOUT
from ops.progress import Progress
from tests.model.examples import CANARY, plan, settings

DIGEST = "sha256:" + "a" * 64
CONFIG = """
version: 0.1
storage: {filesystem: {rootdirectory: %s}}
http: {addr: 127.0.0.1:%d}
"""


def test_every_image_is_found_init_containers_too() -> None:
    found = pin.images(settings({"images": "ghcr.io/acme/pitstop"}, CANARY))
    assert "ghcr.io/acme/pitstop/customermanagementapi:2.0" in found
    assert any(image.startswith("docker.io/library/busybox:") for image in found)
    assert any("mssql/server" in image for image in found)


def test_a_pinned_image_runs_by_its_digest_wherever_it_stands() -> None:
    tagged = "ghcr.io/acme/pitstop/webapp:1.0"
    source = {"images": "ghcr.io/acme/pitstop"}
    waiting = next(image for image in pin.images(settings(source)) if "busybox" in image)
    made = plan({**source, "pins": {tagged: DIGEST, waiting: DIGEST}})
    texts = [str(one.document()) for one in made.objects()]
    assert not any(f"{tagged}'" in text or f"{waiting}'" in text for text in texts)
    assert any(f"{tagged}@{DIGEST}" in text for text in texts)
    assert any(f"{waiting}@{DIGEST}" in text for text in texts)


def test_what_is_pinned_is_asked_for_again_by_its_tag() -> None:
    tagged = "ghcr.io/acme/pitstop/webapp:1.0"
    assert tagged in pin.images(settings({"images": "ghcr.io/acme/pitstop", "pins": {tagged: DIGEST}}))


def test_comments_and_order_of_the_stack_file_stay(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.local.yaml"
    before = (CHECKOUT / file.name).read_text()
    file.write_text(before)
    pin.write(file, {"ghcr.io/acme/webapp:1.0": DIGEST})
    after = file.read_text()
    assert stackfile.load(file).pins == {"ghcr.io/acme/webapp:1.0": DIGEST}
    assert [line for line in before.splitlines() if line not in after.splitlines()] == []
    pin.write(file, {})
    assert stackfile.load(file).pins == {}


def test_made_on_this_machine_there_is_nothing_to_pin() -> None:
    with pytest.raises(UserError, match="made on this machine"):
        pin.pin("local")


def test_a_registry_that_does_not_answer_is_one_line_and_nothing_is_written() -> None:
    with pytest.raises(UserError, match=r"^127.0.0.1:9/a:1: .*does not answer .*; nothing was written$"):
        pin.resolve(["127.0.0.1:9/a:1"], insecure=True)


@pytest.fixture
def registry(tmp_path: Path, free_tcp_port: int) -> Iterator[str]:
    """Debian's docker-registry, on loopback."""
    tree = rootfs.unpacked(("docker-registry",), "the tests", Progress())
    config = tmp_path / "registry.yaml"
    config.write_text(CONFIG % (tmp_path / "store", free_tcp_port))
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            [tree / "usr/bin/docker-registry", "serve", config], stdout=log, stderr=log
        ) as process,
    ):
        _wait(f"http://127.0.0.1:{free_tcp_port}/v2/")
        yield f"127.0.0.1:{free_tcp_port}"
        process.terminate()


def _wait(url: str) -> None:
    for _ in range(100):
        try:
            httpx2.get(url).raise_for_status()
        except httpx2.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{url} does not answer")


@pytest.mark.tools
def test_a_tag_has_the_digest_of_its_manifest(registry: str, tmp_path: Path) -> None:
    name, layer = f"{registry}/acme/webapp:1.0", tmp_path / "layer"
    layer.write_text("a layer")
    client = Registry(hostname=registry, insecure=True)
    client.push(target=name, files=[str(layer)], disable_path_validation=True)
    manifest = httpx2.get(
        f"http://{registry}/v2/acme/webapp/manifests/1.0", headers={"Accept": ", ".join(pin.KINDS)}
    )
    expected = "sha256:" + hashlib.sha256(manifest.content).hexdigest()
    assert pin.resolve([name], insecure=True) == {name: expected}
    with pytest.raises(UserError, match=r"acme/webapp:2.0: the registry answers 404"):
        pin.resolve([name, f"{registry}/acme/webapp:2.0"], insecure=True)
