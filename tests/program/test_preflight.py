"""What is asked of a cluster, against an API server of the test's own."""

import contextlib
import dataclasses
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import preflight
from components.model.findings import RefusedError
from components.model.kubeconfig import Target
from components.model.plan import Plan
from components.preflight import Facts, OtherGateway, RunningRoutes
from tests.model.azure import AKS
from tests.model.examples import REMOVE, WHOLE, Node, plan


class Cluster(ThreadingHTTPServer):
    """Answers what `objects` holds, 404 otherwise; `status` and `delay` make it a bad one."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, object] = {
            "/apis/apps/v1/deployments": {"items": []},
        }
        self.status = 200
        self.delay = 0.0
        self.asked: list[str] = []
        self.tokens: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Cluster

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        self.server.tokens.append(self.headers.get("Authorization", ""))
        time.sleep(self.server.delay)
        found = self.server.objects.get(path)
        code = self.server.status if self.server.status != 200 or found is not None else 404
        body: object = found if code == 200 else {"kind": "Status", "code": code, "message": f"said {code}"}
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # a client that gave up is what one test is about
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Tests are quiet."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    server = Cluster()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def target(server: str) -> Target:
    return Target("PITSTOP_KUBECONFIG", "here", server, {"server": server}, {"token": "t"}, local=True)


def address(cluster: Cluster) -> Target:
    return target(f"http://127.0.0.1:{cluster.server_address[1]}")


def test_an_empty_cluster(cluster: Cluster) -> None:
    facts = preflight.look(plan(), address(cluster))
    assert facts == preflight.Facts(owners={}, istio=False, control_planes=())
    assert all(request.startswith("GET ") for request in cluster.asked)


def test_a_cluster_with_a_mesh_and_another_environment(cluster: Cluster) -> None:
    cluster.objects |= {
        "/api/v1/namespaces/istio-system": {
            "metadata": {"name": "istio-system", "labels": {"pitstop.dev/owner": "pitstop.dev"}}
        },
        "/api/v1/namespaces/pitstop": {"metadata": {"name": "pitstop"}},
        "/apis/apps/v1/deployments": {
            "items": [{"metadata": {"name": "istiod", "namespace": "istio-system"}}]
        },
        "/apis/networking.istio.io/v1/gateways": {
            "items": [
                {
                    "metadata": {"name": "webapp", "namespace": "other"},
                    "spec": {
                        "selector": {"istio": "x"},
                        "servers": [
                            {"port": {"number": 80}, "hosts": ["a.example.org", "other/b.example.org"]},
                            {"port": {"number": 443}, "hosts": ["*/a.example.org"]},
                        ],
                    },
                },
                {"metadata": {"name": "webapp", "namespace": "pitstop"}, "spec": {}},
            ]
        },
    }
    facts = preflight.look(plan(), address(cluster))
    assert facts == preflight.Facts(
        owners={"istio-system": "pitstop.dev", "pitstop": ""},
        istio=True,
        control_planes=("istio-system",),
        gateways=(
            OtherGateway(
                "other",
                "webapp",
                {"istio": "x"},
                frozenset({(80, "a.example.org"), (80, "b.example.org"), (443, "a.example.org")}),
            ),
        ),
    )


def line_of(target: Target) -> str:
    with pytest.raises(RefusedError) as refused:
        preflight.check(plan(), "pitstop.test", target)
    (line,) = refused.value.lines
    return line


def test_nobody_listens() -> None:
    line = line_of(target("http://127.0.0.1:9"))
    assert re.match(
        r"PITSTOP_KUBECONFIG = here: the API server http://127\.0\.0\.1:9 does not answer \(.*refused.*\); "
        r"is the cluster up\? `make up` starts it",
        line,
    )


def test_a_server_that_hangs(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "SECONDS", 0.2)
    cluster.delay = 1.0
    assert "does not answer within 0 s" in line_of(address(cluster))


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_server_that_refuses(cluster: Cluster, status: int) -> None:
    cluster.status = status
    assert f"refuses: said {status}" in line_of(address(cluster))


def test_a_certificate_that_cannot_be_read() -> None:
    target = Target(
        "pitstop:cluster",
        "here",
        "https://127.0.0.1:9",
        {"server": "https://127.0.0.1:9", "certificate-authority": "/nowhere/ca.pem"},
        {},
    )
    assert line_of(target).startswith("pitstop:cluster = here: the API server https://127.0.0.1:9 cannot be")


def test_a_token_is_sent(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    for user in ({"token": "from-the-text"}, {"tokenFile": str(tmp_path / "token")}):
        preflight.look(plan(), dataclasses.replace(address(cluster), user=user))
    assert set(cluster.tokens) == {"Bearer from-the-text", "Bearer from-a-file"}


def test_a_kubeconfig_that_asks_for_a_program_is_left_to_a_library(cluster: Cluster, tmp_path: Path) -> None:
    program = tmp_path / "login"
    program.write_text('#!/bin/sh\necho \'{"status": {"token": "from-a-program"}}\'\n')
    program.chmod(0o755)
    login = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": str(program)}
    facts = preflight.look(plan(), dataclasses.replace(address(cluster), user={"exec": login}))
    assert facts.owners == {}
    assert "Bearer from-a-program" in cluster.tokens


def test_a_program_that_is_not_there(cluster: Cluster) -> None:
    login = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "/nowhere/login"}
    line = line_of(dataclasses.replace(address(cluster), user={"exec": login}))
    assert "does not answer" in line
    assert "/nowhere/login" in line


def test_this_machine_is_not_reached_through_a_proxy(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert preflight.look(plan(), address(cluster)).istio is False


# --- what the routes do now ---------------------------------------------------------------------------

ROUTES = "/apis/networking.istio.io/v1/namespaces/pitstop/virtualservices"
GATEWAYS = "/apis/networking.istio.io/v1/gateways"
KEDA = "/apis/keda.sh/v1alpha1"
API = "customermanagementapi.pitstop.svc.cluster.local"


def to(subset: str | None, weight: int | None = None, host: str = API) -> Node:
    """A target of a route, with no more in it than the API server would answer."""
    destination = {"host": host, **({"subset": subset} if subset else {})}
    return {"destination": destination} | ({} if weight is None else {"weight": weight})


def virtual_service(*http: Node, name: str = "customermanagementapi") -> Node:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {
            "name": name,
            "namespace": "pitstop",
            "generation": 3,
            "resourceVersion": "4711",
            "uid": "5c9d0b2e-0000-4000-8000-000000000000",
            "managedFields": [{"manager": "pulumi-kubernetes", "operation": "Apply"}],
        },
        "spec": {"gateways": ["mesh"], "hosts": [API], "http": list(http)},
    }


def running(cluster: Cluster, *services: Mapping[str, object]) -> Mapping[str, RunningRoutes]:
    """What is found where these routes run."""
    empty = {"apiVersion": "networking.istio.io/v1", "metadata": {"resourceVersion": "4712"}}
    cluster.objects |= {
        GATEWAYS: {**empty, "kind": "GatewayList", "items": []},
        ROUTES: {**empty, "kind": "VirtualServiceList", "items": list(services)},
    }
    return preflight.look(plan(), address(cluster)).routes


CANARY_ROUTE: Node = {"name": "default", "route": [to("v1", 75), to("v2", 25)], "timeout": "15s"}
SHARED = RunningRoutes(frozenset({"v1", "v2"}), {"v1": 75, "v2": 25})
ALONE = RunningRoutes(frozenset({"v1"}), {"v1": 100})
RUNNING: dict[str, tuple[list[Node], dict[str, RunningRoutes]]] = {
    "weights": ([virtual_service(CANARY_ROUTE)], {"customermanagementapi": SHARED}),
    "one target, whose weight the API server leaves out": (
        [virtual_service({"route": [to("v1")]})],
        {"customermanagementapi": ALONE},
    ),
    "a share of nothing": (
        [virtual_service({"route": [to("v1", 100), to("v2", 0)]})],
        {"customermanagementapi": RunningRoutes(frozenset({"v1"}), {"v1": 100, "v2": 0})},
    ),
    "a share of nothing, which the API server leaves out": (
        [virtual_service({"route": [to("v1", 100), to("v2")]})],
        {"customermanagementapi": RunningRoutes(frozenset({"v1"}), {"v1": 100, "v2": 0})},
    ),
    "a mirror": (
        [
            virtual_service(
                {
                    "route": [to("v1")],
                    "mirror": {"host": API, "subset": "v2"},
                    "mirrorPercentage": {"value": 5},
                }
            )
        ],
        {"customermanagementapi": RunningRoutes(frozenset({"v1", "v2"}), {"v1": 100})},
    ),
    "a route for some requests": (
        [
            virtual_service(
                {"match": [{"headers": {"x-beta": {"exact": "1"}}}], "route": [to("v2")]},
                {"route": [to("v1")]},
            )
        ],
        {"customermanagementapi": RunningRoutes(frozenset({"v1", "v2"}), {"v1": 100})},
    ),
    "no route at all": ([], {}),
    "somebody's own route, without subsets": ([virtual_service({"route": [to(None)]}, name="own")], {}),
    "a mirror without a subset": (
        [virtual_service({"route": [to("v1")], "mirror": {"host": API}})],
        {"customermanagementapi": ALONE},
    ),
    "another service": (
        [virtual_service({"route": [to("v1", host="own.pitstop.svc.cluster.local")]}, name="own")],
        {},
    ),
    "an environment's of the same name elsewhere": (
        [virtual_service({"route": [to("v1", host=API.replace("pitstop", "pitstop-2"))]})],
        {},
    ),
    "a redirect and no HTTP": (
        [virtual_service({"redirect": {"uri": "/"}}), {"metadata": {"name": "tcp"}, "spec": {"tcp": []}}],
        {},
    ),
    "a route for some requests in an object of its own": (
        [
            virtual_service(CANARY_ROUTE),
            virtual_service({"match": [{"method": {"exact": "PUT"}}], "route": [to("v3")]}, name="more"),
        ],
        {"customermanagementapi": RunningRoutes(frozenset({"v1", "v2", "v3"}), {"v1": 75, "v2": 25})},
    ),
    "two objects for one service": (
        [virtual_service(CANARY_ROUTE), virtual_service({"route": [to("v3")]}, name="more")],
        {"customermanagementapi": RunningRoutes(frozenset({"v1", "v2", "v3"}), {"v3": 100})},
    ),
}


@pytest.mark.parametrize("case", RUNNING)
def test_what_the_running_routes_do(cluster: Cluster, case: str) -> None:
    services, expected = RUNNING[case]
    assert running(cluster, *services) == expected


def test_our_own_routes_are_read_as_what_they_were_compiled_from(cluster: Cluster) -> None:
    compiled = [one.document() for one in plan().objects() if one.kind == "VirtualService"]
    assert running(cluster, *compiled) == {
        "customermanagementapi": SHARED,
        "webapp": RunningRoutes(frozenset({"v1"}), {"v1": 100}),
    }


def test_where_nobody_knows_routes_none_are_asked_for(cluster: Cluster) -> None:
    preflight.look(plan(), address(cluster))
    assert f"GET {ROUTES}" not in cluster.asked
    alone: Node = {
        "mesh": {"kind": "none"},
        "services.customermanagementapi.traffic": [{"kind": "bluegreen", "live": "v1"}],
    }
    cluster.asked.clear()
    running(cluster, virtual_service(CANARY_ROUTE))
    assert f"GET {ROUTES}" in cluster.asked
    cluster.asked.clear()
    assert preflight.look(plan(alone), address(cluster)).routes == {}
    assert f"GET {ROUTES}" not in cluster.asked


def lines(environment: Plan, facts: Facts) -> list[str]:
    return [str(finding) for finding in preflight.judge(environment, "pitstop.test", facts)]


def here(routes: Mapping[str, RunningRoutes] | None = None, *, keda: bool = True) -> Facts:
    """A cluster in which all that is there is this environment's."""
    ours = dict.fromkeys(("pitstop", "istio-system", "istio-ingress"), "pitstop.test")
    return Facts(ours, istio=True, control_planes=("istio-system",), routes=routes or {}, keda=keda)


