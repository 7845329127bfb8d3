"""The compiler from traffic policies to Istio's objects. Hosts are always full names.

A service's policies become one ordered list of routes, the first that matches takes a request: the
conditional routes and lanes as they are listed, then the route for everything else. A policy that
concerns some requests only (a fault for a header, a mirror for GET) splits each of these in two, the
narrower one first.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from components.model import matches, naming
from components.model.catalogue import Service
from components.model.manifests import Document, Json, Manifest, labels
from components.model.matches import EVERYTHING, Match, Request
from components.model.settings import Ingress, SecretTls, ServiceSettings
from components.model.traffic import (
    CallerLane,
    CircuitBreaker,
    ConditionalRoute,
    DarkRelease,
    FaultInjection,
    Retries,
    SessionAffinity,
    Timeout,
)

NETWORKING = "networking.istio.io/v1"
SECURITY = "security.istio.io/v1"
DEFAULT = "default"
FAULT_UNTIL = "pitstop.dev/fault-until"
DEFAULT_TIMEOUT = "15s"  # long enough for the webapp's six tries of an API that answers at all
SAFE_RETRIES: Document = {"attempts": 2, "retryOn": "connect-failure,refused-stream"}


@dataclass(frozen=True, slots=True)
class Way:
    """One route: whose requests, to which versions in percent, and what else is done to them."""

    name: str
    match: Match
    shares: Mapping[str, int]
    extras: Document = field(default_factory=dict)

    def document(self, host: str, port: int = 0) -> Document:
        """As a VirtualService has it. With a port, for gateways, which know no port of their own."""
        chosen: Document = {"port": {"number": port}} if port else {}
        targets: list[Json] = [
            # A share of 0 stays in the route: moving a weight then changes numbers and nothing else.
            {"destination": {"host": host, "subset": version, **chosen}, "weight": share}
            for version, share in sorted(self.shares.items())
        ]
        match = self.match.document()
        head: Document = {"name": self.name, **({"match": [match]} if match else {})}
        extras = dict(self.extras)
        if mirrored := extras.pop("mirror", None):
            extras["mirror"] = {"host": host, "subset": mirrored, **chosen}
        return {**head, "route": targets, **extras}


@dataclass(frozen=True, slots=True)
class Extra:
    """Something that is done to the requests of a match; where it does not apply, `otherwise` does."""

    name: str
    match: Match
    document: Document
    otherwise: Document = field(default_factory=dict)
    patience: bool = False  # a timeout or retries, of which a request with a fault has none


def ways(own: ServiceSettings) -> tuple[Way, ...]:
    """The ordered routes to a service."""
    extras = tuple(_extras(own))
    found: list[Way] = []
    for base in _bases(own):
        concerned = [extra for extra in extras if _concerns(extra, base)]
        for match, chosen in _combinations(base.match, concerned):
            if not matches.takers(match, [earlier.match for earlier in found]):
                found.append(_refined(base, match, chosen))
    return tuple(found)


def way_of(own: ServiceSettings, request: Request) -> Way:
    """The route that takes a request; the last one takes every request."""
    return next(way for way in ways(own) if way.match.takes(request))


def _bases(own: ServiceSettings) -> Iterator[Way]:
    for number, policy in enumerate(own.traffic):
        if isinstance(policy, ConditionalRoute):
            yield Way(f"route-{number}", matches.of_conditions(policy), {policy.to: 100})
        elif isinstance(policy, CallerLane):
            name = f"lane-{policy.caller}-{policy.caller_version}"
            yield Way(name, matches.of_lane(policy), {policy.to: 100})
    yield Way(DEFAULT, EVERYTHING, own.shares())


def _extras(own: ServiceSettings) -> Iterator[Extra]:
    """Faults first: where there is one, there is no patience to decide about."""
    for number, policy in enumerate(own.traffic):
        if isinstance(policy, FaultInjection):
            yield Extra(f"fault-{number}", matches.of_conditions(policy), {"fault": _fault(policy)})
    for policy in own.traffic:
        if isinstance(policy, DarkRelease):
            copied: Document = {"mirror": policy.to, "mirrorPercentage": {"value": policy.percent}}
            yield Extra("mirror", matches.of_methods(policy.methods), copied)
    for policy in own.traffic:
        if isinstance(policy, Retries):
            # Whatever may have been carried out is not tried again for other methods.
            tried: Document = {"retries": _retries(policy)}
            careful: Document = {"retries": SAFE_RETRIES}
            yield Extra("retries", matches.of_methods(policy.methods), tried, careful, patience=True)
    limits = [policy.duration for policy in own.traffic if isinstance(policy, Timeout)] or [DEFAULT_TIMEOUT]
    yield Extra("", EVERYTHING, {"timeout": limits[0]}, patience=True)


def _concerns(extra: Extra, base: Way) -> bool:
    """Not a mirror to the version that gets these very requests."""
    return base.shares.get(str(extra.document.get("mirror"))) != 100


def _combinations(
    match: Match, extras: Sequence[Extra]
) -> Iterator[tuple[Match, tuple[tuple[Extra, bool], ...]]]:
    """Every way to take some of the extras and not others, the narrower first; and whose requests then."""
    if not extras:
        yield match, ()
        return
    first, *rest = extras
    for take in (True,) if first.match == EVERYTHING else (True, False):
        narrower = match.meets(first.match) if take else match
        if narrower is None:
            continue
        # Istio applies neither timeout nor retries to a request with a fault (HTTPRoute.fault).
        left = [extra for extra in rest if not (take and "fault" in first.document and extra.patience)]
        for whose, more in _combinations(narrower, left):
            yield whose, ((first, take), *more)


def _refined(base: Way, match: Match, chosen: Sequence[tuple[Extra, bool]]) -> Way:
    """A route with some of the extras."""
    name, document, faults = base.name, dict(base.extras), list[Document]()
    for extra, take in chosen:
        if take:
            name += f"-{extra.name}" if extra.match != EVERYTHING else ""
        if take and isinstance(fault := extra.document.get("fault"), dict):
            faults.insert(0, fault)  # the first that is listed wins
        document |= extra.document if take else extra.otherwise
    if faults:
        document["fault"] = {kind: what for fault in faults for kind, what in fault.items()}
    return Way(name, match, base.shares, document)


def _fault(policy: FaultInjection) -> Document:
    found: Document = {}
    if policy.delay:
        percentage: Document = {"value": policy.delay.percent}
        found["delay"] = {"percentage": percentage, "fixedDelay": policy.delay.duration}
    if policy.abort:
        found["abort"] = {"percentage": {"value": policy.abort.percent}, "httpStatus": policy.abort.status}
    return found


def _retries(policy: Retries) -> Document:
    return {
        "attempts": policy.attempts,
        "perTryTimeout": policy.per_try,
        "retryOn": ",".join(sorted(policy.when)),
    }


def destination_rule(service: Service, own: ServiceSettings, namespace: str) -> Manifest:
    """Names every version as a subset, whatever its weight: routes may move between them at once."""
    subsets: list[Json] = [
        {"name": version, "labels": {"version": naming.version_label(version)}}
        for version in sorted(own.versions)
    ]
    spec: Document = {"host": naming.host(service.name, namespace), "subsets": subsets}
    if policy := _traffic_policy(own):
        spec["trafficPolicy"] = policy
    return _object("DestinationRule", service.name, namespace, service.name, spec)


def _traffic_policy(own: ServiceSettings) -> Document:
    found: Document = {}
    for policy in own.traffic:
        if isinstance(policy, SessionAffinity):
            found["loadBalancer"] = {"consistentHash": _hash(policy)}
        elif isinstance(policy, CircuitBreaker):
            found |= _breaker(policy)
    return found


def _hash(policy: SessionAffinity) -> Document:
    if policy.cookie:
        # Without a path a browser keeps the cookie for the page's own folder (RFC 6265, section 5.1.4).
        ttl = policy.cookie.ttl or "0s"
        return {"httpCookie": {"name": policy.cookie.name, "path": "/", "ttl": ttl}}
    return {"httpHeaderName": policy.header}


def _breaker(policy: CircuitBreaker) -> Document:
    found: Document = {}
    if limits := policy.connections:
        tcp = _given(maxConnections=limits.max, connectTimeout=limits.connect_timeout)
        http = _given(
            http1MaxPendingRequests=limits.pending,
            http2MaxRequests=limits.requests,
            maxRequestsPerConnection=limits.per_connection,
        )
        found["connectionPool"] = _given(tcp=tcp or None, http=http or None)
    if outliers := policy.outliers:
        found["outlierDetection"] = _given(
            consecutive5xxErrors=outliers.consecutive_5xx,
            consecutiveGatewayErrors=outliers.consecutive_gateway_errors,
            interval=outliers.interval,
            baseEjectionTime=outliers.ejection,
            maxEjectionPercent=outliers.max_percent,
        )
    return found


def _given(**values: Json) -> Document:
    return {key: value for key, value in values.items() if value is not None}


def virtual_service(service: Service, own: ServiceSettings, namespace: str) -> Manifest:
    """What callers inside the mesh get."""
    host = naming.host(service.name, namespace)
    spec: Document = {
        "hosts": [host],
        "gateways": ["mesh"],
        "http": [way.document(host) for way in ways(own)],
    }
    return replace(
        _object("VirtualService", service.name, namespace, service.name, spec),
        annotations=_last_day(own, ways(own)),
    )


def entry_route(service: Service, own: ServiceSettings, hosts: Iterable[str], namespace: str) -> Manifest:
    """What callers from outside get: the same, by the ingress gateway, which no caller's label fits."""
    host = naming.host(service.name, namespace)
    port = service.ports[0].number
    outside = [way for way in ways(own) if way.match.caller is None]
    spec: Document = {
        "hosts": list(hosts),
        "gateways": [f"{namespace}/{service.name}"],
        "http": [way.document(host, port) for way in outside],
    }
    return replace(
        _object("VirtualService", f"{service.name}-ingress", namespace, service.name, spec),
        annotations=_last_day(own, outside),
    )


