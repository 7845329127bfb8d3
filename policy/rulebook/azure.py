"""Rules over what carries the workloads: the AKS cluster, its pools, registry, vault and roles."""

from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import TypeAdapter

from .kinds import CLUSTER, ENDPOINTS, MAINTENANCE, POOL, REGISTRY, ROLE, VAULT
from .reading import Document, at, items, mapping, number, numbered, text, texts, true
from .registry import (
    COUNT,
    FLAG,
    TEXTS,
    Resource,
    Severity,
    Stack,
    Told,
    Violation,
    resource_rule,
    setting,
    stack_rule,
)

PSRULE = "https://azure.github.io/PSRule.Rules.Azure/en/rules"
LEARN = "https://learn.microsoft.com/azure"
ENGINES = TypeAdapter(tuple[Literal["cilium", "azure", "calico"], ...])
TIERS = TypeAdapter(tuple[Literal["Free", "Standard", "Premium"], ...])
TAINT = "CriticalAddonsOnly=true:NoSchedule"
EVERYWHERE = {"0.0.0.0/0", "::/0"}
ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
# Source: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
TOO_WIDE = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
}


def _pools(resource: Resource) -> Iterator[tuple[str, Document]]:
    """The node pools a resource states, with the path of each."""
    if resource.kind == POOL:
        yield "", resource.inputs
    else:
        yield from numbered(items(resource.inputs, "agentPoolProfiles"), "agentPoolProfiles")


