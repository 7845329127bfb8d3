"""Rules over what is outside the environment: hosts it answers to, hosts it calls, servers of a shadow."""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from components.model import access, istio, joining
from components.model.catalogue import CATALOGUE, MAIL, MAIL_HOST, SQL, Need, Service
from components.model.checks.registry import Asked, settings_check
from components.model.explain import key_path
from components.model.findings import Finding
from components.model.settings import EgressHost, Ingress, LocalCluster, Settings
from components.model.sql import outside, server
from components.model.traffic import ShadowQueue
from components.model.types import within

# Where Kubernetes itself and what it needs are, whoever installed the rest.
KUBERNETES_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


@settings_check(
    "namespace-taken",
    "An environment in a namespace that is the cluster's or the mesh's",
    reason=(
        "The environment owns its namespace: its rules would refuse what the cluster needs, "
        "and `./pitstop down` removes it."
    ),
    source="https://istio.io/latest/docs/reference/config/security/peer_authentication/",
)
def namespace_taken(asked: Asked) -> Iterator[Finding]:
    settings = asked.settings
    taken = {*KUBERNETES_NAMESPACES, access.KEDA_NAMESPACE}
    taken |= {istio.ROOT_NAMESPACE, istio.GATEWAY_NAMESPACE}
    if mesh := joining.joining(settings):
        taken |= {mesh.root_namespace, mesh.gateway_namespace}
    if settings.namespace in taken:
        # A mesh has two namespaces.
        free = next(name for name in ("pitstop", "pitstop-2", "pitstop-3") if name not in taken)
        text = f"belongs to the cluster or the mesh; valid: one of its own, e.g. {free}"
        yield Finding("namespace-taken", key_path(("namespace",)), text, settings.namespace)


# --- hosts it answers to ------------------------------------------------------------------------------


@settings_check(
    "host-twice",
    "A host of the ingress that is listed twice, or that another covers",
    reason=(
        "Two routes for one host are merged in the order of their creation, or one of them is dropped; and a "
        "route for a host and for a wildcard that covers it is refused, when everything else is there."
    ),
    source="https://istio.io/latest/docs/ops/best-practices/traffic-management/#split-virtual-services",
)
def host_twice(asked: Asked) -> Iterator[Finding]:
    hosts = asked.settings.ingress.hosts
    for number, host in enumerate(hosts):
        path = key_path(("ingress", "hosts", number))
        wider = next((other for other in hosts if other != host and within(host, other)), None)
        if host in hosts[:number]:
            yield Finding("host-twice", path, "is listed already; remove it", host)
        elif wider:
            yield Finding("host-twice", path, f"is one of {wider}, which is listed too; remove it", host)


@settings_check(
    "host-star-tls",
    "A certificate for every host there is",
    reason="No certificate is valid for every name, and requests over plain HTTP may be sent on to that one.",
    source="https://www.rfc-editor.org/rfc/rfc9110#section-4.3.4",
)
def host_star_tls(asked: Asked) -> Iterator[Finding]:
    settings = asked.settings
    if not settings.ingress.tls or isinstance(settings.cluster, LocalCluster):
        return  # a local environment makes a certificate for this machine's name
    for number, host in enumerate(settings.ingress.hosts):
        if host == "*":
            text = "no certificate is for every host; valid: the names it is for, e.g. pitstop.example.org"
            yield Finding("host-star-tls", key_path(("ingress", "hosts", number)), text, host)


@settings_check(
    "ingress-unused",
    "A way in to nothing",
    reason="The gateway opens for what is reached from outside, and the environment has nothing of the kind.",
    source="components/model/plan.py",
)
def ingress_unused(asked: Asked) -> Iterator[Finding]:
    settings = asked.settings
    public = [name for name, service in CATALOGUE.items() if service.public]
    if not settings.meshed or settings.ingress == Ingress() or set(public) & set(settings.services):
        return
    text = f"nothing here is reached from outside; remove the key, or add {', '.join(public)}"
    yield Finding("ingress-unused", key_path(("ingress",)), text, ", ".join(settings.ingress.hosts))


# --- hosts it calls -----------------------------------------------------------------------------------


