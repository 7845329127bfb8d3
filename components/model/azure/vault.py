"""The key vault of an environment, what the program puts into it, and who may read it.

Pods do not ask the vault: a keeper for each namespace does (`components.model.keeper`), by a service account
that Azure knows as the reader.
Source: https://learn.microsoft.com/azure/aks/csi-secrets-store-identity-access
"""

from collections.abc import Iterator

from components.model.azure import identity, names, network
from components.model.azure.network import PrivateService
from components.model.azure.resources import AzureResource, placed, tags
from components.model.azure.settings import AzureSettings, PublicVault, Vault
from components.model.keeper import READER, accounts, kept
from components.model.manifests import Document
from components.model.outputs import output, secret
from components.model.secrets import vault_version
from components.model.settings import Settings, VaultSecrets

PART = "vault"
KEY = "vault"
ZONE = "privatelink.vaultcore.azure.net"
AUDIENCE = "api://AzureADTokenExchange"


def resources(settings: Settings) -> Iterator[AzureResource]:
    """The vault with its values; nothing where the stack file has none."""
    azure = settings.azure
    if azure is None or azure.vault is None:
        return
    yield _vault(azure, azure.vault)
    if isinstance(settings.secrets, VaultSecrets) and settings.secrets.values == "configuration":
        for name in kept(settings):
            yield _value(azure, name)
    if accounts(settings):
        yield from _reader(azure)
    if not isinstance(azure.vault.network, PublicVault):
        yield from network.private_endpoint(azure, PART, KEY, PrivateService(vault_id(azure), "vault", ZONE))


def after_cluster(settings: Settings) -> Iterator[AzureResource]:
    """Which service accounts of the cluster are the reader. One after another: Azure refuses two at once.

    Source: https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations
    """
    azure = settings.azure
    if azure is None or azure.vault is None:
        return
    before: tuple[str, ...] = (READER, "cluster")
    for where, (namespace, account) in accounts(settings).items():
        key = f"{READER}-{where}"
        inputs: Document = {
            "resourceGroupName": names.physical("group", azure),
            "resourceName": names.physical("identity", azure, READER),
            "federatedIdentityCredentialResourceName": f"{namespace}-{account}",
            "issuer": output("cluster", "oidcIssuerProfile.issuerURL"),
            "subject": f"system:serviceaccount:{namespace}:{account}",
            "audiences": [AUDIENCE],
        }
        yield AzureResource(key, "managedidentity:FederatedIdentityCredential", PART, inputs, before)
        before = (*before, key)


def vault_id(azure: AzureSettings) -> str:
    """The vault's id."""
    return names.resource_id(azure, "Microsoft.KeyVault/vaults", names.physical("vault", azure))


def _vault(azure: AzureSettings, own: Vault) -> AzureResource:
    public = isinstance(own.network, PublicVault)
    properties: Document = {
        "tenantId": azure.tenant,
        "sku": {"family": "A", "name": own.sku},
        "enableRbacAuthorization": True,
        "enableSoftDelete": True,
        "softDeleteRetentionInDays": own.soft_delete_days,
        "publicNetworkAccess": "Enabled" if public else "Disabled",
        "networkAcls": _rules(azure, own),
    }
    if own.purge_protection:  # Azure takes no `false` for it
        properties["enablePurgeProtection"] = True
    inputs: Document = {
        **placed(azure),
        "vaultName": names.physical("vault", azure),
        "properties": properties,
    }
    after = ("nodes",) if public else ()
    return AzureResource(
        KEY, "keyvault:Vault", PART, inputs, after, protect=azure.protect, retain=azure.protect
    )


def _rules(azure: AzureSettings, own: Vault) -> Document:
    found: Document = {"bypass": "AzureServices", "defaultAction": "Deny"}
    if isinstance(own.network, PublicVault):
        # The driver asks from the nodes, whose subnet has an endpoint for vaults.
        found["virtualNetworkRules"] = [{"id": network.subnet_id(azure, "nodes")}]
        found["ipRules"] = [{"value": addresses} for addresses in own.network.ranges]
    return found


def _value(azure: AzureSettings, name: str) -> AzureResource:
    """A secret value; written through Azure's own management, which no firewall of the vault is before."""
    inputs: Document = {
        "resourceGroupName": names.physical("group", azure),
        "vaultName": names.physical("vault", azure),
        "secretName": name,
        "tags": tags(azure),
        "properties": {"value": secret(name), "contentType": "text/plain"},
    }
    key, path = vault_version(name)
    return AzureResource(key, "keyvault:Secret", PART, inputs, (KEY,), plain=(path,))


def _reader(azure: AzureSettings) -> Iterator[AzureResource]:
    inputs: Document = {**placed(azure), "resourceName": names.physical("identity", azure, READER)}
    yield AzureResource(READER, "managedidentity:UserAssignedIdentity", PART, inputs)
    yield identity.assigned(
        azure, f"{READER}-on-vault", "Key Vault Secrets User", (READER, vault_id(azure)), (KEY, READER)
    )
