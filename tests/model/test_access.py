"""Who may talk to whom, as exact documents for a few services; what they add up to, checks prove."""

from collections.abc import Mapping

import pytest

from components.model.access import access_plan, edges, egress_name
from components.model.manifests import Document, Json
from components.model.settings import EgressHost
from tests.model.examples import CANARY, WHOLE, Node, objects, pick, plan, settings

API = "services.customermanagementapi"
NOTES = "services.notificationservice"
PART_OF: Document = {"app.kubernetes.io/part-of": "pitstop"}


def spec(kind: str, name: str, changes: Mapping[str, object] | None = None, base: Node = WHOLE) -> Json:
    """The spec of one object of the access plan; other rules have not looked at the environment."""
    (found,) = [
        one for one in access_plan(settings(changes, base)).objects() if (one.kind, one.name) == (kind, name)
    ]
    return found.document()["spec"]


def account(name: str, namespace: str = "pitstop") -> Document:
    return {"source": {"principals": [f"cluster.local/ns/{namespace}/sa/{name}"]}}


def rule(source: Document, **operation: Json) -> Document:
    return {"from": [source], "to": [{"operation": operation}]}


def pods(name: str) -> Document:
    return {"podSelector": {"matchLabels": {"pitstop.dev/identity": name}}}


def space(name: str, **labels: str) -> Document:
    found: Document = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
    return found | ({"podSelector": {"matchLabels": dict(labels)}} if labels else {})


def tcp(*ports: int) -> list[Json]:
    return [{"port": port, "protocol": "TCP"} for port in ports]


