"""Istio as this project installs it: which charts, in which order, with which values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.model import naming, routes
from components.model.manifests import Document, Json, Manifest, namespace, spread
from components.model.settings import AddonMesh, HelmMesh, IngressGateway
from components.model.versions import ISTIO_HUB, ISTIO_RELEASE_HUB, ISTIO_RELEASE_TAG, ISTIO_TAG

ROOT_NAMESPACE = "istio-system"
GATEWAY_NAMESPACE = "istio-ingress"
GATEWAY_RELEASE = "istio-ingressgateway"
GATEWAY_SELECTOR = {"istio": "ingressgateway"}
RUNTIME_DEFAULT: Document = {"type": "RuntimeDefault"}
INSTALL_SECONDS = 300

# The add-on of AKS brings its own namespaces and gateways.
# Source: https://learn.microsoft.com/azure/aks/istio-deploy-ingress
ADDON_NAMESPACE = "aks-istio-system"
ADDON_GATEWAY_NAMESPACE = "aks-istio-ingress"

# The sidecar's Envoy is the upstream one, which has none of Istio's own filters: a configuration that
# names them would be rejected. Envoy's own counters do not depend on them.
UPSTREAM_ENVOY: Document = {"PILOT_ENABLE_ALPN_FILTER": "false", "PILOT_ENABLE_METADATA_EXCHANGE": "false"}


@dataclass(frozen=True, slots=True)
class Release:
    """One Helm release. `chart` is the folder's name, `after` the releases that must be ready first."""

    name: str
    chart: str
    namespace: str
    values: Mapping[str, Json]
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MeshPlan:
    """Everything cluster-wide; exactly one stack on a cluster has it."""

    namespaces: tuple[Manifest, ...]
    releases: tuple[Release, ...]
    config: tuple[Manifest, ...]  # what control planes read that others installed
    mtls: Manifest

    def objects(self) -> tuple[Manifest, ...]:
        """Every plain object, in the order they can be applied."""
        return (*self.namespaces, *self.config, self.mtls)


def mesh_plan(
    mesh: HelmMesh, owner: str, images: str, annotations: Mapping[str, str] | None = None
) -> MeshPlan:
    """Istio with sidecars set up by its CNI plugin, so that no pod of ours needs extra rights.

    `annotations` are what the cluster reads on the gateway's Service.
    """
    owned = {naming.OWNER_LABEL: owner}
    default: Document = {"defaultRevision": mesh.live or "default"}
    planes = tuple(_control_planes(mesh, images))
    return MeshPlan(
        namespaces=(
            # The CNI agent reaches into the node, so the root namespace cannot be restricted.
            namespace(ROOT_NAMESPACE, ROOT_NAMESPACE, owned, pod_security="privileged"),
            namespace(GATEWAY_NAMESPACE, GATEWAY_NAMESPACE, owned),
        ),
        releases=(
            Release("istio-base", "base", ROOT_NAMESPACE, default),
            Release("istio-cni", "cni", ROOT_NAMESPACE, _cni(mesh, images), ("istio-base",)),
            *planes,
            Release(
                GATEWAY_RELEASE,
                "gateway",
                GATEWAY_NAMESPACE,
                _gateway(mesh, annotations or {}),
                (*(plane.name for plane in planes), "istio-cni"),
            ),
        ),
        config=(),
        mtls=routes.strict_mtls(ROOT_NAMESPACE, "mesh"),
    )


def addon_plan(mesh: AddonMesh) -> MeshPlan:
    """What is left to do when Azure installs Istio: each control plane's configuration, and mutual TLS."""
    return MeshPlan(
        namespaces=(),
        releases=(),
        config=tuple(_shared(revision) for revision in mesh.revisions if mesh.access_log),
        mtls=routes.strict_mtls(ADDON_NAMESPACE, "mesh"),
    )


def _shared(revision: str) -> Manifest:
    """Mesh configuration of ours, which the add-on merges into its own.

    Source: https://learn.microsoft.com/azure/aks/istio-meshconfig
    """
    name = f"istio-shared-configmap-{revision}"
    mesh = "accessLogFile: /dev/stdout\naccessLogEncoding: JSON\n"
    return Manifest(name, "v1", "ConfigMap", name, ADDON_NAMESPACE, {}, {"data": {"mesh": mesh}})


