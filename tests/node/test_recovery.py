"""Any process of the node may die at any time; the node and what runs on it come back."""

import os
import signal
import time

import pytest

from localcluster.node.services import services
from tests.node.harness import Cluster, eventually

pytestmark = pytest.mark.node

NAMES = tuple(service.name for service in services())


def ports_of(cluster: Cluster) -> tuple[int | None, ...]:
    """Where the node is reached on the loopback."""
    status = cluster.node.status()
    return (status.api_port, status.http_port, status.https_port)


def recovered(cluster: Cluster) -> bool:
    """Every process is up, and the web application answers."""
    seen = cluster.node.status().services
    return len(seen) == len(NAMES) and all(one.up for one in seen) and cluster.answers()


def pid_of(cluster: Cluster, name: str) -> int | None:
    return next((one.pid for one in cluster.node.status().services if one.name == name), None)


def kill(cluster: Cluster, pid: int | None) -> None:
    """SIGKILL by the node's own count of processes."""
    assert pid
    cluster.node.run("sh", "-c", f"kill -KILL {pid}")


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_process_comes_back(cluster: Cluster, name: str) -> None:
    before = pid_of(cluster, name)
    kill(cluster, before)

    assert eventually(lambda: pid_of(cluster, name) not in {None, before})
    assert eventually(lambda: recovered(cluster))
    cluster.start()  # nothing to do, and the API server is asked over its port
    assert cluster.kubectl("get", "node", "pitstop", "--output=name") == "node/pitstop\n"


def test_a_killed_supervisor_of_one_process_never_leaves_two(cluster: Cluster) -> None:
    script = (
        "for one in /proc/[0-9]*; do "
        "[ \"$(tr '\\0' ' ' <$one/cmdline)\" = 's6-supervise etcd ' ] && kill -KILL ${one#/proc/}; done; true"
    )
    before = pid_of(cluster, "etcd")
    cluster.node.run("sh", "-c", script)

    assert eventually(lambda: pid_of(cluster, "etcd") not in {None, before})
    assert eventually(lambda: recovered(cluster))
    running = cluster.node.run("sh", "-c", "cat /proc/[0-9]*/comm").split()
    assert running.count("etcd") == 1


def test_a_killed_pod_comes_back(cluster: Cluster) -> None:
    cluster.node.run("sh", "-c", "for one in /proc/[0-9]*; do "
                     "read -r name <$one/comm; [ $name = containerd-shim ] && kill -KILL ${one#/proc/}; "
                     "done; true")  # fmt: skip

    assert eventually(lambda: not cluster.answers(), 10)
    assert eventually(lambda: recovered(cluster))


def test_after_the_machine_itself_was_killed_a_start_goes_on_with_what_was_kept(cluster: Cluster) -> None:
    cluster.kubectl("create", "configmap", "kept", "--from-literal=answer=42")
    ports = ports_of(cluster)
    pid = cluster.node.status().pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not cluster.node.status().running)

    cluster.start()

    assert cluster.objects("configmap", "kept")["data"] == {"answer": "42"}
    assert ports_of(cluster) == ports
    assert eventually(lambda: recovered(cluster))


def test_stop_keeps_state_and_start_waits_for_the_pods(cluster: Cluster) -> None:
    cluster.node.stop()
    assert not cluster.node.status().running
    cluster.node.stop()

    cluster.start()

    pods = cluster.objects("pods", "--all-namespaces")["items"]
    assert pods
    assert all(one["containerStatuses"][0]["ready"] for one in (pod["status"] for pod in pods))
    assert eventually(cluster.answers, 10)  # the service's rules follow its pods


def test_starting_a_healthy_node_takes_no_time(cluster: Cluster) -> None:
    pid, began = cluster.node.status().pid, time.monotonic()

    cluster.start()

    assert time.monotonic() - began < 10  # a start takes more; that it is the same one is what is claimed
    assert cluster.node.status().pid == pid
