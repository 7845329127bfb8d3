"""Policies become exactly these objects. Which request gets what is test_route_order's matter."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import settings as thoroughness
from hypothesis import strategies as st

from components.model import routes
from components.model.catalogue import CATALOGUE
from components.model.manifests import Document, Json
from components.model.plan import Plan, RoutePlan
from components.model.settings import ServiceSettings
from tests.model.examples import Node, items, pick, plan

HOST = "customermanagementapi.pitstop.svc.cluster.local"
API = "services.customermanagementapi"


def route_of(environment: Plan) -> RoutePlan:
    return next(way for way in environment.routes if way.service == "customermanagementapi")


def test_a_split_names_both_subsets_with_their_weights() -> None:
    way = route_of(plan())
    assert way.route.document() == {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {
            "name": "customermanagementapi",
            "namespace": "pitstop",
            "labels": {"app": "customermanagementapi", "app.kubernetes.io/part-of": "pitstop"},
        },
        "spec": {
            "hosts": [HOST],
            "gateways": ["mesh"],
            "http": [
                {
                    "name": "default",
                    "route": [
                        {"destination": {"host": HOST, "subset": "v1"}, "weight": 75},
                        {"destination": {"host": HOST, "subset": "v2"}, "weight": 25},
                    ],
                    "timeout": "15s",
                }
            ],
        },
    }
    assert way.destination.document()["spec"] == {
        "host": HOST,
        "subsets": [
            {"name": "v1", "labels": {"version": "1.0"}},
            {"name": "v2", "labels": {"version": "2.0"}},
        ],
    }


def test_moving_everything_to_one_version_changes_numbers_and_nothing_else() -> None:
    before, after = (
        route_of(plan()),
        route_of(plan({f"{API}.traffic": [{"kind": "bluegreen", "live": "v2"}]})),
    )
    assert after.destination == before.destination
    text = str(before.route.document()).replace("'weight': 75", "'weight': 0")
    assert str(after.route.document()) == text.replace("'weight': 25", "'weight': 100")


def test_the_way_in_from_outside_has_the_same_shares_and_a_port() -> None:
    environment = plan({"ingress.hosts": ["a.example.org", "b.example.org"]})
    (entry,) = environment.entries
    host = "webapp.pitstop.svc.cluster.local"
    assert entry.route.document()["spec"] == {
        "hosts": ["a.example.org", "b.example.org"],
        "gateways": ["pitstop/webapp"],
        "http": [
            {
                "name": "default",
                "route": [
                    {
                        "destination": {"host": host, "subset": "v1", "port": {"number": 7005}},
                        "weight": 100,
                    }
                ],
                "timeout": "15s",
            }
        ],
    }
    assert entry.certificate is None
    assert entry.gateway.document()["spec"] == {
        "selector": {"istio": "ingressgateway"},
        "servers": [
            {
                "port": {"number": 80, "name": "http", "protocol": "HTTP"},
                "hosts": ["a.example.org", "b.example.org"],
            }
        ],
    }


def test_a_mesh_of_others_is_entered_by_their_gateway() -> None:
    selector = {"istio": "aks-istio-ingressgateway-external"}
    environment = plan({"mesh": {"kind": "existing", "gateway": {"selector": selector}}})
    assert "'selector': {'istio': 'aks-istio-ingressgateway-external'}" in str(
        environment.entries[0].gateway.document()
    )


@thoroughness(max_examples=20)
@given(st.integers(0, 100), st.booleans())
def test_the_order_in_which_versions_are_written_changes_nothing(share: int, swapped: bool) -> None:
    def route(weights: Mapping[str, int]) -> list[Document]:
        names = sorted(weights, reverse=swapped)
        own = service([{"kind": "split", "weights": {name: weights[name] for name in names}}], versions=names)
        return items(routes.virtual_service(API_SERVICE, own, "pitstop").document(), "spec", "http")

    shares = {"v1": share, "v2": 100 - share}
    targets = [
        {"destination": {"host": HOST, "subset": version}, "weight": weight}
        for version, weight in sorted(shares.items())
    ]
    assert route(shares) == [{"name": "default", "route": targets, "timeout": "15s"}]


API_SERVICE = CATALOGUE["customermanagementapi"]


def service(traffic: list[Node], versions: list[str] | None = None) -> ServiceSettings:
    content = {"versions": {name: {} for name in versions or ["v1", "v2"]}, "traffic": traffic}
    return ServiceSettings.model_validate(content)


def http(traffic: list[Node]) -> list[Document]:
    return items(routes.virtual_service(API_SERVICE, service(traffic), "pitstop").document(), "spec", "http")


def to(*shares: tuple[str, int]) -> list[Json]:
    return [
        {"destination": {"host": HOST, "subset": version}, "weight": weight} for version, weight in shares
    ]


def test_a_mirror_copies_its_methods_and_every_other_request_is_as_before() -> None:
    ways = http([{"kind": "mirror", "to": "v2", "percent": 12.5}])
    assert ways == [
        {
            "name": "default-mirror",
            "match": [{"method": {"exact": "GET"}}],
            "route": to(("v1", 100), ("v2", 0)),
            "mirrorPercentage": {"value": 12.5},
            "timeout": "15s",
            "mirror": {"host": HOST, "subset": "v2"},
        },
        {"name": "default", "route": to(("v1", 100), ("v2", 0)), "timeout": "15s"},
    ]


def test_a_fault_for_some_has_no_patience_and_the_others_keep_theirs() -> None:
    fault: Node = {
        "kind": "fault",
        "caller": "webapp",
        "headers": {"x-drill": {"regex": "a|b"}},
        "delay": {"percent": 100, "duration": "3s"},
        "abort": {"percent": 0.5, "status": 503},
        "until": "2027-01-31",
    }
    assert http([fault, {"kind": "timeout", "duration": "5s"}]) == [
        {
            "name": "default-fault-0",
            "match": [
                {"headers": {"x-drill": {"regex": "a|b"}}, "sourceLabels": {"app": "webapp"}},
            ],
            "route": to(("v1", 100), ("v2", 0)),
            "fault": {
                "delay": {"percentage": {"value": 100.0}, "fixedDelay": "3s"},
                "abort": {"percentage": {"value": 0.5}, "httpStatus": 503},
            },
        },
        {"name": "default", "route": to(("v1", 100), ("v2", 0)), "timeout": "5s"},
    ]


def test_a_faults_last_day_stands_on_its_routes() -> None:
    split: Node = {"kind": "split", "weights": {"v1": 75, "v2": 25}}
    drill: Node = {"kind": "fault", "abort": {"percent": 1, "status": 500}}
    longer = {**drill, "until": "2027-02-28", "headers": {"x-drill": "a"}}
    shorter = {**drill, "until": "2027-01-31", "headers": {"x-drill": "b"}}
    one = routed(plan({f"{API}.traffic": [split, longer, shorter]}))
    assert one["annotations"] == {"pitstop.dev/fault-until": "2027-01-31"}  # the first that is over
    assert "annotations" not in routed(plan({f"{API}.traffic": [split]}))


def test_routes_that_the_fault_does_not_concern_carry_no_day() -> None:
    # Nobody who comes from outside is the webapp.
    fault = {
        "kind": "fault",
        "caller": "webapp",
        "abort": {"percent": 1, "status": 500},
        "until": "2027-01-31",
    }
    own = ServiceSettings.model_validate({"versions": {"v1": {}}, "traffic": [fault]})
    service = CATALOGUE["customermanagementapi"]
    inside = routes.virtual_service(service, own, "pitstop")
    outside = routes.entry_route(service, own, ["pitstop.example.org"], "pitstop")
    assert (bool(inside.annotations), bool(outside.annotations)) == (True, False)


def routed(environment: Plan) -> Mapping[str, Json]:
    """The metadata of the API's routes."""
    return route_of(environment).route.metadata


