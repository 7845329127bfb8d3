"""The Istio add-on as a rehearsal installs it: the project's build of Istio under the add-on's names. Pure.

Source of names and behaviour: https://learn.microsoft.com/azure/aks/istio-deploy-addon, .../istio-meshconfig,
.../istio-deploy-ingress and .../istio-upgrade
"""

from collections.abc import Iterator
from dataclasses import dataclass

from components.model.istio import (
    ADDON_GATEWAY_NAMESPACE,
    ADDON_NAMESPACE,
    RUNTIME_DEFAULT,
    UPSTREAM_ENVOY,
)
from components.model.manifests import Document, Json
from components.model.versions import ISTIO_HUB, ISTIO_TAG
from localcluster.node.layout import (
    CNI_BIN_DIR,
    CNI_CONF_DIR,
    INGRESS_NODE_PORT,
    INGRESS_TLS_NODE_PORT,
    NODE_NAME,
)

GATEWAY = "aks-istio-ingressgateway"
KINDS = ("external", "internal")
HUB: Document = {"hub": ISTIO_HUB, "tag": ISTIO_TAG, "imagePullPolicy": "IfNotPresent"}
# On the one node that has a kubelet, whoever else it is kept free of.
REAL: Document = {
    "nodeSelector": {"kubernetes.io/hostname": NODE_NAME},
    "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
}
INTERNAL = "service.beta.kubernetes.io/azure-load-balancer-internal"


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart, rendered; `chart` is its folder's name. `deployment` is what has to be ready."""

    name: str
    chart: str
    namespace: str
    values: Document
    deployment: str | None = None


def base(*, chaining: bool) -> Iterator[Chart]:
    """What every revision shares."""
    # No revision is the default one: only what carries a revision's label is validated by it.
    values: Document = {"defaultRevision": "", "global": {"istioNamespace": ADDON_NAMESPACE}}
    yield Chart("istio-base", "base", ADDON_NAMESPACE, values)
    if chaining:
        yield Chart("istio-cni", "cni", ADDON_NAMESPACE, _cni())


def control_plane(revision: str, *, chaining: bool) -> Chart:
    """The control plane of one revision. The shared config map of the revision is read over its own."""
    values: Document = {
        **REAL,
        "revision": revision,
        "cni": {"enabled": chaining},
        "env": {**UPSTREAM_ENVOY, "SHARED_MESH_CONFIG": f"istio-shared-configmap-{revision}"},
        "telemetry": {"enabled": False},
        "seccompProfile": RUNTIME_DEFAULT,
        "autoscaleEnabled": False,
        "resources": _requests("50m", "256Mi"),
        "global": {
            **HUB,
            "istioNamespace": ADDON_NAMESPACE,
            "defaultPodDisruptionBudget": {"enabled": False},
            "proxy": {
                "seccompProfile": RUNTIME_DEFAULT,
                "resources": {**_requests("10m", "64Mi"), "limits": {"memory": "256Mi"}},
            },
        },
    }
    name = f"istiod-{revision}"
    return Chart(name, "istiod", ADDON_NAMESPACE, values, name)


def gateway(kind: str, revision: str) -> Chart:
    """The pods of one gateway that have the sidecar of one revision; they share their Service."""
    name = f"{GATEWAY}-{kind}-{revision}"
    values: Document = {
        **REAL,
        "revision": revision,
        "labels": {**selector(kind)},
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {
            "seccompProfile": RUNTIME_DEFAULT,
            "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
        },
        "service": {"type": "None"},
        "autoscaling": {"enabled": False},
        "resources": {**_requests("10m", "64Mi"), "limits": {"memory": "256Mi"}},
    }
    return Chart(name, "gateway", ADDON_GATEWAY_NAMESPACE, values, name)


def selector(kind: str) -> dict[str, Json]:
    """The labels a gateway's pods are found by, in every revision."""
    return {"app": f"{GATEWAY}-{kind}", "istio": f"{GATEWAY}-{kind}"}


def services(gateways: tuple[str, ...]) -> list[Document]:
    """The Services of the gateways; the external one has the ports that this machine's loopback leads to."""
    return [_service(kind) for kind in gateways]


def namespaces() -> list[Document]:
    """The add-on's own; nobody holds their pods to a level."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        for name in (ADDON_NAMESPACE, ADDON_GATEWAY_NAMESPACE)
    ]


def _service(kind: str) -> Document:
    http: Document = {"name": "http2", "port": 80, "targetPort": 80, "protocol": "TCP"}
    https: Document = {"name": "https", "port": 443, "targetPort": 443, "protocol": "TCP"}
    if kind == "external":
        http["nodePort"], https["nodePort"] = INGRESS_NODE_PORT, INGRESS_TLS_NODE_PORT
    status: Document = {"name": "status-port", "port": 15021, "targetPort": 15021, "protocol": "TCP"}
    metadata: Document = {
        "name": f"{GATEWAY}-{kind}",
        "namespace": ADDON_GATEWAY_NAMESPACE,
        "labels": selector(kind),
    }
    if kind == "internal":
        metadata["annotations"] = {INTERNAL: "true"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"type": "LoadBalancer", "selector": selector(kind), "ports": [status, http, https]},
    }


def _cni() -> Document:
    return {
        "cniBinDir": str(CNI_BIN_DIR),
        "cniConfDir": str(CNI_CONF_DIR),
        "resources": _requests("10m", "64Mi"),
        "global": HUB,
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": _real_node()}},
    }


def _real_node() -> Document:
    name: Json = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE_NAME]}
    return {"nodeSelectorTerms": [{"matchExpressions": [name]}]}


def _requests(cpu: str, memory: str) -> Document:
    return {"requests": {"cpu": cpu, "memory": memory}}
