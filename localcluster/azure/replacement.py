"""What a change does: which properties force a replacement, and which Azure refuses to change at all.

Everything else is updated in place. The first table is what azure-native 3.29 does; the second is what
Azure answers when azure-native, knowing no better, tries an update in place. A pattern leaves indices open.
"""

from collections.abc import Mapping
from types import MappingProxyType

from localcluster.azure import kinds, schema

_TABLE = "https://github.com/pulumi/pulumi-azure-native/blob/master/provider/pkg/gen/replacement.go"
_ISSUE_4756 = "https://github.com/pulumi/pulumi-azure-native/issues/4756"
_PATH = "https://github.com/pulumi/pulumi-azure-native/blob/master/provider/pkg/provider/diff.go"
_ISSUE_959 = "https://github.com/pulumi/pulumi-azure-native/issues/959"
_CAPZ = (
    "https://github.com/kubernetes-sigs/cluster-api-provider-azure/blob/v1.17.0/"
    "api/v1beta1/azuremanagedmachinepool_webhook.go"
)
_AZURERM = "https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs/resources/kubernetes_cluster_node_pool"
_ZONES = "https://learn.microsoft.com/azure/reliability/availability-zones-overview"

# `location` and every part of the id force one everywhere: azure-native compares them first (diff.go), and
# Azure's common type of a tracked resource has `location` only at creation.
EVERYWHERE: Mapping[str, str] = MappingProxyType(
    {"location": "https://github.com/Azure/azure-rest-api-specs/tree/main/specification/common-types"}
)
REPLACES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "authorization:RoleAssignment": {"principalId": _TABLE, "scope": _TABLE},
        "containerservice:AgentPool": {
            "gpuInstanceProfile": _TABLE,
            "networkProfile.nodePublicIPTags": _ISSUE_4756,
            "vmSize": _TABLE,
        },
        "containerservice:ManagedCluster": {
            "diskEncryptionSetID": _TABLE,
            "dnsPrefix": _TABLE,
            "fqdnSubdomain": _TABLE,
            "linuxProfile": _TABLE,
            "networkProfile.dnsServiceIP": _ISSUE_4756,
            "networkProfile.networkDataplane": _ISSUE_4756,
            "networkProfile.networkMode": _ISSUE_4756,
            "networkProfile.networkPlugin": _ISSUE_4756,
            "networkProfile.networkPluginMode": _ISSUE_4756,
            "networkProfile.networkPolicy": _ISSUE_4756,
            "networkProfile.outboundType": _ISSUE_4756,
            "networkProfile.podCidr": _ISSUE_4756,
            "networkProfile.serviceCidr": _ISSUE_4756,
            "networkProfile.serviceCidrs": _ISSUE_4756,
            "nodeResourceGroup": _TABLE,
            "windowsProfile": _TABLE,
        },
        "network:PrivateEndpoint": {"subnet": "https://github.com/pulumi/pulumi-azure-native/issues/3883"},
        "network:PublicIPAddress": {
            "publicIPAddressVersion": _TABLE,
            "publicIPPrefix": _TABLE,
            "sku": _TABLE,
        },
        "storage:StorageAccount": {"isHnsEnabled": _TABLE},
    }
)
_POOL = {
    "availabilityZones": _CAPZ,
    "enableEncryptionAtHost": "https://github.com/Azure/bicep-types-az/issues/2467",
    "enableNodePublicIP": _CAPZ,
    "enableUltraSSD": _CAPZ,
    "kubeletConfig": _CAPZ,
    "kubeletDiskType": _CAPZ,
    "linuxOSConfig": _CAPZ,
    "maxPods": _CAPZ,
    "nodePublicIPPrefixID": _CAPZ,
    "osDiskSizeGB": _CAPZ,
    "osDiskType": _CAPZ,
    "osType": _CAPZ,
    "podSubnetID": _AZURERM,
    "scaleSetPriority": "https://github.com/ansible-collections/azure/pull/2186",
    "vnetSubnetID": _CAPZ,
}
REFUSED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "authorization:RoleAssignment": {
            "roleDefinitionId": "https://learn.microsoft.com/azure/role-based-access-control/troubleshooting",
        },
        "containerregistry:Registry": {
            "zoneRedundancy": "https://learn.microsoft.com/azure/container-registry/zone-redundancy"
        },
        "containerservice:AgentPool": _POOL,
        "containerservice:ManagedCluster": {
            "agentPoolProfiles[].vmSize": _ISSUE_959,
            **{f"agentPoolProfiles[].{name}": source for name, source in _POOL.items()},
            "apiServerAccessProfile.enablePrivateCluster": (
                "https://learn.microsoft.com/azure/aks/private-clusters"
            ),
        },
        "network:NatGateway": {"sku": _ZONES, "zones": _ZONES},
        "network:PublicIPAddress": {"zones": _ZONES},
        "sql:Database": {"collation": "https://learn.microsoft.com/rest/api/sql/databases/create-or-update"},
        "sql:Server": {
            "administratorLogin": "https://learn.microsoft.com/rest/api/sql/servers/create-or-update"
        },
    }
)


def forces(token: str) -> Mapping[str, str]:
    """Patterns of the properties that force a replacement of a type, each with its source."""
    token = token.removeprefix(f"{schema.PACKAGE}:")
    kind = kinds.kind_of(token)
    named = [*kind.names, "resourceGroupName", *([kind.under] if kind.under else [])]
    named += [part[1:-1] for part in kind.type.split("/") if part.startswith("{")]
    return {**EVERYWHERE, **dict.fromkeys(named, _PATH), **REPLACES.get(token, {})}


def refuses(token: str) -> Mapping[str, str]:
    """Patterns of the properties Azure does not let change, each with its source."""
    return REFUSED.get(token.removeprefix(f"{schema.PACKAGE}:"), {})


def covered(pattern: str, table: Mapping[str, str]) -> bool:
    """Whether a property, or one it is in, is in a table."""
    return any(pattern == one or pattern.startswith((f"{one}.", f"{one}[")) for one in table)