def test_retries_are_for_their_methods_and_the_rest_is_tried_again_only_where_nothing_was_done() -> None:
    retries: Node = {"kind": "retries", "attempts": 3, "perTry": "2s", "when": ["reset", "5xx"]}
    assert http([retries]) == [
        {
            "name": "default-retries",
            "match": [{"method": {"regex": "GET|HEAD"}}],
            "route": to(("v1", 100), ("v2", 0)),
            "retries": {"attempts": 3, "perTryTimeout": "2s", "retryOn": "5xx,reset"},
            "timeout": "15s",
        },
        {
            "name": "default",
            "route": to(("v1", 100), ("v2", 0)),
            "retries": {"attempts": 2, "retryOn": "connect-failure,refused-stream"},
            "timeout": "15s",
        },
    ]


def test_routes_and_lanes_come_in_the_order_they_are_listed() -> None:
    ways = http(
        [
            {"kind": "lane", "caller": "webapp", "callerVersion": "v2", "to": "v2"},
            {"kind": "split", "weights": {"v1": 90, "v2": 10}},
            {"kind": "route", "to": "v1", "cookie": {"beta": "no"}, "path": {"prefix": "/api"}},
        ]
    )
    assert ways == [
        {
            "name": "lane-webapp-v2",
            "match": [{"sourceLabels": {"app": "webapp", "version": "2.0"}}],
            "route": to(("v2", 100)),
            "timeout": "15s",
        },
        {
            "name": "route-2",
            "match": [
                {
                    "headers": {"cookie": {"regex": r"(.*;\s*)?beta=no(;.*)?"}},
                    "uri": {"prefix": "/api"},
                }
            ],
            "route": to(("v1", 100)),
            "timeout": "15s",
        },
        {"name": "default", "route": to(("v1", 90), ("v2", 10)), "timeout": "15s"},
    ]


