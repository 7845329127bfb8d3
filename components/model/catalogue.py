"""What Pitstop consists of, as data: every service with its ports, needs and habits.

Facts about a service are stated here once; nothing else in the program names a service.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator

from components.model import versions
from components.model.types import invalid, suggest


class Kind(StrEnum):
    """What a service is to the mesh."""

    HTTP = "http"  # answers requests; traffic policies apply
    WORKER = "worker"  # takes work from a queue; no port, weights cannot split it
    BACKING = "backing"  # what the others store in or send through; exactly one version


class Secret(StrEnum):
    """A secret value an environment holds; where it comes from is the environment's matter."""

    SQL = "sqlPassword"  # the administrator's, which no service has
    SQL_CUSTOMERS = "sqlCustomersPassword"
    SQL_VEHICLES = "sqlVehiclesPassword"
    SQL_WORKSHOP = "sqlWorkshopPassword"
    SQL_EVENTS = "sqlEventsPassword"
    SQL_NOTIFIER = "sqlNotifierPassword"
    SQL_INVOICES = "sqlInvoicesPassword"
    RABBITMQ = "rabbitmqPassword"
    SEQ = "seqPassword"
    TLS_CERTIFICATE = "tlsCertificate"
    TLS_KEY = "tlsKey"


# What is no password: a certificate and its key, which belong together.
CERTIFICATE = frozenset({Secret.TLS_CERTIFICATE, Secret.TLS_KEY})
PASSWORDS = tuple(str(name) for name in Secret if name not in CERTIFICATE)


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
class Database:
    """A database and what a service may do in it: an owner migrates the schema, a reader only reads."""

    name: str
    rights: Literal["owner", "reader"] = "owner"


@dataclass(frozen=True, slots=True)
class Login:
    """A service's own way into SQL Server.

    The services find their master connection by replacing the database's name in the connection string,
    so no login, host or password may contain one: lower case is safe, the replacing minds the case.
    """

    name: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class Size:
    """What a container asks for, and its limit of memory; there is no CPU limit, throttling hurts latency."""

    cpu: str
    memory: str
    limit: str
    least: str = "1Mi"  # a limit below which the program does not start, or takes nothing


@dataclass(frozen=True, slots=True)
class Volume:
    """What must outlive a pod."""

    path: str
    size: str
    holds: str  # in words, for whoever is about to remove it
    least: str = "1Mi"  # with less the service takes nothing


MEMORY = "<memory>"  # in MiB
SMALL = Size("10m", "64Mi", "256Mi")
DOTNET = Size("50m", "128Mi", "384Mi")


def _none() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Service:
    """One service of Pitstop."""

    name: str
    kind: Kind
    ports: tuple[Port, ...] = ()
    needs: tuple[Need, ...] = ()
    env: Mapping[str, str] = field(default_factory=_none)
    secret_env: Mapping[str, Secret] = field(default_factory=lambda: MappingProxyType({}))  # nothing but it
    connections: Mapping[str, Database] = field(default_factory=lambda: MappingProxyType({}))
    login: Login | None = None
    broker: str = ""  # the section of the settings that names the broker
    queue: str = ""
    health: str = ""  # path that tells whether requests can be served; empty: the port is open
    public: bool = False  # reached from outside, through the ingress gateway
    singleton: bool = False  # never two at a time, not even during an update
    start_seconds: int = 60  # how long a start may take before it counts as failed
    tries: int = 1  # of each of its own calls, the first included
    size: Size = DOTNET
    standin_size: Size = SMALL
    memory_share: float = 0.0  # of its limit, what `MEMORY` in its settings and files stands for
    volume: Volume | None = None
    config: Mapping[str, str] = field(default_factory=_none)  # files, by path
    started: str = ""  # what a shell does in each new container before it counts as started
    image: str = ""  # where it is not built from Pitstop's sources
    writes_anywhere: str = ""  # why its root file system cannot be read-only


SQL = Need("sqlserver", "tds")
BROKER = Need("rabbitmq", "amqp")
MAIL = Need("mailserver", "smtp")
MAIL_HOST = "Email__Host"  # the setting that names it
LOG = Need("logserver", "http", hard=False)
WEB = MappingProxyType({"ASPNETCORE_ENVIRONMENT": "Production"})
WORK = MappingProxyType({"DOTNET_ENVIRONMENT": "Production"})
BROKER_USER = "rabbitmquser"
# RabbitMQ reads RABBITMQ_DEFAULT_PASS when its data is empty and never again: this has every start take the
# password of now. The stand-in for it has no data, and no such program.
BROKER_STARTED = (
    "command -v rabbitmqctl >/dev/null || exit 0; sleep 3; tries=0; "
    """until printf '%s\\n' "$RABBITMQ_DEFAULT_PASS" | """
    'rabbitmqctl --quiet change_password "$RABBITMQ_DEFAULT_USER"; '
    'do tries=$((tries + 1)); [ "$tries" -lt 40 ] || exit 1; sleep 3; done'
)
# The web APIs open their port only after the database migration: ten tries, ten seconds apart, each with
# its own connection timeout.
MIGRATION_SECONDS = 360


