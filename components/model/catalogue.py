"""What Pitstop consists of, as data: every service with its ports, needs and habits.

Facts about a service are stated here once; nothing else in the program names a service.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """What a service is to the mesh."""

    HTTP = "http"  # answers requests; traffic policies apply
    WORKER = "worker"  # takes work from a queue; no port, weights cannot split it
    BACKING = "backing"  # what the others store in or send through; exactly one version


class Secret(StrEnum):
    """A secret value an environment holds; where it comes from is the environment's matter."""

    SQL = "sqlPassword"
    RABBITMQ = "rabbitmqPassword"


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a service. `protocol` is what the mesh may assume: it routes requests only for http."""

    name: str
    target: int  # in the container
    protocol: str = "tcp"
    port: int = 0  # of the Service; 0 means the same as in the container

    @property
    def number(self) -> int:
        """The port callers use."""
        return self.port or self.target


@dataclass(frozen=True, slots=True)
class Need:
    """A call from one service to another. `hard`: it does not start, or never recovers, without it."""

    service: str
    port: str
    hard: bool = True


@dataclass(frozen=True, slots=True)
class Service:
    """One service of Pitstop."""

    name: str
    kind: Kind
    ports: tuple[Port, ...] = ()
    needs: tuple[Need, ...] = ()
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    # environment variables whose text holds a secret: `{sqlPassword}` stands for its value
    secret_env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    health: str = ""  # path that tells whether requests can be served; empty: the port is open
    public: bool = False  # reached from outside, through the ingress gateway
    singleton: bool = False  # never two at a time, not even during an update
    start_seconds: int = 60  # how long a start may take before it counts as failed
    cpu: str = "10m"  # asked for; there is no CPU limit, throttling hurts latency more than it helps
    memory: str = "64Mi"  # asked for, and the limit is four times that


def _sql(database: str) -> str:
    # The services find their master connection by replacing the database's name in this text, so
    # neither host, login nor password may contain it.
    return (
        f"server=sqlserver;user id=sa;password={{{Secret.SQL}}};database={database};"
        "trustServerCertificate=true;"
    )


def _rabbitmq(section: str) -> dict[str, str]:
    return {f"{section}__Password": f"{{{Secret.RABBITMQ}}}"}


def _broker(section: str) -> dict[str, str]:
    return {f"{section}__Host": "rabbitmq", f"{section}__UserName": "rabbitmquser"}


SQL = Need("sqlserver", "tds")
BROKER = Need("rabbitmq", "amqp")
MAIL = Need("mailserver", "smtp")
LOG = Need("logserver", "http", hard=False)
WEB = {"ASPNETCORE_ENVIRONMENT": "Production"}
WORK = {"DOTNET_ENVIRONMENT": "Production"}
# The web APIs open their port only after the database migration: ten tries, ten seconds apart, each with
# its own connection timeout.
MIGRATION_SECONDS = 360


def _api(name: str, port: int, databases: Mapping[str, str], health: str = "/hc") -> Service:
    connections = {f"ConnectionStrings__{key}": _sql(database) for key, database in databases.items()}
    return Service(
        name,
        Kind.HTTP,
        ports=(Port("http", port, "http"),),
        needs=(SQL, BROKER, LOG),
        env=MappingProxyType(WEB | _broker("RabbitMQPublisher")),
        secret_env=MappingProxyType(connections | _rabbitmq("RabbitMQPublisher")),
        health=health,
        start_seconds=MIGRATION_SECONDS,
    )


def _worker(name: str, needs: tuple[Need, ...], databases: Mapping[str, str]) -> Service:
    connections = {f"ConnectionStrings__{key}": _sql(database) for key, database in databases.items()}
    mail = {"Email__Host": "mailserver"} if MAIL in needs else {}
    return Service(
        name,
        Kind.WORKER,
        needs=(*needs, LOG),
        env=MappingProxyType(WORK | _broker("RabbitMQHandler") | mail),
        secret_env=MappingProxyType(connections | _rabbitmq("RabbitMQHandler")),
    )


_ALL = (
    Service(
        "webapp",
        Kind.HTTP,
        ports=(Port("http", 7005, "http"),),
        # A page whose API is missing says so; the others work.
        needs=(
            Need("customermanagementapi", "http", hard=False),
            Need("vehiclemanagementapi", "http", hard=False),
            Need("workshopmanagementapi", "http", hard=False),
            LOG,
        ),
        env=MappingProxyType(
            {
                **WEB,
                "APIServiceLocations__CustomerManagementAPI": "customermanagementapi:5100",
                "APIServiceLocations__VehicleManagementAPI": "vehiclemanagementapi:5000",
                "APIServiceLocations__WorkshopManagementAPI": "workshopmanagementapi:5200",
            }
        ),
        health="/hc",
        public=True,
    ),
    _api("customermanagementapi", 5100, {"CustomerManagementCN": "CustomerManagement"}),
    _api("vehiclemanagementapi", 5000, {"VehicleManagementCN": "VehicleManagement"}),
    # No health path: /hc asks for databases that exist only after the first request, so a pod that
    # waited for it would wait for ever.
    _api(
        "workshopmanagementapi",
        5200,
        {"EventStoreCN": "WorkshopManagementEventStore", "WorkshopManagementCN": "WorkshopManagement"},
        health="",
    ),
    _worker("workshopmanagementeventhandler", (SQL, BROKER), {"WorkshopManagementCN": "WorkshopManagement"}),
    _worker("notificationservice", (SQL, BROKER, MAIL), {"NotificationServiceCN": "Notification"}),
    _worker("invoiceservice", (SQL, BROKER, MAIL), {"InvoiceServiceCN": "Invoicing"}),
    _worker("auditlogservice", (BROKER,), {}),
    Service(
        "timeservice",
        Kind.WORKER,
        needs=(BROKER, LOG),
        env=MappingProxyType(WORK | _broker("RabbitMQPublisher")),
        secret_env=MappingProxyType(_rabbitmq("RabbitMQPublisher")),
        singleton=True,  # each replica would announce the new day
    ),
    Service(
        "sqlserver",
        Kind.BACKING,
        ports=(Port("tds", 1433),),
        env=MappingProxyType({"ACCEPT_EULA": "Y", "MSSQL_PID": "Developer"}),
        secret_env=MappingProxyType({"MSSQL_SA_PASSWORD": f"{{{Secret.SQL}}}"}),
        singleton=True,
        start_seconds=120,
    ),
    Service(
        "rabbitmq",
        Kind.BACKING,
        ports=(Port("amqp", 5672), Port("http-admin", 15672, "http")),
        env=MappingProxyType({"RABBITMQ_DEFAULT_USER": "rabbitmquser"}),
        secret_env=MappingProxyType({"RABBITMQ_DEFAULT_PASS": f"{{{Secret.RABBITMQ}}}"}),
        singleton=True,
        start_seconds=120,
    ),
    Service(
        "mailserver",
        Kind.BACKING,
        # Mail is a protocol in which the server speaks first: the mesh must not wait for the client.
        ports=(Port("smtp", 25), Port("http", 80, "http", port=4000)),
        singleton=True,
    ),
    Service(
        "logserver",
        Kind.BACKING,
        ports=(Port("http", 80, "http", port=5341),),
        env=MappingProxyType({"ACCEPT_EULA": "Y", "SEQ_FIRSTRUN_NOAUTHENTICATION": "true"}),
        singleton=True,
    ),
)

CATALOGUE: Mapping[str, Service] = MappingProxyType({service.name: service for service in _ALL})
