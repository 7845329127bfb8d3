"""A rehearsal without an engine, with short words for what tests do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from localcluster.azure.errors import AzureError
from localcluster.azure.service import Account, Azure
from localcluster.azure.state import inventory

GROUP, NETWORK, SUBNET = "resources:ResourceGroup", "network:VirtualNetwork", "network:Subnet"
CLUSTER, POOL, VAULT = "containerservice:ManagedCluster", "containerservice:AgentPool", "keyvault:Vault"
ROLE, CREDENTIAL = "authorization:RoleAssignment", "managedidentity:FederatedIdentityCredential"
IDENTITY = "managedidentity:UserAssignedIdentity"
GUID = "11111111-1111-1111-1111-11111111111"
INPUTS: dict[str, dict[str, object]] = {
    GROUP: {"resourceGroupName": "rg", "location": "West Europe"},
    NETWORK: {"virtualNetworkName": "v"},
    SUBNET: {"virtualNetworkName": "v", "subnetName": "n", "addressPrefix": "10.0.0.0/16"},
    IDENTITY: {"resourceName": "me"},
    CLUSTER: {"resourceName": "aks", "dnsPrefix": "aks", "kubernetesVersion": "1.32"},
    POOL: {"resourceName": "aks", "agentPoolName": "work", "vmSize": "D2", "availabilityZones": ["1"]},
    VAULT: {
        "vaultName": "vault-a",
        "properties": {"sku": {"family": "A", "name": "standard"}, "tenantId": "t"},
    },
}
ROOT = "/subscriptions/s/resourceGroups/rg/providers"


class Sky:
    """A rehearsal with short words for what tests do."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self.azure = Azure(folder, Account("s", "t", "c", ""), environ)
        self.said: list[str] = []

    def inputs(self, token: str, /, **more: object) -> dict[str, object]:
        own = (
            INPUTS.get(token, {}) if token == GROUP else {"resourceGroupName": "rg", **INPUTS.get(token, {})}
        )
        return {name: value for name, value in {**own, **more}.items() if value is not None}

    def make(self, token: str, /, **more: object) -> str:
        """Make a resource; its id."""
        return self.azure.create(token, self.inputs(token, **more), self.said.append).identity

    def change(self, token: str, identity: str, /, **more: object) -> dict[str, object]:
        return self.azure.update(token, identity, self.inputs(token, **more), self.said.append).outputs

    def remove(self, token: str, identity: str) -> None:
        self.azure.delete(token, identity, self.said.append)

    def there(self) -> list[str]:
        return list(inventory(self.folder))


def refused(code: str, action: Callable[..., object], *arguments: object, **more: object) -> str:
    with pytest.raises(AzureError) as error:
        action(*arguments, **more)
    assert error.value.code == code
    assert f'Code="{code}" Message="' in str(error.value)
    return str(error.value)
