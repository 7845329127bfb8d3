"""Where a resource lives in Azure: its id, made of its inputs as Azure Resource Manager does.

The paths are those of Azure's REST reference (https://learn.microsoft.com/rest/api/azure/). What is not
in the table gets a path made of its module and name: good enough to be found again, and not Azure's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from localcluster.azure import schema
from localcluster.azure.values import UNKNOWN

GROUP = "resources:ResourceGroup"


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of resource as Azure Resource Manager knows it."""

    type: str  # Microsoft.Network/virtualNetworks/subnets; may name an input in braces
    names: tuple[str, ...]  # the inputs that name it and what it is in, outermost first
    under: str = ""  # the input with the id of what it extends; empty: it is in a resource group
    pattern: str = ".+"  # of its own name
    rule: str = ""  # the pattern in words
    slow: bool = False  # Azure answers before it is done, and is asked again


def _network(path: str, *names: str, slow: bool = False) -> Kind:
    return Kind(f"Microsoft.Network/{path}", names, slow=slow)


# Patterns: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "alertsmanagement:PrometheusRuleGroup": Kind(
            "Microsoft.AlertsManagement/prometheusRuleGroups", ("ruleGroupName",)
        ),
        "applicationinsights:Component": Kind("Microsoft.Insights/components", ("resourceName",)),
        "authorization:ManagementLockAtResourceGroupLevel": Kind(
            "Microsoft.Authorization/locks", ("lockName",)
        ),
        "authorization:ManagementLockByScope": Kind(
            "Microsoft.Authorization/locks", ("lockName",), under="scope"
        ),
        "authorization:RoleAssignment": Kind(
            "Microsoft.Authorization/roleAssignments",
            ("roleAssignmentName",),
            under="scope",
            pattern=r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
            rule="a GUID",
        ),
        "containerregistry:CacheRule": Kind(
            "Microsoft.ContainerRegistry/registries/cacheRules", ("registryName", "cacheRuleName")
        ),
        "containerregistry:Registry": Kind(
            "Microsoft.ContainerRegistry/registries",
            ("registryName",),
            pattern=r"[a-zA-Z0-9]{5,50}",
            rule="5 to 50 letters and digits",
        ),
        "containerregistry:Replication": Kind(
            "Microsoft.ContainerRegistry/registries/replications", ("registryName", "replicationName")
        ),
        "containerregistry:Task": Kind(
            "Microsoft.ContainerRegistry/registries/tasks", ("registryName", "taskName")
        ),
        "containerregistry:TaskRun": Kind(
            "Microsoft.ContainerRegistry/registries/taskRuns", ("registryName", "taskRunName"), slow=True
        ),
        "containerservice:AgentPool": Kind(
            "Microsoft.ContainerService/managedClusters/agentPools",
            ("resourceName", "agentPoolName"),
            pattern=r"[a-z][a-z0-9]{0,11}",
            rule="1 to 12 lower-case letters and digits, a letter first",
            slow=True,
        ),
        "containerservice:MaintenanceConfiguration": Kind(
            "Microsoft.ContainerService/managedClusters/maintenanceConfigurations",
            ("resourceName", "configName"),
        ),
        "containerservice:ManagedCluster": Kind(
            "Microsoft.ContainerService/managedClusters",
            ("resourceName",),
            pattern=r"[a-zA-Z0-9]([-_a-zA-Z0-9]{0,61}[a-zA-Z0-9])?",
            rule="1 to 63 letters, digits, '_' and '-'",
            slow=True,
        ),
        "containerservice:TrustedAccessRoleBinding": Kind(
            "Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings",
            ("resourceName", "trustedAccessRoleBindingName"),
        ),
        "dashboard:Grafana": Kind(
            "Microsoft.Dashboard/grafana",
            ("workspaceName",),
            pattern=r"[a-zA-Z][-a-zA-Z0-9]{0,21}[a-zA-Z0-9]",
            rule="2 to 23 letters, digits and '-', a letter first",
            slow=True,
        ),
        "dns:RecordSet": _network("dnsZones/{recordType}", "zoneName", "relativeRecordSetName"),
        "dns:Zone": _network("dnsZones", "zoneName"),
        "keyvault:Key": Kind("Microsoft.KeyVault/vaults/keys", ("vaultName", "keyName")),
        "keyvault:Secret": Kind(
            "Microsoft.KeyVault/vaults/secrets",
            ("vaultName", "secretName"),
            pattern=r"[-a-zA-Z0-9]{1,127}",
            rule="1 to 127 letters, digits and '-'",
        ),
        "keyvault:Vault": Kind(
            "Microsoft.KeyVault/vaults",
            ("vaultName",),
            pattern=r"[a-zA-Z](?!.*--)[-a-zA-Z0-9]{1,22}[a-zA-Z0-9]",
            rule="3 to 24 letters, digits and single '-', a letter first",
            slow=True,
        ),
        "managedidentity:FederatedIdentityCredential": Kind(
            "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
            ("resourceName", "federatedIdentityCredentialResourceName"),
        ),
        "managedidentity:UserAssignedIdentity": Kind(
            "Microsoft.ManagedIdentity/userAssignedIdentities", ("resourceName",)
        ),
        "monitor:ActionGroup": Kind("Microsoft.Insights/actionGroups", ("actionGroupName",)),
        "monitor:AzureMonitorWorkspace": Kind("Microsoft.Monitor/accounts", ("azureMonitorWorkspaceName",)),
        "monitor:DataCollectionEndpoint": Kind(
            "Microsoft.Insights/dataCollectionEndpoints", ("dataCollectionEndpointName",)
        ),
        "monitor:DataCollectionRule": Kind(
            "Microsoft.Insights/dataCollectionRules", ("dataCollectionRuleName",)
        ),
        "monitor:DataCollectionRuleAssociation": Kind(
            "Microsoft.Insights/dataCollectionRuleAssociations", ("associationName",), under="resourceUri"
        ),
        "monitor:DiagnosticSetting": Kind(
            "Microsoft.Insights/diagnosticSettings", ("name",), under="resourceUri"
        ),
        "monitor:MetricAlert": Kind("Microsoft.Insights/metricAlerts", ("ruleName",)),
        "monitor:ScheduledQueryRule": Kind("Microsoft.Insights/scheduledQueryRules", ("ruleName",)),
        "network:NatGateway": _network("natGateways", "natGatewayName"),
        "network:NetworkSecurityGroup": _network("networkSecurityGroups", "networkSecurityGroupName"),
        "network:PrivateDnsZoneGroup": _network(
            "privateEndpoints/privateDnsZoneGroups", "privateEndpointName", "privateDnsZoneGroupName"
        ),
        "network:PrivateEndpoint": _network("privateEndpoints", "privateEndpointName", slow=True),
        "network:PublicIPAddress": _network("publicIPAddresses", "publicIpAddressName"),
        "network:PublicIPPrefix": _network("publicIPPrefixes", "publicIpPrefixName"),
        "network:Route": _network("routeTables/routes", "routeTableName", "routeName"),
        "network:RouteTable": _network("routeTables", "routeTableName"),
        "network:SecurityRule": _network(
            "networkSecurityGroups/securityRules", "networkSecurityGroupName", "securityRuleName"
        ),
        "network:Subnet": _network("virtualNetworks/subnets", "virtualNetworkName", "subnetName"),
        "network:VirtualNetwork": _network("virtualNetworks", "virtualNetworkName"),
        "operationalinsights:Workspace": Kind(
            "Microsoft.OperationalInsights/workspaces",
            ("workspaceName",),
            pattern=r"[a-zA-Z0-9][-a-zA-Z0-9]{2,61}[a-zA-Z0-9]",
            rule="4 to 63 letters, digits and '-'",
        ),
        "privatedns:PrivateRecordSet": _network(
            "privateDnsZones/{recordType}", "privateZoneName", "relativeRecordSetName"
        ),
        "privatedns:PrivateZone": _network("privateDnsZones", "privateZoneName", slow=True),
        "privatedns:VirtualNetworkLink": _network(
            "privateDnsZones/virtualNetworkLinks", "privateZoneName", "virtualNetworkLinkName", slow=True
        ),
        "resources:ResourceGroup": Kind(
            "Microsoft.Resources/resourceGroups",
            ("resourceGroupName",),
            pattern=r"[-\w.()]{0,89}[-\w()]",
            rule="1 to 90 letters, digits, '_', '-', '.' and brackets",
        ),
        "sql:Database": Kind("Microsoft.Sql/servers/databases", ("serverName", "databaseName"), slow=True),
        "sql:FirewallRule": Kind("Microsoft.Sql/servers/firewallRules", ("serverName", "firewallRuleName")),
        "sql:Server": Kind(
            "Microsoft.Sql/servers",
            ("serverName",),
            pattern=r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?",
            rule="1 to 63 lower-case letters, digits and '-'",
            slow=True,
        ),
        "sql:ServerAzureADAdministrator": Kind(
            "Microsoft.Sql/servers/administrators", ("serverName", "administratorName")
        ),
        "sql:ServerAzureADOnlyAuthentication": Kind(
            "Microsoft.Sql/servers/azureADOnlyAuthentications", ("serverName", "authenticationName")
        ),
        "sql:VirtualNetworkRule": Kind(
            "Microsoft.Sql/servers/virtualNetworkRules", ("serverName", "virtualNetworkRuleName")
        ),
        "storage:BlobContainer": Kind(
            "Microsoft.Storage/storageAccounts/blobServices/default/containers",
            ("accountName", "containerName"),
        ),
        "storage:StorageAccount": Kind(
            "Microsoft.Storage/storageAccounts",
            ("accountName",),
            pattern=r"[a-z0-9]{3,24}",
            rule="3 to 24 lower-case letters and digits",
        ),
    }
)