def policy(name: str, ingress: list[Json], egress: list[Json]) -> Document:
    return {
        "podSelector": {"matchLabels": {"pitstop.dev/identity": name}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": ingress,
        "egress": egress,
    }


GATEWAY = space("istio-ingress", istio="ingressgateway")
TO_LOG: Document = {"to": [pods("logserver")], "ports": tcp(80)}
TO_SQL: Document = {"to": [pods("sqlserver")], "ports": tcp(1433)}
TO_BROKER: Document = {"to": [pods("rabbitmq")], "ports": tcp(5672)}
TO_MAIL: Document = {"to": [pods("mailserver")], "ports": tcp(25)}


# --- edges --------------------------------------------------------------------------------------------


def test_every_call_of_the_whole_system() -> None:
    found: dict[str, list[tuple[str, int]]] = {}
    for edge in edges(settings(base=WHOLE)):
        found.setdefault(edge.caller, []).append((edge.service, edge.port.target))
    log, sql, broker, mail = ("logserver", 80), ("sqlserver", 1433), ("rabbitmq", 5672), ("mailserver", 25)
    assert found == {
        "auditlogservice": [broker, log],
        "customermanagementapi": [sql, broker, log],
        "database-init": [sql],
        "invoiceservice": [sql, broker, mail, log],
        "notificationservice": [sql, broker, mail, log],
        "timeservice": [broker, log],
        "vehiclemanagementapi": [sql, broker, log],
        "webapp": [
            ("customermanagementapi", 5100),
            ("vehiclemanagementapi", 5000),
            ("workshopmanagementapi", 5200),
            log,
        ],
        "workshopmanagementapi": [sql, broker, log],
        "workshopmanagementeventhandler": [sql, broker, log],
    }


def test_a_call_needs_both_ends() -> None:
    known = {(edge.caller, edge.service) for edge in edges(settings())}
    assert known == {
        ("webapp", "customermanagementapi"),
        ("customermanagementapi", "sqlserver"),
        ("customermanagementapi", "rabbitmq"),
        ("database-init", "sqlserver"),
    }
    assert edges(settings({"services": {"webapp": {}}})) == ()


# --- the webapp ---------------------------------------------------------------------------------------


def test_the_webapp_is_called_by_the_gateway_alone() -> None:
    assert spec("AuthorizationPolicy", "webapp") == {
        "selector": {"matchLabels": {"app": "webapp"}},
        "action": "ALLOW",
        "rules": [rule(account("istio-ingressgateway", "istio-ingress"), ports=["7005"])],
    }
    assert spec("NetworkPolicy", "webapp") == policy(
        "webapp",
        [{"from": [GATEWAY], "ports": tcp(7005)}],
        [
            {"to": [pods("customermanagementapi")], "ports": tcp(5100)},
            {"to": [pods("vehiclemanagementapi")], "ports": tcp(5000)},
            {"to": [pods("workshopmanagementapi")], "ports": tcp(5200)},
            TO_LOG,
        ],
    )


def test_a_gateway_of_others_is_known_by_its_namespace_and_labels() -> None:
    mesh: Node = {"kind": "existing", "gateway": {"selector": {"istio": "x"}, "namespace": "aks-ingress"}}
    allowed = spec("AuthorizationPolicy", "webapp", {"mesh": mesh})
    assert pick(allowed, "rules") == [rule({"source": {"namespaces": ["aks-ingress"]}}, ports=["7005"])]
    ingress = pick(spec("NetworkPolicy", "webapp", {"mesh": mesh}), "ingress")
    assert ingress == [{"from": [space("aks-ingress", istio="x")], "ports": tcp(7005)}]


def test_without_a_mesh_the_webapp_is_reached_from_anywhere() -> None:
    ingress = pick(spec("NetworkPolicy", "webapp", {"mesh": {"kind": "none"}}), "ingress")
    assert ingress == [{"ports": tcp(7005)}]


# --- an API whose access is narrowed ------------------------------------------------------------------

NARROW: list[Node] = [
    {"kind": "split", "weights": {"v1": 75, "v2": 25}},
    {"kind": "access", "callers": ["webapp"], "methods": ["POST", "GET"], "paths": ["/api/*"]},
    {"kind": "access", "callers": ["webapp"], "methods": ["GET"], "paths": ["/hc"]},
    {"kind": "access", "outsiders": ["monitoring/prometheus"], "methods": ["GET"]},
]


def test_an_edge_is_the_whole_port_until_it_is_narrowed() -> None:
    assert pick(spec("AuthorizationPolicy", "customermanagementapi"), "rules") == [
        rule(account("webapp"), ports=["5100"])
    ]


def test_an_access_policy_narrows_its_callers_and_lets_outsiders_in() -> None:
    allowed = spec("AuthorizationPolicy", "customermanagementapi", {f"{API}.traffic": NARROW})
    assert allowed == {
        "selector": {"matchLabels": {"app": "customermanagementapi"}},
        "action": "ALLOW",
        "rules": [
            rule(account("webapp"), ports=["5100"], methods=["GET", "POST"], paths=["/api/*"]),
            rule(account("webapp"), ports=["5100"], methods=["GET"], paths=["/hc"]),
            rule(account("prometheus", "monitoring"), ports=["5100"], methods=["GET"]),
        ],
    }
    assert spec("NetworkPolicy", "customermanagementapi", {f"{API}.traffic": NARROW}) == policy(
        "customermanagementapi",
        [
            {"from": [pods("webapp")], "ports": tcp(5100)},
            # Which account it is only its certificate tells, which the mesh asks for.
            {"from": [space("monitoring")], "ports": tcp(5100)},
        ],
        [TO_SQL, TO_BROKER, TO_LOG],
    )


def test_an_access_policy_for_others_leaves_an_edge_as_it_is() -> None:
    others: Node = {"kind": "access", "outsiders": ["monitoring/prometheus"]}
    allowed = spec("AuthorizationPolicy", "customermanagementapi", {f"{API}.traffic[1]": others})
    assert pick(allowed, "rules") == [
        rule(account("webapp"), ports=["5100"]),
        rule(account("prometheus", "monitoring"), ports=["5100"]),
    ]


# --- the broker ---------------------------------------------------------------------------------------

QUEUE: Mapping[str, object] = {f"{NOTES}.versions": {"v1": {"scaling": {"kind": "queue", "max": 4}}}}
CLIENTS = (
    "auditlogservice",
    "customermanagementapi",
    "invoiceservice",
    "notificationservice",
    "timeservice",
    "vehiclemanagementapi",
    "workshopmanagementapi",
    "workshopmanagementeventhandler",
)


@pytest.mark.parametrize(("changes", "scaled"), [({}, False), (QUEUE, True)], ids=["alone", "with KEDA"])
def test_the_broker_is_managed_by_nobody_but_a_scaler(changes: Mapping[str, object], scaled: bool) -> None:
    management: Document = {"to": [{"operation": {"ports": ["15672"]}}]}
    assert spec("AuthorizationPolicy", "rabbitmq", changes) == {
        "selector": {"matchLabels": {"app": "rabbitmq"}},
        "action": "ALLOW",
        "rules": [
            *[rule(account(name), ports=["5672"]) for name in CLIENTS],
            *([management] if scaled else []),
        ],
    }
    keda: Document = {"from": [space("keda")], "ports": tcp(15672)}
    callers: list[Json] = [{"from": [pods(name)], "ports": tcp(5672)} for name in CLIENTS]
    allowed = callers + ([keda] if scaled else [])
    assert spec("NetworkPolicy", "rabbitmq", changes) == policy("rabbitmq", allowed, [])
    plain = [one for one in access_plan(settings(changes, WHOLE)).allow if one.kind == "PeerAuthentication"]
    assert [one.document()["spec"] for one in plain] == (
        [
            {
                "selector": {"matchLabels": {"app": "rabbitmq"}},
                "mtls": {"mode": "STRICT"},
                "portLevelMtls": {"15672": {"mode": "PERMISSIVE"}},
            }
        ]
        if scaled
        else []
    )


# --- a way out ----------------------------------------------------------------------------------------

OUT: list[Node] = [
    {"host": "smtp.example.org", "port": 587, "protocol": "TCP", "callers": ["notificationservice"]},
    {"host": "api.example.org", "callers": ["webapp", "notificationservice"]},
]


def test_who_may_go_out_goes_by_a_named_host_and_port() -> None:
    made = plan({"egress": OUT}, WHOLE)
    entries = objects(made, "ServiceEntry")
    assert {name: one["spec"] for name, one in entries.items()} == {
        "smtp-example-org-587": {
            "hosts": ["smtp.example.org"],
            "ports": [{"number": 587, "name": "tcp-587", "protocol": "TCP"}],
            "resolution": "DNS",
            "location": "MESH_EXTERNAL",
            "exportTo": ["."],
        },
        "api-example-org-443": {
            "hosts": ["api.example.org"],
            "ports": [{"number": 443, "name": "https-443", "protocol": "HTTPS"}],
            "resolution": "DNS",
            "location": "MESH_EXTERNAL",
            "exportTo": ["."],
        },
    }
    assert spec("NetworkPolicy", "notificationservice", {"egress": OUT}) == policy(
        "notificationservice",
        [],
        [TO_SQL, TO_BROKER, TO_MAIL, TO_LOG, {"ports": tcp(587)}, {"ports": tcp(443)}],
    )
    outside = {"ports": tcp(443)}
    assert pick(spec("NetworkPolicy", "webapp", {"egress": OUT}), "egress", -1) == outside
    others = set(WHOLE["services"]) - {"webapp", "notificationservice"}  # type: ignore[call-overload]
    for name in others:
        assert spec("NetworkPolicy", name, {"egress": OUT}) == spec("NetworkPolicy", name)


def test_an_entry_for_a_long_host_has_a_name_that_fits() -> None:
    long = [f"{'a' * 60}.{letter}.example.org" for letter in "bc"]
    names = [egress_name(EgressHost.model_validate({"host": host, "callers": ["webapp"]})) for host in long]
    assert all(len(name) <= 63 for name in names)
    assert len(set(names)) == 2


def test_entries_whose_hosts_differ_by_a_dot_have_names_of_their_own() -> None:
    hosts = ["a.b-c.org", "a-b.c.org", "a-b.c-org.org"]
    made = plan({"egress": [{"host": host, "callers": ["webapp"]} for host in hosts]}, WHOLE)
    entries = objects(made, "ServiceEntry")
    assert [pick(one, "spec", "hosts") for one in entries.values()] == [[host] for host in hosts]
    long = [f"{'a' * 60}.{rest}" for rest in ("b-c.org", "b.c.org")]
    twice: list[Node] = [
        {"host": host, "port": port, "callers": ["webapp"]} for host in long for port in (1, 2)
    ]
    names = [*objects(plan({"egress": twice}, WHOLE), "ServiceEntry")]
    assert len(names) == 4
    assert all(len(name) <= 63 for name in names)
    alone = plan({"egress": [{"host": hosts[0], "callers": ["webapp"]}]}, WHOLE)
    assert [*objects(alone, "ServiceEntry")] == [next(iter(entries))] == ["a-b-c-org-443"]


# --- a shadow -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("servers", "ports"),
    [({}, []), ({"sqlHost": "sql-2.example.org"}, [1433]), ({"sqlHost": "s", "mailHost": "m"}, [1433, 25])],
)
def test_a_shadow_reaches_its_own_servers(servers: Node, ports: list[int]) -> None:
    changes: Node = {
        f"{NOTES}.versions": {"v1": {}, "v2": {}},
        f"{NOTES}.release": {"kind": "shadow", "live": "v1", "shadow": "v2", **servers},
    }
    outside: list[Json] = [{"ports": tcp(port)} for port in ports]
    assert spec("NetworkPolicy", "notificationservice", changes) == policy(
        "notificationservice", [], [TO_SQL, TO_BROKER, TO_MAIL, TO_LOG, *outside]
    )


