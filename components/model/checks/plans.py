"""Rules over a plan: they guard the compiler, no stack file reaches them."""

from collections.abc import Iterator, Mapping
from typing import cast

from components.model.catalogue import Kind
from components.model.checks.registry import plan_check
from components.model.findings import Finding
from components.model.manifests import Document, Json, Manifest
from components.model.plan import Plan

HTTP_PROTOCOLS = {"http", "http2", "grpc"}


@plan_check(
    "selector-leaves-out",
    "A Service that leaves a version out",
    reason="A subset's endpoints are some of the Service's: a version it does not select answers 503.",
    source="pitstop.md 2.2, upstream's committed canary; IST0173",
)
def selector_leaves_out(plan: Plan) -> Iterator[Finding]:
    for load in plan.workloads:
        if load.address is None or plan.mtls is None:
            continue
        selector = _map(_spec(load.address).get("selector"))
        for workload in load.workloads:
            if not selector.items() <= _pod_labels(workload).items():
                yield _broken(
                    "selector-leaves-out",
                    load.address,
                    f"selects {dict(selector)}, which leaves {workload.name} without requests",
                )


@plan_check(
    "port-hides-http",
    "A port that does not say it is HTTP",
    reason="The mesh would carry it as plain TCP, and weights, headers and retries would silently not apply.",
    source="https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/; IST0118",
)
def port_hides_http(plan: Plan) -> Iterator[Finding]:
    for load in plan.workloads:
        if load.address is None or load.service.kind is not Kind.HTTP:
            continue
        for port in _maps(_spec(load.address).get("ports")):
            if port.get("appProtocol") not in HTTP_PROTOCOLS:
                text = f"port {port['port']} is not declared as HTTP, weights would not apply"
                yield _broken("port-hides-http", load.address, text)


@plan_check(
    "two-owners",
    "Two objects for one host",
    reason="Istio merges or drops a second rule for a host, in the order of creation.",
    source="facts.md 4.2, 2",
)
def two_owners(plan: Plan) -> Iterator[Finding]:
    seen: set[tuple[str, str, str]] = set()
    named = [("DestinationRule", way.destination, [_text(way.destination, "host")]) for way in plan.routes]
    named += [
        ("VirtualService", route, [str(host) for host in _list(_spec(route).get("hosts"))])
        for route in _routes(plan)
    ]
    for kind, manifest, hosts in named:
        for host in hosts:
            owner = (kind, str(_spec(manifest).get("gateways", "")), host)
            if owner in seen:
                yield _broken("two-owners", manifest, f"is a second {kind} for {host}")
            seen.add(owner)


@plan_check(
    "subset-without-pods",
    "A subset no pod belongs to",
    reason="Requests sent there get a 503.",
    source="IST0173",
)
def subset_without_pods(plan: Plan) -> Iterator[Finding]:
    workloads = [workload for load in plan.workloads for workload in load.workloads]
    for way in plan.routes:
        rule = way.destination
        for subset in _maps(_spec(rule).get("subsets")):
            wanted = {"app": rule.name, **_map(subset["labels"])}
            matching = [one for one in workloads if wanted.items() <= _pod_labels(one).items()]
            # Without a number a scaler decides, and none of ours goes to zero.
            if not any(cast(int, _spec(one).get("replicas", 1)) > 0 for one in matching):
                text = f"subset {subset['name']} has no pods: no workload is labelled {wanted}"
                yield _broken("subset-without-pods", rule, text)


@plan_check(
    "no-last-route",
    "Routes that do not end with one for everything else",
    reason="A request that no route takes gets a 404; a route behind one that takes everything gets none.",
    source="https://istio.io/latest/docs/reference/config/analysis/ist0130/",
)
def no_last_route(plan: Plan) -> Iterator[Finding]:
    for route in _routes(plan):
        ways = _maps(_spec(route).get("http"))
        if not ways or "match" in ways[-1] or any("match" not in way for way in ways[:-1]):
            yield _broken("no-last-route", route, "must end with its one route that takes every request")


@plan_check(
    "weights",
    "Weights that do not sum to 100",
    reason="Istio divides by the sum: 90 and 20 would silently mean 82 % and 18 %.",
    source="facts.md 4.1",
)
def weights(plan: Plan) -> Iterator[Finding]:
    for route in _routes(plan):
        for way in _maps(_spec(route).get("http")):
            total = sum(cast(int, target["weight"]) for target in _maps(way.get("route")))
            if total != 100:
                yield _broken("weights", route, f"weights sum to {total}, not 100")


@plan_check(
    "no-such-subset",
    "A route to a subset that is not there",
    reason="Requests sent there get a 503.",
    source="https://istio.io/latest/docs/reference/config/analysis/ist0101/",
)
def no_such_subset(plan: Plan) -> Iterator[Finding]:
    subsets = {
        _text(way.destination, "host"): {one["name"] for one in _maps(_spec(way.destination).get("subsets"))}
        for way in plan.routes
    }
    for route in _routes(plan):
        for way in _maps(_spec(route).get("http")):
            targets = [_map(target["destination"]) for target in _maps(way.get("route"))]
            targets += [_map(way["mirror"])] if "mirror" in way else []
            for target in targets:
                if target.get("subset") not in subsets.get(str(target["host"]), set()):
                    text = f"sends requests to {target['host']} {target.get('subset')}: no such subset"
                    yield _broken("no-such-subset", route, text)


def _routes(plan: Plan) -> list[Manifest]:
    return [way.route for way in plan.routes] + [entry.route for entry in plan.entries]


def _broken(code: str, manifest: Manifest, message: str) -> Finding:
    return Finding(code, f"{manifest.kind} {manifest.namespace}/{manifest.name}", message)


def _spec(manifest: Manifest) -> Document:
    return _map(manifest.body.get("spec"))


def _pod_labels(deployment: Manifest) -> Document:
    return _map(_map(_map(_spec(deployment).get("template")).get("metadata")).get("labels"))


def _text(manifest: Manifest, key: str) -> str:
    return str(_spec(manifest).get(key, ""))


def _map(value: Json) -> Document:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _maps(value: Json) -> list[Document]:
    return [_map(item) for item in _list(value)]
