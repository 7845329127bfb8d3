"""The folder a node keeps: its configuration, what lasts across a reboot, and what is remembered of it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from localcluster.node import certificates, files, volumes
from localcluster.node.layout import (
    CNI_BIN_DIR,
    CNI_CONF_DIR,
    CNI_PLUGINS,
    CNI_PLUGINS_DIR,
    NODE_NAME,
    TOOLS,
    VOLUMES_DIR,
)
from localcluster.node.machine import BOOT
from localcluster.node.services import Addition
from ops.paths import input_key

CNI_CONFIG = CNI_CONF_DIR / f"10-{NODE_NAME}.conflist"


class Tools(Protocol):
    """Where the node's own programs are, by name."""

    def path(self, name: str) -> Path: ...


class Record(BaseModel):
    """The inputs a node was last started with, its loopback ports, and whether that start reached its end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: str
    api_port: int
    http_port: int
    https_port: int | None = None  # None: of a start before there was one
    complete: bool = False
    kept: bool = False  # an earlier start reached its end, so there is state that somebody may miss

    @property
    def ports(self) -> tuple[int, int, int | None]:
        """The loopback ports, in the order of `ports.VARIABLES`."""
        return (self.api_port, self.http_port, self.https_port)

    @property
    def worth_keeping(self) -> bool:
        """Whether any start of this node ever reached its end."""
        return self.complete or self.kept


class State:
    """Everything of a node that is a file; its folder is closed to others, since keys are in it."""

    def __init__(self, home: Path, additions: Sequence[Addition] = ()) -> None:
        self.home = home
        self.additions = tuple(additions)
        self.kubeconfig = home / "kubeconfig"
        self.logs = home / "log"
        self.boot_log = home / "boot.log"
        self.imported = home / "images.json"
        self.kubernetes = home / "etc" / "kubernetes"
        self.volumes = self._inside(VOLUMES_DIR)
        self._record = home / "node.json"

    def inputs(self, tools: Tools, root: Path) -> str:
        """A key over all that shapes a running node: when it changes, the node is started anew."""
        rendered = [f"{path}\n{text}" for path, text in sorted(self._etc().items())]
        programs = [f"{name} {tools.path(name)}" for name in self._programs()]
        return input_key(BOOT, str(root), files.addons(), *rendered, *programs)

    def snapshotter(self) -> str:
        """How containers' file systems are put together: `overlayfs`, or copies on a disk without it.

        Tried once, since images that are kept were unpacked for the one that was chosen then.
        """
        chosen = self.home / "snapshotter"
        if not chosen.exists():
            self._make_home()
            write_whole(chosen, "overlayfs" if _overlay_works(self.home) else "native")
        return chosen.read_text()

    def prepare(self, tools: Tools) -> None:
        """Write all a start reads. Certificates, cluster data and images of an earlier start are kept."""
        self._make_home()
        for folder in ("etc", "var", "opt", "log", "root"):
            (self.home / folder).mkdir(exist_ok=True)
        certificates.ensure(tools.path("kubeadm"), self.kubernetes)
        shutil.rmtree(self.home / "etc" / "service", ignore_errors=True)
        for relative, text in self._etc().items():
            target = self.home / "etc" / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            target.chmod(0o755 if relative.parts[0] == "service" else 0o644)
        self._prepare_cni()
        volumes.make_folders(self.volumes)
        _link(self.home / "var" / "run", Path("/run"))
        programs = "".join(f"{name} {tools.path(name)}\n" for name in self._programs())
        (self.home / "tools").write_text(programs)

    def _etc(self) -> dict[PurePosixPath, str]:
        return files.etc(self.snapshotter(), self.additions)

    def _programs(self) -> tuple[str, ...]:
        return (*TOOLS, *(addition.tool for addition in self.additions))

    def _make_home(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)

    def _prepare_cni(self) -> None:
        """The network configuration is written once: Istio adds itself to it; a reboot must not undo that."""
        config = self._inside(CNI_CONFIG)
        if not config.exists():
            config.parent.mkdir(parents=True, exist_ok=True)
            write_whole(config, files.cni())
        for plugin in CNI_PLUGINS:
            _link(self._inside(CNI_BIN_DIR) / plugin, Path(CNI_PLUGINS_DIR / plugin))

    def _inside(self, path: os.PathLike[str]) -> Path:
        return self.home / Path(path).relative_to("/")

    def remember(self, record: Record) -> None:
        """Keep the record, and write the kubeconfig that goes with its port."""
        config = yaml.safe_load((self.kubernetes / "admin.conf").read_text())
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{record.api_port}"
        write_whole(self.kubeconfig, yaml.safe_dump(config, sort_keys=False))
        write_whole(self._record, record.model_dump_json())

    def record(self) -> Record | None:
        """What was remembered, or None where nothing usable was."""
        try:
            return Record.model_validate_json(self._record.read_text())
        except (FileNotFoundError, ValidationError):
            return None

    def remove(self) -> None:
        if self.home.exists():
            shutil.rmtree(self.home)


def write_whole(path: Path, text: str) -> None:
    """Write a private file in one rename."""
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)
    scratch.touch(mode=0o600)
    scratch.write_text(text)
    scratch.rename(path)


def _overlay_works(folder: Path) -> bool:
    """Mount an overlay that is written in this folder, in a mount namespace that ends with the attempt."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for name in ("lower", "upper", "work", "merged"):
            Path(scratch, name).mkdir()
        options = f"lowerdir={scratch}/lower,upperdir={scratch}/upper,workdir={scratch}/work"
        mount = ["mount", "-t", "overlay", "overlay", "-o", options, f"{scratch}/merged"]
        return (
            subprocess.run(["unshare", "--mount", *mount], capture_output=True, check=False).returncode == 0
        )


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(target)