def kind_of(token: str) -> Kind:
    """The kind of a type token; one that is not in the table is made up from its inputs.

    Raises:
        UnknownTokenError: the package has no such type.
    """
    token = token.removeprefix(f"{schema.PACKAGE}:")
    return KINDS.get(token) or _guessed(token)


def _guessed(token: str) -> Kind:
    module, _, name = token.partition(":")
    inputs = schema.inputs_of(token)
    texts = [one for one, rule in inputs.items() if rule.type == schema.Scalar("str")]
    parents = [one for one in texts if one.endswith("Name") and inputs[one].required]
    own = [one for one in texts if one.lower() in (f"{name}Name".lower(), "resourcename", "name")]
    own = own or [one for one in texts if one.endswith("Name") and one not in parents]
    names = [one for one in parents if one != "resourceGroupName"] + own[:1]
    middle = "".join(f"/{one.removesuffix('Name')}s" for one in names[:-1])
    path = f"Microsoft.{module.capitalize()}{middle}/{name[0].lower()}{name[1:]}s"
    return Kind(path, tuple(names), under="" if "resourceGroupName" in inputs else "scope")


def name_problems(token: str, inputs: Mapping[str, object]) -> list[str]:
    """What is wrong with the names a resource is given: each must be there, and of Azure's form."""
    kind = kind_of(token)
    found = [
        f"{name}: missing; azure-native would make one up, and everything here is found by its name"
        for name in kind.names
        if inputs.get(name) is None
    ]
    own = kind.names[-1] if kind.names else ""
    value = inputs.get(own)
    if isinstance(value, str) and value != UNKNOWN and not re.fullmatch(kind.pattern, value):
        found.append(f'{own} = "{value}": must be {kind.rule or "a name"}')
    return found