def _api(name: str, port: int, databases: Mapping[str, Database], login: Login, health: str) -> Service:
    return Service(
        name,
        Kind.HTTP,
        ports=(Port("http", port, "http"),),
        needs=(SQL, BROKER, LOG),
        env=WEB,
        connections=MappingProxyType(dict(databases)),
        login=login,
        broker="RabbitMQPublisher",
        health=health,
        start_seconds=MIGRATION_SECONDS,
    )


def _worker(
    name: str,
    queue: str,
    needs: tuple[Need, ...],
    databases: Mapping[str, Database] | None = None,
    login: Login | None = None,
) -> Service:
    return Service(
        name,
        Kind.WORKER,
        needs=(*needs, LOG),
        env=WORK,
        connections=MappingProxyType(dict(databases or {})),
        login=login,
        broker="RabbitMQHandler",
        queue=queue,
    )


def _http() -> Iterator[Service]:
    apis = {"customermanagementapi": 5100, "vehiclemanagementapi": 5000, "workshopmanagementapi": 5200}
    locations = {
        "CustomerManagementAPI": "customermanagementapi",
        "VehicleManagementAPI": "vehiclemanagementapi",
        "WorkshopManagementAPI": "workshopmanagementapi",
    }
    yield Service(
        "webapp",
        Kind.HTTP,
        ports=(Port("http", 7005, "http"),),
        # A page whose API is missing says so; the others work.
        needs=(*(Need(name, "http", hard=False) for name in apis), LOG),
        env=MappingProxyType(
            {
                **WEB,
                # host:port without a scheme, which the code adds
                **{f"APIServiceLocations__{key}": f"{name}:{apis[name]}" for key, name in locations.items()},
            }
        ),
        health="/hc",
        public=True,
        tries=6,  # one and five more, at once: its HTTP client's own policy
    )
    yield _api(
        "customermanagementapi",
        apis["customermanagementapi"],
        {"CustomerManagementCN": Database("CustomerManagement")},
        Login("customers", Secret.SQL_CUSTOMERS),
        "/hc",
    )
    yield _api(
        "vehiclemanagementapi",
        apis["vehiclemanagementapi"],
        {"VehicleManagementCN": Database("VehicleManagement")},
        Login("vehicles", Secret.SQL_VEHICLES),
        "/hc",
    )
    # No health path: /hc asks for databases that exist only after the first request, so a pod that
    # waited for it would wait for ever where nobody made them beforehand.
    yield _api(
        "workshopmanagementapi",
        apis["workshopmanagementapi"],
        {
            "EventStoreCN": Database("WorkshopManagementEventStore"),
            "WorkshopManagementCN": Database("WorkshopManagement", "reader"),
        },
        Login("workshop", Secret.SQL_WORKSHOP),
        "",
    )


def _workers() -> Iterator[Service]:
    yield _worker(
        "workshopmanagementeventhandler",
        "WorkshopManagement",
        (SQL, BROKER),
        {"WorkshopManagementCN": Database("WorkshopManagement")},
        Login("events", Secret.SQL_EVENTS),
    )
    yield _worker(
        "notificationservice",
        "Notifications",
        (SQL, BROKER, MAIL),
        {"NotificationServiceCN": Database("Notification")},
        Login("notifier", Secret.SQL_NOTIFIER),
    )
    yield _worker(
        "invoiceservice",
        "Invoicing",
        (SQL, BROKER, MAIL),
        {"InvoiceServiceCN": Database("Invoicing")},
        Login("invoices", Secret.SQL_INVOICES),
    )
    yield Service(
        "auditlogservice",
        Kind.WORKER,
        needs=(BROKER, LOG),
        env=MappingProxyType({**WORK, "Auditlog__path": "/var/log/pitstop/auditlog"}),
        broker="RabbitMQHandler",
        queue="Auditlog",
        volume=Volume("/var/log/pitstop", "1Gi", "the audit log"),
    )
    yield Service(
        "timeservice",
        Kind.WORKER,
        needs=(BROKER, LOG),
        env=WORK,
        broker="RabbitMQPublisher",
        singleton=True,  # each replica would announce the new day
    )