# --- what a subset's connections are like -------------------------------------------------------------

POLICIES: dict[str, tuple[list[Node], Document | None]] = {
    "nothing": ([], None),
    "what is no matter of connections": ([{"kind": "timeout", "duration": "1s"}], None),
    "a cookie for the session": (
        [{"kind": "affinity", "cookie": {"name": "pitstop"}}],
        {"loadBalancer": {"consistentHash": {"httpCookie": {"name": "pitstop", "path": "/", "ttl": "0s"}}}},
    ),
    "a cookie that lasts": (
        [{"kind": "affinity", "cookie": {"name": "pitstop", "ttl": "1h"}}],
        {"loadBalancer": {"consistentHash": {"httpCookie": {"name": "pitstop", "path": "/", "ttl": "1h"}}}},
    ),
    "a header": (
        [{"kind": "affinity", "header": "x-user"}],
        {"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}},
    ),
    "every limit": (
        [
            {
                "kind": "circuitbreaker",
                "connections": {
                    "max": 100,
                    "pending": 50,
                    "requests": 200,
                    "perConnection": 10,
                    "connectTimeout": "2s",
                },
                "outliers": {
                    "consecutive5xx": 7,
                    "consecutiveGatewayErrors": 3,
                    "interval": "5s",
                    "ejection": "1m",
                    "maxPercent": 34,
                },
            }
        ],
        {
            "connectionPool": {
                "tcp": {"maxConnections": 100, "connectTimeout": "2s"},
                "http": {
                    "http1MaxPendingRequests": 50,
                    "http2MaxRequests": 200,
                    "maxRequestsPerConnection": 10,
                },
            },
            "outlierDetection": {
                "consecutive5xxErrors": 7,
                "consecutiveGatewayErrors": 3,
                "interval": "5s",
                "baseEjectionTime": "1m",
                "maxEjectionPercent": 34,
            },
        },
    ),
    "one limit": (
        [{"kind": "circuitbreaker", "connections": {"pending": 1}}],
        {"connectionPool": {"http": {"http1MaxPendingRequests": 1}}},
    ),
    "failing pods by what is usual": (
        [{"kind": "circuitbreaker", "outliers": {}}],
        {
            "outlierDetection": {
                "consecutive5xxErrors": 5,
                "interval": "10s",
                "baseEjectionTime": "30s",
                "maxEjectionPercent": 50,
            }
        },
    ),
    "both": (
        [
            {"kind": "circuitbreaker", "connections": {"max": 1}},
            {"kind": "affinity", "header": "x-user"},
        ],
        {
            "connectionPool": {"tcp": {"maxConnections": 1}},
            "loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}},
        },
    ),
}


@pytest.mark.parametrize("case", POLICIES)
def test_connections(case: str) -> None:
    traffic, expected = POLICIES[case]
    rule = routes.destination_rule(API_SERVICE, service(traffic), "pitstop").document()
    assert rule["spec"] == {
        "host": HOST,
        "subsets": [
            {"name": "v1", "labels": {"version": "1.0"}},
            {"name": "v2", "labels": {"version": "2.0"}},
        ],
        **({"trafficPolicy": expected} if expected else {}),
    }


# --- certificates -------------------------------------------------------------------------------------

SERVER: Document = {
    "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
    "hosts": ["a.example.org"],
    "tls": {
        "mode": "SIMPLE",
        "credentialName": "pitstop-certificate",
        "minProtocolVersion": "TLSV1_2",
    },
}
PLAIN: Document = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["a.example.org"]}


