"""Proofs over a whole environment that no single setting can give. A finding stops the program.

Settings are checked for what only the catalogue knows; the plan is checked for what the mesh would take
without a word and then do something else. The second kind guards the compiler: no stack file reaches it.
"""

from collections.abc import Iterator, Mapping
from typing import cast

from components.model import plan as plans
from components.model.catalogue import CATALOGUE, Kind
from components.model.explain import key_path
from components.model.findings import Finding, RefusedError
from components.model.manifests import Document, Json, Manifest
from components.model.plan import Plan
from components.model.settings import Settings

HTTP_PROTOCOLS = {"http", "http2", "grpc"}


def plan_for(settings: Settings, owner: str) -> Plan:
    """The checked plan of an environment.

    Raises:
        RefusedError: with every finding.
    """
    found = list(check_settings(settings))
    if found:
        raise RefusedError(found)
    plan = plans.build(settings, owner)
    found = list(check_plan(plan))
    if found:
        raise RefusedError(found)
    return plan


def check_settings(settings: Settings) -> Iterator[Finding]:
    """What a service of the catalogue cannot be or do without."""
    for name, own in sorted(settings.services.items()):
        service = CATALOGUE[name]
        path = f"services.{name}"
        for need in plans.hard_needs(service):
            if need.service not in settings.services:
                yield Finding(
                    "need-missing",
                    key_path(("services", need.service)),
                    f"required because {name} does not start without it, e.g. {need.service}: {{}}",
                )
        if service.kind is not Kind.HTTP and own.traffic is not None:
            yield Finding(
                "no-requests",
                key_path((path, "traffic")),
                f"{name} takes no requests the mesh could route; remove the key",
                own.traffic.kind,
            )
        elif service.kind is Kind.BACKING and tuple(own.versions) != ("v1",):
            yield Finding(
                "one-version",
                key_path((path, "versions")),
                f"{name} keeps data and has one version; valid: versions: {{v1: {{}}}}",
                ", ".join(sorted(own.versions)),
            )
        if service.singleton:
            yield from _singleton(name, {v: s.replicas for v, s in own.versions.items()})


def _singleton(name: str, replicas: Mapping[str, int]) -> Iterator[Finding]:
    for version, count in replicas.items():
        if count > 1:
            yield Finding(
                "singleton",
                key_path(("services", name, "versions", version, "replicas")),
                f"{name} must never run twice; valid: 1",
                str(count),
            )
    if len(replicas) > 1 and CATALOGUE[name].kind is Kind.WORKER:
        yield Finding(
            "singleton",
            key_path(("services", name, "versions")),
            f"{name} must never run twice; valid: one version, e.g. versions: {{v1: {{}}}}",
            ", ".join(sorted(replicas)),
        )


def check_plan(plan: Plan) -> Iterator[Finding]:
    """What must hold between objects, whatever made them."""
    deployments = [deployment for load in plan.workloads for deployment in load.deployments]
    for load in plan.workloads:
        if load.address:
            yield from _address(load.address, load.deployments, load.service.kind is Kind.HTTP)
    rules = {_text(rule.destination, "host"): rule.destination for rule in plan.routes}
    yield from _owners(plan)
    for rule in rules.values():
        yield from _subsets(rule, deployments)
    for route in [way.route for way in plan.routes] + [entry.route for entry in plan.entries]:
        yield from _destinations(route, rules)


def _address(address: Manifest, deployments: tuple[Manifest, ...], http: bool) -> Iterator[Finding]:
    selector = _map(_spec(address).get("selector"))
    for deployment in deployments:
        if not selector.items() <= _pod_labels(deployment).items():
            yield _broken(
                address, f"selects {dict(selector)}, which leaves {deployment.name} without requests"
            )
    for port in _maps(_spec(address).get("ports")):
        if port["name"] == "http" and http and port.get("appProtocol") not in HTTP_PROTOCOLS:
            yield _broken(address, f"port {port['port']} is not declared as HTTP, weights would not apply")


def _owners(plan: Plan) -> Iterator[Finding]:
    """Istio merges or drops a second rule for a host, in the order of creation."""
    seen: set[tuple[str, str, str]] = set()
    named = [("DestinationRule", way.destination, [_text(way.destination, "host")]) for way in plan.routes]
    named += [
        ("VirtualService", route, [str(host) for host in _list(_spec(route).get("hosts"))])
        for route in [way.route for way in plan.routes] + [entry.route for entry in plan.entries]
    ]
    for kind, manifest, hosts in named:
        for host in hosts:
            owner = (kind, str(_spec(manifest).get("gateways", "")), host)
            if owner in seen:
                yield _broken(manifest, f"is a second {kind} for {host}")
            seen.add(owner)


def _subsets(rule: Manifest, deployments: list[Manifest]) -> Iterator[Finding]:
    for subset in _maps(_spec(rule).get("subsets")):
        wanted = {"app": rule.name, **_map(subset["labels"])}
        matching = [d for d in deployments if wanted.items() <= _pod_labels(d).items()]
        if not any(cast(int, _spec(d).get("replicas", 0)) > 0 for d in matching):
            yield _broken(rule, f"subset {subset['name']} has no pods: no Deployment is labelled {wanted}")


def _destinations(route: Manifest, rules: Mapping[str, Manifest]) -> Iterator[Finding]:
    routes = _maps(_spec(route).get("http"))
    if not routes or "match" in routes[-1] or any("match" not in way for way in routes[:-1]):
        yield _broken(route, "must end with its one route that takes every request")
    for way in routes:
        targets = _maps(way.get("route"))
        total = sum(cast(int, target["weight"]) for target in targets)
        if total != 100:
            yield _broken(route, f"weights sum to {total}, not 100")
        for target in (_map(target["destination"]) for target in targets):
            rule = rules.get(str(target["host"]))
            known = {subset["name"] for subset in _maps(_spec(rule).get("subsets"))} if rule else set()
            if target.get("subset") not in known:
                yield _broken(
                    route, f"sends requests to {target['host']} {target.get('subset')}: no such subset"
                )


def _broken(manifest: Manifest, message: str) -> Finding:
    return Finding("plan", f"{manifest.kind} {manifest.namespace}/{manifest.name}", message)


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