# --- the rest of it -----------------------------------------------------------------------------------


def test_the_database_job_reaches_the_server_and_nothing_else() -> None:
    assert spec("NetworkPolicy", "database-init") == policy("database-init", [], [TO_SQL])
    rules = pick(spec("AuthorizationPolicy", "sqlserver"), "rules")
    assert isinstance(rules, list)
    assert rule(account("database-init"), ports=["1433"]) in rules
    assert len(rules) == 7


def test_what_nobody_calls_lets_nobody_in() -> None:
    lonely: Node = {"services": {"mailserver": {}}}
    assert pick(spec("AuthorizationPolicy", "mailserver", lonely, CANARY), "rules") == []
    assert spec("NetworkPolicy", "mailserver", lonely, CANARY) == policy("mailserver", [], [])


def test_a_worker_has_no_rule_of_the_mesh_because_it_has_no_port() -> None:
    names = set(objects(plan(base=WHOLE), "AuthorizationPolicy"))
    assert names == {
        "webapp",
        "customermanagementapi",
        "vehiclemanagementapi",
        "workshopmanagementapi",
        "rabbitmq",
        "sqlserver",
        "mailserver",
        "logserver",
        "default-deny",
    }
    assert spec("NetworkPolicy", "timeservice") == policy("timeservice", [], [TO_BROKER, TO_LOG])


