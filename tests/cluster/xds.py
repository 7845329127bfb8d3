"""The routes a proxy really has, in the words of the model, to hold against what was compiled. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.model.routes import Way
from components.model.types import milliseconds
from ops.envoy import parse_upstream

Node = Mapping[str, Any]
MESH_TRIES = 2  # retries istiod gives a route that says nothing


@dataclass(frozen=True, slots=True)
class Seen:
    """What of a route matters here."""

    name: str
    shares: tuple[tuple[str, int], ...]
    timeout: int  # ms, 0 for none
    retries: int
    mirror: str = ""
    mirrored: float = 0.0
    abort: tuple[int, float] | None = None  # status, percent
    delay: tuple[int, float] | None = None  # ms, percent


def expected(way: Way) -> Seen:
    """A compiled route as a proxy should have it."""
    extras = way.extras
    retries, fault = _map(extras.get("retries")), _map(extras.get("fault"))
    abort, delay = _map(fault.get("abort")), _map(fault.get("delay"))
    mirrored = _map(extras.get("mirrorPercentage")).get("value", 0.0)
    return Seen(
        name=way.name,
        shares=tuple((version, share) for version, share in sorted(way.shares.items()) if share),
        timeout=milliseconds(str(extras["timeout"])) if "timeout" in extras else 0,
        retries=int(retries.get("attempts", MESH_TRIES)),
        mirror=str(extras.get("mirror", "")),
        mirrored=float(mirrored),
        abort=(int(abort["httpStatus"]), float(abort["percentage"]["value"])) if abort else None,
        delay=(
            (milliseconds(str(delay["fixedDelay"])), float(delay["percentage"]["value"])) if delay else None
        ),
    )


def routes(dump: str, host: str, port: int) -> tuple[Seen, ...]:
    """The routes of one host in a proxy's configuration dump; none while it has none."""
    start = dump.find("{")
    content = json.loads(dump[start:]) if start >= 0 else {}
    for virtual_host in _virtual_hosts(content):
        if f"{host}:{port}" in virtual_host.get("domains", ()) or host in virtual_host.get("domains", ()):
            return tuple(_seen(route) for route in virtual_host.get("routes", ()))
    return ()


def _virtual_hosts(content: Node) -> Iterator[Node]:
    for section in content.get("configs", ()):
        configs = [section, *section.get("dynamic_route_configs", ())]
        for config in configs:
            yield from _map(config.get("route_config")).get("virtual_hosts", ())


def _seen(route: Node) -> Seen:
    action = _map(route.get("route"))
    fault = _map(_map(route.get("typed_per_filter_config")).get("envoy.filters.http.fault"))
    mirrors = action.get("request_mirror_policies") or [{}]
    abort, delay = _map(fault.get("abort")), _map(fault.get("delay"))
    return Seen(
        name=str(route.get("name", "")),
        shares=tuple(sorted(_shares(action))),
        timeout=_milliseconds(str(action.get("timeout", "0s"))),
        retries=int(_map(action.get("retry_policy")).get("num_retries", 0)),
        mirror=_subset(str(mirrors[0].get("cluster", ""))),
        mirrored=_percent(_map(_map(mirrors[0].get("runtime_fraction")).get("default_value"))),
        abort=(int(abort["http_status"]), _percent(_map(abort.get("percentage")))) if abort else None,
        delay=(
            (_milliseconds(str(delay["fixed_delay"])), _percent(_map(delay.get("percentage"))))
            if delay
            else None
        ),
    )


def _shares(action: Node) -> Iterator[tuple[str, int]]:
    if "cluster" in action:
        yield _subset(str(action["cluster"])), 100
    for cluster in _map(action.get("weighted_clusters")).get("clusters", ()):
        if cluster.get("weight", 0):
            yield _subset(str(cluster["name"])), int(cluster["weight"])


def _subset(cluster: str) -> str:
    upstream = parse_upstream(cluster)
    return upstream.subset if upstream else ""


def _milliseconds(duration: str) -> int:
    return round(float(duration.removesuffix("s")) * 1000)


def _percent(fraction: Node) -> float:
    per = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}[
        str(fraction.get("denominator", "HUNDRED"))
    ]
    return 100 * float(fraction.get("numerator", 0)) / per


def _map(value: object) -> Any:  # noqa: ANN401 - a JSON object
    return value if isinstance(value, Mapping) else {}
