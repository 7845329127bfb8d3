"""Rules over the routes of a plan: they guard the compiler, no stack file reaches them."""

import re
from collections.abc import Iterator
from typing import cast

from components.model import istio
from components.model.catalogue import Kind
from components.model.checks.reading import (
    as_list,
    as_map,
    broken,
    http,
    maps,
    pod_labels,
    routes,
    spec,
)
from components.model.checks.registry import plan_check
from components.model.findings import Finding
from components.model.manifests import Document, Json, Manifest
from components.model.matches import Caller, Match
from components.model.plan import EntryPlan, Plan
from components.model.types import within

HTTP_PROTOCOLS = {"http", "http2", "grpc"}
FULL_NAME = re.compile(r"[a-z0-9-]+\.[a-z0-9-]+\.svc\.cluster\.local")


@plan_check(
    "selector-leaves-out",
    "A Service that leaves a version out",
    reason="A subset's endpoints are some of the Service's: a version it does not select answers 503.",
    source="https://github.com/EdwinVW/pitstop/tree/main/src/k8s; https://istio.io/latest/docs/reference/config/analysis/ist0173/",
)
def selector_leaves_out(plan: Plan) -> Iterator[Finding]:
    for load in plan.workloads:
        if load.address is None or not plan.meshed:
            continue
        selector = as_map(spec(load.address).get("selector"))
        for workload in load.workloads:
            if not selector.items() <= pod_labels(workload).items():
                yield broken(
                    "selector-leaves-out",
                    load.address,
                    f"selects {dict(selector)}, which leaves {workload.name} without requests",
                )


@plan_check(
    "port-hides-http",
    "A port that does not say it is HTTP",
    reason="The mesh would carry it as plain TCP, and weights, headers and retries would silently not apply.",
    source="https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/",
)
def port_hides_http(plan: Plan) -> Iterator[Finding]:
    for load in plan.workloads:
        if load.address is None or load.service.kind is not Kind.HTTP:
            continue
        for port in maps(spec(load.address).get("ports")):
            if port.get("appProtocol") not in HTTP_PROTOCOLS:
                text = f"port {port['port']} is not declared as HTTP, weights would not apply"
                yield broken("port-hides-http", load.address, text)


@plan_check(
    "two-owners",
    "Two objects for one host",
    reason="Istio merges or drops a second rule for a host, in the order of creation.",
    source="https://istio.io/latest/docs/reference/config/analysis/ist0109/",
)
def two_owners(plan: Plan) -> Iterator[Finding]:
    seen: set[tuple[str, str, str]] = set()
    named = [("DestinationRule", way.destination, [_host(way.destination)]) for way in plan.routes]
    named += [("VirtualService", route, _hosts(route)) for route in routes(plan)]
    for kind, manifest, hosts in named:
        for host in hosts:
            owner = (kind, str(spec(manifest).get("gateways", "")), host)
            if owner in seen:
                yield broken("two-owners", manifest, f"is a second {kind} for {host}")
            seen.add(owner)


@plan_check(
    "subset-without-pods",
    "A subset no pod belongs to",
    reason="Requests sent there get a 503.",
    source="https://istio.io/latest/docs/reference/config/analysis/ist0173/",
)
def subset_without_pods(plan: Plan) -> Iterator[Finding]:
    workloads = {load.service.name: load.workloads for load in plan.workloads}
    for way in plan.routes:
        rule = way.destination
        for subset in maps(spec(rule).get("subsets")):
            wanted = {"app": rule.name, **as_map(subset["labels"])}
            matching = [
                one for one in workloads.get(rule.name, ()) if wanted.items() <= pod_labels(one).items()
            ]
            # Without a number a scaler decides, and none of ours goes to zero.
            if not any(cast(int, spec(one).get("replicas", 1)) > 0 for one in matching):
                text = f"subset {subset['name']} has no pods: no workload is labelled {wanted}"
                yield broken("subset-without-pods", rule, text)


@plan_check(
    "no-last-route",
    "Routes that do not end with one for everything else",
    reason="A request that no route takes gets a 404; a route behind one that takes everything gets none.",
    source="https://istio.io/latest/docs/reference/config/analysis/ist0130/",
)
def no_last_route(plan: Plan) -> Iterator[Finding]:
    for route in routes(plan):
        ways = http(route)
        if not ways or "match" in ways[-1] or any("match" not in way for way in ways[:-1]):
            yield broken("no-last-route", route, "must end with its one route that takes every request")