def test_everybody_looks_names_up_and_asks_the_control_plane() -> None:
    dns: Document = {
        "to": [space("kube-system", **{"k8s-app": "kube-dns"})],
        "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
    }
    assert spec("NetworkPolicy", "mesh-and-dns") == {
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [dns, {"to": [space("istio-system")], "ports": tcp(15012)}],
    }
    theirs: Node = {"mesh": {"kind": "existing", "rootNamespace": "aks-istio-system"}}
    assert pick(spec("NetworkPolicy", "mesh-and-dns", theirs), "egress", 1) == {
        "to": [space("aks-istio-system")],
        "ports": tcp(15012),
    }
    alone: Node = {"mesh": {"kind": "none"}}
    assert pick(spec("NetworkPolicy", "mesh-and-dns", alone), "egress") == [dns]


def test_sidecars_know_their_own_namespace_and_named_hosts() -> None:
    assert spec("Sidecar", "default") == {
        "egress": [{"hosts": ["./*", "istio-system/*"]}],
        "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},
    }
    theirs: Node = {"mesh": {"kind": "existing", "rootNamespace": "aks-istio-system"}}
    assert pick(spec("Sidecar", "default", theirs), "egress", 0, "hosts") == ["./*", "aks-istio-system/*"]


def test_what_refuses_the_rest_comes_last() -> None:
    made = access_plan(settings(base=WHOLE))
    assert [(one.kind, one.name) for one in made.deny] == [
        ("NetworkPolicy", "default-deny"),
        ("AuthorizationPolicy", "default-deny"),
    ]
    assert made.objects()[-2:] == made.deny
    assert made.objects()[:-2] == made.allow
    assert made.deny[0].document()["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert made.deny[1].document()["spec"] == {}  # no rule: nobody


def test_without_a_mesh_the_network_alone_decides() -> None:
    made = access_plan(settings({"mesh": {"kind": "none"}}, WHOLE))
    assert {one.kind for one in made.objects()} == {"NetworkPolicy"}
    assert [one.name for one in made.deny] == ["default-deny"]


def test_every_object_is_the_environments_own() -> None:
    for one in access_plan(settings({**QUEUE, "egress": OUT}, WHOLE)).objects():
        assert one.namespace == "pitstop"
        assert one.metadata.get("labels", {**PART_OF, "app": one.name}) == {**PART_OF, "app": one.name}