def _sqlserver() -> Service:
    return Service(
        "sqlserver",
        Kind.BACKING,
        ports=(Port("tds", 1433),),
        env=MappingProxyType({"ACCEPT_EULA": "Y", "MSSQL_PID": "Developer", "MSSQL_MEMORY_LIMIT_MB": MEMORY}),
        secret_env=MappingProxyType({"MSSQL_SA_PASSWORD": Secret.SQL}),
        singleton=True,
        start_seconds=180,
        size=Size("250m", "2Gi", "3Gi", "3Gi"),  # it refuses to start with less than 2 GB for itself
        memory_share=2 / 3,
        volume=Volume("/var/opt/mssql", "8Gi", "every database"),
        image=versions.SQLSERVER_IMAGE,
        writes_anywhere="SQL Server keeps a system folder beside its data, in the root folder",
    )


def _rabbitmq() -> Service:
    return Service(
        "rabbitmq",
        Kind.BACKING,
        ports=(Port("amqp", 5672), Port("http-admin", 15672, "http")),
        secret_env=MappingProxyType({"RABBITMQ_DEFAULT_PASS": Secret.RABBITMQ}),
        # Its log of upgrades is a file beside the others, which the read-only root has no room for.
        env=MappingProxyType({"RABBITMQ_DEFAULT_USER": BROKER_USER, "RABBITMQ_UPGRADE_LOG": "-"}),
        singleton=True,
        start_seconds=180,
        size=Size("50m", "256Mi", "768Mi", "384Mi"),
        standin_size=Size("50m", "192Mi", "768Mi", "384Mi"),  # the real one runs locally too
        memory_share=0.5,
        volume=Volume("/var/lib/rabbitmq", "1Gi", "events nobody has taken yet", "256Mi"),
        config=MappingProxyType(
            {
                "/etc/rabbitmq/conf.d/20-pitstop.conf": (
                    f"default_user = {BROKER_USER}\n"
                    "loopback_users = none\n"
                    # Of the limit, not of the machine's memory; above it publishers are held back.
                    f"vm_memory_high_watermark.absolute = {MEMORY}MiB\n"
                    "disk_free_limit.absolute = 128MiB\n"
                )
            }
        ),
        started=BROKER_STARTED,
        image=versions.RABBITMQ_IMAGE,
    )


def _mailserver() -> Service:
    return Service(
        "mailserver",
        Kind.BACKING,
        # Mail is a protocol in which the server speaks first: the mesh must not wait for the client.
        ports=(Port("smtp", 25), Port("http", 80, "http", port=4000)),
        singleton=True,
        size=SMALL,
        image=versions.MAILSERVER_IMAGE,
    )


def _logserver() -> Service:
    return Service(
        "logserver",
        Kind.BACKING,
        ports=(Port("http", 80, "http", port=5341),),
        env=MappingProxyType({"ACCEPT_EULA": "Y"}),
        secret_env=MappingProxyType({"SEQ_FIRSTRUN_ADMINPASSWORD": Secret.SEQ}),
        singleton=True,
        start_seconds=120,
        size=Size("50m", "256Mi", "768Mi"),
        volume=Volume("/data", "2Gi", "the collected logs"),
        image=versions.LOGSERVER_IMAGE,
    )


CATALOGUE: Mapping[str, Service] = MappingProxyType(
    {
        service.name: service
        for service in (*_http(), *_workers(), _sqlserver(), _rabbitmq(), _mailserver(), _logserver())
    }
)


def service_name(value: str) -> str:
    """A service of the catalogue."""
    if value not in CATALOGUE:
        raise invalid(f"unknown service; {suggest(value, tuple(CATALOGUE))}")
    return value


ServiceName = Annotated[str, AfterValidator(service_name)]


def password_name(value: str) -> str:
    """A secret value that is a password."""
    if value not in PASSWORDS:
        raise invalid(f"unknown secret value; {suggest(value, PASSWORDS)}")
    return value


PasswordName = Annotated[str, AfterValidator(password_name)]


def callers_of(name: str) -> tuple[tuple[str, Port], ...]:
    """The services that call this one, each with the port it calls."""
    ports = {port.name: port for port in CATALOGUE[name].ports}
    return tuple(
        (service.name, ports[need.port])
        for service in CATALOGUE.values()
        for need in service.needs
        if need.service == name
    )