def _key(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _is_system(pool: Document) -> bool:
    """A profile without a mode is the cluster's first one, which runs the system."""
    return (text(pool, "mode") or "System") == "System"


@resource_rule(
    "A1",
    "Nodes of every pool in several zones",
    Severity.HIGH,
    CLUSTER,
    POOL,
    remedy='State the zones when a pool is made; they cannot change later: availabilityZones: ["1", "2", '
    '"3"].',
    source=f"{PSRULE}/Azure.AKS.AvailabilityZone/",
    settings=(setting("minimum", "zones a pool is spread over, at least", COUNT, 3, 1),),
)
def zones(resource: Resource, told: Told) -> Iterator[Violation]:
    for path, pool in _pools(resource):
        found = set(texts(pool, "availabilityZones"))
        # No zones at all is one, and nobody knows which.
        if (len(found) or 1) < told.number("minimum"):
            yield resource.wrong(
                _key(path, "availabilityZones"),
                f"{len(found)} of at least {told.number('minimum'):.0f} zones",
            )


@resource_rule(
    "A2",
    "A pool for the system alone",
    Severity.HIGH,
    CLUSTER,
    POOL,
    remedy=f'Taint every pool of mode System, nodeTaints: ["{TAINT}"], give it enough nodes, and make pools '
    "of "
    "their own (AgentPool, mode User) for everything else.",
    source=f"{LEARN}/aks/use-system-pools",
    settings=(setting("minimumNodes", "nodes of a system pool, at least", COUNT, 3, 1),),
)
def system_pool(resource: Resource, told: Told) -> Iterator[Violation]:
    needed = told.number("minimumNodes")
    systems = [(path, pool) for path, pool in _pools(resource) if resource.kind == CLUSTER or "mode" in pool]
    systems = [(path, pool) for path, pool in systems if _is_system(pool)]
    if resource.kind == CLUSTER and not systems:
        yield resource.wrong("agentPoolProfiles", "no pool of mode System")
    for path, pool in systems:
        if TAINT not in texts(pool, "nodeTaints"):
            yield resource.wrong(_key(path, "nodeTaints"), f"without {TAINT}: other pods take its place")
        scaled = true(pool, "enableAutoScaling")
        key = "minCount" if scaled else "count"
        if (number(pool, key) or 0) < needed:
            yield resource.wrong(
                _key(path, key), f"{number(pool, key) or 0:.0f} of at least {needed:.0f} nodes"
            )


@resource_rule(
    "A3",
    "People come in by Entra ID alone",
    Severity.CRITICAL,
    CLUSTER,
    remedy="disableLocalAccounts: true, aadProfile: {managed: true, enableAzureRBAC: true}.",
    source=f"{LEARN}/aks/manage-local-accounts-managed-azure-ad",
)
def accounts(resource: Resource, _: Told) -> Iterator[Violation]:
    if not true(resource.inputs, "disableLocalAccounts"):
        yield resource.wrong("disableLocalAccounts", "not true: a certificate of the cluster's own opens it")
    for key in ("managed", "enableAzureRBAC"):
        if not true(resource.inputs, "aadProfile", key):
            yield resource.wrong(f"aadProfile.{key}", "not true")


@resource_rule(
    "A4",
    "Pods have identities, not passwords",
    Severity.HIGH,
    CLUSTER,
    remedy="oidcIssuerProfile: {enabled: true}, securityProfile: {workloadIdentity: {enabled: true}}, and no "
    "servicePrincipalProfile.",
    source=f"{LEARN}/aks/workload-identity-overview",
)
def workload_identity(resource: Resource, _: Told) -> Iterator[Violation]:
    for path in (("oidcIssuerProfile", "enabled"), ("securityProfile", "workloadIdentity", "enabled")):
        if not true(resource.inputs, *path):
            yield resource.wrong(".".join(path), "not true")
    if mapping(resource.inputs, "servicePrincipalProfile"):
        yield resource.wrong("servicePrincipalProfile", "a service principal has a password that expires")


@resource_rule(
    "A5",
    "The API server does not answer everybody",
    Severity.CRITICAL,
    CLUSTER,
    remedy="apiServerAccessProfile: {enablePrivateCluster: true}, or authorizedIPRanges with the addresses "
    "that "
    'may ask, e.g. ["203.0.113.0/28"].',
    source=f"{PSRULE}/Azure.AKS.AuthorizedIPs/",
)
def api_server(resource: Resource, _: Told) -> Iterator[Violation]:
    profile = mapping(resource.inputs, "apiServerAccessProfile")
    if true(profile, "enablePrivateCluster"):
        return
    ranges = texts(profile, "authorizedIPRanges")
    if not ranges:
        yield resource.wrong("apiServerAccessProfile", "neither private nor limited to any addresses")
    for everything in sorted(EVERYWHERE.intersection(ranges)):
        yield resource.wrong("apiServerAccessProfile.authorizedIPRanges", f"{everything} is everybody")


@resource_rule(
    "A6",
    "NetworkPolicies are enforced, pods have addresses of their own",
    Severity.HIGH,
    CLUSTER,
    remedy="networkProfile: {networkPlugin: azure, networkPluginMode: overlay, networkPolicy: cilium, "
    "networkDataplane: cilium}.",
    source=f"{PSRULE}/Azure.AKS.NetworkPolicy/",
    settings=(
        setting(
            "engines",
            "values of networkPolicy that enforce anything",
            ENGINES,
            ("cilium", "azure", "calico"),
        ),
    ),
)
def network(resource: Resource, told: Told) -> Iterator[Violation]:
    profile = mapping(resource.inputs, "networkProfile")
    engine, valid = text(profile, "networkPolicy"), told.texts("engines")
    if engine not in valid:
        yield resource.wrong(
            "networkProfile.networkPolicy", f"{engine or 'none'}: NetworkPolicies have no effect"
        )
    if text(profile, "networkPlugin") != "azure":
        yield resource.wrong("networkProfile.networkPlugin", "not azure")
    elif text(profile, "networkPluginMode") != "overlay" and text(profile, "networkDataplane") != "cilium":
        yield resource.wrong("networkProfile.networkPluginMode", "neither overlay nor Cilium's dataplane")


@resource_rule(
    "A7",
    "Cluster and nodes are kept up to date",
    Severity.HIGH,
    CLUSTER,
    remedy="autoUpgradeProfile: {upgradeChannel: patch, nodeOSUpgradeChannel: NodeImage}.",
    source=f"{LEARN}/aks/auto-upgrade-cluster",
    settings=(
        setting("channels", "upgradeChannel, one of", TEXTS, ("patch", "stable")),
        setting("nodeChannels", "nodeOSUpgradeChannel, one of", TEXTS, ("NodeImage", "SecurityPatch")),
    ),
)
def upgrades(resource: Resource, told: Told) -> Iterator[Violation]:
    profile = mapping(resource.inputs, "autoUpgradeProfile")
    for key, setting_ in (("upgradeChannel", "channels"), ("nodeOSUpgradeChannel", "nodeChannels")):
        if (found := text(profile, key)) not in told.texts(setting_):
            valid = " or ".join(told.texts(setting_))
            yield resource.wrong(f"autoUpgradeProfile.{key}", f"{found or 'none'}; valid: {valid}")


@stack_rule(
    "A7-window",
    "Upgrades have their hours",
    Severity.MEDIUM,
    CLUSTER,
    MAINTENANCE,
    remedy="A MaintenanceConfiguration of each name beside the cluster, e.g. configName: "
    "aksManagedAutoUpgradeSchedule with maintenanceWindow: {schedule: {weekly: {dayOfWeek: Sunday, "
    "intervalWeeks: 1}}, durationHours: 4, startTime: '01:00'}.",
    source=f"{LEARN}/aks/planned-maintenance",
    settings=(
        setting(
            "names",
            "maintenance configurations every cluster has",
            TEXTS,
            ("aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule"),
        ),
    ),
)
def windows(stack: Stack, told: Told) -> Iterator[Violation]:
    for cluster in stack.of(CLUSTER):
        there = {text(one.inputs, "configName") for one in _belonging(stack, MAINTENANCE, cluster)}
        for missing in (name for name in told.texts("names") if name not in there):
            yield cluster.wrong("", f"no maintenance configuration {missing}")


def _belonging(stack: Stack, kind: str, cluster: Resource) -> Iterator[Resource]:
    """What is made for a cluster: it waits for it, or states its name."""
    for one in stack.of(kind):
        if cluster.urn in one.after or text(one.inputs, "resourceName") == text(
            cluster.inputs, "resourceName"
        ):
            yield one


@resource_rule(
    "A8",
    "Pools grow and are replaced in order",
    Severity.MEDIUM,
    CLUSTER,
    POOL,
    remedy='upgradeSettings: {maxSurge: "33%"}; with enableAutoScaling, minCount and maxCount, the one not '
    "above "
    "the other.",
    source=f"{LEARN}/aks/upgrade-aks-cluster#customize-node-surge-upgrade",
)
def surge(resource: Resource, _: Told) -> Iterator[Violation]:
    for path, pool in _pools(resource):
        if at(pool, "upgradeSettings", "maxSurge") is None:
            yield resource.wrong(_key(path, "upgradeSettings.maxSurge"), "not set: one node at a time")
        if true(pool, "enableAutoScaling"):
            least, most = number(pool, "minCount"), number(pool, "maxCount")
            if least is None or most is None or least > most:
                yield resource.wrong(_key(path, "minCount"), f"{least} to {most} is no range")


@resource_rule(
    "A9",
    "The control plane has an availability that is promised",
    Severity.HIGH,
    CLUSTER,
    remedy="sku: {name: Base, tier: Standard}.",
    source=f"{PSRULE}/Azure.AKS.UptimeSLA/",
    settings=(
        setting(
            "tiers",
            "sku.tier, one of",
            TIERS,
            ("Standard", "Premium"),
            ("Free", "Standard", "Premium"),
        ),
    ),
)
def tier(resource: Resource, told: Told) -> Iterator[Violation]:
    found = text(resource.inputs, "sku", "tier") or "Free"
    if found not in told.texts("tiers"):
        yield resource.wrong("sku.tier", f"{found}; valid: {' or '.join(told.texts('tiers'))}")


@resource_rule(
    "A10",
    "Somebody watches",
    Severity.MEDIUM,
    CLUSTER,
    remedy="securityProfile.defender.securityMonitoring.enabled: true, addonProfiles.azurepolicy.enabled: "
    "true, "
    "addonProfiles.omsagent.enabled: true with a Log Analytics workspace.",
    source=f"{PSRULE}/Azure.AKS.DefenderProfile/",
    settings=(
        setting("defender", "Microsoft Defender is wanted", FLAG, prod=True, dev=False),
        setting("policy", "the Azure Policy add-on is wanted", FLAG, prod=True, dev=False),
        setting("insights", "Container Insights are wanted", FLAG, prod=True, dev=False),
    ),
)
def watching(resource: Resource, told: Told) -> Iterator[Violation]:
    wanted = {
        "defender": (("securityProfile", "defender", "securityMonitoring", "enabled"),),
        # The add-on's key is spelled either way by the service.
        "policy": (
            ("addonProfiles", "azurepolicy", "enabled"),
            ("addonProfiles", "azurePolicy", "enabled"),
        ),
        "insights": (("addonProfiles", "omsagent", "enabled"), ("addonProfiles", "omsAgent", "enabled")),
    }
    for name, paths in wanted.items():
        if told.flag(name) and not any(true(resource.inputs, *path) for path in paths):
            yield resource.wrong(".".join(paths[0]), "not true")


@resource_rule(
    "A11",
    "Disks of nodes are encrypted, and go with them; secrets are fetched anew",
    Severity.MEDIUM,
    CLUSTER,
    POOL,
    remedy="enableEncryptionAtHost: true and osDiskType: Ephemeral for every pool (a size with a cache or "
    "temporary disk large enough); addonProfiles.azureKeyvaultSecretsProvider.config.enableSecretRotation: "
    "'true'.",
    source=f"{LEARN}/aks/enable-host-encryption",
    settings=(
        setting("encryption", "encryption at host is wanted", FLAG, prod=True, dev=False),
        setting("ephemeral", "ephemeral system disks are wanted", FLAG, prod=True, dev=False),
    ),
)
def disks(resource: Resource, told: Told) -> Iterator[Violation]:
    for path, pool in _pools(resource):
        if told.flag("encryption") and not true(pool, "enableEncryptionAtHost"):
            yield resource.wrong(_key(path, "enableEncryptionAtHost"), "not true")
        if told.flag("ephemeral") and text(pool, "osDiskType") != "Ephemeral":
            yield resource.wrong(_key(path, "osDiskType"), f"{text(pool, 'osDiskType') or 'Managed'}")
    provider = mapping(resource.inputs, "addonProfiles", "azureKeyvaultSecretsProvider")
    rotation = text(provider, "config", "enableSecretRotation")
    if true(provider, "enabled") and rotation.lower() != "true":
        key = "addonProfiles.azureKeyvaultSecretsProvider.config.enableSecretRotation"
        yield resource.wrong(key, f"{rotation or 'not set'}: pods keep an old secret")


@resource_rule(
    "A12",
    "The cluster has an identity somebody gave it",
    Severity.MEDIUM,
    CLUSTER,
    remedy="identity: {type: UserAssigned, userAssignedIdentities: [...]}: it can be given its roles before "
    "the "
    "cluster is made.",
    source=f"{LEARN}/aks/use-managed-identity",
)
def identity(resource: Resource, _: Told) -> Iterator[Violation]:
    if (found := text(resource.inputs, "identity", "type")) != "UserAssigned":
        yield resource.wrong("identity.type", f"{found or 'none'}; valid: UserAssigned")


@resource_rule(
    "A12-registry",
    "Nobody pulls or pushes images by a password, or by none",
    Severity.HIGH,
    REGISTRY,
    remedy="adminUserEnabled: false, anonymousPullEnabled: false; pull by the kubelet's identity (AcrPull).",
    source=f"{PSRULE}/Azure.ACR.AdminUser/",
)
def registry(resource: Resource, _: Told) -> Iterator[Violation]:
    for key in ("adminUserEnabled", "anonymousPullEnabled"):
        if true(resource.inputs, key):
            yield resource.wrong(key, "true")


@resource_rule(
    "A12-roles",
    "Roles are no wider than their work",
    Severity.CRITICAL,
    ROLE,
    remedy="A role for the task at the smallest scope, e.g. AcrPull on the registry or Network Contributor "
    "on the "
    "one subnet. State roleDefinitionId as a plain text, so that a preview can judge it.",
    source=f"{LEARN}/role-based-access-control/best-practices",
    settings=(
        setting(
            "refused",
            "role definitions nobody is given, by GUID",
            TEXTS,
            tuple(sorted(TOO_WIDE)),
        ),
    ),
)
def roles(resource: Resource, told: Told) -> Iterator[Violation]:
    role = text(resource.inputs, "roleDefinitionId").rpartition("/")[2].lower()
    if role in told.texts("refused"):
        yield resource.wrong("roleDefinitionId", f"{TOO_WIDE.get(role, role)} is wider than any task")


@stack_rule(
    "A12-pull",
    "The cluster may pull from the registry beside it",
    Severity.MEDIUM,
    CLUSTER,
    REGISTRY,
    ROLE,
    remedy=f"A RoleAssignment of AcrPull ({ACR_PULL}) on the registry for the kubelet's identity.",
    source=f"{LEARN}/aks/cluster-container-registry-integration",
)
def pull(stack: Stack, _: Told) -> Iterator[Violation]:
    if not any(stack.of(CLUSTER)):
        return
    given = [one for one in stack.of(ROLE) if text(one.inputs, "roleDefinitionId").lower().endswith(ACR_PULL)]
    for one in stack.of(REGISTRY):
        if not any(one.urn in role.after for role in given):
            yield one.wrong("", "no role assignment of AcrPull on it")


@resource_rule(
    "A13",
    "What a vault holds cannot be lost, and is given by roles",
    Severity.CRITICAL,
    VAULT,
    remedy="properties: {enablePurgeProtection: true, enableRbacAuthorization: true}.",
    source=f"{PSRULE}/Azure.KeyVault.PurgeProtect/",
    settings=(setting("purgeProtection", "purge protection is wanted", FLAG, prod=True, dev=False),),
)
def vault(resource: Resource, told: Told) -> Iterator[Violation]:
    properties = mapping(resource.inputs, "properties")
    if told.flag("purgeProtection") and not true(properties, "enablePurgeProtection"):
        yield resource.wrong("properties.enablePurgeProtection", "not true")
    if at(properties, "enableSoftDelete") is False:
        yield resource.wrong("properties.enableSoftDelete", "false: what is deleted is gone at once")
    if not true(properties, "enableRbacAuthorization"):
        yield resource.wrong("properties.enableRbacAuthorization", "not true: access policies know no scopes")


@stack_rule(
    "A13-private",
    "The vault answers in its own network",
    Severity.HIGH,
    VAULT,
    *ENDPOINTS,
    remedy="properties.publicNetworkAccess: Disabled, and a PrivateEndpoint with groupIds: [vault].",
    source=f"{LEARN}/key-vault/general/private-link-service",
    settings=(setting("private", "a private endpoint is wanted", FLAG, prod=True, dev=False),),
)
def private_vault(stack: Stack, told: Told) -> Iterator[Violation]:
    for one in stack.of(VAULT) if told.flag("private") else ():
        if text(one.inputs, "properties", "publicNetworkAccess").lower() != "disabled":
            yield one.wrong("properties.publicNetworkAccess", "not Disabled")
        if not any(one.urn in endpoint.after for endpoint in stack.of(*ENDPOINTS)):
            yield one.wrong("", "no private endpoint")


@resource_rule(
    "A14",
    "What must not die is protected",
    Severity.CRITICAL,
    CLUSTER,
    REGISTRY,
    VAULT,
    "azure-native:sql:Server",
    "azure-native:sql:Database",
    "azure-native:storage:StorageAccount",
    "azure-native:operationalinsights:Workspace",
    "azure-native:resources:ResourceGroup",
    remedy="opts=pulumi.ResourceOptions(protect=True): neither a destroy nor a replacement is then carried "
    "out.",
    source="https://www.pulumi.com/docs/iac/concepts/options/protect/",
    settings=(setting("protected", "protection is wanted", FLAG, prod=True, dev=False),),
)
def protected(resource: Resource, told: Told) -> Iterable[Violation]:
    if told.flag("protected") and not resource.protect:
        yield resource.wrong("", "not protected")
