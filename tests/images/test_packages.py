"""Packages for the images and for the node are unpacked apart, once each."""

import platform
from pathlib import Path

import pytest

from localcluster.images import debian
from localcluster.node import rootfs
from ops.errors import UserError
from ops.paths import cache_root, input_key
from ops.progress import Progress


@pytest.fixture(autouse=True)
def without_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITSTOP_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "debian", "VERSION_ID": "12"})


def cached(*names: str) -> Path:
    """A tree that an earlier run unpacked; the form of its key is what caches out there have."""
    folder = cache_root() / "rootfs" / input_key(rootfs.RECIPE, platform.machine(), "debian 12", *names)
    folder.mkdir(parents=True)
    return folder


def test_the_tree_of_an_earlier_run_is_found_without_apt() -> None:
    node, packages = cached(*rootfs.PACKAGES), cached(*debian.PACKAGES)
    assert rootfs.ensure(Progress()) == node
    assert rootfs.unpacked(debian.PACKAGES, "the images", Progress()) == packages
    assert node != packages


def test_the_tree_of_other_packages_is_not_taken() -> None:
    cached(*rootfs.PACKAGES)
    with pytest.raises(UserError, match="no apt-get here"):
        rootfs.unpacked(debian.PACKAGES, "the images", Progress())
