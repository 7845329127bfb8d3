"""A real cluster behind a rehearsal: pools, what AKS brings, the add-on's upgrade; and nothing is left."""

import base64
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

from localcluster.azure.backing import BehindError
from localcluster.node import select
from localcluster.node.embedded import EmbeddedNode
from localcluster.node.layout import NODE_NAME
from ops.errors import UserError
from ops.paths import cache_root
from tests.node.harness import eventually
from tests.rehearsal.cluster import (
    CLUSTER,
    POOL,
    Rehearsed,
    cluster,
    deployment,
    namespace,
    pool,
    provider_class,
    vault_volume,
)
from tests.traces import left_by_nodes

pytestmark = [pytest.mark.node, pytest.mark.timeout(600, func_only=True)]

FIRST, SECOND = "asm-1-27", "asm-1-28"
HOST = "shop.example.org"
READY = {"httpGet": {"path": "/hc", "port": 80}}
WEB = {
    "nodeSelector": {"pitstop.dev/pool": "apps"},
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "web"}},
        }
    ],
    "containers": [{"name": "web", "image": "acr.azurecr.io/web:1", "readinessProbe": READY}],
}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where the clusters of this run live; nothing of them is left."""
    try:
        choice = select.decide(select.look())
    except UserError as error:
        pytest.skip(str(error))
    if not isinstance(choice, select.Embedded):
        pytest.skip("another cluster was named, or this machine has no embedded node")
    root = cache_root() / "tests-behind"
    for run in root.glob("[0-9]*"):  # a run that was killed could not end its nodes
        if not Path("/proc", run.name).exists():
            for home in run.glob("*/node"):
                EmbeddedNode(home).destroy()
            shutil.rmtree(run, ignore_errors=True)
    yield root / f"{os.getpid()}"
    shutil.rmtree(root / f"{os.getpid()}", ignore_errors=True)


@contextmanager
def taken_down(made: Rehearsed) -> Iterator[Rehearsed]:
    try:
        yield made
    finally:
        made.node.destroy()


@pytest.fixture(scope="module")
def up(folder: Path) -> Iterator[Rehearsed]:
    """A cluster with one revision of the add-on and a pool of five nodes; tests follow one another."""
    with taken_down(Rehearsed(folder / "nodes")) as made:
        made.clusters.cluster(CLUSTER, cluster([FIRST]))
        made.apply(namespace("work"))
        made.clusters.pool(POOL, pool(5))
        yield made


def apps(up: Rehearsed) -> list[dict[str, Any]]:
    return up.items("nodes", "--selector=agentpool=apps")


def pods(up: Rehearsed, app: str) -> list[dict[str, Any]]:
    return up.items("pods", "--namespace=work", f"--selector=app={app}")


def test_the_real_node_is_the_system_pool(up: Rehearsed) -> None:
    node = up.kubectl.get("node", NODE_NAME)
    labels = node["metadata"]["labels"]
    assert labels["kubernetes.azure.com/mode"] == "system"
    assert labels["agentpool"] == "system"
    assert labels["topology.kubernetes.io/zone"] == "westeurope-1"
    assert {"key": "CriticalAddonsOnly", "value": "true", "effect": "NoSchedule"} in node["spec"]["taints"]


def test_a_pool_has_the_zones_and_the_capacity_asked_for(up: Rehearsed) -> None:
    zones = Counter(node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in apps(up))
    assert zones == {"westeurope-1": 2, "westeurope-2": 2, "westeurope-3": 1}
    for node in apps(up):
        assert (node["status"]["capacity"]["cpu"], node["status"]["allocatable"]["cpu"]) == ("4", "3860m")
        ready = next(one for one in node["status"]["conditions"] if one["type"] == "Ready")
        assert ready["status"] == "True"


def test_pods_are_ready_there_and_spread(up: Rehearsed) -> None:
    up.apply(deployment("web", 3, WEB))
    up.kubectl.wait_rolled_out("work", "web", 60)
    zone_of = {
        node["metadata"]["name"]: node["metadata"]["labels"]["topology.kubernetes.io/zone"]
        for node in apps(up)
    }
    assert {zone_of[pod["spec"]["nodeName"]] for pod in pods(up, "web")} == set(zone_of.values())


def test_a_job_is_done_there(up: Rehearsed) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "none"}]}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job", "namespace": "work"}}
    up.apply({**job, "spec": {"template": template}})
    up.kubectl.run("wait", "job/job", "--namespace=work", "--for=condition=complete", "--timeout=60s")


def test_nothing_goes_where_there_is_no_room_or_a_taint(up: Rehearsed) -> None:
    resources = {"requests": {"cpu": "5"}}  # more than any node has
    large = {"containers": [{"name": "a", "image": "none", "resources": resources}]}
    system = {"nodeSelector": {"agentpool": "system"}, "containers": [{"name": "a", "image": "none"}]}
    up.apply(deployment("large", 1, large), deployment("intruder", 1, system))
    assert eventually(lambda: "Insufficient cpu" in why_pending(up, "large")), why_pending(up, "large")
    assert eventually(lambda: "untolerated taint" in why_pending(up, "intruder")), why_pending(up, "intruder")
    up.kubectl.run("delete", "deployment", "large", "intruder", "--namespace=work")


def why_pending(up: Rehearsed, app: str) -> str:
    conditions = [one for pod in pods(up, app) for one in pod["status"].get("conditions", [])]
    return " ".join(one.get("message", "") for one in conditions if one["type"] == "PodScheduled")


def claim(name: str, storage_class: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "work"},
        "spec": {
            "storageClassName": storage_class,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "32Gi"}},
        },
    }


def test_a_claim_gets_a_disk_of_its_own(up: Rehearsed) -> None:
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in ("data", "other")]
    container = {"name": "a", "image": "none"}
    up.apply(claim("data", "managed-csi"), claim("other", "nobodys"))
    up.apply(
        deployment("disk", 1, {"volumes": volumes[:1], "containers": [container]}),
        deployment("none", 1, {"volumes": volumes[1:], "containers": [container]}),
    )
    up.kubectl.wait_rolled_out("work", "disk", 60)
    bound = {one["metadata"]["name"]: one["status"] for one in up.items("pvc", "--namespace=work")}
    assert (bound["data"]["phase"], bound["data"]["capacity"]["storage"]) == ("Bound", "32Gi")
    assert bound["other"]["phase"] == "Pending"
    up.kubectl.run(
        "delete", "deployment/disk", "deployment/none", "pvc/data", "pvc/other", "--namespace=work"
    )
    assert eventually(lambda: not any(name.startswith("pvc-") for name in up.kubectl.names("pv")))
    assert list((up.folder / "node/var/lib/volumes/azure").iterdir()) == []


def value(up: Rehearsed, key: str) -> str:
    """What the Secret `made` holds; empty where there is none."""
    found = up.items("secrets", "--namespace=work", "--field-selector=metadata.name=made")
    return base64.b64decode(found[0]["data"].get(key, "")).decode() if found else ""


def test_a_vaults_values_become_a_secret_of_who_mounts_them(up: Rehearsed) -> None:
    up.vaults["kv"] = {"password": "one"}
    up.clusters.secrets()
    up.apply(provider_class("secrets", "password"))
    assert not eventually(
        lambda: value(up, "password") != "", seconds=3
    )  # as with AKS: a class alone makes none
    mounting = {"containers": [{"name": "a", "image": "none"}], "volumes": [vault_volume("secrets")]}
    up.apply(deployment("mounting", 1, mounting))
    assert eventually(lambda: value(up, "password") == "one", seconds=20)
    up.vaults["kv"] = {"password": "two"}
    up.clusters.secrets()
    assert eventually(lambda: value(up, "password") == "two", seconds=20)
    up.kubectl.run("delete", "deployment", "mounting", "--namespace=work")
    assert eventually(lambda: value(up, "password") == "")


def test_a_value_that_is_in_no_vault_makes_no_secret(up: Rehearsed) -> None:
    up.apply(provider_class("missing", "nobody"))
    mounting = {"containers": [{"name": "a", "image": "none"}], "volumes": [vault_volume("missing")]}
    up.apply(deployment("missing", 1, mounting))
    log = up.node.logs / "aks-addons" / "current"
    assert eventually(lambda: "vault kv has no secret nobody" in log.read_text())
    assert value(up, "nobody") == ""
    assert "two" not in log.read_text()
    up.kubectl.run("delete", "deployment/missing", "--namespace=work")


def service(name: str, **annotations: str) -> dict[str, Any]:
    marks = {f"service.beta.kubernetes.io/{key.replace('_', '-')}": text for key, text in annotations.items()}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "work", "annotations": marks},
        "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 8080}]},
    }


def address(up: Rehearsed, name: str) -> str:
    status = up.kubectl.get("service", name, "--namespace=work")["status"]
    return "".join(one["ip"] for one in status["loadBalancer"].get("ingress", []))


def test_load_balancers_have_addresses(up: Rehearsed) -> None:
    up.addresses["pip-gateway"] = "20.1.2.3"
    up.clusters.secrets()
    up.apply(
        service("any"),
        service("inside", azure_load_balancer_internal="true"),
        service("named", azure_pip_name="pip-gateway"),
        service("nobodys", azure_pip_name="pip-other"),
    )
    assert eventually(lambda: address(up, "named") == "20.1.2.3")
    assert address(up, "any").startswith("203.0.113.")
    assert address(up, "inside").startswith("198.51.100.")
    assert address(up, "nobodys") == ""
    up.kubectl.run("delete", "service", "any", "inside", "named", "nobodys", "--namespace=work")


def test_kinds_of_azures_add_ons_are_known_while_they_are_on(up: Rehearsed) -> None:
    monitor = {
        "apiVersion": "azmonitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": {"name": "all", "namespace": "work"},
        "spec": {"selector": {}},
    }
    up.apply(monitor)
    with pytest.raises(BehindError, match="no matches for kind"):
        up.apply({**monitor, "apiVersion": "monitoring.coreos.com/v1"})


def test_a_smaller_pool_moves_its_pods(up: Rehearsed) -> None:
    up.clusters.pool(POOL, pool(2))
    assert len(apps(up)) == 2
    # Of three zones two are left: a third pod has to wait, because the spread is asked for strictly.
    left = {node["metadata"]["name"] for node in apps(up)}
    assert eventually(lambda: all(pod["spec"].get("nodeName") in left for pod in pods(up, "web")))


def test_another_process_goes_on(up: Rehearsed) -> None:
    other = up.another()
    config = yaml.safe_load(other.kubeconfig(CLUSTER.upper()))
    assert config["clusters"][0]["cluster"]["server"].startswith("https://127.0.0.1:")
    other.pool(POOL, pool(3))
    assert len(apps(up)) == 3


def test_a_node_that_was_stopped_is_started_for_its_credentials(up: Rehearsed) -> None:
    up.node.stop()
    assert not up.node.status().running
    up.another().kubeconfig(CLUSTER)
    assert up.node.status().running
    assert len(apps(up)) == 3
    up.node.stop()
    up.another().resume()
    assert up.node.status().running


def test_a_second_cluster_and_an_unknown_one_are_refused(up: Rehearsed) -> None:
    with pytest.raises(BehindError, match="a rehearsal has one cluster behind it"):
        up.clusters.cluster(CLUSTER.replace("aks-dev", "aks-b"), cluster())
    with pytest.raises(BehindError, match="one cluster behind it"):
        up.clusters.kubeconfig(CLUSTER.replace("aks-dev", "aks-b"))
    up.clusters.remove(CLUSTER.replace("aks-dev", "aks-b"))  # one that never was is no error
    assert up.node.status().running


GATEWAY = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "way-in", "namespace": "work"},
    "spec": {
        "selector": {"istio": "aks-istio-ingressgateway-external"},
        "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [HOST]}],
    },
}
ROUTE = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "way-in", "namespace": "work"},
    "spec": {
        "hosts": [HOST],
        "gateways": ["way-in"],
        "http": [{"directResponse": {"status": 200, "body": {"string": "here"}}}],
    },
}


def control_planes(up: Rehearsed) -> set[str]:
    return {name for name in up.kubectl.names("deployments", "--all-namespaces") if "asm-" in name}


def of(revision: str) -> set[str]:
    return {f"istiod-{revision}", f"aks-istio-ingressgateway-external-{revision}"}


class Asking:
    """Asks through the gateway again and again while a block runs."""

    def __init__(self, up: Rehearsed) -> None:
        self.answers: Counter[str] = Counter()
        self._up = up
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._ended.wait(0.02):
            self.answers[self._up.ask(HOST)] += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def test_the_gateway_answers_on_this_machine(up: Rehearsed) -> None:
    assert control_planes(up) == of(FIRST)
    assert up.ask(HOST) == ""  # nobody has told it to listen
    up.apply(GATEWAY, ROUTE)
    assert eventually(lambda: up.ask(HOST) == "200 here")
    assert up.ask("other.example.org") == "404"


def access_log(up: Rehearsed) -> str:
    gateway = f"deployment/aks-istio-ingressgateway-external-{FIRST}"
    return up.kubectl.run("logs", gateway, "--namespace=aks-istio-ingress", "--tail=20")


def test_the_shared_config_map_is_merged(up: Rehearsed) -> None:
    assert HOST not in access_log(up)  # although it was asked for just now
    metadata = {"name": f"istio-shared-configmap-{FIRST}", "namespace": "aks-istio-system"}
    data = {"mesh": "accessLogFile: /dev/stdout\n"}
    up.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    assert eventually(lambda: up.ask(HOST) == "200 here" and HOST in access_log(up))


def test_revisions_follow_one_another_without_an_answer_lost(up: Rehearsed) -> None:
    with Asking(up) as asking:
        up.clusters.cluster(CLUSTER, cluster([FIRST, SECOND]))
        assert control_planes(up) == of(FIRST) | of(SECOND)
        for revision in (FIRST, SECOND):
            assert "1.31" in up.istiod(revision, "version")
        up.clusters.cluster(CLUSTER, cluster([SECOND]))
        assert control_planes(up) == of(SECOND)
    assert set(asking.answers) == {"200 here"}, asking.answers
    assert asking.answers["200 here"] > 100
    hooks = up.kubectl.names("mutatingwebhookconfigurations")
    assert [name for name in hooks if FIRST in name] == []
    assert [name for name in hooks if SECOND in name]


def test_the_add_on_can_be_taken_off(up: Rehearsed) -> None:
    up.kubectl.delete([GATEWAY, ROUTE])
    up.clusters.cluster(CLUSTER, cluster())
    assert control_planes(up) == set()
    assert not [name for name in up.kubectl.names("namespaces") if name.startswith("aks-istio")]
    assert len(apps(up)) == 3  # pools are not the cluster's to change


def test_a_pool_that_is_removed_is_gone(up: Rehearsed) -> None:
    up.clusters.remove(POOL)
    assert up.kubectl.names("nodes") == (NODE_NAME,)
    assert eventually(lambda: all("nodeName" not in pod["spec"] for pod in pods(up, "web")))


def test_a_cluster_that_is_removed_leaves_nothing(up: Rehearsed) -> None:
    during = left_by_nodes()
    up.clusters.remove(CLUSTER)
    after = left_by_nodes()
    gone = {kind: during[kind] - found for kind, found in after.items()}
    assert gone["cgroups"]  # what is looked for can be seen
    assert gone["namespaces"]
    assert list(up.folder.iterdir()) == []
    with pytest.raises(BehindError, match="there is no such cluster behind this rehearsal"):
        up.another().kubeconfig(CLUSTER)


def test_at_the_scale_of_pods_they_really_run(folder: Path) -> None:
    with taken_down(Rehearsed(folder / "pods", "pods")) as small:
        small.vaults["kv"] = {"password": "one"}
        small.clusters.cluster(CLUSTER, cluster())
        small.clusters.pool(POOL, pool(3, nodeTaints=["only=apps:NoSchedule"]))
        assert small.kubectl.names("nodes") == (NODE_NAME,)
        small.apply(namespace("work"), provider_class("secrets", "password"))
        busybox = {
            "name": "sh",
            "image": "docker.io/library/busybox:1.37.0",
            "command": ["sh", "-c", "cat /vault/password; echo; sleep 1000"],
            "volumeMounts": [{"name": "vault", "mountPath": "/vault", "readOnly": True}],
        }
        webapp = {
            "name": "webapp",
            "image": "acrdev.azurecr.io/pitstop/webapp:3f2a",
            "readinessProbe": {"httpGet": {"path": "/hc", "port": 7005}, "periodSeconds": 1},
            "resources": {"requests": {"cpu": "3"}},  # more than two processors have
        }
        pod = {"nodeSelector": {"pitstop.dev/pool": "apps"}, "volumes": [vault_volume("secrets")]}
        small.apply(deployment("real", 1, {**pod, "containers": [webapp, busybox]}, version="v2"))
        small.kubectl.wait_rolled_out("work", "real", 90)
        (found,) = pods(small, "real")
        images = [one["image"] for one in found["status"]["containerStatuses"]]
        assert sorted(images) == ["pitstop.local/debian/busybox:1", "pitstop.local/standin/webapp:2.0"]
        logs = ("logs", "deployment/real", "--container=sh", "--namespace=work")
        assert eventually(lambda: small.kubectl.run(*logs) == "one\n")
        strange = {"containers": [{"name": "a", "image": "docker.io/library/strange:1"}]}
        small.apply(deployment("strange", 1, strange))
        assert eventually(
            lambda: (
                "ErrImagePull" in waiting(small, "strange") or "ImagePullBackOff" in waiting(small, "strange")
            )
        )
        small.clusters.remove(CLUSTER)


def waiting(up: Rehearsed, app: str) -> str:
    states = [one["state"] for pod in pods(up, app) for one in pod["status"].get("containerStatuses", [])]
    return " ".join(state.get("waiting", {}).get("reason", "") for state in states)
