"""What is read from the API server, the supervisor, apt and the kernel, and what is made of it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from localcluster.node.cgroups import Subtree, hierarchies
from localcluster.node.client import are_back, is_ready, serves
from localcluster.node.layout import NODE_NAME
from localcluster.node.rootfs import network_settings, simulated
from localcluster.node.supervision import parse, parse_versions, suspect
from ops.errors import UserError

NOON = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC).timestamp()

V1 = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def node(status: str, heartbeat: str) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": "Ready", "status": status, "lastHeartbeatTime": heartbeat}]}}


def pod(
    *, ready: str = "True", started: str | None = "2026-05-04T12:00:05Z", phase: str = "Running"
) -> dict[str, Any]:
    state = {"running": {"startedAt": started}} if started else {"waiting": {"reason": "CrashLoopBackOff"}}
    status = {
        "phase": phase,
        "containerStatuses": [{"state": state}],
        "conditions": [{"type": "Ready", "status": ready}],
    }
    return {"metadata": {"name": "one"}, "status": status}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (node("True", "2026-05-04T12:00:01Z"), True),
        (node("True", "2026-05-04T12:00:00Z"), True),
        (node("True", "2026-05-04T11:59:59Z"), False),
        (node("False", "2026-05-04T12:00:01Z"), False),
        ({"status": {}}, False),
        ({}, False),
    ],
)
def test_a_node_is_ready_when_it_says_so_after_the_boot(answer: dict[str, Any], expected: bool) -> None:
    assert is_ready(answer, NOON + 0.4) is expected


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (pod(), True),
        (pod(ready="False"), False),
        (pod(started="2026-05-04T11:00:00Z"), False),
        (pod(started=None), False),
        (pod(ready="False", started=None, phase="Succeeded"), True),
        (pod(ready="False", started=None, phase="Failed"), True),
        ({"metadata": {"deletionTimestamp": "2026-05-04T12:00:00Z"}, "status": {}}, True),
        ({"metadata": {}, "status": {"phase": "Pending"}}, False),
        (pod(started="2026-05-04T11:00:00Z") | {"spec": {"nodeName": "without-a-machine"}}, True),
        (pod(started="2026-05-04T11:00:00Z") | {"spec": {"nodeName": NODE_NAME}}, False),
    ],
)
def test_a_pod_is_back_when_its_containers_began_after_the_boot(one: dict[str, Any], expected: bool) -> None:
    assert are_back({"items": [one]}, NOON) is expected


def test_no_answer_is_no_pod_back_and_no_pods_are_all_back() -> None:
    assert not are_back({}, NOON)
    assert are_back({"items": []}, NOON)


def test_the_supervisors_lines_become_states_in_our_order() -> None:
    seen = parse("kubelet true 131 24 0\netcd false -1 3 7\nnoise\nother true 1 1 1\n")
    assert [(one.name, one.up, one.pid, one.seconds, one.restarts) for one in seen] == [
        ("etcd", False, None, 3, 7),
        ("kubelet", True, 131, 24, 0),
    ]


def test_processes_of_one_nodes_own_are_seen_where_they_are_asked_for() -> None:
    text = "kwok true 7 24 0\netcd true 5 3 0\n"
    assert [one.name for one in parse(text, ["kwok"])] == ["etcd", "kwok"]
    assert [one.name for one in parse(text)] == ["etcd"]


def test_the_suspect_is_what_is_down_or_keeps_starting() -> None:
    healthy = parse("etcd true 5 60 0\nkubelet true 6 60 1\n")
    assert suspect(healthy) is None
    flapping = suspect(parse("etcd true 5 60 0\nkubelet true 6 1 9\n"))
    assert flapping is not None
    assert flapping.name == "kubelet"
    down = suspect(parse("etcd false -1 1 30\nkubelet true 6 1 9\n"))
    assert down is not None
    assert down.name == "etcd"


def test_the_suspect_is_never_what_the_node_works_without() -> None:
    assert suspect(parse("etcd true 5 60 0\nnetwork-policy false -1 60 9\n")) is None
    needed = suspect(parse("kube-proxy false -1 60 1\nnetwork-policy false -1 60 9\n"))
    assert needed is not None
    assert needed.name == "kube-proxy"


def test_hierarchies_are_all_of_v1_or_the_one_of_v2() -> None:
    names = ("cpu,cpuacct", "memory", "systemd")
    assert hierarchies(V1) == tuple(Path("/sys/fs/cgroup") / name for name in names)
    assert hierarchies(V2) == (Path("/sys/fs/cgroup"),)
    assert hierarchies("") == ()


def test_no_cgroups_at_all_is_one_line() -> None:
    with pytest.raises(UserError, match="no cgroup file system is mounted"):
        Subtree("pitstop-test", roots=()).create()


def test_a_hierarchy_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no cgroup can be made there .* needs --privileged"):
        Subtree("pitstop-test", roots=(tmp_path / "missing",)).create()


def test_v2_that_does_not_hand_on_a_controller_names_it(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    folder = tmp_path / "pitstop-test"
    folder.mkdir()
    (folder / "cgroup.controllers").write_text("cpu memory\n")
    with pytest.raises(UserError, match="does not hand on cpuset, pids to it"):
        Subtree("pitstop-test", roots=(tmp_path,)).create()


def test_members_of_v2_are_in_the_leaf_and_of_v1_in_the_folder(tmp_path: Path) -> None:
    subtree = Subtree("pitstop-test", roots=(tmp_path,))
    assert subtree.members() == ()
    (tmp_path / "pitstop-test" / "init").mkdir(parents=True)
    (tmp_path / "pitstop-test" / "cgroup.procs").write_text("7\n8\n")
    assert subtree.members() == (7, 8)
    (tmp_path / "pitstop-test" / "init" / "cgroup.procs").write_text("9\n")
    assert subtree.members() == (9,)


def test_a_new_cpuset_gets_processors_before_anything_joins(tmp_path: Path) -> None:
    for name, value in (("cpuset.cpus", "0-1\n"), ("cpuset.mems", "0\n")):
        (tmp_path / name).write_text(value)
        (tmp_path / "pitstop-test").mkdir(exist_ok=True)
        (tmp_path / "pitstop-test" / name).touch()
    subtree = Subtree("pitstop-test", roots=(tmp_path,))
    subtree.create()
    assert (tmp_path / "pitstop-test" / "cpuset.cpus").read_text() == "0-1\n"
    assert (tmp_path / "pitstop-test" / "cgroup.clone_children").read_text() == "1"


def test_removing_takes_the_tree_from_the_leaves_up(tmp_path: Path) -> None:
    (tmp_path / "pitstop-test" / "k8s.io" / "one").mkdir(parents=True)
    Subtree("pitstop-test", roots=(tmp_path,)).remove(timeout=0)
    assert not (tmp_path / "pitstop-test").exists()


def test_apt_keeps_the_machines_proxy_and_none_of_its_hooks() -> None:
    dump = (
        'Acquire::http::Proxy "http://proxy:3128";\n'
        'Acquire::https::CAInfo "/etc/ssl/own.pem";\n'
        'APT::Update::Post-Invoke:: "rm -f /var/cache/apt/archives/*.deb";\n'
        'Acquire::IndexTargets::deb::DEP-11::MetaKey "x";\n'
    )
    assert network_settings(dump) == "".join(f"{line}\n" for line in dump.splitlines()[:2])


def test_a_simulated_install_names_packages_and_versions() -> None:
    output = (
        "NOTE: This is only a simulation!\n"
        "Inst libc6 (2.36-9+deb12u14 Debian:12.15/oldstable [amd64]) []\n"
        "Inst libattr1:amd64 [1:2.4] (1:2.5.1-4 Debian:12.15/oldstable [amd64])\n"
        "Conf libc6 (2.36-9+deb12u14 Debian:12.15/oldstable [amd64])\n"
    )
    assert simulated(output) == {"libc6": "2.36-9+deb12u14", "libattr1": "1:2.5.1-4"}


def test_versions_are_read_from_what_programs_say() -> None:
    text = (
        "etcd etcd Version: 3.7.2\nGit SHA: Not provided\nGo Version: go1.26.8\n"
        "kubelet Kubernetes v1.36.3\n"
        "containerd containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3\n"
        "runc runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1+deb12u1\n"
        "kube-proxy sh: kube-proxy: not found\n"
        "network-policy kube-router v2.1.0\n"
    )
    assert parse_versions(text) == {
        "etcd": "3.7.2",
        "kubelet": "1.36.3",
        "containerd": "1.6.20~ds1",
        "runc": "1.1.5+ds1",
        "network-policy": "2.1.0",
    }


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"observedGeneration": 2, "readyReplicas": 1, "updatedReplicas": 1}, True),
        ({"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1}, False),
        ({"observedGeneration": 2, "updatedReplicas": 1}, False),
        ({"observedGeneration": 2, "readyReplicas": 1}, False),
        ({}, False),
    ],
)
def test_a_deployment_serves_with_a_ready_pod_of_its_newest_template(
    status: dict[str, int], expected: bool
) -> None:
    assert serves({"metadata": {"generation": 2}, "status": status}) is expected
    assert not serves({})
