"""Istio's Helm charts and other files, taken from the very module its programs are built from."""

import os
import shutil
from pathlib import Path

from filelock import FileLock

from localcluster.tools.golang import find_go
from localcluster.tools.pins import read_pins
from localcluster.tools.store import copy_writable
from ops.errors import UserError
from ops.paths import CHECKOUT, atomic_dir, cache_root
from ops.progress import Progress

MODULE = "istio.io/istio"
# The plain name of each chart, and its folder under manifests/charts of the module.
CHARTS = {
    "base": "base",
    "istiod": "istio-control/istio-discovery",
    "cni": "istio-cni",
    "gateway": "gateway",
}


def ensure(progress: Progress, *, cache: Path | None = None, checkout: Path = CHECKOUT) -> Path:
    """The folder that holds the charts `base`, `istiod`, `cni` and `gateway`."""
    root = cache or cache_root()
    target = root / "charts" / read_pins(checkout).istio_revision
    if _whole(target):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if not _whole(target):
            _unpack(target, root, checkout, progress)
    return target


def _whole(target: Path) -> bool:
    return all((target / name / "Chart.yaml").is_file() for name in CHARTS)


def _unpack(target: Path, root: Path, checkout: Path, progress: Progress) -> None:
    with progress.step("Istio's charts"):
        sources = istio_dir(cache=root, checkout=checkout) / "manifests" / "charts"
        shutil.rmtree(target, ignore_errors=True)  # there, yet not whole: someone removed a part of it
        with atomic_dir(target) as scratch:
            for name, folder in CHARTS.items():
                copy_writable(sources / folder, scratch / name)


def istio_dir(*, cache: Path | None = None, checkout: Path = CHECKOUT) -> Path:
    """The sources of the pinned Istio; fetched from the module proxy when they are not there yet."""
    go = find_go(dict(os.environ), cache or cache_root())
    return go.module_dir(MODULE, checkout / "localcluster" / "tools" / "node")


def istio_file(relative: str) -> Path:
    """One file of the pinned Istio, e.g. `tools/packaging/common/envoy_bootstrap.json`."""
    path = istio_dir() / relative
    if not path.is_file():
        raise UserError(f"{MODULE}: has no file {relative} at the pinned version")
    return path
