"""Policies become exactly these objects."""

from hypothesis import given
from hypothesis import strategies as st

from components.model import routes
from components.model.catalogue import CATALOGUE
from components.model.plan import Plan, RoutePlan
from tests.model.examples import plan

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
            }
        ],
    }
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


@given(st.integers(0, 100), st.booleans())
def test_the_order_in_which_versions_are_written_changes_nothing(share: int, swapped: bool) -> None:
    service = CATALOGUE["customermanagementapi"]
    shares = {"v2": 100 - share, "v1": share} if swapped else {"v1": share, "v2": 100 - share}
    expected = routes.virtual_service(service, {"v1": share, "v2": 100 - share}, "pitstop")
    assert routes.virtual_service(service, shares, "pitstop") == expected
    assert list(routes.virtual_service(service, shares, "pitstop").document()) == list(expected.document())
