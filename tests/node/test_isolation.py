"""The node is alone in its namespaces, stands beside others, and leaves nothing."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localcluster.node import rootfs
from ops.errors import UserError
from ops.paths import CHECKOUT
from ops.progress import Progress
from tests.node.harness import Cluster, eventually

pytestmark = pytest.mark.node

START = """
import sys
from pathlib import Path
from localcluster.node.embedded import EmbeddedNode
from localcluster.node.layout import TOOLS
from localcluster.tools import toolbox
from ops.progress import Progress
tools = toolbox.ensure((*TOOLS, "kubeadm"), Progress())
print("go", flush=True)
EmbeddedNode(Path(sys.argv[1])).start(tools, Progress())
"""


def footprint(cluster: Cluster, home: Path) -> dict[str, set[str]]:
    """All a node could leave on this machine, each kind as a set that can be compared."""
    root = rootfs.ensure(Progress())
    rules = [f"/usr/sbin/xtables-{kind}-multi" for kind in ("nft", "legacy")]
    return {
        "interfaces": {path.name for path in Path("/sys/class/net").iterdir()},
        "mounts": set(Path("/proc/self/mounts").read_text().splitlines()),
        "cgroups": {str(folder) for folder in _cgroups(cluster) if folder.exists()},
        "files": {str(path) for path in (home, *home.parent.glob(f".{home.name}*")) if path.exists()},
        "rules": {
            line
            for program in rules
            for line in _output("chroot", str(root), program, "iptables-save")
            if line.startswith("-A")
        },
    }


def _cgroups(cluster: Cluster) -> tuple[Path, ...]:
    return cluster.node._machine._cgroups.folders


def namespaces(*, cgroup: str = "") -> set[str]:
    """Namespaces of every process, or of those in a cgroup whose path has the given name in it."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"/{cgroup}" in (process / "cgroup").read_text():
                found |= {link.readlink().name for link in (process / "ns").iterdir()}
        except OSError:
            continue
    return found


def _output(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def test_two_nodes_stand_side_by_side(cluster: Cluster, empty: Cluster) -> None:
    empty.start()

    ours, others = cluster.node.status(), empty.node.status()
    ports = {port for one in (ours, others) for port in (one.api_port, one.http_port, one.https_port) if port}
    assert len(ports) == 6
    assert (
        empty.objects("nodes")["items"][0]["metadata"]["uid"]
        != cluster.objects("nodes")["items"][0]["metadata"]["uid"]
    )
    empty.node.destroy()
    assert cluster.answers()


def test_destroy_leaves_nothing(empty: Cluster, homes: Path) -> None:
    home = homes / "second"
    before, shared = footprint(empty, home), namespaces()
    empty.start()
    during = footprint(empty, home)
    own = namespaces(cgroup=_cgroups(empty)[0].name) - shared
    empty.node.destroy()

    assert len(own) >= len(("cgroup", "ipc", "mnt", "net", "pid", "uts"))
    # The kernel gives a number again, to whoever asks next; a node's would be in its group.
    assert not own & namespaces(cgroup="pitstop-") - shared
    assert {kind for kind in during if during[kind] - before[kind]} == {"cgroups", "files"}
    assert footprint(empty, home) == before
    empty.node.destroy()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("after", [0.1, 1.0, 3.0])
def test_a_start_cut_off_is_followed_by_a_clean_one(
    empty: Cluster, homes: Path, number: signal.Signals, after: float
) -> None:
    command = [sys.executable, "-c", START, str(homes / "second")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=CHECKOUT
    ) as starting:
        assert starting.stdout
        starting.stdout.readline()
        time.sleep(after)
        starting.send_signal(number)
        starting.wait(30)
    if number == signal.SIGINT:
        assert eventually(lambda: not empty.node.status().running, 5)

    empty.start()

    assert empty.kubectl("get", "clusterrolebinding", "kubeadm:cluster-admins", "--output=name")


CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
except OSError as error:
    sys.exit(str(error))
"""


def test_nothing_in_the_node_reaches_this_machine_or_beyond(cluster: Cluster) -> None:
    """A server on every address of this machine is met from here and from nowhere in the node's network."""
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104  # what the node must not reach
        port = server.getsockname()[1]
        for address in ("127.0.0.1", _own_address(), "198.51.100.1"):
            assert _connect_inside(cluster, address, port), f"{address} was reached"
    routes = cluster.node.run("ip", "route").splitlines()
    assert [line.split()[:2] for line in routes if "default" in line] == [["unreachable", "default"]]
    assert _connect_inside(cluster, "192.0.2.2", 6443) == ""


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def _connect_inside(cluster: Cluster, address: str, port: int) -> str:
    """Why a connection from the node's network fails; empty when it does not."""
    enter = ["nsenter", f"--target={cluster.node.status().pid}", "--net"]
    command = [*enter, sys.executable, "-c", CONNECT, address, str(port)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr.strip()


def test_a_running_node_is_not_ended_for_a_port_it_cannot_have(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = cluster.node.status().pid
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("PITSTOP_HTTP_PORT", str(taken.getsockname()[1]))
        with pytest.raises(UserError, match="is taken"):
            cluster.start()
    assert cluster.node.status().pid == pid
    assert cluster.answers()


def test_a_port_asked_for_that_is_taken_is_one_line(empty: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("PITSTOP_API_PORT", str(port))
        with pytest.raises(UserError, match=f"PITSTOP_API_PORT={port}: 127.0.0.1:{port} is taken"):
            empty.start()
    assert not empty.node.status().running
