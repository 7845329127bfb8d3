"""What is broken in an environment of our own, one guarded property at a time, and which rule sees it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from policy.rulebook.azure import ACR_PULL
from policy.rulebook.reading import items, mapping, text, true
from policy.rulebook.registry import Resource
from tests.policy.world import REMOVE, One, changed

UNPROTECTED = object()
GONE = object()
HOST = "vehiclemanagementapi"
POD = "spec.template.spec"
MAIN = f"{POD}.containers[0]"
SECURITY = f"{MAIN}.securityContext"
PSS = "pod-security.kubernetes.io"
SYSTEM = "agentPoolProfiles[0]"
EXPIRED: dict[str, str] = {"pitstop.dev/fault-until": "2020-01-31"}
Fits = Callable[[Resource], bool]


def anything(_: Resource) -> bool:
    return True


@dataclass(frozen=True, eq=False)
class Mutation:
    """One property of a kind of resource that it fits, broken; the rule that sees it, and who else must."""

    rule: str
    kind: str
    path: str
    value: object
    also: tuple[str, ...] = ()
    fits: Fits = anything
    production: bool = False  # a development environment is allowed it
    may: tuple[str, ...] = ()  # rules that see it or not, as the resource happens to be

    @property
    def name(self) -> str:
        return f"{self.rule}-{self.kind}-{self.path}"

    def of(self, resource: Resource) -> Resource | None:
        """The broken resource; GONE where it is taken away is the caller's to do."""
        if self.value is UNPROTECTED:
            return replace(resource, protect=False) if resource.protect else None
        one = One(resource.type, resource.name, dict(resource.inputs))
        try:
            inputs = changed({"it": one}, "it", self.path, self.value)["it"].inputs
        except (KeyError, IndexError, TypeError, AttributeError):
            return None  # it has no such property
        return replace(resource, inputs=inputs)


def serves(resource: Resource) -> bool:
    """Pods with a port, updated one after the other."""
    spec = mapping(resource.inputs, "spec")
    rolling = text(spec, "strategy", "type") == "RollingUpdate"
    return rolling and bool(items(spec, "template", "spec", "containers")[0].get("ports"))


def asked_over_http(resource: Resource) -> bool:
    container = items(resource.inputs, "spec", "template", "spec", "containers")[0]
    return bool(mapping(container, "readinessProbe", "httpGet"))


def has_port(resource: Resource) -> bool:
    return "ports" in items(resource.inputs, "spec", "template", "spec", "containers")[0]


def named(*names: str) -> Fits:
    return lambda resource: resource.name in names


def routed(resource: Resource) -> bool:
    """Routes without a fault on the first."""
    ways = items(resource.inputs, "spec", "http")
    return bool(ways) and "fault" not in ways[0]


def split(resource: Resource) -> bool:
    ways = items(resource.inputs, "spec", "http")
    return bool(ways) and len(items(ways[0], "route")) > 1


def beside_the_broker(resource: Resource) -> bool:
    """Elsewhere its account would be another of the same name."""
    return text(resource.inputs, "metadata", "namespace") == "pitstop"


def refuses_all(resource: Resource) -> bool:
    return resource.name == "default-deny"


def allows(resource: Resource) -> bool:
    return bool(items(resource.inputs, "spec", "rules"))


def encrypted(resource: Resource) -> bool:
    servers = items(resource.inputs, "spec", "servers")
    return len(servers) > 1


def strict(resource: Resource) -> bool:
    return text(resource.inputs, "spec", "mtls", "mode") == "STRICT"


def scaled_pool(resource: Resource) -> bool:
    return true(resource.inputs, "enableAutoScaling")


def injected(resource: Resource) -> bool:
    return "istio-injection" in resource.labels or "istio.io/rev" in resource.labels


def spread(resource: Resource) -> bool:
    return bool(items(resource.inputs, "spec", "template", "spec", "topologySpreadConstraints"))


def breaker(resource: Resource) -> bool:
    return bool(mapping(resource.inputs, "spec", "trafficPolicy", "outlierDetection"))


def pulls(resource: Resource) -> bool:
    return text(resource.inputs, "roleDefinitionId").endswith(ACR_PULL)


def has_variables(resource: Resource) -> bool:
    return "env" in items(resource.inputs, "spec", "template", "spec", "containers")[0]


def vaulted(resource: Resource) -> bool:
    return bool(mapping(resource.inputs, "addonProfiles", "azureKeyvaultSecretsProvider"))


