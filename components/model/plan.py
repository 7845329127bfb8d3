"""From settings to one immutable plan: every object of an environment, and what waits for what."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.model import access, database, joining, keeper, manifests, naming, pods, routes, scaling, sql
from components.model.access import AccessPlan
from components.model.azure.plan import AzurePlan, azure_plan
from components.model.catalogue import CATALOGUE, Kind, Need, Secret, Service
from components.model.database import DatabasePlan
from components.model.istio import MeshPlan
from components.model.joining import Joining
from components.model.keeper import KeeperPlan
from components.model.manifests import Document, Manifest, SecretTemplate
from components.model.outputs import Place, places
from components.model.secrets import in_vault
from components.model.settings import ConfiguredTls, NoMesh, ServiceSettings, Settings
from components.model.traffic import BlueGreen
from components.model.types import first_version


@dataclass(frozen=True, slots=True)
class WorkloadPlan:
    """A service: what runs it. `after` are the services that must be ready before it starts."""

    service: Service
    account: Manifest
    secret: SecretTemplate | None
    address: Manifest | None  # its Service; a worker has none
    files: tuple[Manifest, ...]
    claims: tuple[Manifest, ...]
    versions: tuple[str, ...]
    workloads: tuple[Manifest, ...]
    beside: tuple[Manifest, ...]
    after: tuple[str, ...]

    def objects(self) -> tuple[Manifest, ...]:
        """Every object but the Secret."""
        address = (self.address,) if self.address else ()
        return (self.account, *self.files, *self.claims, *address, *self.workloads, *self.beside)


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """How requests for one service are spread over its versions."""

    service: str
    versions: tuple[str, ...]
    destination: Manifest
    route: Manifest


@dataclass(frozen=True, slots=True)
class EntryPlan:
    """The way in from outside, for one service."""

    service: str
    hosts: tuple[str, ...]
    certificate: SecretTemplate | None
    keeper: KeeperPlan | None  # of a certificate from a vault
    gateway: Manifest
    route: Manifest


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole environment as data: what tests look at, what is rendered, what is registered."""

    namespace: Manifest
    quota: tuple[Manifest, ...]
    mtls: Manifest | None
    mesh: MeshPlan | None  # what of it is this stack's own
    joined: Joining | None
    access: AccessPlan
    keeper: KeeperPlan | None  # None: the Secrets are registered
    database: DatabasePlan | None
    workloads: tuple[WorkloadPlan, ...]
    routes: tuple[RoutePlan, ...]
    entries: tuple[EntryPlan, ...]
    asked: Mapping[str, Mapping[str, int]]  # percent for each version, of services that have several
    retain: bool  # claims outlive the stack
    azure: AzurePlan | None  # what the cluster itself stands on, where this stack makes it
    max_weight_step: int  # percent that a version's share may change by in one update

    @property
    def meshed(self) -> bool:
        """Whether pods have sidecars."""
        return self.joined is not None

    def notes(self) -> Iterator[str]:
        """What a person should know before an update, though nothing is wrong."""
        level = self.namespace.labels["pod-security.kubernetes.io/enforce"]
        if level != "restricted":
            yield (
                f"namespace {self.namespace.name} enforces Pod Security {level}, and only warns below "
                "restricted: this mesh sets sidecars up by an init container with rights of its own"
            )

    def whereabouts(self) -> dict[str, str]:
        """What a person needs to find the managed cluster in Azure; nothing where there is none."""
        return {"group": self.azure.group, "managedCluster": self.azure.cluster} if self.azure else {}

    def versions(self) -> dict[str, list[str]]:
        """The versions of each service, by their image tags."""
        return {
            load.service.name: [naming.version_label(version) for version in load.versions]
            for load in self.workloads
        }

    def entry_points(self) -> dict[str, dict[str, list[str]]]:
        """For each service reached from outside, the hosts it answers to."""
        return {entry.service: {"hosts": list(entry.hosts)} for entry in self.entries}

    def data(self) -> dict[str, str]:
        """For each claim, what it holds, in words."""
        return {
            claim.name: load.service.volume.holds
            for load in self.workloads
            for claim in load.claims
            if load.service.volume
        }

    def keepers(self) -> tuple[KeeperPlan, ...]:
        """What has Secrets made from a vault."""
        found = (self.keeper, *(entry.keeper for entry in self.entries))
        return tuple(one for one in found if one)

    def secrets(self) -> Iterator[SecretTemplate]:
        """Every Secret that is registered, in the order they can be applied."""
        found = [load.secret for load in self.workloads]
        found += [entry.certificate for entry in self.entries]
        if self.database:
            found.append(self.database.secret)
        yield from (one for one in found if one)

    def secrets_needed(self) -> tuple[str, ...]:
        """The secret values this environment cannot do without."""
        texts = {name for one in self.secrets() for name in one.values_needed()}
        return tuple(sorted(texts | set(self.azure.secrets_needed() if self.azure else ())))

    def places(self) -> tuple[Place, ...]:
        """Every place in the plan's texts, each once."""
        found = {place for one in self.objects() for place in places(one.body)}
        return tuple(sorted(found | set(self.azure.places() if self.azure else ())))

    def versions_needed(self) -> tuple[str, ...]:
        """The secret values whose change starts pods anew; a certificate's is noticed without."""
        found = [load.secret for load in self.workloads] + [self.database.secret if self.database else None]
        return tuple(sorted({name for one in found if one for name in one.values_needed()}))

    def objects(self) -> Iterator[Manifest]:
        """Every plain object, in the order they can be applied. Secrets and releases are not among them."""
        if self.mesh:
            yield from self.mesh.objects()
        yield self.namespace
        yield from self.quota
        if self.mtls:
            yield self.mtls
        yield from self.access.objects()
        for kept in self.keepers():
            yield from kept.objects()
        for workload in self.workloads:
            yield from workload.objects()
        if self.database:
            yield from self.database.objects()
        for way in self.routes:
            yield from (way.destination, way.route)
        for entry in self.entries:
            yield from (entry.gateway, entry.route)

    def documents(self, placeholder: str = "<{}>") -> Iterator[Document]:
        """Every object as a YAML file has it; a placeholder stands where a secret value belongs."""
        values = {name: placeholder.format(name) for name in self.secrets_needed()}
        for manifest in self.objects():
            yield manifest.document()
        for secret in self.secrets():
            yield secret.document(values)


