"""The rendered configuration, read back by the formats' own parsers and checked for what it must say."""

import ipaddress
import json
import re
import subprocess
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from localcluster.node import files, layout
from localcluster.node.machine import BOOT
from localcluster.node.services import (
    API_SOCKET,
    GIVES_UP,
    HTTP_SOCKET,
    HTTPS_SOCKET,
    Addition,
    Service,
    finish_script,
    log_script,
    run_script,
    service_tree,
    services,
)
from ops.paths import CHECKOUT


def only(text: str) -> dict[str, Any]:
    (document,) = yaml.safe_load_all(text)
    return dict(document)


def test_kubeadm_is_told_where_the_api_server_is_met() -> None:
    init, cluster = yaml.safe_load_all(files.kubeadm(Path("/scratch/pki")))
    assert init["localAPIEndpoint"] == {"advertiseAddress": layout.NODE_IP, "bindPort": layout.API_PORT}
    assert cluster["certificatesDir"] == "/scratch/pki"
    assert "127.0.0.1" in cluster["apiServer"]["certSANs"]
    assert cluster["kubernetesVersion"] == layout.KUBERNETES_VERSION


def test_the_kubelet_runs_on_either_cgroup_version_and_keeps_images_it_cannot_pull() -> None:
    config = only(files.kubelet())
    assert config["failCgroupV1"] is False
    assert config["cgroupsPerQOS"] is False
    assert config["enforceNodeAllocatable"] == []
    assert config["cgroupDriver"] == "cgroupfs"
    assert config["imageGCHighThresholdPercent"] == 100
    assert config["authentication"]["anonymous"]["enabled"] is False
    assert config["authorization"]["mode"] == "Webhook"


def test_kube_proxy_leaves_the_machines_limits_alone() -> None:
    assert only(files.kube_proxy())["conntrack"] == {"maxPerCore": 0, "min": 0}
    assert only(files.kube_proxy())["iptables"] == {"localhostNodePorts": False}


