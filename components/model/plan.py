"""From settings to one immutable plan: every object of an environment, and what waits for what."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.model import istio, manifests, naming, routes
from components.model.catalogue import CATALOGUE, Kind, Need, Service
from components.model.istio import MeshPlan
from components.model.manifests import Document, Manifest, SecretTemplate
from components.model.settings import ExistingMesh, HelmMesh, Settings


@dataclass(frozen=True, slots=True)
class WorkloadPlan:
    """A service: what runs it. `after` are the services that must be ready before it starts."""

    service: Service
    account: Manifest
    secret: SecretTemplate | None
    address: Manifest | None  # its Service; a worker has none
    versions: tuple[str, ...]
    deployments: tuple[Manifest, ...]
    after: tuple[str, ...]

    def objects(self) -> tuple[Manifest, ...]:
        """Every object but the Secret."""
        address = (self.address,) if self.address else ()
        return (self.account, *address, *self.deployments)


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """How requests for one service are spread over its versions."""

    service: str
    destination: Manifest
    route: Manifest


@dataclass(frozen=True, slots=True)
class EntryPlan:
    """The way in from outside, for one service."""

    service: str
    hosts: tuple[str, ...]
    gateway: Manifest
    route: Manifest


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole environment as data: what tests look at, what is rendered, what is registered."""

    namespace: Manifest
    mtls: Manifest
    mesh: MeshPlan | None
    root_namespace: str
    workloads: tuple[WorkloadPlan, ...]
    routes: tuple[RoutePlan, ...]
    entries: tuple[EntryPlan, ...]
    asked: Mapping[str, Mapping[str, int]]  # percent for each version, of services that have several

    def versions(self) -> dict[str, list[str]]:
        """The versions of each service, by their image tags."""
        return {
            load.service.name: [naming.version_label(version) for version in load.versions]
            for load in self.workloads
        }

    def entry_points(self) -> dict[str, dict[str, list[str]]]:
        """For each service reached from outside, the hosts it answers to."""
        return {entry.service: {"hosts": list(entry.hosts)} for entry in self.entries}

    def secrets_needed(self) -> tuple[str, ...]:
        """The secret values this environment cannot do without."""
        named = {name for load in self.workloads if load.secret for name in load.secret.values_needed()}
        return tuple(sorted(named))

    def objects(self) -> Iterator[Manifest]:
        """Every plain object, in the order they can be applied. Secrets and releases are not among them."""
        if self.mesh:
            yield from self.mesh.namespaces
            yield self.mesh.mtls
        yield from (self.namespace, self.mtls)
        for workload in self.workloads:
            yield from workload.objects()
        for way in self.routes:
            yield from (way.destination, way.route)
        for entry in self.entries:
            yield from (entry.gateway, entry.route)

    def documents(self, placeholder: str = "<{}>") -> Iterator[Document]:
        """Every object as a YAML file has it; a placeholder stands where a secret value belongs."""
        values = {name: placeholder.format(name) for name in self.secrets_needed()}
        for manifest in self.objects():
            yield manifest.document()
        for workload in self.workloads:
            if workload.secret:
                yield workload.secret.document(values)


def build(settings: Settings, owner: str) -> Plan:
    """The plan for these settings. `owner` marks the namespaces as this stack's."""
    running = {name: CATALOGUE[name] for name in sorted(settings.services)}
    mesh = settings.mesh
    return Plan(
        namespace=manifests.namespace(
            settings.namespace,
            "environment",
            {naming.OWNER_LABEL: owner, **_injection(mesh)},
        ),
        mtls=routes.strict_mtls(settings.namespace, "environment"),
        mesh=istio.mesh_plan(mesh, owner) if isinstance(mesh, HelmMesh) else None,
        root_namespace=mesh.root_namespace if isinstance(mesh, ExistingMesh) else istio.ROOT_NAMESPACE,
        workloads=tuple(_workload(service, settings, running) for service in _in_order(running)),
        routes=tuple(_route(service, settings) for service in running.values() if service.kind is Kind.HTTP),
        entries=tuple(_entry(service, settings) for service in running.values() if service.public),
        asked=settings.asked(),
    )


def _injection(mesh: HelmMesh | ExistingMesh) -> dict[str, str]:
    if isinstance(mesh, ExistingMesh) and mesh.revision:
        return {"istio.io/rev": mesh.revision}
    return {"istio-injection": "enabled"}


def _workload(service: Service, settings: Settings, running: Mapping[str, Service]) -> WorkloadPlan:
    here = settings.namespace
    versions = settings.services[service.name].versions
    return WorkloadPlan(
        service=service,
        account=manifests.service_account(service, here),
        secret=manifests.secret(service, here),
        address=manifests.service_object(service, here) if service.ports else None,
        versions=tuple(sorted(versions)),
        deployments=tuple(
            manifests.deployment(service, version, version_settings.replicas, here)
            for version, version_settings in sorted(versions.items())
        ),
        after=tuple(need.service for need in hard_needs(service) if need.service in running),
    )


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
        waiting = [service for service in waiting if service not in ready]
    return done


def _route(service: Service, settings: Settings) -> RoutePlan:
    own = settings.services[service.name]
    here = settings.namespace
    return RoutePlan(
        service.name,
        routes.destination_rule(service, tuple(own.versions), here),
        routes.virtual_service(service, own.shares(), here),
    )


def _entry(service: Service, settings: Settings) -> EntryPlan:
    mesh, hosts, here = settings.mesh, settings.ingress.hosts, settings.namespace
    selector = mesh.gateway.selector if isinstance(mesh, ExistingMesh) else istio.GATEWAY_SELECTOR
    shares = settings.services[service.name].shares()
    return EntryPlan(
        service.name,
        hosts,
        routes.gateway(service, hosts, selector, here),
        routes.entry_route(service, shares, hosts, here),
    )