def build(settings: Settings, owner: str) -> Plan:
    """The plan for these settings. `owner` marks the namespaces as this stack's."""
    running = {name: CATALOGUE[name] for name in sorted(settings.services)}
    joined, prepared = joining.joining(settings), database.database_plan(settings)
    routed = [service for service in running.values() if service.kind is Kind.HTTP and settings.meshed]
    return Plan(
        namespace=manifests.namespace(
            settings.namespace,
            "environment",
            {naming.OWNER_LABEL: owner, **(joined.injection if joined else {})},
            joined.pod_security if joined else "restricted",
            wanted="restricted",
        ),
        quota=scaling.quota(settings),
        mtls=routes.strict_mtls(settings.namespace, "environment") if settings.meshed else None,
        mesh=joining.mesh_plan(settings, owner),
        joined=joined,
        access=access.access_plan(settings),
        keeper=keeper.environment_keeper(settings),
        database=prepared,
        workloads=tuple(_workload(service, settings, prepared) for service in _in_order(running)),
        routes=tuple(_route(service, settings) for service in routed),
        entries=tuple(_entry(service, settings, joined) for service in routed if service.public and joined),
        azure=azure_plan(settings),
        asked=settings.asked(),
        retain=settings.storage.retain,
        max_weight_step=settings.guardrails.max_weight_step,
    )


def _workload(service: Service, settings: Settings, prepared: DatabasePlan | None) -> WorkloadPlan:
    here, own = settings.namespace, settings.services[service.name]
    versions = pods.running(service, own, sql.server(settings))
    after = [need.service for need in hard_needs(service) if need.service in settings.services]
    if prepared and service.login:
        after.append(naming.DATABASE_INIT)
    return WorkloadPlan(
        service=service,
        account=manifests.service_account(service.name, here),
        secret=None if in_vault(settings) else pods.secret(service, settings),
        address=_address(service, settings) if service.ports else None,
        files=pods.files(service, versions[0], settings),
        claims=pods.claims(service, versions, settings),
        versions=tuple(one.version for one in versions),
        workloads=tuple(pods.workload(service, one, settings) for one in versions),
        beside=scaling.beside(service, versions, settings),
        after=tuple(after),
    )


def _address(service: Service, settings: Settings) -> Manifest:
    if not isinstance(settings.mesh, NoMesh):
        return manifests.service_object(service, settings.namespace)
    own = settings.services[service.name]
    exposed = settings.mesh.gateway if service.public else None
    return manifests.service_object(service, settings.namespace, exposed, _only(service, own))


def _only(service: Service, own: ServiceSettings) -> str:
    """Without a mesh, the one version that answers."""
    live = own.split.live if isinstance(own.split, BlueGreen) else first_version(own.versions)
    return live if service.kind is Kind.HTTP and len(own.versions) > 1 else ""


def hard_needs(service: Service) -> tuple[Need, ...]:
    """What a service cannot start without."""
    return tuple(need for need in service.needs if need.hard)


def _in_order(running: Mapping[str, Service]) -> list[Service]:
    """Services after what they need, otherwise by name."""
    done: list[Service] = []
    waiting = list(running.values())
    while waiting:
        names = {service.name for service in waiting}
        ready = [s for s in waiting if not any(need.service in names for need in hard_needs(s))]
        done += ready
        names -= {service.name for service in ready}
        waiting = [service for service in waiting if service.name in names]
    return done


def _route(service: Service, settings: Settings) -> RoutePlan:
    own, here = settings.services[service.name], settings.namespace
    return RoutePlan(
        service.name,
        tuple(sorted(own.versions)),
        routes.destination_rule(service, own, here),
        routes.virtual_service(service, own, here),
    )


def _entry(service: Service, settings: Settings, mesh: Joining) -> EntryPlan:
    ingress, here, beside = settings.ingress, settings.namespace, mesh.gateway_namespace
    own = settings.services[service.name]
    return EntryPlan(
        service.name,
        ingress.hosts,
        _certificate(service, here, beside) if isinstance(ingress.tls, ConfiguredTls) else None,
        keeper.gateway_keeper(settings),
        routes.gateway(service, ingress, mesh.gateway, here),
        routes.entry_route(service, own, ingress.hosts, here),
    )


def _certificate(service: Service, namespace: str, beside: str) -> SecretTemplate:
    """The gateway's pods read certificates from their own namespace only."""
    holds = {"tls.crt": str(Secret.TLS_CERTIFICATE), "tls.key": str(Secret.TLS_KEY)}
    name = routes.certificate(namespace)
    return SecretTemplate(
        f"{service.name}-certificate",
        name,
        beside,
        manifests.labels(service.name),
        holds,
        "kubernetes.io/tls",
    )