def _last_day(own: ServiceSettings, found: Sequence[Way]) -> dict[str, str]:
    """Until when routes have a fault: the day the first of them is over. Policies and people read it."""
    faulty = any("fault" in way.extras for way in found)
    days = [policy.until for policy in own.traffic if isinstance(policy, FaultInjection)]
    return {FAULT_UNTIL: min(days).isoformat()} if faulty else {}


def gateway(service: Service, ingress: Ingress, selector: Mapping[str, str], namespace: str) -> Manifest:
    """Opens the ingress gateway for the hosts of this environment."""
    hosts: list[Json] = list(ingress.hosts)
    plain: Document = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": hosts}
    servers: list[Json] = [plain]
    if tls := ingress.tls:
        if tls.redirect:
            plain["tls"] = {"httpsRedirect": True}
        else:
            servers.clear()
        servers.append(
            {
                "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
                "hosts": hosts,
                "tls": {
                    "mode": "SIMPLE",
                    "credentialName": tls.name if isinstance(tls, SecretTls) else certificate(namespace),
                    "minProtocolVersion": "TLSV1_2",
                },
            }
        )
    spec: Document = {"selector": dict(sorted(selector.items())), "servers": servers}
    return _object("Gateway", service.name, namespace, service.name, spec)


def certificate(namespace: str) -> str:
    """The Secret with the certificate an environment brings itself; beside the gateway's pods."""
    return f"{namespace}-certificate"


def strict_mtls(namespace: str, key: str) -> Manifest:
    """Everything in the namespace speaks mutual TLS or is refused; in the root namespace: in the mesh."""
    spec: Document = {"mtls": {"mode": "STRICT"}}
    return Manifest(key, SECURITY, "PeerAuthentication", "default", namespace, {}, {"spec": spec})


def _object(kind: str, name: str, namespace: str, service: str, spec: Document) -> Manifest:
    return Manifest(name, NETWORKING, kind, name, namespace, labels(service), {"spec": spec})
