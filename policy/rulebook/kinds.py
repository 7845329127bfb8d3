"""Types by name, and what of a Kubernetes object runs pods."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from .reading import Document, items, labelled, mapping, number, numbered, text
from .registry import Resource, Stack

CLUSTER = "azure-native:containerservice:ManagedCluster"
POOL = "azure-native:containerservice:AgentPool"
MAINTENANCE = "azure-native:containerservice:MaintenanceConfiguration"
REGISTRY = "azure-native:containerregistry:Registry"
VAULT = "azure-native:keyvault:Vault"
ROLE = "azure-native:authorization:RoleAssignment"
# The module was called network until the provider's third major.
ENDPOINTS = ("azure-native:network:PrivateEndpoint", "azure-native:privatelink:PrivateEndpoint")

NAMESPACE = "kubernetes:core:Namespace"
SERVICE = "kubernetes:core:Service"
CONFIG_MAP = "kubernetes:core:ConfigMap"
DEPLOYMENT = "kubernetes:apps:Deployment"
STATEFUL = "kubernetes:apps:StatefulSet"
DAEMON = "kubernetes:apps:DaemonSet"
JOB = "kubernetes:batch:Job"
CRON = "kubernetes:batch:CronJob"
POD = "kubernetes:core:Pod"
NETWORK_POLICY = "kubernetes:networking.k8s.io:NetworkPolicy"
BUDGET = "kubernetes:policy:PodDisruptionBudget"
SCALER = "kubernetes:autoscaling:HorizontalPodAutoscaler"
QUEUE_SCALER = "kubernetes:keda.sh:ScaledObject"
RELEASE = "kubernetes:helm.sh:Release"

VIRTUAL_SERVICE = "kubernetes:networking.istio.io:VirtualService"
DESTINATION_RULE = "kubernetes:networking.istio.io:DestinationRule"
GATEWAY = "kubernetes:networking.istio.io:Gateway"
SIDECAR = "kubernetes:networking.istio.io:Sidecar"
PEERS = "kubernetes:security.istio.io:PeerAuthentication"
ACCESS = "kubernetes:security.istio.io:AuthorizationPolicy"

REPLICATED = (DEPLOYMENT, STATEFUL)
PODS = (DEPLOYMENT, STATEFUL, DAEMON, JOB, CRON, POD)
TEMPLATES: Mapping[str, tuple[str, ...]] = {
    CRON: ("spec", "jobTemplate", "spec", "template"),
    POD: (),
}


@dataclass(frozen=True)
class Pods:
    """What a resource runs: its pods' labels, annotations and specification."""

    resource: Resource
    template: Document
    path: str  # of the pod's specification

    @property
    def spec(self) -> Document:
        return mapping(self.template, "spec")

    @property
    def labels(self) -> Mapping[str, str]:
        return labelled(self.template, "metadata", "labels")

    @property
    def annotations(self) -> Mapping[str, str]:
        return labelled(self.template, "metadata", "annotations")

    @property
    def account(self) -> str:
        """The service account the pods run as."""
        return text(self.spec, "serviceAccountName") or "default"

    def containers(self) -> Iterator[tuple[str, Document]]:
        """Every container with its path, those that run before the others first."""
        for group in ("initContainers", "containers"):
            yield from numbered(items(self.spec, group), f"{self.path}.{group}")

    def main(self) -> Iterator[tuple[str, Document]]:
        """The containers that keep running."""
        yield from numbered(items(self.spec, "containers"), f"{self.path}.containers")


def pods_of(resource: Resource) -> Pods:
    """The pods of something that has some."""
    keys = TEMPLATES.get(resource.kind, ("spec", "template"))
    return Pods(resource, mapping(resource.inputs, *keys), ".".join((*keys, "spec")))


def workloads(stack: Stack, *kinds: str) -> Iterator[Pods]:
    """Everything that runs pods."""
    for resource in stack.of(*(kinds or PODS)):
        yield pods_of(resource)


def has(labels: Mapping[str, str], selector: Mapping[str, str]) -> bool:
    """Whether labels are among those a selector asks for."""
    return all(labels.get(key) == value for key, value in selector.items())


def selects(selector: Document, labels: Mapping[str, str]) -> bool:
    """Whether a label selector, with its expressions, takes something with these labels."""
    return has(labels, labelled(selector, "matchLabels")) and all(
        _meets(one, labels) for one in items(selector, "matchExpressions")
    )


def _meets(expression: Document, labels: Mapping[str, str]) -> bool:
    key, operator = text(expression, "key"), text(expression, "operator")
    values = [str(one) for one in _values(expression)]
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    return (key in labels) is (operator == "Exists")


def _values(expression: Document) -> tuple[object, ...]:
    found = expression.get("values")
    return tuple(found) if isinstance(found, list | tuple) else ()


@lru_cache(maxsize=2)  # asked for every workload
def scalers(stack: Stack) -> Mapping[tuple[str, str, str], tuple[Resource, float]]:
    """What is scaled, by namespace, kind and name; by what, and to how many at least."""
    found: dict[tuple[str, str, str], tuple[Resource, float]] = {}
    for one in stack.of(SCALER, QUEUE_SCALER):
        queue = one.kind == QUEUE_SCALER
        target = mapping(one.inputs, "spec", "scaleTargetRef")
        fewest = number(one.inputs, "spec", "minReplicaCount" if queue else "minReplicas")
        key = (one.namespace, text(target, "kind") or "Deployment", text(target, "name"))
        found[key] = (one, fewest if fewest is not None else (0 if queue else 1))
    return found


def short(resource: Resource) -> str:
    """What a resource's type is called by itself."""
    return resource.type.rpartition(":")[2]


def fewest(resource: Resource, stack: Stack) -> float:
    """How many pods of a workload there are at least."""
    scaled = scalers(stack).get((resource.namespace, short(resource), resource.object_name))
    asked = number(resource.inputs, "spec", "replicas")
    return scaled[1] if scaled else (1 if asked is None else asked)


def never_two(resource: Resource) -> bool:
    """Whether the old pod ends before the new one starts: what must not run twice has no availability."""
    return text(resource.inputs, "spec", "strategy", "type") == "Recreate"
