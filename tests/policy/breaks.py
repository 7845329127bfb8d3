"""What breaks each rule, and nothing else: one change of `tests/policy/world.py` at a time."""

from dataclasses import dataclass, replace

from tests.policy.world import (
    REMOVE,
    ROLES,
    One,
    Stack,
    azure,
    changed,
    kubernetes,
)

UNPROTECTED = object()


@dataclass(frozen=True)
class Break:
    """A change, the rule that finds it, and where it says it is."""

    rule: str
    key: str
    path: str
    value: object
    said: str = ""  # what the violation begins with; the path itself where nothing is stated
    also: tuple[str, ...] = ()  # rules that cannot but find it too

    @property
    def name(self) -> str:
        return f"{self.rule}-{self.key}-{self.path}"

    def of(self, stack: Stack) -> Stack:
        """The stack with the change."""
        if isinstance(self.value, One):
            return {**stack, self.key: self.value}
        if self.value is UNPROTECTED:
            return {**stack, self.key: replace(stack[self.key], protect=False)}
        return changed(stack, self.key, self.path, self.value)


def added(rule: str, one: One, said: str) -> Break:
    """Something more."""
    return Break(rule, one.key, "", one, said)


CLUSTER, POOL, VAULT = "ManagedCluster/shop", "AgentPool/work", "Vault/shop"
V1, V2, WEB = "Deployment/orders-v1", "Deployment/orders-v2", "Deployment/web-v1"
ROUTES, RULE, ENTRY = "VirtualService/orders", "DestinationRule/orders", "VirtualService/web"
GATEWAY, SIDECAR = "Gateway/web", "Sidecar/default"
POD = "spec.template.spec"
MAIN = f"{POD}.containers[0]"
PSS = "pod-security.kubernetes.io"
SYSTEM = "agentPoolProfiles[0]"
LABELS = "metadata.labels"
OUTLIERS = "spec.trafficPolicy.outlierDetection"