ONE: Node = {"services.customermanagementapi": {}}
SERVICE = "services.customermanagementapi"


def test_a_version_in_use_is_not_removed() -> None:
    (line,) = lines(plan(ONE), here({"customermanagementapi": SHARED}))
    assert line == (
        f"pitstop:{SERVICE}.versions.v2: gone from the stack file, while the running routes still send it "
        "requests; keep it and take it off every policy first, e.g. weights: {v1: 100, v2: 0}, update, and "
        "remove it with a second update"
    )


@pytest.mark.parametrize(
    ("changes", "routes"),
    [
        (ONE, {"customermanagementapi": RunningRoutes(frozenset({"v1"}), {"v1": 100, "v2": 0})}),
        (ONE, {}),
        ({}, {"customermanagementapi": SHARED}),
        ({f"{SERVICE}": {}, "services.webapp": REMOVE}, {"webapp": SHARED}),  # the service goes as a whole
    ],
)
def test_what_gets_no_request_may_go(changes: Node, routes: Mapping[str, RunningRoutes]) -> None:
    assert lines(plan(changes), here(routes)) == []


def test_a_version_in_use_by_name_of_a_namespace_that_is_not_ours_is_not_our_matter() -> None:
    facts = dataclasses.replace(here({"customermanagementapi": SHARED}), owners={"pitstop": "pitstop.dev"})
    (line,) = lines(plan(ONE), facts)
    assert "belongs to pitstop.dev" in line