def _here(host: str, settings: Settings) -> str:
    """The name in this environment's namespace that a host stands for; empty where it is elsewhere."""
    name, _, rest = host.lower().rstrip(".").partition(".")
    here = settings.namespace
    return name if rest in ("", here, f"{here}.svc", f"{here}.svc.cluster.local") else ""


def _inside(host: str, settings: Settings) -> str:
    """The service of this environment a host stands for; empty where it is none."""
    name = _here(host, settings)
    return name if name in CATALOGUE else ""


@settings_check(
    "egress-caller",
    "A way out for a service that is not there",
    reason="Nobody would use it, and it opens a port; the service it was meant for may have another name.",
    source="components/model/access.py",
)
def egress_caller(asked: Asked) -> Iterator[Finding]:
    here = sorted(asked.settings.services)
    for number, entry in enumerate(asked.settings.egress):
        for place, caller in enumerate(entry.callers):
            if caller not in here:
                path = key_path(("egress", number, "callers", place))
                text = f"is not in this environment; valid: {', '.join(here)}"
                yield Finding("egress-caller", path, text, caller)


@settings_check(
    "egress-inside",
    "A way out to a service of the environment",
    reason="The mesh would take it for a host outside of it, and send it requests without mutual TLS.",
    source="https://istio.io/latest/docs/reference/config/networking/service-entry/",
)
def egress_inside(asked: Asked) -> Iterator[Finding]:
    for number, entry in enumerate(asked.settings.egress):
        if name := _inside(entry.host, asked.settings):
            text = f"is {name} of this environment, which the call graph lets callers reach; remove the entry"
            yield Finding("egress-inside", key_path(("egress", number, "host")), text, entry.host)


@settings_check(
    "egress-twice",
    "A way out that is listed twice",
    reason="Both would be the same object, of which the cluster keeps one. The databases' server is one too.",
    source="components/model/access.py; components/model/sql.py",
)
def egress_twice(asked: Asked) -> Iterator[Finding]:
    listed = asked.settings.egress
    databases = [(one.host, one.port) for one in outside(asked.settings)[len(listed) :]]
    first: dict[tuple[str, int], int] = {}
    for number, entry in enumerate(listed):
        place = (entry.host, entry.port)
        path, value = key_path(("egress", number, "host")), f"{entry.host}:{entry.port}"
        if place in databases:
            text = "is the databases' server, which services that need it call anyway; remove it"
            yield Finding("egress-twice", path, text, value)
        elif place in first:
            text = f"egress[{first[place]}] is the same already; remove one, callers is a list"
            yield Finding("egress-twice", path, text, value)
        first.setdefault(place, number)


@settings_check(
    "egress-blurred",
    "Two hosts the mesh cannot tell apart",
    reason=(
        "Plain TCP names no host: with two on one port, the mesh sends everything to the first. "
        "HTTP names one in a header and TLS in its greeting."
    ),
    source="https://istio.io/latest/docs/reference/config/networking/service-entry/",
)
def egress_blurred(asked: Asked) -> Iterator[Finding]:
    shadows = {
        (one.host, _port(one.place))
        for service, release in _shadows(asked)
        for one in _servers(service, release)
    }
    for (one, first), (other, second) in combinations(enumerate(outside(asked.settings)), 2):
        plain = "TCP" in (first.protocol, second.protocol)
        if plain and first.port == second.port and first.host != second.host:
            shadow = any((entry.host, entry.port) in shadows for entry in (first, second))
            valid = "another port, or a protocol that names one for both, e.g. protocol: TLS"
            if shadow:
                valid = "one host for both, or another port for what is no shadow's server"
            text = f"egress[{one}] has this port too, and TCP names no host; valid: {valid}"
            where = other
            if other == len(asked.settings.egress):  # the databases' own, which is in no list
                valid = "databases on another port or in the cluster" if shadow else "another port"
                text = f"the databases have this port too, and TCP names no host; valid: {valid}"
                where = one
            yield Finding("egress-blurred", key_path(("egress", where, "port")), text, str(second.port))


# --- servers of a shadow ------------------------------------------------------------------------------


class Server(NamedTuple):
    """A server a shadow may have of its own: its key, whose place it takes, and whether it must be."""

    key: str
    place: Need
    host: str | None
    must: bool


def _servers(service: Service, release: ShadowQueue) -> tuple[Server, ...]:
    return (
        Server("sqlHost", SQL, release.sql_host, service.login is not None),
        Server("mailHost", MAIL, release.mail_host, MAIL in service.needs),
    )