@pytest.mark.parametrize(
    ("tls", "servers"),
    [
        ({"kind": "values"}, [PLAIN | {"tls": {"httpsRedirect": True}}, SERVER]),
        ({"kind": "values", "redirect": False}, [SERVER]),  # nothing answers in clear then
        (
            {"kind": "secret", "name": "wildcard"},
            [
                PLAIN | {"tls": {"httpsRedirect": True}},
                SERVER | {"tls": {**SERVER["tls"], "credentialName": "wildcard"}},  # type: ignore[dict-item]
            ],
        ),
    ],
)
def test_a_gateway_with_a_certificate(tls: Node, servers: list[Document]) -> None:
    environment = plan({"ingress": {"hosts": ["a.example.org"], "tls": tls}})
    (entry,) = environment.entries
    assert items(entry.gateway.document(), "spec", "servers") == servers


def test_a_certificate_of_our_own_lies_beside_the_gateways_pods_and_another_is_left_alone() -> None:
    tls: Node = {"ingress": {"hosts": ["a.example.org"], "tls": {"kind": "values"}}}
    (entry,) = plan(tls).entries
    assert entry.certificate is not None
    assert entry.certificate.document({"tlsCertificate": "C", "tlsKey": "K"}) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "pitstop-certificate",
            "namespace": "istio-ingress",
            "labels": {"app": "webapp", "app.kubernetes.io/part-of": "pitstop"},
        },
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": "C", "tls.key": "K"},
    }
    theirs: Node = {"kind": "existing", "gateway": {"namespace": "gateways"}}
    (entry,) = plan(tls | {"mesh": theirs}).entries
    assert entry.certificate is not None
    assert entry.certificate.namespace == "gateways"
    (entry,) = plan({"ingress.tls": {"kind": "secret", "name": "wildcard"}}).entries
    assert entry.certificate is None


def test_everything_speaks_mutual_tls() -> None:
    document = routes.strict_mtls("pitstop", "environment").document()
    assert document["apiVersion"] == "security.istio.io/v1"
    assert document["metadata"] == {"name": "default", "namespace": "pitstop"}
    assert pick(document, "spec", "mtls", "mode") == "STRICT"