def weights(v1: int, step: int) -> Plan:
    return plan(
        {
            f"{SERVICE}.traffic[0].weights": {"v1": v1, "v2": 100 - v1},
            "guardrails": {"maxWeightStep": step},
        }
    )


def test_weights_move_no_further_than_allowed() -> None:
    facts = here({"customermanagementapi": SHARED})
    (down,), (up,) = lines(weights(40, 20), facts), lines(weights(100, 20), facts)
    assert down == (
        f"pitstop:{SERVICE}.traffic = v1 75 -> 40: v1 would move by 35 % in one update and "
        "guardrails.maxWeightStep is 20; valid now: at most {kind: split, weights: {v1: 55, v2: 45}}"
    )
    assert up == (
        f"pitstop:{SERVICE}.traffic = v1 75 -> 100: v1 would move by 25 % in one update and "
        "guardrails.maxWeightStep is 20; valid now: at most {kind: split, weights: {v1: 95, v2: 5}}"
    )


@pytest.mark.parametrize(
    ("v1", "step", "routes"),
    [
        (55, 20, {"customermanagementapi": SHARED}),  # as far as allowed
        (95, 20, {"customermanagementapi": SHARED}),
        (75, 1, {"customermanagementapi": SHARED}),
        (0, 100, {"customermanagementapi": SHARED}),
        (0, 1, {}),  # nothing runs yet
    ],
)
def test_a_step_that_is_allowed(v1: int, step: int, routes: Mapping[str, RunningRoutes]) -> None:
    assert lines(weights(v1, step), here(routes)) == []