@pytest.mark.parametrize("snapshotter", ["overlayfs", "native"])
def test_containerd_needs_no_capability_the_machine_may_lack(snapshotter: str) -> None:
    cri = tomllib.loads(files.containerd(snapshotter))["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["restrict_oom_score_adj"] is True
    assert cri["containerd"]["snapshotter"] == snapshotter
    assert cri["sandbox_image"] == layout.PAUSE_IMAGE
    assert cri["containerd"]["runtimes"]["runc"]["options"] == {"SystemdCgroup": False}


def test_every_cni_plugin_named_is_linked_to_where_containerd_looks() -> None:
    config = json.loads(files.cni())
    named = {plugin["type"] for plugin in config["plugins"]}
    named |= {plugin["ipam"]["type"] for plugin in config["plugins"] if "ipam" in plugin}
    assert named <= set(layout.CNI_PLUGINS)


def test_addresses_do_not_overlap_and_the_fixed_ones_are_inside() -> None:
    pods, service_range = ipaddress.ip_network(layout.POD_CIDR), ipaddress.ip_network(layout.SERVICE_CIDR)
    assert not pods.overlaps(service_range)
    assert ipaddress.ip_address(layout.DNS_IP) in service_range
    assert ipaddress.ip_address(layout.NODE_IP) in ipaddress.ip_network("192.0.2.0/24")
    assert f"ip address add {layout.NODE_IP}/24" in BOOT.read_text()
    assert f"ip route add {layout.SERVICE_CIDR}" in BOOT.read_text()


def test_addons_are_filled_in_and_allowed_under_restricted_pod_security() -> None:
    text = files.addons()
    assert "${" not in text
    objects = list(yaml.safe_load_all(text))
    (deployment,) = (one for one in objects if one["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == layout.COREDNS_IMAGE
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    (service,) = (
        one for one in objects if one["kind"] == "Service" and one["metadata"]["name"] == "kube-dns"
    )
    assert service["spec"]["clusterIP"] == layout.DNS_IP
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()


def test_the_metrics_api_leads_to_the_process_that_answers_it() -> None:
    found = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(files.addons())}
    service = found["APIService", "v1beta1.metrics.k8s.io"]["spec"]["service"]
    (port,) = found["Service", service["name"]]["spec"]["ports"]
    reached = found["EndpointSlice", service["name"]]
    assert "selector" not in found["Service", service["name"]]["spec"]
    assert reached["metadata"]["labels"]["kubernetes.io/service-name"] == service["name"]
    assert port["targetPort"] == reached["ports"][0]["port"] == layout.METRICS_PORT
    assert port["name"] == reached["ports"][0]["name"]
    (command,) = (one.command for one in services() if one.name == "metrics-server")
    assert {f"--bind-address={layout.NODE_IP}", f"--secure-port={layout.METRICS_PORT}"} <= set(command)
    assert reached["endpoints"][0]["addresses"] == [layout.NODE_IP]


def test_each_process_has_a_certificate_identity_of_its_own() -> None:
    identities = {
        service.name: [
            word for word in service.command if word.startswith(("--kubeconfig=", "--tls-cert", "--cert-"))
        ]
        for service in services()
    }
    named = [word for words in identities.values() for word in words]
    assert len(named) == len(set(named)) == 8


@pytest.mark.parametrize("service", services(), ids=lambda service: service.name)
def test_scripts_are_sound_and_keep_no_socket_they_do_not_serve(service: Service) -> None:
    run = run_script(service)
    for script in (run, log_script(service)):
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    closing = {
        None: "exec 3<&- 4<&- 5<&-",
        API_SOCKET: "exec 4<&- 5<&-",
        HTTP_SOCKET: "exec 3<&4 4<&- 5<&-",
        HTTPS_SOCKET: "exec 3<&5 4<&- 5<&-",
    }
    assert closing[service.listens_on] in run.splitlines()
    assert ("LISTEN_FDS=1" in run) == (service.listens_on is not None)
    assert run.splitlines()[-1].startswith("exec setpriv --pdeathsig=KILL ")


def test_a_process_waits_for_what_it_ends_without(tmp_path: Path) -> None:
    there = tmp_path / "there"
    waiting = Service(name="one", command=("true",), waits_until=("test", "-e", str(there)))
    script = "\n".join(run_script(waiting).splitlines()[3:-1])  # without the sockets and the program itself
    cut_off = subprocess.run(["timeout", "1", "sh", "-c", script], check=False)
    there.touch()
    ended = subprocess.run(["timeout", "5", "sh", "-c", script], check=False)
    assert (cut_off.returncode, ended.returncode) == (124, 0)


def test_the_supervisor_ends_quietly_and_logs_everything() -> None:
    tree = service_tree()
    assert len([path for path in tree if path.name == "run"]) == 2 * len(services())
    assert any(path.parts[0] == ".s6-svscan" for path in tree)


def test_a_node_may_have_processes_of_its_own() -> None:
    service = Service(name="kwok", command=("kwok", "--v=WARN"))
    addition = Addition(service=service, files={"kwok/stages.yaml": "kind: Stage\n"})
    tree = files.etc("overlayfs", [addition])
    assert tree[PurePosixPath("kwok/stages.yaml")] == "kind: Stage\n"
    assert tree[PurePosixPath("service/kwok/run")] == run_script(service)
    assert addition.tool == "kwok"
    assert not [path for path in files.etc("overlayfs") if "kwok" in path.parts]


@pytest.mark.parametrize(("status", "expected"), [(GIVES_UP, 125), (0, 0), (1, 0), (256, 0)])
def test_only_a_process_that_gives_up_is_not_started_again(status: int, expected: int) -> None:
    ended = subprocess.run(["sh", "-s", str(status)], input=finish_script(), text=True, check=False)
    assert ended.returncode == expected
    finishing = {path.parts[0] for path in service_tree() if path.name == "finish"} - {".s6-svscan"}
    assert finishing == {service.name for service in services() if service.optional} == {"network-policy"}


def test_the_program_that_enforces_policies_knows_the_status_that_gives_up() -> None:
    program = (CHECKOUT / "localcluster/tools/node/networkpolicy/main.go").read_text()
    assert re.findall(r"givesUp = (\d+)", program) == [str(GIVES_UP)]


def test_a_claim_that_names_no_class_gets_one_of_ours_and_waits_for_its_pod() -> None:
    (found,) = (one for one in yaml.safe_load_all(files.addons()) if one["kind"] == "StorageClass")
    assert found["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}
    assert found["metadata"]["name"] == layout.STORAGE_CLASS
    assert found["provisioner"] == "kubernetes.io/no-provisioner"
    assert found["volumeBindingMode"] == "WaitForFirstConsumer"


def test_who_enforces_policies_may_read_what_they_are_made_of_and_nothing_else() -> None:
    objects = list(yaml.safe_load_all(files.addons()))
    bindings = [one for one in objects if layout.POLICY_USER in str(one.get("subjects"))]
    assert [one["roleRef"]["name"] for one in bindings] == [layout.POLICY_USER]
    (role,) = (
        one
        for one in objects
        if one["kind"] == "ClusterRole" and one["metadata"]["name"] == layout.POLICY_USER
    )
    allowed = {
        (resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]
    }
    watched = {"pods", "namespaces", "networkpolicies"}
    assert allowed == {(one, verb) for one in watched for verb in ("list", "watch")} | {("nodes", "get")}
    assert [rule["resourceNames"] for rule in role["rules"] if rule["resources"] == ["nodes"]] == [
        ["pitstop"]
    ]


def test_boot_is_a_sound_script() -> None:
    subprocess.run(["sh", "-n", str(BOOT)], check=True)


def test_everything_below_etc_is_relative_and_written_once() -> None:
    assert all(not path.is_absolute() and ".." not in path.parts for path in files.etc("overlayfs"))