def _shadows(asked: Asked) -> Iterator[tuple[Service, ShadowQueue]]:
    for name, own in sorted(asked.settings.services.items()):
        if isinstance(own.release, ShadowQueue) and CATALOGUE[name].queue:
            yield CATALOGUE[name], own.release


def _live_server(place: Need, service: Service, release: ShadowQueue, settings: Settings) -> str:
    """The server of the live version, in whose place a shadow has its own."""
    if place == SQL:
        return server(settings).host
    stated = _mail_hosts(settings, service, release.live)
    return next(iter(stated.values()), place.service)


def _mail_hosts(settings: Settings, service: Service, version: str) -> dict[str, str]:
    """What a version's settings name as the server for mail, in whatever spelling of the key."""
    stated = settings.services[service.name].versions[version].settings
    return {name: host for name, host in sorted(stated.items()) if name.lower() == MAIL_HOST.lower()}


def _same(one: str, other: str, settings: Settings) -> bool:
    """Whether two names are of one host, however they are spelled."""
    first, second = (_here(host, settings) or host.lower().rstrip(".") for host in (one, other))
    return first == second


def _wrong_server(asked: Asked, service: Service, release: ShadowQueue, one: Server) -> str:
    """What is wrong with one of a shadow's servers; empty where nothing is."""
    example = f"e.g. {one.key}: {one.place.service}.example.org"
    if one.host is None:
        return f"required, or {one.place.service} would get everything twice, {example}" if one.must else ""
    if not one.must:
        return f"{service.name} has no use for one; remove the key"
    if _same(one.host, _live_server(one.place, service, release, asked.settings), asked.settings):
        return f"is the live version's, which would get everything twice; valid: another, {example}"
    if _here(one.host, asked.settings):
        return f"must be one host outside of this namespace, with a dot in its name, {example}"
    return ""


@settings_check(
    "shadow-hosts",
    "A shadow with the servers of the live version, or with none it can reach",
    reason=(
        "A shadow does all the work again: it would write every row and send every mail twice. In this "
        "namespace nobody lets it in but what it calls already."
    ),
    source="components/model/traffic.py",
)
def shadow_hosts(asked: Asked) -> Iterator[Finding]:
    for service, release in _shadows(asked):
        place = ("services", service.name)
        for one in _servers(service, release):
            if text := _wrong_server(asked, service, release, one):
                yield Finding("shadow-hosts", key_path((*place, "release", one.key)), text, one.host or "")
        stated = _mail_hosts(asked.settings, service, release.shadow) if MAIL in service.needs else {}
        for name, host in stated.items():
            path = key_path((*place, "versions", release.shadow, "settings", name))
            text = "a shadow mails by release.mailHost; remove the key"
            yield Finding("shadow-hosts", path, text, host)


@settings_check(
    "shadow-egress",
    "A shadow's server that no sidecar knows",
    reason="Sidecars know this environment and the hosts egress names; what they do not know they refuse.",
    source="https://istio.io/latest/docs/reference/config/networking/sidecar/#OutboundTrafficPolicy-Mode",
)
def shadow_egress(asked: Asked) -> Iterator[Finding]:
    if not asked.settings.meshed:
        return
    for service, release in _shadows(asked):
        for one in _servers(service, release):
            if one.host is None or _wrong_server(asked, service, release, one):
                continue
            port = _port(one.place)
            if not any(_lets(entry, service.name, one.host, port) for entry in asked.settings.egress):
                text = (
                    f"egress does not let {service.name} call it; e.g. egress: "
                    f"[{{host: {one.host}, port: {port}, protocol: TCP, callers: [{service.name}]}}]"
                )
                path = key_path(("services", service.name, "release", one.key))
                yield Finding("shadow-egress", path, text, one.host)


def _port(need: Need) -> int:
    return next(port.number for port in CATALOGUE[need.service].ports if port.name == need.port)


def _lets(entry: EgressHost, caller: str, host: str, port: int) -> bool:
    # Neither SQL Server nor mail begins with a greeting of TLS, by which the mesh would know the host.
    named = entry.host == host and entry.port == port and entry.protocol == "TCP"
    return named and caller in entry.callers
