"""Where the databases are, and how services and the job that prepares them reach the server."""

from dataclasses import dataclass

from components.model.azure import names
from components.model.azure.settings import AzureSqlDatabase, ExternalDatabase
from components.model.catalogue import CATALOGUE, SQL
from components.model.settings import EgressHost, Settings

DOMAIN = "database.windows.net"
PORT = 1433
ADMINISTRATOR = "pitstopadmin"  # Azure refuses sa, admin and the like


@dataclass(frozen=True, slots=True)
class SqlServer:
    """A server. `proven`: its certificate is one that clients can check."""

    host: str
    port: int = PORT
    administrator: str = "sa"
    proven: bool = False
    # Azure SQL makes databases as resources of its own, and no connection leaves the one it was made to.
    azure: bool = False
    inside: bool = False  # a service of the environment

    @property
    def address(self) -> str:
        """The server as SQL Server's clients write it."""
        return self.host if self.port == PORT else f"{self.host},{self.port}"


IN_CLUSTER = SqlServer(SQL.service, inside=True)


def server(settings: Settings) -> SqlServer:
    """The server of an environment."""
    match settings.database:
        case AzureSqlDatabase() if settings.azure:
            host = f"{names.physical('sql', settings.azure)}.{DOMAIN}"
            return SqlServer(host, administrator=ADMINISTRATOR, proven=True, azure=True)
        case ExternalDatabase() as other:
            return SqlServer(other.host, other.port, other.administrator, proven=True)
        case _:
            return IN_CLUSTER


def outside(settings: Settings) -> tuple[EgressHost, ...]:
    """Every host outside that somebody calls: those the stack file names, and a server that is elsewhere."""
    there = server(settings)
    callers = tuple(name for name in sorted(settings.services) if CATALOGUE[name].login)
    if there.inside or not callers:
        return settings.egress
    own = EgressHost(host=there.host, port=there.port, protocol="TCP", callers=callers)
    return (*settings.egress, own)
