"""Rules over one object of the mesh."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated

from pydantic import Field, TypeAdapter

from .kinds import ACCESS, GATEWAY, PEERS, SIDECAR, VIRTUAL_SERVICE
from .reading import Document, at, items, mapping, number, numbered, text, texts, true
from .registry import COUNT, FLAG, TEXT, TEXTS, Resource, Severity, Told, Violation, resource_rule, setting

ISTIO = "https://istio.io/latest/docs"
REFERENCE = f"{ISTIO}/reference/config"
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
PLAIN = {"HTTP", "HTTP2", "GRPC"}
PERCENT = TypeAdapter(Annotated[float, Field(gt=0, le=100)])
TRIES = TypeAdapter(Annotated[int, Field(ge=0, le=10)])
DURATION_SECONDS = TypeAdapter(Annotated[float, Field(gt=0)])


def seconds(duration: str) -> float:
    """A duration as Istio writes it, e.g. 1m30s."""
    return sum(float(count) * SECONDS[unit] for count, unit in DURATION.findall(duration))


def routes(resource: Resource) -> Iterator[tuple[str, Document]]:
    """The HTTP routes of a VirtualService with their paths."""
    yield from numbered(items(resource.inputs, "spec", "http"), "spec.http")


@resource_rule(
    "M1",
    "Nothing in the mesh is spoken in the clear",
    Severity.CRITICAL,
    PEERS,
    remedy="spec: {mtls: {mode: STRICT}}; a port that must answer others is an exception with an end.",
    source=f"{ISTIO}/ops/best-practices/security/#mutual-tls",
)
def strict(resource: Resource, _: Told) -> Iterator[Violation]:
    mode = text(resource.inputs, "spec", "mtls", "mode") or "UNSET"
    # Without a mode it takes its namespace's, which is judged by itself.
    if mode not in {"STRICT", "UNSET"}:
        yield resource.wrong("spec.mtls.mode", f"{mode}; valid: STRICT")
    for port in mapping(resource.inputs, "spec", "portLevelMtls"):
        mode = text(resource.inputs, "spec", "portLevelMtls", port, "mode")
        if mode not in {"STRICT", "UNSET", ""}:
            yield resource.wrong(f"spec.portLevelMtls.{port}.mode", f"{mode}; valid: STRICT")


@resource_rule(
    "M2",
    "Access is given to somebody",
    Severity.CRITICAL,
    ACCESS,
    remedy='rules: [{from: [{source: {principals: ["cluster.local/ns/pitstop/sa/webapp"]}}], to: '
    "[{operation: "
    '{ports: ["5100"]}}]}]; a policy without rules that refuses the rest.',
    source=f"{ISTIO}/ops/best-practices/security/#use-default-deny-patterns",
)
def somebody(resource: Resource, _: Told) -> Iterator[Violation]:
    if (text(resource.inputs, "spec", "action") or "ALLOW") != "ALLOW":
        return
    for path, rule in numbered(items(resource.inputs, "spec", "rules"), "spec.rules"):
        sources = items(rule, "from")
        if not sources:
            yield resource.wrong(f"{path}.from", "nobody is named: everybody may")
        for where, source in numbered(sources, f"{path}.from"):
            named = [one for key in ("principals", "namespaces") for one in texts(source, "source", key)]
            if not named and not texts(source, "source", "serviceAccounts"):
                yield resource.wrong(f"{where}.source", "neither principals nor namespaces")
            for everybody in (one for one in named if one in {"*", "cluster.local/*"}):
                yield resource.wrong(f"{where}.source", f"{everybody} is everybody")


@resource_rule(
    "M3",
    "A caller's patience has an end, and an order",
    Severity.HIGH,
    VIRTUAL_SERVICE,
    remedy="timeout: 15s on every route; retries: {attempts: 2, perTryTimeout: 2s, retryOn: "
    "connect-failure} with "
    "(attempts + 1) x perTryTimeout within the timeout. A route with a fault has neither: Istio applies "
    "neither.",
    source=f"{REFERENCE}/networking/virtual-service/#HTTPRoute",
    settings=(
        setting("attempts", "retries of one request, at most", TRIES, 3),
        setting("seconds", "a timeout, at most, in seconds", DURATION_SECONDS, 60),
    ),
)
def patience(resource: Resource, told: Told) -> Iterator[Violation]:
    for path, route in routes(resource):
        if any(key in route for key in ("redirect", "directResponse")):
            continue
        limit, tries = text(route, "timeout"), mapping(route, "retries")
        if "fault" in route:
            for key in (key for key in ("timeout", "retries") if key in route):
                yield resource.wrong(f"{path}.{key}", "has no effect beside a fault")
            continue
        if not limit or seconds(limit) == 0:
            yield resource.wrong(f"{path}.timeout", f"{limit or 'none'}: waits for ever")
        elif seconds(limit) > told.number("seconds"):
            yield resource.wrong(f"{path}.timeout", f"{limit}; at most {told.number('seconds'):g}s")
        attempts, each = number(tries, "attempts") or 0, seconds(text(tries, "perTryTimeout"))
        if attempts > told.number("attempts"):
            yield resource.wrong(
                f"{path}.retries.attempts", f"{attempts:g}; at most {told.number('attempts'):g}"
            )
        if limit and each * (attempts + 1) > seconds(limit):
            yield resource.wrong(
                f"{path}.retries.perTryTimeout",
                f"{attempts + 1:g} tries of {each:g}s do not fit into a timeout of {limit}",
            )


@resource_rule(
    "M4",
    "Weights are percent",
    Severity.HIGH,
    VIRTUAL_SERVICE,
    remedy="Weights of a route are whole numbers that sum to 100, e.g. v1: 75, v2: 25. Istio takes any: 90 "
    "and 20 "
    "would be 82 % and 18 %.",
    source=f"{REFERENCE}/networking/virtual-service/#HTTPRouteDestination",
)
def weights(resource: Resource, _: Told) -> Iterator[Violation]:
    for path, route in routes(resource):
        targets = items(route, "route")
        stated = [number(one, "weight") for one in targets]
        if len(targets) == 1 and stated[0] is None:
            continue
        total = sum(one or 0 for one in stated)
        if targets and total != 100:
            yield resource.wrong(f"{path}.route", f"weights sum to {total:g}, not 100")
        if any(one is not None and (one < 0 or one > 100 or one != int(one)) for one in stated):
            yield resource.wrong(f"{path}.route", "a weight is no whole number from 0 to 100")


@resource_rule(
    "M6",
    "Nothing comes in from outside in the clear",
    Severity.CRITICAL,
    GATEWAY,
    remedy="The server of port 80 only redirects, tls: {httpsRedirect: true}; that of 443 has tls: {mode: "
    "SIMPLE, "
    "credentialName: <Secret>, minProtocolVersion: TLSV1_2}, and its hosts are named.",
    source=f"{ISTIO}/ops/best-practices/security/#gateways",
    settings=(
        setting(
            "versions",
            "minProtocolVersion, one of",
            TEXTS,
            ("TLSV1_2", "TLSV1_3"),
        ),
        setting("anyHost", "a gateway may take every host", FLAG, prod=False, dev=True),
    ),
)
def gateways(resource: Resource, told: Told) -> Iterator[Violation]:
    for path, server in numbered(items(resource.inputs, "spec", "servers"), "spec.servers"):
        protocol = text(server, "port", "protocol").upper()
        if not told.flag("anyHost") and "*" in texts(server, "hosts"):
            yield resource.wrong(f"{path}.hosts", "*: takes what is meant for others")
        if protocol in PLAIN:
            if not true(server, "tls", "httpsRedirect"):
                yield resource.wrong(path, f"{protocol} in the clear")
        elif protocol in {"HTTPS", "TLS"}:
            yield from _ending(resource, path, mapping(server, "tls"), told)


def _ending(resource: Resource, path: str, tls: Document, told: Told) -> Iterator[Violation]:
    """TLS that ends here; what is passed through ends with somebody else."""
    found, valid = text(tls, "minProtocolVersion"), told.texts("versions")
    if text(tls, "mode") not in {"PASSTHROUGH", "AUTO_PASSTHROUGH"} and found not in valid:
        yield resource.wrong(
            f"{path}.tls.minProtocolVersion", f"{found or 'not set'}; valid: {' or '.join(valid)}"
        )


@resource_rule(
    "M7",
    "A sidecar knows what it needs, and not the cluster",
    Severity.MEDIUM,
    SIDECAR,
    remedy='egress: [{hosts: ["./*", "istio-system/*"]}], and outboundTrafficPolicy: {mode: REGISTRY_ONLY}.',
    source=f"{REFERENCE}/networking/sidecar/",
    settings=(setting("registryOnly", "calls to hosts nobody declared are refused", FLAG, prod=True),),
)
def scope(resource: Resource, told: Told) -> Iterator[Violation]:
    listeners = items(resource.inputs, "spec", "egress")
    if not listeners:
        yield resource.wrong("spec.egress", "none: it is told of every service of the cluster")
    for path, one in numbered(listeners, "spec.egress"):
        for host in (host for host in texts(one, "hosts") if host.startswith("*/")):
            yield resource.wrong(f"{path}.hosts", f"{host} is the whole cluster")
    mode = text(resource.inputs, "spec", "outboundTrafficPolicy", "mode")
    if told.flag("registryOnly") and mode != "REGISTRY_ONLY":
        yield resource.wrong(
            "spec.outboundTrafficPolicy.mode", f"{mode or 'ALLOW_ANY'}; valid: REGISTRY_ONLY"
        )


@resource_rule(
    "M11",
    "Trouble on purpose is small, and has a last day",
    Severity.HIGH,
    VIRTUAL_SERVICE,
    remedy="A fault stands in a route with a match (a header, a caller), for few requests, and the "
    "VirtualService "
    "says until when: annotations: {fault-until: 2026-01-31}. After that day it is taken out.",
    source=f"{ISTIO}/tasks/traffic-management/fault-injection/",
    settings=(
        setting("annotation", "the annotation with the last day of a fault", TEXT, "fault-until"),
        setting("scoped", "a fault is for some requests only", FLAG, prod=True, dev=False),
        setting("percent", "requests of a route with a fault, at most", PERCENT, 10, 100),
        setting("days", "days a fault may still last, at most", COUNT, 14, 90),
    ),
)
def chaos(resource: Resource, told: Told) -> Iterator[Violation]:
    faulty = [(path, route) for path, route in routes(resource) if "fault" in route]
    if faulty:
        yield from _dated(resource, told)
    for path, route in faulty:
        if told.flag("scoped") and not items(route, "match"):
            yield resource.wrong(f"{path}.match", "none: the fault is everybody's")
        for what in ("delay", "abort"):
            share = at(route, "fault", what)
            percent = number(share, "percentage", "value") if share is not None else 0
            # Istio's own default is every request.
            percent = 100 if percent is None else percent
            if percent > told.number("percent"):
                yield resource.wrong(
                    f"{path}.fault.{what}.percentage", f"{percent:g} %; at most {told.number('percent'):g} %"
                )


def _dated(resource: Resource, told: Told) -> Iterator[Violation]:
    name = told.text("annotation")
    path, stated = f"metadata.annotations.{name}", resource.annotations.get(name, "")
    try:
        left = (date.fromisoformat(stated) - told.today).days
    except ValueError:
        yield resource.wrong(path, f"{stated or 'not set'}; valid: a day, e.g. {told.today.isoformat()}")
        return
    if left < 0:
        yield resource.wrong(path, f"{stated} is over")
    if left > told.number("days"):
        yield resource.wrong(path, f"{stated} is {left} days away; at most {told.number('days'):g}")
