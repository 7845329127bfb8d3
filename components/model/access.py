"""Who may talk to whom, derived from the calls the catalogue declares: one list of edges, three enforcers.

The mesh decides by certificate (AuthorizationPolicy), the network by pod (NetworkPolicy), and a sidecar
knows nothing it does not need (Sidecar, ServiceEntry). Each starts from nothing allowed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from components.model import joining, naming, pods
from components.model.azure.settings import AksCluster
from components.model.catalogue import CATALOGUE, MAIL, SQL, Port, Service
from components.model.joining import Joining
from components.model.manifests import Document, Json, Manifest, digest, labels
from components.model.naming import DATABASE_INIT, IDENTITY_LABEL
from components.model.routes import NETWORKING, SECURITY
from components.model.settings import EgressHost, ServiceSettings, Settings
from components.model.sql import outside, server
from components.model.traffic import Access, ShadowQueue

POLICY = "networking.k8s.io/v1"
ISTIOD_PORT = 15012
DNS_PORT = 53
NAME_LENGTH = 63
KEDA_NAMESPACE = "keda"
KEDA_ADDON_NAMESPACE = "kube-system"  # where Azure puts it
MANAGEMENT = "http-admin"  # the broker's port that tells how long its queues are


@dataclass(frozen=True, slots=True)
class Edge:
    """One service calls another's port."""

    caller: str
    service: str
    port: Port


def edges(settings: Settings) -> tuple[Edge, ...]:
    """Every call of the environment, by name."""
    here = settings.services
    found = [
        Edge(name, need.service, _port(need.service, need.port))
        for name in sorted(here)
        for need in CATALOGUE[name].needs
        if need.service in here
    ]
    if SQL.service in here and any(CATALOGUE[name].login for name in here):
        found.append(Edge(DATABASE_INIT, SQL.service, _port(SQL.service, SQL.port)))
    return tuple(found)


def _port(service: str, name: str) -> Port:
    return next(port for port in CATALOGUE[service].ports if port.name == name)


@dataclass(frozen=True, slots=True)
class AccessPlan:
    """What lets calls through, and what refuses the rest: the latter is to be registered last."""

    allow: tuple[Manifest, ...]
    deny: tuple[Manifest, ...]

    def objects(self) -> tuple[Manifest, ...]:
        """All of it, in order."""
        return (*self.allow, *self.deny)


def access_plan(settings: Settings) -> AccessPlan:
    """The rules of an environment. Without a mesh, the network's alone."""
    known, mesh = edges(settings), joining.joining(settings)
    allow, deny = list(_network(settings, known, mesh)), [_nothing(settings.namespace)]
    if mesh:
        allow += _mesh(settings, known, mesh)
        deny.append(_no_request(settings.namespace))
    return AccessPlan(tuple(allow), tuple(deny))


# --- by certificate -----------------------------------------------------------------------------------


def _mesh(settings: Settings, known: Iterable[Edge], mesh: Joining) -> Iterator[Manifest]:
    to: dict[str, list[Edge]] = {}
    for edge in known:
        to.setdefault(edge.service, []).append(edge)
    yield _sidecar(settings.namespace, mesh)
    for name, own in sorted(settings.services.items()):
        service = CATALOGUE[name]
        if service.ports:
            gateway = dict(mesh.caller) if service.public else None
            yield _authorization(settings, service, own, to.get(name, ()), gateway)
    yield from _service_entries(outside(settings), settings.namespace)
    if scaled_by_queue(settings):
        yield _plain_management(settings.namespace)


def _authorization(
    settings: Settings,
    service: Service,
    own: ServiceSettings,
    calls: Iterable[Edge],
    gateway: Document | None,
) -> Manifest:
    rules: list[Json] = []
    for edge in calls:
        source: Document = {"principals": [naming.principal(settings.namespace, edge.caller)]}
        rules += _rules(source, edge.port, _narrowed(own, edge.caller))
    for policy in own.traffic:
        if isinstance(policy, Access):
            for outsider in policy.outsiders:
                account: Document = {"principals": [naming.principal(*outsider.split("/", 1))]}
                rules += _rules(account, service.ports[0], [policy])
    if gateway:
        rules += _rules(gateway, service.ports[0], [])
    if service.name == "rabbitmq" and scaled_by_queue(settings):
        # KEDA has no certificate of this mesh; the network lets only its namespace in.
        rules += [{"to": [{"operation": {"ports": [str(_port("rabbitmq", MANAGEMENT).target)]}}]}]
    spec: Document = {"selector": {"matchLabels": {"app": service.name}}, "action": "ALLOW", "rules": rules}
    return Manifest(
        service.name,
        SECURITY,
        "AuthorizationPolicy",
        service.name,
        settings.namespace,
        labels(service.name),
        {"spec": spec},
    )


