"""What an environment takes for granted in Azure, and a rehearsal therefore has before it begins.

The zone that names are written in, and what somebody else puts into the key vault.
"""

from collections.abc import Iterator
from pathlib import Path

from components.model.azure import names, vault
from components.model.azure.settings import AzureSettings
from components.model.catalogue import Secret
from components.model.plan import build
from components.model.settings import Settings, VaultSecrets, VaultTls
from localcluster.azure.state import Cloud, Record
from ops import generated


def presume(folder: Path, settings: Settings) -> None:
    """Have all of it in the cloud of a rehearsal; what is there stays as it is."""
    if settings.azure is None:
        return
    with Cloud(folder).change() as state:
        for record in _presumed(settings, settings.azure):
            if state.get(record.identity) is None:
                state.put(record)


def identities(settings: Settings) -> frozenset[str]:
    """The ids of all of it: what is left when everything of the environment's own is gone."""
    if settings.azure is None:
        return frozenset()
    return frozenset(one.identity for one in _presumed(settings, settings.azure))


def _presumed(settings: Settings, azure: AzureSettings) -> Iterator[Record]:
    if azure.dns:
        name, zone = azure.dns.resource_group, azure.dns.zone
        group = f"/subscriptions/{azure.subscription}/resourceGroups/{name}"
        yield _there(group, "resources:ResourceGroup", resourceGroupName=name, location=azure.location)
        path = f"{group}/providers/Microsoft.Network/dnsZones/{zone}"
        yield _there(path, "dns:Zone", zoneName=zone, location="global")
    if isinstance(tls := settings.ingress.tls, VaultTls):
        yield _in_vault(azure, tls.certificate, _certificate(settings))
    if isinstance(settings.secrets, VaultSecrets) and settings.secrets.values == "external":
        for value in build(settings, "").secrets_needed():
            yield _in_vault(azure, value, generated.password())


def _certificate(settings: Settings) -> str:
    """Key and certificate as one text, as a vault hands them out."""
    pair = generated.certificate(settings.ingress.hosts)
    return pair[Secret.TLS_KEY] + pair[Secret.TLS_CERTIFICATE]


def _in_vault(azure: AzureSettings, name: str, value: str) -> Record:
    vault_name, path = names.physical("vault", azure), f"{vault.vault_id(azure)}/secrets/{name}"
    properties = {"value": value}
    return _there(path, "keyvault:Secret", vaultName=vault_name, secretName=name, properties=properties)


def _there(identity: str, token: str, **inputs: object) -> Record:
    return Record(identity, token, inputs, dict(inputs))