@plan_check(
    "route-covered",
    "A route behind one that takes all its requests",
    reason="The first route that matches takes a request: what this one adds would never happen.",
    source="https://istio.io/latest/docs/reference/config/analysis/ist0131/",
)
def route_covered(plan: Plan) -> Iterator[Finding]:
    for route in routes(plan):
        earlier: list[tuple[Json, Match]] = []
        for way in http(route):
            wanted = [_match(one) for one in maps(way.get("match"))]
            takers = [next((name for name, taken in earlier if taken.covers(one)), None) for one in wanted]
            if wanted and all(takers):
                text = f"route {way.get('name')} gets no request: {takers[0]} takes them all"
                yield broken("route-covered", route, text)
            earlier += [(way.get("name"), one) for one in wanted]


def _match(document: Document) -> Match:
    """The requests an HTTPMatchRequest of ours asks for."""
    method, labels = as_map(document.get("method")), as_map(document.get("sourceLabels"))
    names = str(method.get("exact") or method.get("regex") or "")
    headers = as_map(document.get("headers")).items()
    return Match(
        tuple(sorted((name, _text(as_map(asked))) for name, asked in headers)),
        _text(as_map(document["uri"])) if "uri" in document else None,
        frozenset(names.split("|")) if names else None,
        Caller(str(labels["app"]), str(labels.get("version", ""))) if labels else None,
    )


def _text(asked: Document) -> tuple[str, str]:
    form, text = next(iter(asked.items()))
    return form, str(text)


@plan_check(
    "weights",
    "Weights that do not sum to 100",
    reason="Istio divides by the sum: 90 and 20 would silently mean 82 % and 18 %.",
    source="https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRouteDestination",
)
def weights(plan: Plan) -> Iterator[Finding]:
    for route in routes(plan):
        for way in http(route):
            total = sum(cast(int, target["weight"]) for target in maps(way.get("route")))
            if total != 100:
                yield broken("weights", route, f"weights sum to {total}, not 100")


@plan_check(
    "no-such-subset",
    "A route to a subset that is not there",
    reason="Requests sent there get a 503.",
    source="https://istio.io/latest/docs/reference/config/analysis/ist0101/",
)
def no_such_subset(plan: Plan) -> Iterator[Finding]:
    subsets = {
        _host(way.destination): {one["name"] for one in maps(spec(way.destination).get("subsets"))}
        for way in plan.routes
    }
    for route in routes(plan):
        for target in _targets(route):
            host = str(target.get("host"))
            if FULL_NAME.fullmatch(host) and target.get("subset") not in subsets.get(host, set()):
                text = f"sends requests to {host} {target.get('subset')}: no such subset"
                yield broken("no-such-subset", route, text)


@plan_check(
    "fault-with-retries",
    "A route with a fault that is to be patient",
    reason="Istio gives a route with a fault neither timeout nor retries; stating them would be a lie.",
    source="https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRoute",
)
def fault_with_retries(plan: Plan) -> Iterator[Finding]:
    for route in routes(plan):
        for way in http(route):
            ignored = sorted({"retries", "timeout"} & set(way))
            if "fault" in way and ignored:
                text = f"route {way.get('name')} has a fault, so its {' and '.join(ignored)} would not apply"
                yield broken("fault-with-retries", route, text)


@plan_check(
    "mirror-all",
    "A mirror that does not say how many requests",
    reason="Istio takes an absent percentage for all of them.",
    source="https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRoute",
)
def mirror_all(plan: Plan) -> Iterator[Finding]:
    for route in routes(plan):
        for way in http(route):
            if "mirror" in way and "value" not in as_map(way.get("mirrorPercentage")):
                text = f"route {way.get('name')} has no mirrorPercentage, which would mean every request"
                yield broken("mirror-all", route, text)