def _narrowed(own: ServiceSettings, caller: str) -> list[Access]:
    return [one for one in own.traffic if isinstance(one, Access) and caller in one.callers]


def _rules(source: Document, port: Port, narrowed: Iterable[Access]) -> list[Json]:
    """One rule for each policy that narrows the edge, or one for the whole port."""
    found: list[Json] = []
    policies: list[Access | None] = [*narrowed] or [None]
    for policy in policies:
        operation: Document = {"ports": [str(port.target)]}
        if policy and policy.methods:
            operation["methods"] = [*sorted(policy.methods)]
        if policy and policy.paths:
            operation["paths"] = list(policy.paths)
        found.append({"from": [{"source": source}], "to": [{"operation": operation}]})
    return found


def _no_request(namespace: str) -> Manifest:
    """A policy that allows nothing: what no other policy allows is refused.

    Source: https://istio.io/latest/docs/ops/best-practices/security/#use-default-deny-patterns
    """
    return Manifest(
        "default-deny", SECURITY, "AuthorizationPolicy", "default-deny", namespace, {}, {"spec": {}}
    )


def _sidecar(namespace: str, mesh: Joining) -> Manifest:
    """What sidecars of this namespace know: their own services, and hosts that are named."""
    spec: Document = {
        "egress": [{"hosts": ["./*", f"{mesh.root_namespace}/*"]}],
        "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},
    }
    return Manifest("default", NETWORKING, "Sidecar", "default", namespace, {}, {"spec": spec})


def _service_entries(entries: Iterable[EgressHost], namespace: str) -> Iterator[Manifest]:
    names: set[str] = set()
    for entry in entries:
        name = egress_name(entry)
        if name in names:  # a.b-c.org and a-b.c.org
            name = f"{name[:40]}-{digest(f'{entry.host}:{entry.port}')}"
        names.add(name)
        yield _service_entry(entry, name, namespace)


def _service_entry(entry: EgressHost, name: str, namespace: str) -> Manifest:
    port: Document = {
        "number": entry.port,
        "name": f"{entry.protocol.lower()}-{entry.port}",
        "protocol": entry.protocol,
    }
    spec: Document = {
        "hosts": [entry.host],
        "ports": [port],
        "resolution": "DNS",
        "location": "MESH_EXTERNAL",
        "exportTo": ["."],
    }
    return Manifest(name, NETWORKING, "ServiceEntry", name, namespace, {}, {"spec": spec})


def egress_name(entry: EgressHost) -> str:
    """A host and port as an object's name, which has less room than a host."""
    name = f"{entry.host.replace('.', '-')}-{entry.port}"
    return name if len(name) <= NAME_LENGTH else f"{name[:40]}-{digest(name)}"


def _plain_management(namespace: str) -> Manifest:
    """The broker's management port also answers who has no certificate of this mesh."""
    spec: Document = {
        "selector": {"matchLabels": {"app": "rabbitmq"}},
        "mtls": {"mode": "STRICT"},
        "portLevelMtls": {str(_port("rabbitmq", MANAGEMENT).target): {"mode": "PERMISSIVE"}},
    }
    return Manifest("rabbitmq", SECURITY, "PeerAuthentication", "rabbitmq", namespace, {}, {"spec": spec})


def keda_namespace(settings: Settings) -> str:
    """Where KEDA runs: the add-on's is among the cluster's own pods."""
    return KEDA_ADDON_NAMESPACE if isinstance(settings.cluster, AksCluster) else KEDA_NAMESPACE


def scaled_by_queue(settings: Settings) -> bool:
    """Whether anything asks the broker how long its queues are."""
    return any(
        one.scaler == "queue"
        for name, own in settings.services.items()
        for one in pods.running(CATALOGUE[name], own)
    )


# --- by pod -------------------------------------------------------------------------------------------


def _nothing(namespace: str) -> Manifest:
    spec: Document = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return Manifest("default-deny", POLICY, "NetworkPolicy", "default-deny", namespace, {}, {"spec": spec})