def identity(token: str, inputs: Mapping[str, object], subscription: str) -> str:
    """The id Azure gives to a resource with these inputs, which must all be known."""
    kind = kind_of(token)
    names = [str(inputs.get(name, "default")) for name in kind.names]
    root = f"/subscriptions/{subscription}"
    if token.endswith(GROUP):
        return f"{root}/resourceGroups/{names[0]}"
    if kind.under:
        root = str(inputs.get(kind.under, root))
    elif "resourceGroupName" in inputs:
        root = f"{root}/resourceGroups/{inputs['resourceGroupName']}"
    return f"{root}/providers/{arm_path(kind, inputs, names)}"


def arm_path(kind: Kind, inputs: Mapping[str, object], names: list[str]) -> str:
    """Types and names in turn; a type may be an input's value, and `blobServices/default` names itself."""
    provider, *types = kind.type.split("/")
    types = [str(inputs.get(one[1:-1], one)) if one.startswith("{") else one for one in types]
    fixed = len(types) - len(names)
    steps = [provider]
    if fixed:  # parent types and names, then what is fixed, then the last type
        types = [types[0], *types[1 : 1 + fixed], types[-1]]
        return "/".join([provider, types[0], names[0], *types[1:-1], types[-1], *names[1:]])
    for one, name in zip(types, names, strict=True):
        steps += [one, name]
    return "/".join(steps)


def arm_type(token: str, inputs: Mapping[str, object]) -> str:
    """What Azure calls the type, e.g. Microsoft.Network/virtualNetworks."""
    return re.sub(r"\{(\w+)\}", lambda found: str(inputs.get(found[1], "")), kind_of(token).type)


def parent(identity: str) -> str:
    """What must be there first: what a resource extends or is in, else its group; nothing for a group."""
    if len(parts := identity.split("/providers/")) == 1:
        return ""
    *before, last = parts
    steps = last.split("/")
    if len(steps) > 3:
        return "/providers/".join([*before, "/".join(steps[:-2])])
    return "/providers/".join(before)


def name_of(identity: str) -> str:
    """The last part of an id."""
    return identity.rpartition("/")[2]


def group_of(identity: str) -> str:
    """The name of the resource group in an id; empty without one."""
    found = re.search(r"/resourceGroups/([^/]+)", identity, re.IGNORECASE)
    return found[1] if found else ""