@plan_check(
    "short-host",
    "A host by its short name",
    reason="A short name is completed by the namespace of whoever reads the rule, which may be another one.",
    source="https://istio.io/latest/docs/reference/config/networking/virtual-service/#Destination",
)
def short_host(plan: Plan) -> Iterator[Finding]:
    named = [(way.destination, _host(way.destination)) for way in plan.routes]
    named += [(way.route, host) for way in plan.routes for host in _hosts(way.route)]
    named += [(route, str(target.get("host"))) for route in routes(plan) for target in _targets(route)]
    for manifest, host in named:
        if not FULL_NAME.fullmatch(host):
            yield broken("short-host", manifest, f"names {host}, which is no full name of a Service")


@plan_check(
    "gateway-hosts",
    "A route for a host its gateway does not open",
    reason="The gateway would answer 404 to every request for it.",
    source="https://istio.io/latest/docs/reference/config/analysis/ist0132/",
)
def gateway_hosts(plan: Plan) -> Iterator[Finding]:
    for entry in plan.entries:
        gateway = f"{entry.gateway.namespace}/{entry.gateway.name}"
        if as_list(spec(entry.route).get("gateways")) != [gateway]:
            yield broken(
                "gateway-hosts", entry.route, f"must belong to gateway {gateway}, which opens its hosts"
            )
        for server in maps(spec(entry.gateway).get("servers")):
            opened = [str(host) for host in as_list(server.get("hosts"))]
            for host in _hosts(entry.route):
                if not any(within(host, one) for one in opened):
                    text = f"{host} is none of the gateway's hosts: {', '.join(opened)}"
                    yield broken("gateway-hosts", entry.route, text)


@plan_check(
    "gateway-port",
    "A port of the gateway nobody can reach",
    reason="The gateway's pods would listen, and its Service would send them nothing for that port.",
    source="https://istio.io/latest/docs/reference/config/analysis/ist0162/",
)
def gateway_port(plan: Plan) -> Iterator[Finding]:
    releases = plan.mesh.releases if plan.mesh else ()
    for release in releases:
        if release.name != istio.GATEWAY_RELEASE:
            continue
        exposed = [port["port"] for port in maps(as_map(release.values.get("service")).get("ports"))]
        for entry in plan.entries:
            for number in _ports(entry):
                if number not in exposed:
                    text = (
                        f"opens port {number}, and the gateway's Service has {', '.join(map(str, exposed))}"
                    )
                    yield broken("gateway-port", entry.gateway, text)


def _ports(entry: EntryPlan) -> list[Json]:
    servers = maps(spec(entry.gateway).get("servers"))
    return [as_map(server.get("port")).get("number") for server in servers]


@plan_check(
    "mtls-conflict",
    "A rule against the mutual TLS the mesh insists on",
    reason="Servers refuse what is not mutual TLS: every request would fail.",
    source="https://istio.io/latest/docs/reference/config/security/peer_authentication/",
)
def mtls_conflict(plan: Plan) -> Iterator[Finding]:
    if not plan.meshed:
        return
    for way in plan.routes:
        rule = spec(way.destination)
        policies = [as_map(one.get("trafficPolicy")) for one in (rule, *maps(rule.get("subsets")))]
        policies += [port for policy in policies for port in maps(policy.get("portLevelSettings"))]
        for mode in [as_map(policy["tls"]).get("mode") for policy in policies if "tls" in policy]:
            if mode != "ISTIO_MUTUAL":
                text = f"sends with tls mode {mode} to a host that takes mutual TLS only"
                yield broken("mtls-conflict", way.destination, text)
    for manifest in plan.objects():
        if manifest.kind != "PeerAuthentication":
            continue
        if as_map(spec(manifest).get("mtls")).get("mode") != "STRICT":
            yield broken("mtls-conflict", manifest, "must be STRICT: callers are known by their certificates")
        if "portLevelMtls" in spec(manifest) and "selector" not in spec(manifest):
            yield broken(
                "mtls-conflict", manifest, "has portLevelMtls, which Istio ignores without a selector"
            )


def _host(manifest: Manifest) -> str:
    return str(spec(manifest).get("host", ""))


def _hosts(route: Manifest) -> list[str]:
    return [str(host) for host in as_list(spec(route).get("hosts"))]


def _targets(route: Manifest) -> list[Document]:
    """Where a VirtualService sends requests and copies of them."""
    found: list[Document] = []
    for way in http(route):
        found += [as_map(target["destination"]) for target in maps(way.get("route"))]
        found += [as_map(way["mirror"])] if "mirror" in way else []
    return found
