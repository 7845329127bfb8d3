"""The volumes of the node: folders it keeps, made before any claim and emptied when a claim is gone."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import yaml

from localcluster.node.layout import STORAGE_CLASS, VOLUMES_DIR

COUNT = 16
SIZE = "8Gi"  # what a claim may ask for; what is written is limited by the disk alone
NAMES = tuple(f"volume-{number:02d}" for number in range(COUNT))
# A pod runs as any user, and fsGroup changes nothing of a hostPath. On this machine nobody comes this far,
# since the node's folder is closed to all but root; in the node there is root, and the pod with the claim.
MODE = 0o777


class Api(Protocol):
    """What is asked of the API server. The last two answer why it could not be done, or nothing."""

    def list_volumes(self) -> dict[str, Any]: ...
    def delete_volumes(self, names: Sequence[str]) -> str: ...
    def apply(self, text: str) -> str: ...


def make_folders(root: Path) -> None:
    """Make the folder of each volume that has none. One that is there keeps its content and its mode."""
    root.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        if not (root / name).is_dir():
            _make_folder(root / name)


def renew(root: Path, api: Api) -> str:
    """Have every volume whose claim is gone empty and offered again; why it could not be done, or nothing.

    The object goes first and comes back last. In between no claim can get the volume, and where this is
    cut off the next call goes on: a folder without an object is nobody's and is emptied too.
    """
    listed = api.list_volumes()
    if "items" not in listed:
        return "the API server does not list them"
    there = {item["metadata"]["name"] for item in listed["items"]}
    unused = to_renew(listed)
    if not unused:
        return ""
    if reason := api.delete_volumes([name for name in unused if name in there]):
        return reason
    try:
        for name in unused:
            _empty_folder(root / name)
    except OSError as error:
        return str(error)
    return api.apply(manifests(unused))


def to_renew(listed: dict[str, Any]) -> tuple[str, ...]:
    """Which volumes were released by their claim or have no object; never one that is or may be in use."""
    phases = {item["metadata"]["name"]: item.get("status", {}).get("phase") for item in listed["items"]}
    return tuple(name for name in NAMES if phases.get(name, "Released") == "Released")


def manifests(names: Sequence[str]) -> str:
    """The PersistentVolume objects of these names."""
    return yaml.safe_dump_all((_manifest(name) for name in names), sort_keys=False)


def _manifest(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": STORAGE_CLASS,
            "hostPath": {"path": str(VOLUMES_DIR / name), "type": "Directory"},
        },
    }


def _empty_folder(folder: Path) -> None:
    if folder.is_dir():
        shutil.rmtree(folder)
    _make_folder(folder)


def _make_folder(folder: Path) -> None:
    """In one rename, so that a folder which is there has its mode."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = folder.with_name(f".{folder.name}.new")
    scratch.mkdir(exist_ok=True)
    scratch.chmod(MODE)
    scratch.rename(folder)
