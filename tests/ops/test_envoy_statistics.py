"""Reading a sidecar: counters of each version, and the weights it follows."""

import json
from collections import Counter
from collections.abc import Mapping

import pytest

from ops.envoy import RequestCounts, Upstream, parse_upstream, request_counts, route_weights

HOST = "customermanagementapi.pitstop.svc.cluster.local"


def line(name: str, subset: str, value: int, more: str = "", service: str = f"5100|{{}}|{HOST}") -> str:
    return f'{name}{{cluster_name="outbound|{service.format(subset)}"{more}}} {value}\n'


STATISTICS = (
    "# TYPE envoy_cluster_upstream_rq_total counter\n"
    + line("envoy_cluster_upstream_rq_total", "v1", 374)
    + line("envoy_cluster_upstream_rq_total", "v2", 127)
    + line("envoy_cluster_upstream_rq_total", "", 9)
    # none of these may count: another port, another host, other counters, what the sidecar serves
    + line("envoy_cluster_upstream_rq_total", "v1", 1000, service=f"5200|{{}}|{HOST}")
    + line(
        "envoy_cluster_upstream_rq_total",
        "v1",
        2000,
        service="5100|{}|vehiclemanagementapi.pitstop.svc.cluster.local",
    )
    + line("envoy_cluster_external_upstream_rq_total", "v1", 3000)
    + line("envoy_cluster_upstream_rq_pending_total", "v1", 4000)
    + 'envoy_cluster_upstream_rq_total{cluster_name="inbound|5100||"} 5000\n'
    + 'envoy_cluster_upstream_rq_total{cluster_name="xds-grpc"} 6000\n'
    + "envoy_cluster_upstream_rq_total 7000\n"
    + line("envoy_cluster_upstream_rq", "v1", 370, more=',response_code_class="2xx"')
    + line("envoy_cluster_upstream_rq", "v1", 4, more=',response_code_class="5xx"')
    + line("envoy_cluster_upstream_rq", "v2", 2, more=',response_code_class="5xx"')
    + line("envoy_cluster_upstream_rq", "v1", 4, more=',response_code="503"')
    + "istio_agent_startup_duration_seconds 0.9\n"
)


def test_each_version_is_counted_and_nothing_else() -> None:
    counts = request_counts(STATISTICS, HOST, 5100)
    assert counts.requests == Counter({"v1": 374, "v2": 127, "": 9})
    assert counts.errors == 6


def test_the_prometheus_form_with_type_lines_reads_the_same() -> None:
    typed = "".join(
        f"# TYPE {row.split('{')[0]} counter\n{row}\n" for row in STATISTICS.splitlines() if "{" in row
    )
    assert request_counts(typed, HOST, 5100) == request_counts(STATISTICS, HOST, 5100)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "envoy_server_uptime 3\n"])
def test_a_sidecar_that_never_called_counts_zero(text: str) -> None:
    assert request_counts(text, HOST, 5100) == RequestCounts(Counter(), 0)


@pytest.mark.parametrize(
    ("cluster", "upstream"),
    [
        (f"outbound|5100|v2|{HOST}", Upstream(5100, "v2", HOST)),
        (f"outbound|5100|v2|{HOST};", Upstream(5100, "v2", HOST)),
        (f"outbound|80||{HOST}", Upstream(80, "", HOST)),
        (f"inbound|5100|v2|{HOST}", None),
        (f"outbound|http|v2|{HOST}", None),
        ("outbound|5100|v2", None),
        ("PassthroughCluster", None),
        ("", None),
    ],
)
def test_names_of_clusters(cluster: str, upstream: Upstream | None) -> None:
    assert parse_upstream(cluster) == upstream
    if upstream:
        assert upstream.cluster == cluster.removesuffix(";")


def test_only_what_was_added_counts() -> None:
    before = RequestCounts(Counter(v1=100, v2=50), 3)
    after = RequestCounts(Counter(v1=175, v2=75, v3=1), 3)
    assert after.since(before) == RequestCounts(Counter(v1=75, v2=25, v3=1), 0)


def test_a_proxy_that_started_anew_counts_in_full() -> None:
    before, after = RequestCounts(Counter(v1=100), 5), RequestCounts(Counter(v1=75, v2=25), 1)
    assert after.since(before) == RequestCounts(Counter(v1=75, v2=25), 1)


def test_proxies_add_up() -> None:
    total = RequestCounts(Counter(v1=1), 1).plus(RequestCounts(Counter(v1=2, v2=3), 0))
    assert total == RequestCounts(Counter(v1=3, v2=3), 1)


def cluster(subset: str, weight: int, host: str = HOST) -> dict[str, object]:
    return {"name": f"outbound|5100|{subset}|{host}", "weight": weight}


def route(*clusters: dict[str, object]) -> dict[str, object]:
    return {
        "match": {"prefix": "/"},
        "route": {"weighted_clusters": {"clusters": list(clusters)}, "timeout": "0s"},
    }


def dump(*routes: Mapping[str, object], domain: str = f"{HOST}:5100", sections: bool = True) -> str:
    config = {
        "route_config": {"name": "5100", "virtual_hosts": [{"domains": ["x", domain], "routes": routes}]}
    }
    configs = [config] if sections else [{"dynamic_route_configs": [config]}]
    return json.dumps({"configs": [{"@type": "bootstrap"}, *configs]})


@pytest.mark.parametrize("sections", [True, False])
@pytest.mark.parametrize("domain", [HOST, f"{HOST}:5100"])
def test_weights_are_read_from_both_forms_of_the_dump(domain: str, *, sections: bool) -> None:
    text = dump(route(cluster("v1", 75), cluster("v2", 25)), domain=domain, sections=sections)
    assert route_weights(text, HOST, 5100) == {"v1": 75, "v2": 25}


def test_what_the_agent_logs_ahead_of_the_dump_is_passed_over() -> None:
    text = "2026-11-24T00:24:55Z\twarn\tno certificates\n" + dump(route(cluster("v1", 100)))
    assert route_weights(text, HOST, 5100) == {"v1": 100}


def test_one_destination_is_all_of_it() -> None:
    single = {"match": {}, "route": {"cluster": f"outbound|5100|v2|{HOST}"}}
    assert route_weights(dump(single), HOST, 5100) == {"v2": 100}


def test_weights_of_any_sum_are_percent() -> None:
    assert route_weights(dump(route(cluster("v1", 1), cluster("v2", 3))), HOST, 5100) == {"v1": 25, "v2": 75}


def test_the_route_that_takes_the_rest_counts() -> None:
    text = dump(route(cluster("v2", 100)), route(cluster("v1", 60), cluster("v2", 40)))
    assert route_weights(text, HOST, 5100) == {"v1": 60, "v2": 40}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "upstream connect error",
        "{}",
        dump(),
        dump({"redirect": {}}),
        dump(route(cluster("", 100))),
        dump(route(cluster("v1", 75), cluster("v2", 25)), domain="other:5100"),
        dump(route(cluster("v1", 75, "other"), cluster("v2", 25, "other"))),
    ],
)
def test_no_route_to_the_versions_is_none(text: str) -> None:
    assert route_weights(text, HOST, 5100) is None
