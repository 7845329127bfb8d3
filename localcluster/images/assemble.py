"""Make the archive of all images, once for the same inputs."""

import platform
import subprocess
from pathlib import Path
from typing import Protocol

from filelock import FileLock

from localcluster.images import catalogue, debian, envoy
from localcluster.images.spec import REGISTRY, Architecture, Order
from localcluster.node import rootfs
from localcluster.tools.pins import read_pins
from ops.errors import UserError
from ops.paths import CHECKOUT, atomic_dir, cache_root, input_key
from ops.progress import Progress

TOOLS = (*catalogue.PROGRAMS, "images")
BOOTSTRAP = "tools/packaging/common/envoy_bootstrap.json"
ARCHIVE = "images.tar"
# Source: https://github.com/fortio/fortio/blob/v1.66.5/Makefile
PUBLIC_FORTIO = "docker.io/fortio/fortio"
KEPT = 3  # archives of about half a gigabyte each: other checkouts', and a way back from the last change

_MACHINES: dict[str, Architecture] = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
}


class Programs(Protocol):
    """Where programs are; a toolbox that has all of `TOOLS` will do."""

    def path(self, name: str) -> Path:
        """The program of this name."""
        ...


def names() -> tuple[str, ...]:
    """Every image in the archive, as containerd and manifests name it."""
    return catalogue.tags(versions())


def fortio(*, public: bool = False) -> str:
    """The image of the load tool; the `public` one is upstream's of the same version, with the same entry."""
    return f"{PUBLIC_FORTIO if public else f'{REGISTRY}/fortio'}:{versions().fortio}"


def versions() -> catalogue.Versions:
    """The versions this checkout pins."""
    pins = read_pins(CHECKOUT)
    return catalogue.Versions(
        istio=pins.istio_revision,
        coredns=pins.module("node", "github.com/coredns/coredns"),
        fortio=pins.module("node", "fortio.org/fortio"),
        envoy=envoy.version(),
    )


def ensure(programs: Programs, root: Path | None, bootstrap: Path, progress: Progress) -> Path:
    """The archive of all images; made when any file in it, or how it is made, has changed.

    Args:
        programs: has every program in `TOOLS`, built for Linux on this processor type.
        root: the node's file tree: iptables and the shared libraries come from it. None where there
            is none, for want of apt; the sidecar then lies on an image from a registry, and RabbitMQ is
            a stand-in.
        bootstrap: the file `BOOTSTRAP` of Istio's sources.
        progress: told about fetching Envoy and packages, and assembling.

    Raises:
        UserError: this processor type has no images, or something cannot be fetched.
    """
    order = compose(programs, root, bootstrap, progress)
    assembler = programs.path("images")
    # A file tree's list of packages stands for everything the assembler takes from it.
    packages = [tree / "packages.txt" for tree in sorted(order.trees)]
    key = input_key(order.model_dump_json(), assembler, *packages, *order.sources)
    folder = cache_root() / "images" / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder.parent}.lock"):
        if not folder.is_dir():
            with progress.step(f"assembling {len(order.images)} images"), atomic_dir(folder) as scratch:
                _assemble(assembler, order, scratch / ARCHIVE)
        folder.touch()
        _prune(folder.parent)
    return folder / ARCHIVE


def compose(programs: Programs, root: Path | None, bootstrap: Path, progress: Progress) -> Order:
    """What the archive is to hold, from the files of this machine."""
    architecture = _architecture(platform.machine())
    parts = catalogue.Parts(
        programs={name: programs.path(name) for name in catalogue.PROGRAMS},
        envoy=envoy.ensure(architecture, progress),
        bootstrap=bootstrap,
        root=root,
        plugins=() if root is None else tuple(sorted(root.glob("usr/lib/*/xtables/lib*.so"))),
        debian=None if root is None else rootfs.unpacked(debian.PACKAGES, "the images", progress),
    )
    return catalogue.order(parts, versions(), architecture)


def _architecture(machine: str) -> Architecture:
    try:
        return _MACHINES[machine.lower()]
    except KeyError:
        raise UserError(
            f"processor type {machine!r}: images can be made for x86_64 and aarch64; "
            "set PITSTOP_KUBECONFIG=~/.kube/config#context to use a cluster elsewhere"
        ) from None


def _assemble(assembler: Path, order: Order, archive: Path) -> None:
    done = subprocess.run(
        [assembler, "-o", archive],
        input=order.model_dump_json(exclude_none=True),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UserError(f"the images could not be assembled: {done.stderr.strip()}")


def _prune(folder: Path) -> None:
    """Remove all but the archives used last; a reader keeps the file it has open."""
    archives = sorted(folder.glob("*/" + ARCHIVE), key=lambda archive: archive.parent.stat().st_mtime)
    for archive in archives[:-KEPT]:
        archive.unlink(missing_ok=True)
        archive.parent.rmdir()