def _network(settings: Settings, known: Iterable[Edge], mesh: Joining | None) -> Iterator[Manifest]:
    known = tuple(known)
    yield _for_everybody(settings.namespace, mesh)
    callers = {edge.caller for edge in known}
    if not server(settings).inside and outside(settings) != settings.egress:
        callers.add(DATABASE_INIT)
    ends: dict[str, list[Edge]] = {name: [] for name in sorted(set(settings.services) | callers)}
    for edge in known:
        ends[edge.caller].append(edge)
        ends[edge.service].append(edge)
    for name, edges_of in ends.items():
        ingress = [*_ingress(settings, name, edges_of, mesh)]
        egress = [*_egress(settings, name, edges_of)]
        spec: Document = {
            "podSelector": {"matchLabels": {IDENTITY_LABEL: name}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        }
        yield Manifest(name, POLICY, "NetworkPolicy", name, settings.namespace, labels(name), {"spec": spec})


def _for_everybody(namespace: str, mesh: Joining | None) -> Manifest:
    """Names are looked up, and sidecars ask for their configuration and certificates."""
    dns: Document = {
        "to": [_pods({"k8s-app": "kube-dns"}, "kube-system")],
        "ports": [{"port": DNS_PORT, "protocol": protocol} for protocol in ("UDP", "TCP")],
    }
    egress: list[Json] = [dns]
    if mesh:
        egress.append({"to": [_pods({}, mesh.root_namespace)], "ports": _tcp(ISTIOD_PORT)})
    spec: Document = {"podSelector": {}, "policyTypes": ["Egress"], "egress": egress}
    return Manifest("mesh-and-dns", POLICY, "NetworkPolicy", "mesh-and-dns", namespace, {}, {"spec": spec})


def _ingress(settings: Settings, name: str, known: Iterable[Edge], mesh: Joining | None) -> Iterator[Json]:
    service = CATALOGUE.get(name)
    for edge in known:
        if edge.service == name:
            yield {"from": [_pods({IDENTITY_LABEL: edge.caller})], "ports": _tcp(edge.port.target)}
    if service is None or name not in settings.services:
        return
    for policy in settings.services[name].traffic:
        for outsider in policy.outsiders if isinstance(policy, Access) else ():
            yield {
                "from": [_pods({}, outsider.partition("/")[0])],
                "ports": _tcp(service.ports[0].target),
            }
    if service.public:
        yield _from_gateway(mesh, service)
    if name == "rabbitmq" and scaled_by_queue(settings):
        yield {"from": [_pods({}, keda_namespace(settings))], "ports": _tcp(_port(name, MANAGEMENT).target)}


def _from_gateway(mesh: Joining | None, service: Service) -> Document:
    ports = _tcp(service.ports[0].target)
    if not mesh:
        return {"ports": ports}  # from outside the cluster, whose addresses nobody knows
    return {"from": [_pods(mesh.gateway, mesh.gateway_namespace)], "ports": ports}


def _egress(settings: Settings, name: str, known: Iterable[Edge]) -> Iterator[Json]:
    for edge in known:
        if edge.caller == name:
            yield {"to": [_pods({IDENTITY_LABEL: edge.service})], "ports": _tcp(edge.port.target)}
    for entry in outside(settings):
        if name in entry.callers:
            yield {"ports": _tcp(entry.port)}  # its address is its owner's to change
    if name == DATABASE_INIT and not server(settings).inside:
        yield {"ports": _tcp(server(settings).port)}
    for port in _shadow_ports(settings, name):
        yield {"ports": _tcp(port)}


def _shadow_ports(settings: Settings, name: str) -> Iterator[int]:
    """A shadow's own servers are elsewhere, by whatever name."""
    release = settings.services[name].release if name in settings.services else None
    if isinstance(release, ShadowQueue):
        if release.sql_host:
            yield _port(SQL.service, SQL.port).number
        if release.mail_host:
            yield _port(MAIL.service, MAIL.port).number


def _pods(matching: Mapping[str, str], namespace: str = "") -> Document:
    found: Document = {}
    if namespace:
        found["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    if matching or not namespace:
        found["podSelector"] = {"matchLabels": dict(sorted(matching.items()))}
    return found


def _tcp(*ports: int) -> list[Json]:
    return [{"port": port, "protocol": "TCP"} for port in ports]