CLUSTER = (
    Mutation("A1", "ManagedCluster", f"{SYSTEM}.availabilityZones", ["1"], production=True),
    Mutation("A1", "AgentPool", "availabilityZones", REMOVE, production=True),
    Mutation("A2", "ManagedCluster", f"{SYSTEM}.nodeTaints", []),
    Mutation("A2", "ManagedCluster", f"{SYSTEM}.minCount", 0),
    Mutation("A3", "ManagedCluster", "disableLocalAccounts", False),
    Mutation("A3", "ManagedCluster", "aadProfile.enableAzureRBAC", False),
    Mutation("A4", "ManagedCluster", "oidcIssuerProfile.enabled", False),
    Mutation("A4", "ManagedCluster", "securityProfile.workloadIdentity.enabled", False),
    Mutation("A5", "ManagedCluster", "apiServerAccessProfile", {"authorizedIPRanges": ["0.0.0.0/0"]}),
    Mutation("A6", "ManagedCluster", "networkProfile.networkPolicy", REMOVE),
    Mutation("A7", "ManagedCluster", "autoUpgradeProfile.upgradeChannel", "none"),
    Mutation("A7", "ManagedCluster", "autoUpgradeProfile.nodeOSUpgradeChannel", "None"),
    Mutation("A7-window", "MaintenanceConfiguration", "", GONE),
    Mutation("A8", "AgentPool", "upgradeSettings", REMOVE),
    Mutation("A8", "AgentPool", "maxCount", 0, fits=scaled_pool),
    Mutation("A9", "ManagedCluster", "sku.tier", "Free", production=True),
    Mutation("A10", "ManagedCluster", "securityProfile.defender", {}, production=True),
    Mutation("A10", "ManagedCluster", "addonProfiles.omsagent", {"enabled": False}, production=True),
    Mutation("A11", "ManagedCluster", f"{SYSTEM}.enableEncryptionAtHost", False, production=True),
    Mutation("A11", "AgentPool", "osDiskType", "Managed", production=True),
    Mutation(
        "A11",
        "ManagedCluster",
        "addonProfiles.azureKeyvaultSecretsProvider.config.enableSecretRotation",
        "false",
        fits=vaulted,
    ),
    Mutation("A12", "ManagedCluster", "identity.type", "SystemAssigned"),
    Mutation("A12-registry", "Registry", "adminUserEnabled", True),
    Mutation("A12-registry", "Registry", "anonymousPullEnabled", True),
    Mutation(
        "A12-roles",
        "RoleAssignment",
        "roleDefinitionId",
        "/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
        may=("A12-pull",),
    ),
    Mutation("A12-pull", "RoleAssignment", "", GONE, fits=pulls),
    Mutation("A13", "Vault", "properties.enablePurgeProtection", False, production=True),
    Mutation("A13", "Vault", "properties.enableRbacAuthorization", False),
    Mutation("A13-private", "Vault", "properties.publicNetworkAccess", "Enabled", production=True),
    *(
        Mutation("A14", kind, "", UNPROTECTED, production=True)
        for kind in (
            "ManagedCluster",
            "Registry",
            "Vault",
            "Server",
            "Database",
            "Workspace",
            "ResourceGroup",
        )
    ),
)
PODS = (
    *(
        Mutation("W2", kind, path, value)
        for kind in ("Deployment", "StatefulSet", "Job")
        for path, value in (
            (f"{POD}.securityContext.runAsNonRoot", False),
            (f"{POD}.securityContext.runAsUser", 1337),
            (f"{POD}.securityContext.seccompProfile", REMOVE),
            (f"{POD}.hostNetwork", True),
            (f"{SECURITY}.allowPrivilegeEscalation", True),
            (f"{SECURITY}.capabilities", REMOVE),
            (f"{SECURITY}.privileged", True),
        )
    ),
    Mutation("W2", "Deployment", f"{SECURITY}.readOnlyRootFilesystem", False),
    Mutation("W1", "Namespace", f'metadata.labels."{PSS}/enforce"', "baseline"),
    Mutation("W1", "Namespace", f'metadata.labels."{PSS}/enforce-version"', REMOVE),
    Mutation("W3", "Deployment", f"{MAIN}.image", "webapp:latest", may=("S2",)),
    Mutation("W3", "StatefulSet", f"{MAIN}.image", "rabbitmq", may=("S2",)),
    Mutation("W4", "Deployment", f"{MAIN}.resources.limits.memory", REMOVE),
    Mutation("W4", "Job", f"{MAIN}.resources.requests", REMOVE),
    Mutation("W5", "Deployment", f"{MAIN}.readinessProbe", REMOVE, fits=has_port),
    Mutation("W5", "Deployment", f"{MAIN}.startupProbe", REMOVE, fits=has_port),
    Mutation("W7", "Deployment", f"{POD}.serviceAccountName", "default"),
    Mutation("W7", "StatefulSet", f"{POD}.automountServiceAccountToken", True),
    Mutation("W7", "Job", f"{POD}.automountServiceAccountToken", REMOVE),
    Mutation("W7-own", "Deployment", f"{POD}.serviceAccountName", "rabbitmq", fits=beside_the_broker),
    Mutation("W10", "Deployment", f"{POD}.terminationGracePeriodSeconds", REMOVE),
    Mutation("W10", "Deployment", f"{MAIN}.lifecycle", REMOVE, fits=serves),
    Mutation("W10", "Deployment", "spec.strategy.rollingUpdate.maxUnavailable", 1, fits=serves),
    Mutation(
        "W11",
        "Deployment",
        f"{MAIN}.env[0]",
        {"name": "Broker__Password", "value": "hunter2"},
        fits=has_variables,
    ),
    Mutation("W11", "ConfigMap", "data.more", "password=hunter2"),
    Mutation("W6", "Deployment", f"{POD}.topologySpreadConstraints", REMOVE, fits=spread),
    Mutation("W6-budget", "PodDisruptionBudget", "", GONE),
    Mutation("W8", "NetworkPolicy", "", GONE, fits=refuses_all),
    Mutation("W8", "NetworkPolicy", "spec.policyTypes", ["Ingress"], fits=refuses_all),
    Mutation(
        "W9", "HorizontalPodAutoscaler", "spec.scaleTargetRef.name", "nobody", may=("W6", "W6-budget", "M9")
    ),
    Mutation("M13", "Service", "spec.ports[0]", {"name": "web", "port": 80}),
)
MESH = (
    Mutation("M1", "PeerAuthentication", "spec.mtls.mode", "PERMISSIVE", fits=strict, may=("M1-mesh",)),
    Mutation("M2", "AuthorizationPolicy", "spec.rules[0].from", REMOVE, ("M2-graph",), fits=allows),
    Mutation("M2-deny", "AuthorizationPolicy", "", GONE, fits=refuses_all, may=("M2-graph",)),
    Mutation("M2-graph", "AuthorizationPolicy", "", GONE, fits=allows),
    Mutation("M2-graph", "AuthorizationPolicy", "spec.rules[0].to[0].operation.ports", ["1"], fits=allows),
    Mutation("M3", "VirtualService", "spec.http[0].timeout", REMOVE, fits=routed),
    Mutation("M3", "VirtualService", "spec.http[0].retries", {"attempts": 9}, fits=routed),
    Mutation("M4", "VirtualService", "spec.http[0].route[0].weight", 99, fits=split),
    Mutation("M5", "VirtualService", "spec.http[0].route[0].destination.subset", "v9"),
    Mutation("M5", "DestinationRule", "spec.subsets[0].labels", {"version": "9.0"}),
    Mutation("M5", "DestinationRule", "spec.subsets", [], may=("M9",)),
    Mutation("M5", "Deployment", "spec.selector.matchLabels.app", "another"),
    Mutation("M5", "Service", "spec.selector.app", "another"),
    Mutation("M6", "Gateway", "spec.servers[0].tls", REMOVE, fits=encrypted),
    Mutation("M6", "Gateway", "spec.servers[1].tls.minProtocolVersion", "TLSV1_0", fits=encrypted),
    Mutation("M7", "Sidecar", "spec.egress[0].hosts", ["*/*"]),
    Mutation("M7", "Sidecar", "spec.outboundTrafficPolicy", REMOVE),
    Mutation("M7-scope", "Sidecar", "", GONE),
    Mutation("M8", "Namespace", 'metadata.labels."istio.io/rev"', "asm-1-2", fits=injected),
    Mutation(
        "M9",
        "DestinationRule",
        "spec.trafficPolicy.outlierDetection.maxEjectionPercent",
        1,
        fits=breaker,
    ),
    Mutation(
        "M11",
        "VirtualService",
        "spec.http[0]",
        {"fault": {"abort": {"percentage": {"value": 1}, "httpStatus": 500}}, "match": [{}], "route": []},
        fits=routed,
    ),
    Mutation("M12", "DestinationRule", "spec.host", HOST, fits=named("webapp"), may=("M5", "M9")),
)
MUTATIONS = (*CLUSTER, *PODS, *MESH)