def test_a_new_version_starts_with_a_step_too() -> None:
    alone = here({"customermanagementapi": RunningRoutes(frozenset({"v1"}), {"v1": 100})})
    (line,) = lines(weights(75, 10), alone)
    assert line.startswith(f"pitstop:{SERVICE}.traffic = v1 100 -> 75: v1 would move by 25 %")
    assert lines(weights(90, 10), alone) == []


BLUE = RunningRoutes(frozenset({"v1"}), {"v1": 100, "v2": 0})
WEB = RunningRoutes(frozenset({"v1"}), {"v1": 100})


def asked(*traffic: Node, base: Node | None = None) -> Plan:
    """Policies of the API, where a share may move by 25 %."""
    return plan({f"{SERVICE}.traffic": list(traffic), "guardrails": {"maxWeightStep": 25}, **(base or {})})


def test_a_step_of_blue_and_green_is_a_split() -> None:
    (line,) = lines(asked({"kind": "bluegreen", "live": "v2"}), here({"customermanagementapi": BLUE}))
    assert line == (
        f"pitstop:{SERVICE}.traffic = v1 100 -> 0: v1 would move by 100 % in one update and "
        "guardrails.maxWeightStep is 25; valid now: at most {kind: split, weights: {v1: 75, v2: 25}}"
    )
    step: Node = {"kind": "split", "weights": {"v1": 75, "v2": 25}}
    assert lines(asked(step), here({"customermanagementapi": BLUE})) == []


