"""What a sidecar says about itself: requests counted for each version, and the routes it follows. Pure."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel, ConfigDict, Field

REQUESTS = "envoy_cluster_upstream_rq_total"
RESPONSES = "envoy_cluster_upstream_rq"


class Upstream(NamedTuple):
    """A cluster of Envoy's as Istio names it: `outbound|PORT|SUBSET|HOST`; the subset may be empty."""

    port: int
    subset: str
    host: str

    @property
    def cluster(self) -> str:
        """The name Envoy knows it by."""
        return f"outbound|{self.port}|{self.subset}|{self.host}"


def parse_upstream(cluster: str) -> Upstream | None:
    """The parts of an outbound cluster's name; None for every other cluster."""
    # Istio ends the names it gives to statistics with a semicolon.
    match cluster.removesuffix(";").split("|"):
        case ["outbound", port, subset, host] if port.isdecimal():
            return Upstream(int(port), subset, host)
    return None


class RequestCounts(NamedTuple):
    """Requests a proxy sent to each subset of one service, and how many were answered with 5xx."""

    requests: Counter[str]
    errors: int

    def since(self, before: "RequestCounts") -> "RequestCounts":
        """What was added after `before` was read; a counter that fell was reset and counts in full."""
        added = Counter(
            {
                subset: count if count < before.requests[subset] else count - before.requests[subset]
                for subset, count in self.requests.items()
            }
        )
        errors = self.errors if self.errors < before.errors else self.errors - before.errors
        return RequestCounts(+added, errors)

    def plus(self, other: "RequestCounts") -> "RequestCounts":
        """Two proxies' counts together."""
        return RequestCounts(self.requests + other.requests, self.errors + other.errors)


def request_counts(statistics: str, host: str, port: int) -> RequestCounts:
    """Count requests to one service in a sidecar's statistics (Prometheus text).

    A counter that is absent was never incremented, and counts as zero.
    """
    requests: Counter[str] = Counter()
    errors = 0
    for name, labels, value in _samples(statistics):
        upstream = parse_upstream(labels.get("cluster_name", ""))
        if upstream is None or (upstream.host, upstream.port) != (host, port):
            continue
        if name == REQUESTS:
            requests[upstream.subset] += round(value)
        elif name == RESPONSES and labels.get("response_code_class") == "5xx":
            errors += round(value)
    return RequestCounts(requests, errors)


def _samples(statistics: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    # Only the lines that matter: a sidecar's statistics hold thousands of others, and the parser is slow.
    wanted = (f"{REQUESTS}{{", f"{RESPONSES}{{")
    lines = [line for line in statistics.splitlines() if line.startswith(wanted)]
    for family in text_string_to_metric_families("".join(f"{line}\n" for line in lines)):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


class _Lenient(BaseModel):
    """A part of Envoy's configuration dump: what is not used here is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _WeightedCluster(_Lenient):
    name: str
    weight: int = 0


class _WeightedClusters(_Lenient):
    clusters: tuple[_WeightedCluster, ...] = ()


class _Action(_Lenient):
    cluster: str | None = None
    weighted_clusters: _WeightedClusters | None = None


class _Route(_Lenient):
    route: _Action | None = None


class _VirtualHost(_Lenient):
    domains: tuple[str, ...] = ()
    routes: tuple[_Route, ...] = ()


class _RouteConfig(_Lenient):
    virtual_hosts: tuple[_VirtualHost, ...] = ()


class _DynamicRoute(_Lenient):
    route_config: _RouteConfig = _RouteConfig()


class _Dump(_Lenient):
    """Both forms of the answer: all routes in one section, or one section for each (`?resource=`)."""

    configs: tuple["_Section", ...] = Field(default=())


class _Section(_Lenient):
    dynamic_route_configs: tuple[_DynamicRoute, ...] = ()
    route_config: _RouteConfig = _RouteConfig()


def route_weights(config_dump: str, host: str, port: int) -> dict[str, int] | None:
    """The weights a sidecar gives to the subsets of a service, in percent of their sum.

    The last route counts: the one that takes what no other matched. None while the sidecar has no
    route to the service's subsets. What the sidecar's agent may log ahead of the dump is passed over.
    """
    start = config_dump.find("{")
    dump = json.loads(config_dump[start:]) if start >= 0 else {}
    for virtual_host in _virtual_hosts(_Dump.model_validate(dump)):
        if {f"{host}:{port}", host} & set(virtual_host.domains):
            weights = _weights(virtual_host, host, port)
            if weights:
                return weights
    return None


def _virtual_hosts(dump: _Dump) -> Iterator[_VirtualHost]:
    for section in dump.configs:
        yield from section.route_config.virtual_hosts
        for route in section.dynamic_route_configs:
            yield from route.route_config.virtual_hosts


def _weights(virtual_host: _VirtualHost, host: str, port: int) -> dict[str, int]:
    action = virtual_host.routes[-1].route if virtual_host.routes else None
    if action is None:
        return {}
    clusters = action.weighted_clusters.clusters if action.weighted_clusters else ()
    shares = [(cluster.name, cluster.weight) for cluster in clusters]
    if action.cluster is not None:
        shares = [(action.cluster, 100)]
    found: Counter[str] = Counter()
    for name, weight in shares:
        upstream = parse_upstream(name)
        if upstream is not None and (upstream.host, upstream.port) == (host, port) and upstream.subset:
            found[upstream.subset] += weight
    total = sum(found.values())
    return {subset: round(100 * weight / total) for subset, weight in found.items()} if total else {}
