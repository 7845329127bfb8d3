"""Rules over what is outside the environment: hosts it answers to, hosts it calls, servers of a shadow."""

from collections.abc import Iterator
from itertools import combinations

from components.model import access, istio, joining
from components.model.catalogue import CATALOGUE, MAIL, SQL, Need, Service
from components.model.checks.registry import Asked, settings_check
from components.model.explain import key_path
from components.model.findings import Finding
from components.model.settings import EgressHost, LocalCluster, Settings
from components.model.sql import outside
from components.model.traffic import ShadowQueue

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
        text = "belongs to the cluster or the mesh; valid: one of its own, e.g. pitstop"
        yield Finding("namespace-taken", key_path(("namespace",)), text, settings.namespace)


# --- hosts it answers to ------------------------------------------------------------------------------


@settings_check(
    "host-twice",
    "A host of the ingress that is listed twice",
    reason="Two routes for one host are merged in the order of their creation, or one of them is dropped.",
    source="https://istio.io/latest/docs/ops/best-practices/traffic-management/#split-virtual-services",
)
def host_twice(asked: Asked) -> Iterator[Finding]:
    hosts = asked.settings.ingress.hosts
    for number, host in enumerate(hosts):
        if host in hosts[:number]:
            path = key_path(("ingress", "hosts", number))
            yield Finding("host-twice", path, "is listed already; remove it", host)


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


# --- hosts it calls -----------------------------------------------------------------------------------


def _inside(host: str, settings: Settings) -> str:
    """The service of this environment's namespace a host's name stands for; empty where it is none."""
    name, _, rest = host.lower().rstrip(".").partition(".")
    here = settings.namespace
    suffixes = ("", here, f"{here}.svc", f"{here}.svc.cluster.local")
    return name if name in CATALOGUE and rest in suffixes else ""


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
    reason="Both would be the same object, of which the cluster keeps one.",
    source="components/model/access.py",
)
def egress_twice(asked: Asked) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for number, entry in enumerate(asked.settings.egress):
        name = access.egress_name(entry)
        if name in first:
            text = f"egress[{first[name]}] is the same already; remove one, callers is a list"
            path = key_path(("egress", number, "host"))
            yield Finding("egress-twice", path, text, f"{entry.host}:{entry.port}")
        first.setdefault(name, number)


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
    for (one, first), (other, second) in combinations(enumerate(outside(asked.settings)), 2):
        plain = "TCP" in (first.protocol, second.protocol)
        if plain and first.port == second.port and access.egress_name(first) != access.egress_name(second):
            text = (
                f"egress[{one}] has this port too, and TCP names no host; valid: another port, "
                "or a protocol that names one for both, e.g. protocol: TLS"
            )
            where = other
            if other == len(asked.settings.egress):  # the databases' own, which is in no list
                text = "the databases have this port too, and TCP names no host; valid: another port"
                where = one
            yield Finding("egress-blurred", key_path(("egress", where, "port")), text, str(second.port))


# --- servers of a shadow ------------------------------------------------------------------------------


def _servers(service: Service, release: ShadowQueue) -> Iterator[tuple[str, Need, str | None, bool]]:
    """The servers a shadow may have of its own: key, whose place it takes, host, whether it must be."""
    yield "sqlHost", SQL, release.sql_host, service.login is not None
    yield "mailHost", MAIL, release.mail_host, MAIL in service.needs


def _shadows(asked: Asked) -> Iterator[tuple[Service, ShadowQueue]]:
    for name, own in sorted(asked.settings.services.items()):
        if isinstance(own.release, ShadowQueue) and CATALOGUE[name].queue:
            yield CATALOGUE[name], own.release


@settings_check(
    "shadow-hosts",
    "A shadow with the servers of the live version",
    reason="A shadow does all the work again: it would write every row and send every mail twice.",
    source="components/model/traffic.py",
)
def shadow_hosts(asked: Asked) -> Iterator[Finding]:
    for service, release in _shadows(asked):
        for key, need, host, must in _servers(service, release):
            path, example = (
                key_path(("services", service.name, "release", key)),
                f"e.g. {key}: {need.service}.example.org",
            )
            if must and host is None:
                text = f"required, or {need.service} would get everything twice, {example}"
                yield Finding("shadow-hosts", path, text)
            elif must and host and _inside(host, asked.settings) == need.service:
                text = f"is the live version's, which would get everything twice; valid: another, {example}"
                yield Finding("shadow-hosts", path, text, host)
            elif host and not must:
                text = f"{service.name} has no use for one; remove the key"
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
        for key, need, host, must in _servers(service, release):
            port = _port(need)
            if not (must and host) or "." not in host or _inside(host, asked.settings):
                continue  # a bare name is a Service that somebody else put into this namespace
            if not any(_lets(entry, service.name, host, port) for entry in asked.settings.egress):
                text = (
                    f"egress does not let {service.name} call it; e.g. egress: "
                    f"[{{host: {host}, port: {port}, protocol: TCP, callers: [{service.name}]}}]"
                )
                yield Finding(
                    "shadow-egress", key_path(("services", service.name, "release", key)), text, host
                )


def _port(need: Need) -> int:
    return next(port.number for port in CATALOGUE[need.service].ports if port.name == need.port)


def _lets(entry: EgressHost, caller: str, host: str, port: int) -> bool:
    return entry.host == host.lower() and entry.port == port and caller in entry.callers
