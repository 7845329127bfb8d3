"""Every call of the catalogue passes both enforcers, and no other pair of pods gets through."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest

from components.model import naming
from components.model.catalogue import CATALOGUE
from components.model.checks.callers import Call, calls, pod_of, principal_of, rules
from components.model.checks.evaluate import NAMESPACE_LABEL, Mesh, Network, Pod, Request
from components.model.checks.reading import running
from components.model.manifests import Manifest
from components.model.plan import Plan
from tests.model.everything import EVERYTHING
from tests.model.examples import CANARY, WHOLE, Node, plan

MESHLESS: Node = WHOLE | {"mesh": {"kind": "none"}}
BLUE = {"services.customermanagementapi.traffic": [{"kind": "bluegreen", "live": "v1"}]}
ENVIRONMENTS = {"canary": CANARY, "whole": WHOLE, "everything": EVERYTHING, "meshless": MESHLESS}


def made(name: str) -> Plan:
    return plan(BLUE if name == "meshless" else {}, ENVIRONMENTS[name])


def pairs(environment: Plan) -> list[tuple[Manifest, Manifest, int]]:
    """Every pod of the environment with every port of every pod."""
    workloads = list(running(environment))
    ports = {name: [port.target for port in service.ports] for name, service in CATALOGUE.items()}
    return [
        (caller, called, port)
        for caller, called in product(workloads, workloads)
        for port in [*ports.get(str(called.labels["app"]), []), 15020]
    ]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_network_lets_through_the_call_graph_and_nothing_else(name: str) -> None:
    environment = made(name)
    known, network = {call.edge for call in calls(environment)}, Network(rules(environment, "NetworkPolicy"))
    assert known
    for caller, called, port in pairs(environment):
        passes = network.connects(pod_of(caller), pod_of(called), port)
        assert passes == (Call(caller, called, port).edge in known), (caller.name, called.name, port)


@pytest.mark.parametrize("name", ["canary", "whole", "everything"])
def test_the_mesh_lets_through_the_call_graph_and_nothing_else(name: str) -> None:
    environment = made(name)
    known, mesh = {call.edge for call in calls(environment)}, Mesh(rules(environment, "AuthorizationPolicy"))
    scraped = ("rabbitmq", 15672) if name == "everything" else None  # KEDA has no certificate
    for caller, called, port in pairs(environment):
        passes = mesh.allows(Request(principal_of(caller), port), pod_of(called))
        edge = Call(caller, called, port).edge
        assert passes == (edge in known or edge[1:] == scraped), (caller.name, called.name, port)


def test_access_narrows_an_edge_to_methods_and_paths() -> None:
    environment = made("everything")
    mesh = Mesh(rules(environment, "AuthorizationPolicy"))
    called = next(pod_of(one) for one in running(environment) if one.name == "customermanagementapi-v2")
    webapp, prober = naming.principal("pitstop", "webapp"), naming.principal("monitoring", "prober")
    asked = {
        (webapp, "GET", "/api/customers"): True,
        (webapp, "POST", "/api/customers"): True,
        (webapp, "DELETE", "/api/customers"): False,
        (webapp, "GET", "/hc"): False,
        (prober, "GET", "/hc"): True,
        (prober, "POST", "/hc"): False,
        (prober, "GET", "/api/customers"): False,
        ("", "GET", "/api/customers"): False,
    }
    assert {key: mesh.allows(Request(key[0], 5100, *key[1:]), called) for key in asked} == asked


def test_who_is_outside_is_let_in_where_it_is_named_and_nowhere_else() -> None:
    environment = made("everything")
    network = Network(rules(environment, "NetworkPolicy"))
    pods = {one.name: pod_of(one) for one in running(environment)}
    gateway = Pod("aks-istio-ingress", {"istio": "aks-istio-ingressgateway-external"})
    asked = [
        (gateway, "webapp-v1", 7005, True),
        (gateway, "customermanagementapi-v1", 5100, False),
        (Pod("aks-istio-ingress", {"istio": "other"}), "webapp-v1", 7005, False),
        (Pod("elsewhere", gateway.labels), "webapp-v1", 7005, False),
        (Pod("monitoring"), "customermanagementapi-v1", 5100, True),
        (Pod("monitoring"), "webapp-v1", 7005, False),
        (Pod("keda"), "rabbitmq", 15672, True),
        (Pod("keda"), "rabbitmq", 5672, False),
        (None, "webapp-v1", 7005, False),
    ]
    for caller, called, port, expected in asked:
        assert network.enters(caller, pods[called], port) == expected, (caller, called, port)


@pytest.mark.parametrize(
    ("namespace", "outsider"),
    [
        ("pitstop", "monitoring/pitstop"),  # an account is called as this namespace is
        ("pitstop", "ns/sa"),
        ("sa", "monitoring/prober"),  # what every certificate's name has in it
        ("ns", "monitoring/prober"),
    ],
)
def test_names_that_stand_in_a_certificate_elsewhere_are_no_namespace(namespace: str, outsider: str) -> None:
    policy: Node = {"kind": "access", "outsiders": [outsider]}
    environment = plan({"namespace": namespace, "services.customermanagementapi.traffic[1]": policy})
    mesh = Mesh(rules(environment, "AuthorizationPolicy"))
    called = next(pod_of(one) for one in running(environment) if one.name == "customermanagementapi-v2")
    assert mesh.allows(Request(naming.principal(*outsider.split("/")), 5100), called)
    assert not mesh.allows(Request(naming.principal(namespace, "stranger"), 5100), called)


def test_without_a_mesh_anybody_reaches_the_webapp_and_nothing_else() -> None:
    environment = made("meshless")
    network = Network(rules(environment, "NetworkPolicy"))
    ports = {name: service.ports[0].target for name, service in CATALOGUE.items() if service.ports}
    entered = {
        str(one.labels["app"])
        for one in running(environment)
        for port in [ports.get(str(one.labels["app"]), 80)]
        if network.enters(None, pod_of(one), port)
    }
    assert entered == {"webapp"}


def test_every_pod_finds_names_and_its_control_plane() -> None:
    environment = made("everything")
    network = Network(rules(environment, "NetworkPolicy"))
    dns, istiod = Pod("kube-system", {"k8s-app": "kube-dns"}), Pod("aks-istio-system", {"app": "istiod"})
    for one in running(environment):
        pod = pod_of(one)
        assert network.leaves(pod, dns, 53, "UDP")
        assert network.leaves(pod, dns, 53)
        assert network.leaves(pod, istiod, 15012)
        assert not network.leaves(pod, istiod, 15010)
        assert not network.leaves(pod, None, 80)


def test_the_way_out_is_open_for_the_callers_named() -> None:
    environment = made("everything")
    network = Network(rules(environment, "NetworkPolicy"))
    out = {
        (str(one.labels["app"]), port)
        for one in running(environment)
        for port in (25, 443, 1433)
        if network.leaves(pod_of(one), None, port)
    }
    assert out == {
        ("notificationservice", 1433),
        ("notificationservice", 25),
        ("invoiceservice", 443),
        ("workshopmanagementapi", 443),
    }


# --- the evaluator itself, by the examples of the documentation -------------------------------------------


def network_policy(**spec: object) -> Manifest:
    body: dict[str, Any] = {"spec": spec}
    return Manifest("x", "networking.k8s.io/v1", "NetworkPolicy", "x", "one", {}, body)


def authorization(spec: Mapping[str, Any], namespace: str = "one") -> Manifest:
    body: dict[str, Any] = {"spec": dict(spec)}
    return Manifest("x", "security.istio.io/v1", "AuthorizationPolicy", "x", namespace, {}, body)


DB, CLIENT = Pod("one", {"role": "db"}), Pod("one", {"role": "client"})
OF_DB: dict[str, Any] = {"podSelector": {"matchLabels": {"role": "db"}}, "policyTypes": ["Ingress"]}
BOTH = {
    "podSelector": {"matchLabels": {"role": "client"}},
    "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: "two"}},
}


def test_a_pod_no_policy_selects_is_open() -> None:
    assert Network([]).connects(CLIENT, DB, 1)
    assert Network([network_policy(**OF_DB)]).connects(DB, CLIENT, 1)
    elsewhere = Pod("two", {"role": "db"})
    assert Network([network_policy(**OF_DB)]).connects(CLIENT, elsewhere, 1)


def test_a_pod_a_policy_selects_takes_only_what_some_rule_names() -> None:
    assert not Network([network_policy(**OF_DB)]).connects(CLIENT, DB, 1)
    everybody, port = (
        {"ports": [{"port": 5}]},
        {"from": [{"podSelector": {"matchLabels": {"role": "client"}}}]},
    )
    both = Network([network_policy(**OF_DB, ingress=[everybody]), network_policy(**OF_DB, ingress=[port])])
    assert both.connects(Pod("two"), DB, 5)
    assert not both.connects(Pod("two"), DB, 6)
    assert both.connects(CLIENT, DB, 6)
    assert not both.enters(None, DB, 6)
    assert both.enters(CLIENT, DB, 6, "UDP")
    assert not both.enters(Pod("two"), DB, 5, "UDP")


def test_selectors_of_one_peer_both_count_and_peers_each_count() -> None:
    narrow = Network([network_policy(**OF_DB, ingress=[{"from": [BOTH]}])])
    wide = Network(
        [network_policy(**OF_DB, ingress=[{"from": [{key: value} for key, value in BOTH.items()]}])]
    )
    there, here, other = Pod("two", {"role": "client"}), CLIENT, Pod("two")
    assert [narrow.connects(one, DB, 1) for one in (there, here, other)] == [True, False, False]
    assert [wide.connects(one, DB, 1) for one in (there, here, other)] == [True, True, True]


def test_both_sides_must_agree() -> None:
    shut = network_policy(podSelector={}, policyTypes=["Egress"])
    assert not Network([shut]).connects(CLIENT, DB, 1)
    assert Network([shut]).enters(CLIENT, DB, 1)


def test_what_no_policy_of_the_mesh_concerns_is_open_and_an_empty_policy_shuts() -> None:
    request = Request("cluster.local/ns/one/sa/a", 1)
    assert Mesh([]).allows(request, DB)
    assert Mesh([authorization({}, "two")]).allows(request, DB)
    assert not Mesh([authorization({})]).allows(request, DB)


def test_a_denial_wins_over_an_allowance() -> None:
    request = Request("cluster.local/ns/one/sa/a", 1)
    allow = authorization({"rules": [{}]})
    deny = authorization({"action": "DENY", "rules": [{"from": [{"source": {"namespaces": ["one"]}}]}]})
    assert Mesh([allow]).allows(request, DB)
    assert not Mesh([allow, deny]).allows(request, DB)
    assert Mesh([deny]).allows(Request("cluster.local/ns/two/sa/a", 1), DB)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/a", "/a", True),
        ("/a", "/a/b", False),
        ("/a/*", "/a/b", True),
        ("*/b", "/a/b", True),
        ("*/b", "/b/a", False),
        ("*", "/x", True),
    ],
)
def test_patterns_are_istios(pattern: str, path: str, *, expected: bool) -> None:
    rule = {"to": [{"operation": {"paths": [pattern]}}]}
    assert Mesh([authorization({"rules": [rule]})]).allows(Request("", 1, "GET", path), DB) == expected


def test_everybody_with_a_certificate_is_not_everybody() -> None:
    mesh = Mesh([authorization({"rules": [{"from": [{"source": {"principals": ["*"]}}]}]})])
    assert mesh.allows(Request("cluster.local/ns/one/sa/a", 1), DB)
    assert not mesh.allows(Request("", 1), DB)


@pytest.mark.parametrize(
    "rule",
    [
        {"when": [{"key": "request.headers[x]"}]},
        {"from": [{"source": {"notPrincipals": ["a"]}}]},
        {"to": [{"operation": {"hosts": ["a"]}}]},
    ],
)
def test_what_it_does_not_understand_it_does_not_judge(rule: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError):
        Mesh([authorization({"rules": [rule]})]).allows(Request("a/b/c/d/e", 1), DB)
    with pytest.raises(NotImplementedError):
        Mesh([authorization({"action": "CUSTOM"})]).allows(Request("a/b/c/d/e", 1), DB)
    with pytest.raises(NotImplementedError):
        Network(
            [network_policy(**OF_DB, ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}])]
        ).connects(CLIENT, DB, 1)