STAY: Node = {"kind": "bluegreen", "live": "v1"}
LANE: Node = {"kind": "lane", "caller": "webapp", "callerVersion": "v1", "to": "v2"}
LANES = RunningRoutes(BLUE.used | {"v2"}, BLUE.weights, {("webapp", "1.0"): {"v2": 100}})


@pytest.mark.parametrize(
    ("traffic", "running", "moved"),
    [
        ([STAY, LANE], BLUE, "v1 100 -> 0"),
        ([STAY], LANES, "v1 0 -> 100"),
        # A lane that is split by what else is done to requests is still one.
        ([STAY, LANE, {"kind": "retries", "attempts": 1, "perTry": "2s"}], BLUE, "v1 100 -> 0"),
    ],
    ids=["comes", "goes", "is several routes"],
)
def test_a_lane_of_all_that_a_caller_sends_is_a_step(
    traffic: list[Node], running: RunningRoutes, moved: str
) -> None:
    (line,) = lines(asked(*traffic), here({"customermanagementapi": running, "webapp": WEB}))
    assert line == (
        f"pitstop:{SERVICE}.traffic = {moved}: v1 would move by 100 % of what webapp sends in one update and "
        "guardrails.maxWeightStep is 25; valid now: the lanes as they run, and at most "
        "{kind: split, weights: {v1: 75, v2: 25}}"
    )


PAIR: Node = {"v1": {}, "v2": {}}


@pytest.mark.parametrize("beta", [25, 26])
def test_a_lane_counts_by_what_its_version_of_the_caller_gets(beta: int) -> None:
    web: Node = {
        "services.webapp": {
            "versions": PAIR,
            "traffic": [{"kind": "split", "weights": {"v1": 100 - beta, "v2": beta}}],
        }
    }
    told = lines(asked(STAY, LANE | {"callerVersion": "v2"}, base=web), here({"customermanagementapi": BLUE}))
    assert [line.partition(": ")[0] for line in told] == [
        f"pitstop:{SERVICE}.traffic = v1 100 -> 74" for _ in range(beta - 25)
    ]


@pytest.mark.parametrize(
    "narrow", [{"headers": {"x-beta": "1"}}, {"cookie": {"beta": "1"}}, {"path": "/a"}, {"methods": ["GET"]}]
)
def test_what_asks_for_something_is_no_step(narrow: Node) -> None:
    route: Node = {"kind": "route", "to": "v2", **narrow}
    assert lines(asked(STAY, route), here({"customermanagementapi": BLUE})) == []


def test_a_lane_that_stays_is_no_step() -> None:
    assert lines(asked(STAY, LANE), here({"customermanagementapi": LANES, "webapp": WEB})) == []


def test_our_own_lanes_are_read_as_what_they_were_compiled_from(cluster: Cluster) -> None:
    environment = asked(STAY, LANE)
    compiled = [one.document() for one in environment.objects() if one.kind == "VirtualService"]
    assert running(cluster, *compiled)["customermanagementapi"] == LANES


@given(st.data())
def test_a_step_that_is_proposed_is_one(data: st.DataObject) -> None:
    names = ["v1", "v2", "v3"]
    cuts = [sorted(data.draw(st.lists(st.integers(0, 100), min_size=2, max_size=2))) for _ in range(2)]
    now, then = (dict(zip(names, (low, high - low, 100 - high), strict=True)) for low, high in cuts)
    most = data.draw(st.integers(1, 100))
    found = preflight._nearer(now, then, most)
    assert sum(found.values()) == 100
    for name in names:
        assert abs(found[name] - now[name]) <= most
        assert min(now[name], then[name]) <= found[name] <= max(now[name], then[name])
    assert (found == then) is all(abs(then[name] - now[name]) <= most for name in names)


# --- other gateways -----------------------------------------------------------------------------------

HTTP = frozenset({(80, "a.example.org")})
OURS = {"istio": "ingressgateway"}


