"""A real cluster behind a rehearsal, with short words for what tests do."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from localcluster.azure.behind.asked import Scale
from localcluster.azure.behind.clusters import Cloud, Clusters
from localcluster.azure.behind.kubectl import Kubectl
from localcluster.node.embedded import EmbeddedNode
from localcluster.tools import toolbox
from ops.progress import Progress

CLUSTER = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks-dev"
POOL = f"{CLUSTER}/agentPools/apps"
SYSTEM = {
    "name": "system",
    "mode": "System",
    "vmSize": "Standard_D2ds_v5",
    "count": 1,
    "availabilityZones": ["1", "2", "3"],
    "nodeTaints": ["CriticalAddonsOnly=true:NoSchedule"],
}


def cluster(
    revisions: Sequence[str] = (), gateways: Sequence[str] = ("External",), **more: object
) -> dict[str, object]:
    """The inputs of a managed cluster with everything on that has a stand-in."""
    mesh: dict[str, object] = {"mode": "Disabled"}
    if revisions:
        asked = [{"enabled": True, "mode": mode} for mode in gateways]
        istio = {"revisions": [*revisions], "components": {"ingressGateways": asked}}
        mesh = {"mode": "Istio", "istio": istio}
    return {
        "location": "westeurope",
        "nodeResourceGroup": "rg-nodes",
        "kubernetesVersion": "1.34",
        "networkProfile": {"networkPluginMode": "overlay"},
        "agentPoolProfiles": [SYSTEM],
        "addonProfiles": {"azureKeyvaultSecretsProvider": {"enabled": True}},
        "workloadAutoScalerProfile": {"keda": {"enabled": True}},
        "azureMonitorProfile": {"metrics": {"enabled": True}},
        "serviceMeshProfile": mesh,
        **more,
    }


def pool(nodes: int, **more: object) -> dict[str, object]:
    """The inputs of a pool of machines with four processors in three zones, which scales by itself."""
    return {
        "mode": "User",
        "vmSize": "Standard_D4ds_v5",
        "enableAutoScaling": True,
        "minCount": nodes,
        "count": nodes,
        "maxCount": 9,
        "maxPods": 110,
        "availabilityZones": ["1", "2", "3"],
        "nodeLabels": {"pitstop.dev/pool": "apps"},
        **more,
    }


class Rehearsed:
    """The clusters of one folder, as one process after the other sees them."""

    def __init__(self, folder: Path, scale: Scale = "nodes") -> None:
        self.folder = folder
        self.scale: Scale = scale
        self.vaults: dict[str, dict[str, str]] = {}
        self.addresses: dict[str, str] = {}
        self.said: list[str] = []
        self.clusters = self.another()

    def another(self) -> Clusters:
        """As a new process would have them."""
        return Clusters(
            self.folder,
            self.said.append,
            lambda: Cloud(vaults={**self.vaults}, addresses={**self.addresses}),
            self.scale,
        )

    @property
    def node(self) -> EmbeddedNode:
        return EmbeddedNode(self.folder / "node")

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(toolbox.ensure(["kubectl"], Progress()).path("kubectl"), self.node.kubeconfig)

    def apply(self, *documents: Mapping[str, Any]) -> None:
        self.kubectl.apply([dict(document) for document in documents])

    def items(self, *what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.kubectl.get(*what)["items"]
        return found

    def istiod(self, revision: str, path: str) -> str:
        """What istiod of a revision answers on its port for people."""
        service = f"services/istiod-{revision}:15014"
        return self.kubectl.run("get", "--raw", f"/api/v1/namespaces/aks-istio-system/{service}/proxy/{path}")

    def ask(self, host: str) -> str:
        """The status and the body that the way in from this machine answers; empty where nobody does."""
        address = f"http://127.0.0.1:{self.node.status().http_port}/"
        try:
            with urllib.request.urlopen(
                urllib.request.Request(address, headers={"Host": host}), timeout=5
            ) as answer:  # always http
                return f"{answer.status} {answer.read().decode()}"
        except urllib.error.HTTPError as error:
            return str(error.code)
        except OSError:
            return ""


def deployment(name: str, replicas: int, pod: Mapping[str, Any], **labels: str) -> dict[str, Any]:
    """A Deployment in the namespace `work`."""
    marked = {"app": name, **labels}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "work"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": marked}, "spec": dict(pod)},
        },
    }


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def provider_class(name: str, *objects: str) -> dict[str, Any]:
    """A class that has each object of vault `kv` in the Secret `made`, under its own name."""
    array = [json.dumps({"objectName": one, "objectType": "secret"}) for one in objects]
    data = [{"objectName": one, "key": one} for one in objects]
    return {
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": name, "namespace": "work"},
        "spec": {
            "provider": "azure",
            "parameters": {"keyvaultName": "kv", "objects": json.dumps({"array": array})},
            "secretObjects": [{"secretName": "made", "type": "Opaque", "data": data}],
        },
    }


def vault_volume(class_name: str) -> dict[str, Any]:
    """A volume with the values of a class."""
    attributes = {"secretProviderClass": class_name}
    driver = "secrets-store.csi.k8s.io"
    return {"name": "vault", "csi": {"driver": driver, "readOnly": True, "volumeAttributes": attributes}}