def addon_gateway(kind: str) -> dict[str, str]:
    """The labels of the pods of a gateway of the add-on, `external` or `internal`."""
    return {"istio": f"aks-istio-ingressgateway-{kind}"}


def addon_profile(mesh: AddonMesh) -> Document:
    """The part of a managed cluster that has Azure install Istio (`serviceMeshProfile`)."""
    gateways: list[Json] = [
        {"enabled": kind in mesh.gateways, "mode": kind.capitalize()} for kind in ("external", "internal")
    ]
    revisions: list[Json] = [*mesh.revisions]
    return {
        "mode": "Istio",
        "istio": {"revisions": revisions, "components": {"ingressGateways": gateways}},
    }


def _control_planes(mesh: HelmMesh, images: str) -> Iterator[Release]:
    if not mesh.revisions:
        yield Release("istiod", "istiod", ROOT_NAMESPACE, _istiod(mesh, images, "default"), ("istio-base",))
    for revision in mesh.revisions:
        values = _istiod(mesh, images, revision.name) | {"revision": revision.name}
        if revision.tag:
            values["image"] = f"{_hub(images)['hub']}/pilot:{revision.tag}"
        yield Release(f"istiod-{revision.name}", "istiod", ROOT_NAMESPACE, values, ("istio-base",))


def _hub(images: str) -> Document:
    """Where Istio's own images come from: made here with the stand-ins, the release's elsewhere."""
    hub, tag = (ISTIO_HUB, ISTIO_TAG) if images == "standin" else (ISTIO_RELEASE_HUB, ISTIO_RELEASE_TAG)
    return {"hub": hub, "tag": tag, "imagePullPolicy": "IfNotPresent"}


def _requests(cpu: str, memory: str) -> Document:
    return {"requests": {"cpu": cpu, "memory": memory}}


def _cni(mesh: HelmMesh, images: str) -> Document:
    values: Document = {
        "cniBinDir": mesh.cni.bin_dir,
        "cniConfDir": mesh.cni.conf_dir,
        "global": _hub(images),
    }
    return values | ({"resources": _requests("10m", "64Mi")} if mesh.size == "small" else {})


def _istiod(mesh: HelmMesh, images: str, revision: str) -> Document:
    proxy: Document = {"seccompProfile": RUNTIME_DEFAULT}
    values: Document = {
        "cni": {"enabled": True},
        "seccompProfile": RUNTIME_DEFAULT,
    }
    if images == "standin":
        values |= {"env": UPSTREAM_ENVOY, "telemetry": {"enabled": False}}
    common: Document = {**_hub(images), "proxy": proxy}
    if mesh.size == "small":
        proxy["resources"] = {**_requests("10m", "64Mi"), "limits": {"memory": "256Mi"}}
        values |= {"autoscaleEnabled": False, "resources": _requests("50m", "256Mi")}
    else:
        # The charts' own number is one, and then they make no budget: a drained node would take it away.
        values |= {
            "autoscaleMin": 2,
            "topologySpreadConstraints": spread({"app": "istiod", "istio.io/rev": revision}),
        }
    return values | {"global": common}


def _gateway(mesh: HelmMesh, annotations: Mapping[str, str]) -> Document:
    values: Document = {
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {
            "seccompProfile": RUNTIME_DEFAULT,
            "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
        },
        "service": _gateway_service(mesh.gateway, annotations),
    }
    if mesh.live:
        values["revision"] = mesh.live
    if mesh.size == "small":
        values["autoscaling"] = {"enabled": False}
        values["resources"] = {**_requests("10m", "64Mi"), "limits": {"memory": "256Mi"}}
    else:
        values["autoscaling"] = {"minReplicas": 2}
        values["podDisruptionBudget"] = {"maxUnavailable": 1}
        values["topologySpreadConstraints"] = spread(GATEWAY_SELECTOR)
    return values


def _gateway_service(exposed: IngressGateway, annotations: Mapping[str, str]) -> Document:
    http: Document = {"name": "http2", "port": 80, "protocol": "TCP", "targetPort": 80}
    https: Document = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": 443}
    if exposed.node_port is not None:
        http["nodePort"] = exposed.node_port
    if exposed.tls_node_port is not None:
        https["nodePort"] = exposed.tls_node_port
    status: Document = {"name": "status-port", "port": 15021, "protocol": "TCP", "targetPort": 15021}
    found: Document = {"type": exposed.service, "ports": [status, http, https]}
    return found | ({"annotations": dict(annotations)} if annotations else {})
