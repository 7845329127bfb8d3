"""What a node keeps on disk, with stand-ins for the programs that would fill it."""

import json
import stat
import subprocess
from pathlib import Path
from typing import IO

import pytest
import yaml

from localcluster.node import certificates, rootfs
from localcluster.node.images import ImageStore
from localcluster.node.layout import POLICY_USER
from localcluster.node.machine import Machine
from localcluster.node.state import CNI_CONFIG, Record, State
from ops.errors import UserError
from ops.progress import Progress

KUBEADM = """#!/bin/sh
for word; do case $word in --kubeconfig-dir=*) dir=${word#*=} ;; esac; done
case "$*" in
*"phase certs all"*) mkdir -p "$(dirname "$0")/made" ;;
*"phase kubeconfig all"*) echo 'clusters: [{cluster: {server: "https://192.0.2.2"}}]' >"$dir/admin.conf" ;;
*"kubeconfig user"*) echo "$*" ;;
esac
"""
RECORD = Record(inputs="abc", api_port=16443, http_port=8080, https_port=8443)


class Programs:
    """A folder of stand-in programs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        return self._folder / name


def program(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def tools(tmp_path: Path) -> Programs:
    program(tmp_path / "bin", "kubeadm", KUBEADM)
    return Programs(tmp_path / "bin")


@pytest.fixture
def state(tmp_path: Path, tools: Programs, monkeypatch: pytest.MonkeyPatch) -> State:
    monkeypatch.setattr(State, "snapshotter", lambda _: "overlayfs")
    state = State(tmp_path / "home")
    state.prepare(tools)
    return state


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_and_what_is_secret_in_it_are_closed_to_others(state: State) -> None:
    state.remember(RECORD)
    assert mode(state.home) == 0o700
    assert mode(state.kubeconfig) == 0o600
    for name in certificates.USERS:
        assert mode(state.kubernetes / name) == 0o600


def test_the_kubeconfig_names_the_loopback_port(state: State) -> None:
    state.remember(RECORD)
    config = yaml.safe_load(state.kubeconfig.read_text())
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:16443"
    assert state.record() == RECORD


@pytest.mark.parametrize("text", ["", "{", '{"inputs": "abc"}', '{"unknown": 1}'])
def test_a_record_that_cannot_be_read_is_no_record(state: State, text: str) -> None:
    (state.home / "node.json").write_text(text)
    assert state.record() is None


def test_a_second_start_keeps_certificates_and_what_istio_added(state: State, tools: Programs) -> None:
    config = state.home / CNI_CONFIG.relative_to("/")
    config.write_text("changed by istio-cni")
    (state.kubernetes / "admin.conf").write_text("kept")
    (state.home / "etc" / "service" / "gone").mkdir()

    state.prepare(tools)

    assert config.read_text() == "changed by istio-cni"
    assert (state.kubernetes / "admin.conf").read_text() == "kept"
    assert not (state.home / "etc" / "service" / "gone").exists()
    assert mode(state.home / "etc" / "service" / "etcd" / "run") == 0o755


def test_a_node_from_before_gets_the_identity_it_lacks_and_keeps_the_others(
    state: State, tools: Programs
) -> None:
    (state.kubernetes / "network-policy.conf").unlink()
    (state.kubernetes / "kube-proxy.conf").write_text("kept")

    state.prepare(tools)

    made = (state.kubernetes / "network-policy.conf").read_text()
    assert f"--client-name={POLICY_USER}" in made
    assert f"certificatesDir: {state.kubernetes}/pki" in (state.kubernetes / "kubeadm.yaml").read_text()
    assert (state.kubernetes / "kube-proxy.conf").read_text() == "kept"


def test_other_programs_are_other_inputs(state: State, tools: Programs, tmp_path: Path) -> None:
    same = state.inputs(tools, tmp_path)
    assert state.inputs(tools, tmp_path) == same
    assert state.inputs(Programs(tmp_path / "others"), tmp_path) != same
    assert state.inputs(tools, tmp_path / "other-root") != same


def test_certificates_are_all_there_or_not_at_all(tmp_path: Path) -> None:
    broken = program(tmp_path, "kubeadm", "#!/bin/sh\necho 'error: the reason' >&2\nexit 1\n")
    with pytest.raises(UserError, match="kubeadm init phase certs all failed: error: the reason"):
        certificates.ensure(broken, tmp_path / "etc" / "kubernetes")
    assert list((tmp_path / "etc").iterdir()) == []


class Runtime(Machine):
    """A container runtime that remembers what it was told, and fails on request."""

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.commands: list[tuple[str, ...]] = []

    def run(
        self, *command: str, stdin: IO[bytes] | int = subprocess.DEVNULL, timeout: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        del stdin, timeout
        self.commands.append(command)
        status = self.status if "import" in command else 0
        return subprocess.CompletedProcess(command, status, "", "ctr: the reason" if status else "")


def imports(runtime: Runtime) -> int:
    return sum("import" in command for command in runtime.commands)


def test_an_archive_is_loaded_once_and_again_when_it_changed(tmp_path: Path) -> None:
    archive, remembered = tmp_path / "images.tar", tmp_path / "images.json"
    archive.write_text("one")
    runtime = Runtime()
    for _ in range(2):
        ImageStore(runtime, remembered, "native").load(archive)
    assert imports(runtime) == 1
    assert "--snapshotter=native" in runtime.commands[-1]
    archive.write_text("two, longer")
    ImageStore(runtime, remembered, "native").load(archive)
    assert imports(runtime) == 2


def test_a_refused_archive_is_one_line_and_not_remembered(tmp_path: Path) -> None:
    archive, remembered = tmp_path / "images.tar", tmp_path / "images.json"
    archive.write_text("one")
    with pytest.raises(
        UserError, match=r"images\.tar: the node could not load these images: ctr: the reason"
    ):
        ImageStore(Runtime(status=1), remembered, "overlayfs").load(archive)
    assert not remembered.exists()
    remembered.write_text("half writ")
    ImageStore(Runtime(), remembered, "overlayfs").load(archive)
    assert list(json.loads(remembered.read_text())) == [str(archive)]


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a PATH of stand-ins only."""
    monkeypatch.setenv("PITSTOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def test_without_apt_one_line_names_the_ways_out(distribution: Path) -> None:
    assert not list(distribution.iterdir())
    with pytest.raises(
        UserError, match=r"no apt-get here; start Docker to use kind, or set PITSTOP_KUBECONFIG"
    ):
        rootfs.ensure(Progress())


def test_an_archive_server_that_does_not_answer_is_one_line_and_leaves_no_root(distribution: Path) -> None:
    program(distribution, "apt-config", "#!/bin/sh\n")
    program(distribution, "dpkg-deb", "#!/bin/sh\n")
    program(distribution, "apt-get", "#!/bin/sh\necho 'E: Unable to locate package s6' >&2\nexit 100\n")
    with pytest.raises(UserError, match=r"apt-get failed \(E: Unable to locate package s6\)"):
        rootfs.ensure(Progress())
    assert [path.name for path in (distribution.parent / "cache" / "rootfs").iterdir() if path.is_dir()] == []
