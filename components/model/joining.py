"""A mesh as the rest of the program sees it, whoever installs it: one handle for every kind."""

from collections.abc import Mapping
from dataclasses import dataclass

from components.model import istio, naming
from components.model.azure.address import gateway_annotations
from components.model.istio import MeshPlan
from components.model.manifests import Json
from components.model.settings import AddonMesh, ExistingMesh, HelmMesh, NoMesh, Settings

# Without Istio's CNI plugin an init container sets sidecars up, and no other level grants it the rights.
# Source: https://istio.io/latest/docs/setup/additional-setup/pod-security-admission/
NO_CNI = "privileged"
DEFAULT_INJECTION = {"istio-injection": "enabled"}


@dataclass(frozen=True, slots=True)
class Joining:
    """What an environment must know of its mesh.

    `caller` is the ingress gateway as an AuthorizationPolicy's source names it. `pod_security` is the level
    of the Pod Security Standards that pods with a sidecar can be held to.
    """

    root_namespace: str
    injection: Mapping[str, str]  # labels of a namespace whose pods join
    revision: str | None  # whose sidecars they get; None: the default's
    gateway: Mapping[str, str]  # labels of the ingress gateway's pods
    gateway_namespace: str
    caller: Mapping[str, Json]
    pod_security: str = "restricted"


def joining(settings: Settings) -> Joining | None:
    """How the environment joins its mesh; None where there is none."""
    match settings.mesh:
        case NoMesh():
            return None
        case HelmMesh() as mesh:
            return _helm(mesh)
        case AddonMesh() as mesh:
            return _addon(mesh)
        case ExistingMesh() as mesh:
            return _existing(mesh)


def mesh_plan(settings: Settings, owner: str) -> MeshPlan | None:
    """What this stack itself installs for the whole cluster; None where that is someone else's."""
    match settings.mesh:
        case HelmMesh() as mesh:
            return istio.mesh_plan(mesh, owner, settings.images, gateway_annotations(settings))
        case AddonMesh() as mesh:
            return istio.addon_plan(mesh)
        case _:
            return None


def _helm(mesh: HelmMesh) -> Joining:
    principal = naming.principal(istio.GATEWAY_NAMESPACE, istio.GATEWAY_RELEASE)
    return Joining(
        root_namespace=istio.ROOT_NAMESPACE,
        injection=_label(mesh.live),
        revision=mesh.live,
        gateway=istio.GATEWAY_SELECTOR,
        gateway_namespace=istio.GATEWAY_NAMESPACE,
        caller={"principals": [principal]},
    )


def _addon(mesh: AddonMesh) -> Joining:
    return Joining(
        root_namespace=istio.ADDON_NAMESPACE,
        injection=_label(mesh.carrying),
        revision=mesh.carrying,
        gateway=istio.addon_gateway(mesh.gateways[0]),
        gateway_namespace=istio.ADDON_GATEWAY_NAMESPACE,
        caller={"namespaces": [istio.ADDON_GATEWAY_NAMESPACE]},
        pod_security=NO_CNI,
    )


def _existing(mesh: ExistingMesh) -> Joining:
    return Joining(
        root_namespace=mesh.root_namespace,
        injection=_label(mesh.revision),
        revision=mesh.revision,
        gateway=mesh.gateway.selector,
        gateway_namespace=mesh.gateway.namespace,
        caller={"namespaces": [mesh.gateway.namespace]},
        pod_security="restricted" if mesh.cni else NO_CNI,
    )


def _label(revision: str | None) -> Mapping[str, str]:
    return {"istio.io/rev": revision} if revision else DEFAULT_INJECTION