@pytest.mark.parametrize(
    ("selector", "opened", "taken"),
    [
        (OURS, HTTP, True),
        (OURS | {"app": "istio-ingress"}, HTTP, True),
        ({}, HTTP, True),  # every gateway there is
        ({"istio": "other"}, HTTP, False),
        ({"app": "istio-ingress"}, HTTP, False),
        (OURS, frozenset({(8080, "a.example.org")}), False),
        (OURS, frozenset({(80, "*"), (80, "*.example.org"), (80, "b.example.org")}), False),
    ],
)
def test_a_host_is_taken_by_a_gateway_of_the_same_pods_port_and_host(
    selector: Mapping[str, str], opened: frozenset[tuple[int, str]], taken: bool
) -> None:
    environment = plan({"mesh": {"kind": "existing"}, "ingress.hosts": ["a.example.org"]})
    gateway = OtherGateway("other", "web", selector, opened)
    facts = Facts({}, istio=True, control_planes=(), gateways=(gateway,))
    line = (
        "pitstop:ingress.hosts = a.example.org: gateway other/web serves it already; choose another, e.g. "
        "pitstop.example.org"
    )
    assert lines(environment, facts) == ([line] if taken else [])


# --- KEDA ---------------------------------------------------------------------------------------------

SCALED: Node = {"services.notificationservice.versions": {"v1": {"scaling": {"kind": "queue", "max": 3}}}}
NO_KEDA = (
    "pitstop:services: a queue is scaled by KEDA, and the cluster has none; install it, or scale by replicas"
)


def test_a_queue_is_scaled_only_where_somebody_does_it(cluster: Cluster) -> None:
    without = preflight.look(plan(SCALED, WHOLE), address(cluster))
    assert not without.keda
    assert lines(plan(SCALED, WHOLE), without) == [NO_KEDA]
    cluster.objects[KEDA] = {"kind": "APIResourceList", "groupVersion": "keda.sh/v1alpha1", "resources": []}
    there = preflight.look(plan(SCALED, WHOLE), address(cluster))
    assert there.keda
    assert lines(plan(SCALED, WHOLE), there) == []


def test_keda_is_not_asked_for_where_nothing_needs_it(cluster: Cluster) -> None:
    assert preflight.look(plan(base=WHOLE), address(cluster)).keda
    assert f"GET {KEDA}" not in cluster.asked


def test_a_cluster_of_our_own_gets_it_with_the_update_that_asks_for_it(cluster: Cluster) -> None:
    ours = plan({**SCALED, "cluster.addons": {"keda": True}}, AKS)
    assert preflight.look(ours, address(cluster)).keda
    assert f"GET {KEDA}" not in cluster.asked


def test_somebody_elses_istio_is_told_in_the_words_of_the_stack_file() -> None:
    facts = dataclasses.replace(here(), control_planes=("istio-elsewhere",))
    addon: Node = {"mesh": {"kind": "addon", "revisions": ["asm-1-27"]}}
    for kind, made in (("helm", plan()), ("addon", plan(addon, AKS))):
        (line,) = lines(made, facts)
        assert line == (
            f"pitstop:mesh.kind = {kind}: the cluster has an Istio already, in namespace istio-elsewhere; "
            "valid here: existing"
        )


def test_without_a_mesh_nobody_looks_for_one(cluster: Cluster) -> None:
    alone: Node = {
        "mesh": {"kind": "none"},
        "services.customermanagementapi.traffic": [{"kind": "bluegreen", "live": "v1"}],
    }
    facts = preflight.look(plan(alone), address(cluster))
    assert facts == Facts(owners={}, istio=False, control_planes=())
    assert lines(plan(alone), facts) == []
    # Negative control: the same cluster without the mesh an environment wants to join.
    (line,) = lines(plan({"mesh": {"kind": "existing"}}), facts)
    assert "has no Istio" in line


def test_reasons_are_told_together() -> None:
    facts = dataclasses.replace(here({"customermanagementapi": SHARED}, keda=False), owners={})
    assert len(lines(plan({**ONE, "services.vehiclemanagementapi": {}}), facts)) == 2