AZURE = (
    Break("A1", CLUSTER, f"{SYSTEM}.availabilityZones", ["1", "2"]),
    Break("A1", CLUSTER, f"{SYSTEM}.availabilityZones", ["1", "1", "2"]),
    Break("A1", POOL, "availabilityZones", REMOVE),
    Break("A2", CLUSTER, f"{SYSTEM}.nodeTaints", ["other=true:NoSchedule"]),
    Break("A2", CLUSTER, f"{SYSTEM}.minCount", 1),
    Break("A2", CLUSTER, f"{SYSTEM}.mode", "User", "agentPoolProfiles: no pool of mode System"),
    Break("A2", POOL, "mode", "System", "nodeTaints"),
    Break("A3", CLUSTER, "disableLocalAccounts", False),
    Break("A3", CLUSTER, "aadProfile.enableAzureRBAC", REMOVE),
    Break("A3", CLUSTER, "aadProfile", REMOVE, "aadProfile.managed"),
    Break("A4", CLUSTER, "oidcIssuerProfile.enabled", False),
    Break(
        "A4", CLUSTER, "securityProfile.workloadIdentity", REMOVE, "securityProfile.workloadIdentity.enabled"
    ),
    Break("A4", CLUSTER, "servicePrincipalProfile", {"clientId": "0"}),
    Break("A5", CLUSTER, "apiServerAccessProfile", REMOVE),
    Break(
        "A5",
        CLUSTER,
        "apiServerAccessProfile.authorizedIPRanges[1]",
        "0.0.0.0/0",
        "apiServerAccessProfile.auth",
    ),
    Break("A6", CLUSTER, "networkProfile.networkPolicy", REMOVE),
    Break("A6", CLUSTER, "networkProfile.networkPolicy", "none"),
    Break("A6", CLUSTER, "networkProfile.networkPlugin", "kubenet"),
    Break(
        "A6",
        CLUSTER,
        "networkProfile",
        {"networkPlugin": "azure", "networkPolicy": "azure"},
        "networkProfile.networkPluginMode",
    ),
    Break("A7", CLUSTER, "autoUpgradeProfile.upgradeChannel", "rapid"),
    Break("A7", CLUSTER, "autoUpgradeProfile.nodeOSUpgradeChannel", REMOVE),
    Break(
        "A7-window", "MaintenanceConfiguration/aksManagedAutoUpgradeSchedule", "", REMOVE, "no maintenance"
    ),
    Break("A8", POOL, "upgradeSettings", REMOVE, "upgradeSettings.maxSurge"),
    Break("A8", POOL, "minCount", 7),
    Break("A8", POOL, "maxCount", REMOVE, "minCount"),
    Break("A9", CLUSTER, "sku.tier", "Free"),
    Break("A9", CLUSTER, "sku", REMOVE, "sku.tier"),
    Break("A10", CLUSTER, "securityProfile.defender", REMOVE, "securityProfile.defender.securityMonitoring"),
    Break("A10", CLUSTER, "addonProfiles.azurepolicy.enabled", False),
    Break("A10", CLUSTER, "addonProfiles.omsagent", REMOVE, "addonProfiles.omsagent.enabled"),
    Break("A11", CLUSTER, f"{SYSTEM}.enableEncryptionAtHost", REMOVE),
    Break("A11", POOL, "osDiskType", "Managed"),
    Break(
        "A11",
        CLUSTER,
        "addonProfiles.azureKeyvaultSecretsProvider.config",
        {"enableSecretRotation": "false"},
    ),
    Break("A12", CLUSTER, "identity.type", "SystemAssigned"),
    Break("A12-registry", "Registry/shop", "adminUserEnabled", True),
    Break("A12-registry", "Registry/shop", "anonymousPullEnabled", True),
    Break("A12-pull", "RoleAssignment/pull", "", REMOVE, "no role assignment"),
    added(
        "A12-roles",
        azure(
            "authorization:RoleAssignment",
            "all",
            {"roleDefinitionId": f"{ROLES}/8E3AF657-A8FF-443C-A75C-2FE8C4BCB635"},
        ),
        "roleDefinitionId: Owner",
    ),
    Break("A14", CLUSTER, "", UNPROTECTED, "not protected"),
    Break("A14", VAULT, "", UNPROTECTED, "not protected"),
    Break("A14", "Registry/shop", "", UNPROTECTED, "not protected"),
    Break("A14", "ResourceGroup/shop", "", UNPROTECTED, "not protected"),
    Break("A13", VAULT, "properties.enablePurgeProtection", REMOVE),
    Break("A13", VAULT, "properties.enableRbacAuthorization", False),
    Break("A13", VAULT, "properties.enableSoftDelete", False),
    Break("A13-private", VAULT, "properties.publicNetworkAccess", "Enabled"),
    Break("A13-private", "PrivateEndpoint/vault", "", REMOVE, "no private endpoint"),
)
WORKLOADS = (
    Break("W1", "Namespace/shop", f'{LABELS}."{PSS}/enforce"', "privileged", f"{LABELS}.{PSS}/enforce"),
    Break("W1", "Namespace/shop", f'{LABELS}."{PSS}/enforce-version"', "latest", f"{LABELS}.{PSS}/enforce-v"),
    Break("W2", V1, f"{POD}.securityContext.runAsNonRoot", REMOVE, f"{MAIN}.securityContext.runAsNonRoot"),
    Break("W2", V1, f"{POD}.securityContext.runAsUser", 1000, f"{MAIN}.securityContext.runAsUser: 1000"),
    Break("W2", V1, f"{MAIN}.securityContext.runAsUser", 0),
    Break("W2", V1, f"{POD}.securityContext.seccompProfile", REMOVE, f"{MAIN}.securityContext.seccomp"),
    Break("W2", V1, f"{MAIN}.securityContext.allowPrivilegeEscalation", REMOVE),
    Break("W2", V1, f"{MAIN}.securityContext.readOnlyRootFilesystem", False),
    Break("W2", V1, f"{MAIN}.securityContext.privileged", True),
    Break("W2", V1, f"{MAIN}.securityContext.capabilities.drop", ["NET_RAW"]),
    Break("W2", V1, f"{MAIN}.securityContext.capabilities.add", ["SYS_ADMIN"]),
    Break("W2", V1, f"{POD}.hostNetwork", True),
    Break("W2", V1, f"{POD}.volumes[1]", {"name": "node", "hostPath": {"path": "/"}}),
    Break("W3", V1, f"{MAIN}.image", f"docker.io/orders:2.1@sha256:{'5e' * 32}"),
    Break("W3", V1, f"{MAIN}.image", f"shop.azurecr.io/orders:latest@sha256:{'5e' * 32}"),
    Break("S2", V1, f"{MAIN}.image", "shop.azurecr.io/orders:2.1"),
    Break("S2", V1, f"{MAIN}.image", "shop.azurecr.io/orders:2.1@sha256:5e5e"),
    Break("W4", V1, f"{MAIN}.resources.limits.memory", REMOVE),
    Break("W4", V1, f"{MAIN}.resources.requests", REMOVE, f"{MAIN}.resources.requests.cpu"),
    Break("W5", V1, f"{MAIN}.startupProbe", REMOVE),
    Break("W5", V1, f"{MAIN}.livenessProbe.httpGet.path", "/ready", f"{MAIN}.livenessProbe"),
    Break("W5", V1, f"{MAIN}.ports", [], f"{MAIN}.startupProbe.tcpSocket"),
    Break("W7", V1, f"{POD}.serviceAccountName", REMOVE),
    Break("W7", V1, f"{POD}.automountServiceAccountToken", REMOVE),
    Break("W7-own", V1, f"{POD}.serviceAccountName", "web"),
    Break("W10", V1, f"{POD}.terminationGracePeriodSeconds", 2),
    Break("W10", V1, f"{MAIN}.lifecycle", REMOVE, f"{MAIN}.lifecycle.preStop"),
    Break("W10", V1, "spec.strategy.rollingUpdate.maxUnavailable", "25%"),
    Break("W10", V1, "spec.strategy", REMOVE, "spec.strategy.rollingUpdate.maxUnavailable"),
    Break("W11", V1, f"{MAIN}.env[1]", {"name": "Mail__Password", "value": "hunter2"}),
    Break(
        "W11", V1, f"{MAIN}.env[1]", {"name": "Database", "value": "server=db;user id=a;password=hunter2;"}
    ),
    Break("W11", V1, f"{MAIN}.env[1]", {"name": "Queue", "value": "amqp://guest:hunter2@mq:5672"}),
    Break("W11", "ConfigMap/orders", 'data."settings.json"', "amqp://guest:hunter2@mq", "data.settings.json"),
    Break("M13", "Service/orders", "spec.ports[0].appProtocol", REMOVE, "spec.ports[0]"),
)
MESH = (
    Break("M1", "PeerAuthentication/mesh", "spec.portLevelMtls", {"8080": {"mode": "PERMISSIVE"}}),
    Break("M1", "PeerAuthentication/mesh", "spec.mtls.mode", "PERMISSIVE", also=("M1-mesh",)),
    Break(
        "M2", "AuthorizationPolicy/orders", "spec.rules[1]", {"to": []}, "spec.rules[1].from", ("M2-graph",)
    ),
    Break(
        "M2",
        "AuthorizationPolicy/orders",
        "spec.rules[0].from[0].source.principals",
        ["*"],
        "spec.rules[0].from[0].source: * is everybody",
        ("M2-graph",),
    ),
    Break("M1-mesh", "PeerAuthentication/mesh", "", REMOVE, "no PeerAuthentication"),
    Break("M2-deny", "AuthorizationPolicy/nothing", "", REMOVE, "no AuthorizationPolicy"),
    Break("M2-deny", "AuthorizationPolicy/nothing", "spec.action", "AUDIT", "no AuthorizationPolicy"),
    Break(
        "M2-graph",
        "AuthorizationPolicy/orders",
        "",
        REMOVE,
        "shop/web -> shop/orders:8080: in the call graph",
    ),
    Break(
        "M2-graph",
        "AuthorizationPolicy/orders",
        "spec.rules[0].from[0].source.principals[1]",
        "cluster.local/ns/shop/sa/orders",
        "shop/orders -> shop/orders:8080: allowed",
    ),
    Break(
        "M2-graph",
        "AuthorizationPolicy/orders",
        "spec.rules[0].to[0].operation.ports",
        ["8081"],
        "shop/web -> shop/orders:8080: in the call graph",
    ),
    Break("M3", ROUTES, "spec.http[1].timeout", REMOVE),
    Break("M3", ROUTES, "spec.http[1].timeout", "0s"),
    Break("M3", ROUTES, "spec.http[1].timeout", "1h"),
    Break("M3", ROUTES, "spec.http[1].retries.attempts", 9),
    Break("M3", ROUTES, "spec.http[1].retries.perTryTimeout", "4s"),
    Break("M3", ROUTES, "spec.http[0].timeout", "3s", "spec.http[0].timeout: has no effect"),
    Break("M4", ROUTES, "spec.http[1].route[1].weight", 20, "spec.http[1].route: weights sum to 110"),
    Break("M4", ROUTES, "spec.http[1].route[1].weight", REMOVE, "spec.http[1].route: weights sum to 90"),
    Break("M5", ROUTES, "spec.http[1].route[1].destination.subset", "v3"),
    Break(
        "M5", ROUTES, "spec.http[1].mirror", {"host": "orders", "subset": "v3"}, "spec.http[1].mirror.subset"
    ),
    Break("M5", RULE, "spec.subsets[1].labels.version", "v3", "spec.subsets[1].labels"),
    Break("M5", RULE, "spec.host", "orders.other.svc.cluster.local", "spec.http[0]"),
    Break("M5", V2, "spec.replicas", 0, "spec.http[1].route[1].destination: v2 gets 10 %"),
    Break("M5", V2, "spec.selector.matchLabels.version", "v3", "spec.selector"),
    Break("M6", GATEWAY, "spec.servers[0].tls", REMOVE, "spec.servers[0]: HTTP in the clear"),
    Break("M6", GATEWAY, "spec.servers[1].tls.minProtocolVersion", "TLSV1_0"),
    Break("M6", GATEWAY, "spec.servers[1].tls.minProtocolVersion", REMOVE),
    Break("M6", GATEWAY, "spec.servers[1].hosts[1]", "*", "spec.servers[1].hosts"),
    Break("M7", SIDECAR, "spec.egress[0].hosts[0]", "*/*", "spec.egress[0].hosts"),
    Break("M7", SIDECAR, "spec.egress", REMOVE),
    Break("M7", SIDECAR, "spec.outboundTrafficPolicy", REMOVE, "spec.outboundTrafficPolicy.mode"),
    Break("M7-scope", SIDECAR, "", REMOVE, "0 Sidecars"),
    Break("M8", "Namespace/shop", f'{LABELS}."istio.io/rev"', "asm-1-26", f"{LABELS}.istio.io/rev"),
    Break("M8", "Namespace/shop", f"{LABELS}.istio-injection", "enabled", f"{LABELS}: istio-injection wins"),
    Break("M9", RULE, f"{OUTLIERS}.maxEjectionPercent", REMOVE),
    Break("M9", V1, "spec.replicas", 1, OUTLIERS, ("W6",)),
    Break("M9", RULE, f"{OUTLIERS}.consecutiveGatewayErrors", 5),
    Break("M11", ROUTES, "metadata.annotations", REMOVE, "metadata.annotations.fault-until: not set"),
    Break(
        "M11",
        ROUTES,
        "metadata.annotations.fault-until",
        "2026-11-01",
        "metadata.annotations.fault-until: 2026-11-01 is over",
    ),
    Break("M11", ROUTES, "metadata.annotations.fault-until", "2027-11-01"),
    Break("M11", ROUTES, "metadata.annotations.fault-until", "soon"),
    Break("M11", ROUTES, "spec.http[0].match", REMOVE),
    Break("M11", ROUTES, "spec.http[0].fault.delay.percentage", {"value": 50}),
    Break(
        "M11", ROUTES, "spec.http[0].fault.abort", {"httpStatus": 500}, "spec.http[0].fault.abort.percentage"
    ),
    Break("M12", ENTRY, "spec", {"hosts": ["orders"], "http": []}, "spec.hosts: orders on mesh"),
    added(
        "M12",
        kubernetes("networking.istio.io/v1:DestinationRule", "more", {"spec": {"host": "orders"}}),
        "spec.host",
    ),
)
STACKS = (
    Break("W6", V1, "spec.replicas", 1, also=("M9",)),
    Break("W6", "HorizontalPodAutoscaler/web", "spec.minReplicas", 1, "spec.replicas: 1", ("W6-budget",)),
    Break("W6", V1, f"{POD}.topologySpreadConstraints[0]", REMOVE, f"{POD}.topologySpreadConstraints"),
    Break("W6-budget", "PodDisruptionBudget/web", "", REMOVE, "2 pods and no"),
    Break("W6-budget", "PodDisruptionBudget/orders", "spec.minAvailable", 4),
    Break("W6-budget", "PodDisruptionBudget/orders", "spec.minAvailable", "100%"),
    Break("W6-budget", "PodDisruptionBudget/web", "spec", {"maxUnavailable": 0, "selector": {}}, "spec.maxU"),
    Break("W8", "NetworkPolicy/nothing", "", REMOVE, "namespace shop: no policy that refuses all Egress"),
    Break("W8", "NetworkPolicy/nothing", "spec.policyTypes", ["Ingress"], "namespace shop: no policy"),
    Break("W8", "NetworkPolicy/names", "", REMOVE, "namespace shop: nobody may look up names"),
    Break("W9", WEB, "spec.replicas", 2),
    Break(
        "W9",
        "HorizontalPodAutoscaler/web",
        "spec.scaleTargetRef.name",
        "web-v2",
        "spec.scaleTargetRef",
        ("W6", "W6-budget"),
    ),
)
BREAKS = (*AZURE, *WORKLOADS, *MESH, *STACKS)
