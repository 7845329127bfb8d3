"""Rules over where secret values come from, and over the names the gateway answers to."""

from collections.abc import Iterator

from components.model.azure.address import relative
from components.model.azure.settings import AksCluster
from components.model.checks.registry import Asked, settings_check
from components.model.explain import key_path
from components.model.findings import Finding
from components.model.settings import AddonMesh, HelmMesh, Settings, VaultSecrets, VaultTls
from components.model.types import milliseconds

LONGEST_ROTATION = "5m"


def _from_vault(settings: Settings) -> list[tuple[str, ...]]:
    """The keys that name the vault."""
    found: list[tuple[str, ...]] = []
    if isinstance(settings.secrets, VaultSecrets):
        found.append(("secrets", "kind"))
    if isinstance(settings.ingress.tls, VaultTls):
        found.append(("ingress", "tls", "kind"))
    return found


@settings_check(
    "vault-missing",
    "Something from a vault that is not there",
    reason="The vault is the environment's own: what is in it, and who reads it, is in the same plan.",
    source="components/model/azure/vault.py",
)
def vault_missing(asked: Asked) -> Iterator[Finding]:
    azure = asked.settings.azure
    instead = {"secrets": "configuration", "ingress": "values"}
    for keys in _from_vault(asked.settings):
        if azure is None:
            text = f"only a managed cluster of this stack has a key vault; valid here: {instead[keys[0]]}"
            yield Finding("vault-missing", key_path(keys), text, "vault")
        elif azure.vault is None:
            text = f"required because {'.'.join(keys)} is vault, e.g. vault: {{}}"
            yield Finding("vault-missing", key_path(("azure", "vault")), text)
            return


@settings_check(
    "vault-driver",
    "A vault nothing in the cluster reads",
    reason=(
        "The Secrets Store CSI driver mounts values, as a service account that Azure knows. It looks for new "
        "values when its time has come, and an update waits for that."
    ),
    source="https://learn.microsoft.com/azure/aks/csi-secrets-store-identity-access",
)
def vault_driver(asked: Asked) -> Iterator[Finding]:
    cluster = asked.settings.cluster
    if not _from_vault(asked.settings) or not isinstance(cluster, AksCluster):
        return
    if cluster.addons.vault is None:
        text = "required where secrets or a certificate come from a vault, e.g. vault: {}"
        yield Finding("vault-driver", key_path(("cluster", "addons", "vault")), text)
    elif milliseconds(cluster.addons.vault.rotation) > milliseconds(LONGEST_ROTATION):
        text = f"an update waits that long for a new value; valid: at most {LONGEST_ROTATION}, e.g. 2m"
        path = key_path(("cluster", "addons", "vault", "rotation"))
        yield Finding("vault-driver", path, text, cluster.addons.vault.rotation)
    if not cluster.workload_identity:
        text = "the reader of the vault is a service account; valid: true"
        yield Finding("vault-driver", key_path(("cluster", "workloadIdentity")), text, "false")


@settings_check(
    "dns-zone",
    "A host that is no name of the zone",
    reason="A record is written in one zone, and leads to an address that the gateway of this stack has.",
    source="https://learn.microsoft.com/azure/dns/dns-alias",
)
def dns_zone(asked: Asked) -> Iterator[Finding]:
    settings = asked.settings
    dns = settings.azure.dns if settings.azure else None
    if dns is None:
        return
    for number, host in enumerate(settings.ingress.hosts):
        if relative(host, dns.zone) is None:
            text = f"must be a name of azure.dns.zone, e.g. pitstop.{dns.zone} (or remove azure.dns)"
            yield Finding("dns-zone", key_path(("ingress", "hosts", number)), text, host)
    if not isinstance(settings.mesh, HelmMesh | AddonMesh):
        text = (
            f"mesh.kind is {settings.mesh.kind}, whose gateway is not this stack's: "
            "nobody would give it the address; remove the key"
        )
        yield Finding("dns-zone", key_path(("azure", "dns")), text, dns.zone)
    elif isinstance(settings.mesh, HelmMesh) and settings.mesh.gateway.service != "LoadBalancer":
        text = "azure.dns leads to a load balancer's address; valid: LoadBalancer"
        path = key_path(("mesh", "gateway", "service"))
        yield Finding("dns-zone", path, text, settings.mesh.gateway.service)
