"""What Azure computes for the kinds whose outputs programs read; everything else gets defaults by its type.

Made up from the id, so that it is the same in every run. Host names have the forms of Azure's own
(https://learn.microsoft.com/azure/private-link/private-endpoint-dns); none is ever looked up here.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from localcluster.azure import kinds, paths
from localcluster.azure.values import Document, guid

MADE = "2025-01-01T00:00:00Z"  # when everything was made: no clock, or every run would differ


@dataclass(frozen=True, slots=True)
class Facts:
    """What outputs are made of."""

    identity: str
    inputs: Mapping[str, object]
    location: str
    subscription: str
    tenant: str
    version: str  # of the resource's value; another one after each change

    @property
    def name(self) -> str:
        """The last part of the id."""
        return kinds.name_of(self.identity)

    def guid(self, purpose: str) -> str:
        """A GUID for one purpose."""
        return guid(self.identity, purpose)

    def digest(self, purpose: str, length: int = 8) -> str:
        """Hex digits for one purpose."""
        return hashlib.sha256(f"{self.identity.lower()}#{purpose}".encode()).hexdigest()[:length]

    def asked(self, path: str, default: object = None) -> object:
        """An input, or what it is without one."""
        found = paths.at(dict(self.inputs), path)
        return default if found is None else found


def _cluster(facts: Facts) -> Document:
    prefix = f"{facts.asked('dnsPrefix', facts.name)}-{facts.digest('dns')}"
    private = facts.asked("apiServerAccessProfile.enablePrivateCluster") is True
    public_name = facts.asked("apiServerAccessProfile.enablePrivateClusterPublicFQDN", default=True) is True
    group = kinds.group_of(facts.identity)
    made: Document = {
        "currentKubernetesVersion": facts.asked("kubernetesVersion", "1.33"),
        "kubernetesVersion": "1.33",
        "maxAgentPools": 100,
        "nodeResourceGroup": f"MC_{group}_{facts.name}_{facts.location}",
        "powerState": {"code": "Running"},
        "resourceUID": facts.digest("uid", 24),
        "identityProfile": {"kubeletidentity": _identity(facts, "kubelet")},
    }
    if public_name or not private:
        made["fqdn"] = f"{prefix}.hcp.{facts.location}.azmk8s.io"
    if private:
        made["privateFQDN"] = f"{prefix}.privatelink.{facts.location}.azmk8s.io"
    if facts.asked("oidcIssuerProfile.enabled") is True:
        issuer = f"https://{facts.location}.oic.prod-aks.azure.com/{facts.tenant}/{facts.guid('issuer')}/"
        made["oidcIssuerProfile"] = {"issuerURL": issuer}
    addons = facts.asked("addonProfiles")
    if isinstance(addons, Mapping):
        made["addonProfiles"] = {
            name: {"identity": _identity(facts, name)}
            for name in addons
            if facts.asked(f"addonProfiles.{name}.enabled") is True
        }
    return made


def _identity(facts: Facts, what: str) -> Document:
    group = facts.asked("nodeResourceGroup", f"MC_{kinds.group_of(facts.identity)}_{facts.name}")
    root = f"/subscriptions/{facts.subscription}/resourceGroups/{group}/providers"
    return {
        "clientId": facts.guid(f"{what} client"),
        "objectId": facts.guid(f"{what} principal"),
        "resourceId": f"{root}/Microsoft.ManagedIdentity/userAssignedIdentities/{what}-{facts.name}",
    }


def _pool(facts: Facts) -> Document:
    version = facts.asked("orchestratorVersion", "1.33")
    return {
        "currentOrchestratorVersion": version,
        "orchestratorVersion": version,
        "nodeImageVersion": "AKSUbuntu-2204gen2containerd-202501.01.0",
        "powerState": {"code": "Running"},
    }


def _user_identity(facts: Facts) -> Document:
    return {
        "clientId": facts.guid("client"),
        "principalId": facts.guid("principal"),
        "tenantId": facts.tenant,
    }


def _vault(facts: Facts) -> Document:
    return {
        "properties": {"vaultUri": f"https://{facts.name}.vault.azure.net/", "provisioningState": "Succeeded"}
    }


def _vault_secret(facts: Facts) -> Document:
    vault = facts.asked("vaultName")  # in a preview there is no id to take it from
    uri = f"https://{vault}.vault.azure.net/secrets/{facts.name}"
    version = (
        guid(facts.identity, facts.version).replace("-", "") if facts.version.isdigit() else facts.version
    )
    return {"properties": {"secretUri": uri, "secretUriWithVersion": f"{uri}/{version}"}}


def _monitor_workspace(facts: Facts) -> Document:
    host = (
        f"https://{facts.name}-{facts.digest('prometheus', 4)}.{facts.location}.prometheus.monitor.azure.com"
    )
    managed = (
        f"/subscriptions/{facts.subscription}/resourceGroups/MA_{facts.name}_{facts.location}_managed"
        "/providers/Microsoft.Insights"
    )
    return {
        "accountId": facts.guid("account"),
        "metrics": {"prometheusQueryEndpoint": host, "internalId": f"mac_{facts.guid('metrics')}"},
        "defaultIngestionSettings": {
            "dataCollectionEndpointResourceId": f"{managed}/dataCollectionEndpoints/{facts.name}",
            "dataCollectionRuleResourceId": f"{managed}/dataCollectionRules/{facts.name}",
        },
    }


def _collection_endpoint(facts: Facts) -> Document:
    host = f"{facts.name}-{facts.digest('dce', 4)}.{facts.location}-1"
    return {
        "immutableId": f"dce-{facts.digest('immutable', 32)}",
        "logsIngestion": {"endpoint": f"https://{host}.ingest.monitor.azure.com"},
        "metricsIngestion": {"endpoint": f"https://{host}.metrics.ingest.monitor.azure.com"},
        "configurationAccess": {"endpoint": f"https://{host}.handler.control.monitor.azure.com"},
    }


def _insights(facts: Facts) -> Document:
    key = facts.guid("key")
    host = f"{facts.location}-0.in.applicationinsights.azure.com"
    text = f"InstrumentationKey={key};IngestionEndpoint=https://{host}/;ApplicationId={facts.guid('app')}"
    return {"instrumentationKey": key, "appId": facts.guid("app"), "connectionString": text}


def _address(facts: Facts) -> Document:
    # Addresses of documentation, RFC 5737: they lead nowhere on purpose.
    static = facts.asked("publicIPAllocationMethod") == "Static"
    made: Document = {"ipAddress": f"203.0.113.{int(facts.digest('ip', 4), 16) % 254 + 1}"} if static else {}
    label = facts.asked("dnsSettings.domainNameLabel")
    if label is not None:
        made["dnsSettings"] = {"fqdn": f"{label}.{facts.location}.cloudapp.azure.com"}
    return made


def _record_set(facts: Facts) -> Document:
    zone = facts.asked("zoneName", facts.asked("privateZoneName"))
    return {"fqdn": f"{zone}." if facts.name == "@" else f"{facts.name}.{zone}."}


def _storage(facts: Facts) -> Document:
    hosts = {
        part: f"https://{facts.name}.{part}.core.windows.net/" for part in ("blob", "file", "queue", "table")
    }
    return {"primaryEndpoints": hosts, "primaryLocation": facts.location}


def _run(facts: Facts) -> Document:
    """A run of the registry that has gone well; nothing is built."""
    image = {
        "digest": f"sha256:{facts.digest('image', 64)}",
        "registry": f"{facts.asked('registryName')}.azurecr.io",
        "repository": facts.name,
        "tag": "rehearsal",
    }
    return {
        "runResult": {
            "runId": f"r{facts.digest('run', 4)}",
            "status": "Succeeded",
            "outputImages": [image],
            "createTime": MADE,
            "startTime": MADE,
            "finishTime": MADE,
            "runType": "QuickRun",
        }
    }


def _zone(_facts: Facts) -> Document:
    return {
        "nameServers": [
            f"ns{n}-01.azure-dns.{end}." for n, end in enumerate(("com", "net", "org", "info"), 1)
        ]
    }


def _grafana(facts: Facts) -> Document:
    host = f"https://{facts.name}-{facts.digest('grafana', 4)}.{facts.location}.grafana.azure.com"
    return {"properties": {"endpoint": host, "grafanaVersion": "11"}}


COMPUTED: Mapping[str, Callable[[Facts], Document]] = MappingProxyType(
    {
        "applicationinsights:Component": _insights,
        "containerregistry:Registry": lambda facts: {"loginServer": f"{facts.name.lower()}.azurecr.io"},
        "containerregistry:TaskRun": _run,
        "containerservice:AgentPool": _pool,
        "containerservice:ManagedCluster": _cluster,
        "dashboard:Grafana": _grafana,
        "dns:RecordSet": _record_set,
        "dns:Zone": _zone,
        "keyvault:Secret": _vault_secret,
        "keyvault:Vault": _vault,
        "managedidentity:UserAssignedIdentity": _user_identity,
        "monitor:AzureMonitorWorkspace": _monitor_workspace,
        "monitor:DataCollectionEndpoint": _collection_endpoint,
        "monitor:DataCollectionRule": lambda facts: {"immutableId": f"dcr-{facts.digest('immutable', 32)}"},
        "network:PublicIPAddress": _address,
        "operationalinsights:Workspace": lambda facts: {"customerId": facts.guid("customer")},
        "privatedns:PrivateRecordSet": _record_set,
        "sql:Server": lambda facts: {
            "fullyQualifiedDomainName": f"{facts.name}.database.windows.net",
            "state": "Ready",
        },
        "storage:StorageAccount": _storage,
    }
)
