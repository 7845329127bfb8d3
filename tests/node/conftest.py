"""A node of the tests' own, beside whatever else runs on this machine."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from localcluster import images
from localcluster.images.spec import Entry, Image, Layer, Order
from localcluster.node import rootfs, select
from localcluster.node.embedded import EmbeddedNode
from localcluster.node.layout import TOOLS
from localcluster.node.state import Tools
from localcluster.tools import charts, toolbox
from ops.errors import UserError
from ops.paths import cache_root
from ops.progress import Progress
from tests.node.harness import WEBAPP, Cluster


@pytest.fixture(scope="session")
def tools() -> Tools:
    try:
        choice = select.decide(select.look())
    except UserError as error:
        pytest.skip(str(error))
    if not isinstance(choice, select.Embedded):
        pytest.skip(choice.reason if isinstance(choice, select.Kind) else "another cluster was named")
    return toolbox.ensure((*TOOLS, "kubeadm"), Progress())


@pytest.fixture(scope="session")
def archive() -> Path:
    progress = Progress()
    programs = toolbox.ensure(images.TOOLS, progress)
    bootstrap = charts.istio_file(images.BOOTSTRAP)
    return images.ensure(programs, rootfs.ensure(progress), bootstrap, progress)


@pytest.fixture(scope="session")
def homes() -> Iterator[Path]:
    """Where the nodes of this run live; nothing is left of it."""
    folder = cache_root() / "tests" / f"{os.getpid()}"
    _remove_left_behind(folder.parent)
    folder.mkdir(parents=True)
    yield folder
    folder.rmdir()
    with suppress(OSError):  # another run has its own beside it
        folder.parent.rmdir()


def _remove_left_behind(folder: Path) -> None:
    """A test run that was killed could not end its nodes."""
    for run in folder.glob("[0-9]*"):
        if not Path("/proc", run.name).exists():
            for home in run.glob("[a-z]*"):
                EmbeddedNode(home).destroy()
            shutil.rmtree(run, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(tools: Tools, archive: Path, homes: Path) -> Iterator[Cluster]:
    """One node with the web application in it, for the whole run."""
    made = Cluster(EmbeddedNode(homes / "node"), tools, (archive,))
    try:
        made.start()
        made.kubectl("apply", "--filename=-", text=WEBAPP)
        for name in ("default/webapp", "kube-system/coredns"):
            namespace, _, deployment = name.partition("/")
            made.kubectl(
                "rollout", "status", f"deployment/{deployment}", f"--namespace={namespace}", "--timeout=60s"
            )
        yield made
    finally:
        made.node.destroy()


@pytest.fixture(scope="session")
def shell_image(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with a shell in it, in the node; the images of the project have none."""
    root = rootfs.ensure(Progress())
    programs = {"sh": "dash", "cat": "cat", "sleep": "sleep"}
    files = {f"/bin/{name}": root / "usr" / "bin" / file for name, file in programs.items()}
    entries = tuple(Entry(path=path, source=source) for path, source in files.items())
    order = Order(
        architecture="arm64" if platform.machine() in {"aarch64", "arm64"} else "amd64",
        layers={"shell": Layer(entries=entries, programs=tuple(files.values()), root=root)},
        images=(
            Image(
                tag="pitstop.local/tests/shell:1", layers=("shell",), entrypoint=("/bin/sh",), user="10001"
            ),
        ),
    )
    archive = tmp_path_factory.mktemp("images") / "shell.tar"
    assembler = toolbox.ensure(["images"], Progress()).path("images")
    subprocess.run(
        [assembler, "-o", archive], input=order.model_dump_json(exclude_none=True), text=True, check=True
    )
    cluster.node.import_images(archive)
    return order.images[0].tag


@pytest.fixture
def empty(tools: Tools, homes: Path) -> Iterator[Cluster]:
    """A second node, not started and without images."""
    made = Cluster(EmbeddedNode(homes / "second"), tools, ())
    try:
        yield made
    finally:
        made.node.destroy()
