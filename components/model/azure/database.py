"""Azure SQL: a server that only the environment's network reaches, and the databases services look for."""

from collections.abc import Iterator

from components.model.azure import names, network
from components.model.azure.network import PrivateService
from components.model.azure.resources import AzureResource, placed
from components.model.azure.settings import AksCluster, AzureSettings, AzureSqlDatabase
from components.model.catalogue import CATALOGUE, Secret
from components.model.manifests import Document, Json
from components.model.outputs import secret
from components.model.settings import Settings
from components.model.sql import ADMINISTRATOR

PART = "database"
ZONE = "privatelink.database.windows.net"


def resources(settings: Settings, cluster: AksCluster, azure: AzureSettings) -> Iterator[AzureResource]:
    """Nothing where the databases are elsewhere."""
    if not isinstance(azure.database, AzureSqlDatabase):
        return
    yield _server(cluster, azure)
    databases = sorted(
        {one.name for name in settings.services for one in CATALOGUE[name].connections.values()}
    )
    for name in databases:
        yield _database(azure, azure.database, name)
    yield from network.private_endpoint(
        azure, PART, "sql", PrivateService(server_id(azure), "sqlServer", ZONE)
    )


def server_id(azure: AzureSettings) -> str:
    """The id of the server."""
    return names.resource_id(azure, "Microsoft.Sql/servers", names.physical("sql", azure))


def _server(cluster: AksCluster, azure: AzureSettings) -> AzureResource:
    administrators: Json = {
        "administratorType": "ActiveDirectory",
        "principalType": "Group",
        "login": "cluster-administrators",
        "sid": cluster.admins[0],
        "tenantId": azure.tenant,
        # Pitstop's services know passwords only.
        "azureADOnlyAuthentication": False,
    }
    inputs: Document = {
        **placed(azure),
        "serverName": names.physical("sql", azure),
        "version": "12.0",
        "administratorLogin": ADMINISTRATOR,
        "administratorLoginPassword": secret(Secret.SQL),
        "administrators": administrators,
        "minimalTlsVersion": "1.2",
        "publicNetworkAccess": "Disabled",
        "restrictOutboundNetworkAccess": "Enabled",
    }
    return AzureResource("sql", "sql:Server", PART, inputs, protect=azure.protect)


def _database(azure: AzureSettings, own: AzureSqlDatabase, name: str) -> AzureResource:
    inputs: Document = {
        **placed(azure),
        "serverName": names.physical("sql", azure),
        "databaseName": name,
        "sku": _sku(own.sku),
        "zoneRedundant": own.zone_redundant,
        "requestedBackupStorageRedundancy": own.backup,
    }
    if own.sku.startswith("GP_S_"):
        inputs |= {"autoPauseDelay": -1, "minCapacity": 0.5}  # a paused one answers after a minute
    return AzureResource(f"sql-{name}", "sql:Database", PART, inputs, ("sql",), protect=azure.protect)


def _sku(name: str) -> Document:
    if not name.startswith("GP_"):
        return {"name": name, "tier": "Basic" if name == "Basic" else "Standard"}
    family, _, capacity = name.rpartition("_")
    return {"name": family, "tier": "GeneralPurpose", "family": "Gen5", "capacity": int(capacity)}
