"""Whatever a stack file says: checks judge it without failing, and what they let pass has a sound plan."""

import time
from typing import Any

from hypothesis import HealthCheck, assume, event, given
from hypothesis import settings as thoroughness
from hypothesis import strategies as st

from components.model.catalogue import CATALOGUE, Kind
from components.model.checks import check_plan, check_settings, plan_for
from components.model.explain import parse
from components.model.findings import RefusedError
from components.model.plan import build, hard_needs
from components.model.settings import Settings
from tests.model.everything import EVERYTHING
from tests.model.examples import CANARY, OWNER, TODAY, Node, raw

HTTP = sorted(name for name, service in CATALOGUE.items() if service.kind is Kind.HTTP)
VERSIONS = ["v1", "v2"]
version = st.sampled_from(VERSIONS)
methods = st.lists(st.sampled_from(["GET", "HEAD", "POST"]), min_size=1, max_size=2, unique=True)
text = st.sampled_from(
    ["a", {"prefix": "a"}, {"prefix": "b"}, {"regex": "a.*"}, {"regex": "(a|b)c"}, {"exact": "bc"}]
)
conditions = st.fixed_dictionaries(
    {},
    optional={
        "headers": st.dictionaries(st.sampled_from(["x-a", "x-b"]), text, min_size=1, max_size=2),
        "cookie": st.just({"beta": "1"}),
        "path": text.map(
            lambda one: (
                {form: f"/{part}" for form, part in one.items()} if isinstance(one, dict) else f"/{one}"
            )
        ),
        "methods": methods,
    },
)
percent = st.integers(1, 100)
caller = st.sampled_from(["webapp", "timeservice"])


def policy(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Node]:
    return st.fixed_dictionaries({"kind": st.just(kind), **fields})


fault = st.builds(
    lambda base, scope, who: {**base, **scope, **({"caller": who} if who else {})},
    policy(
        "fault",
        until=st.sampled_from(["2026-11-01", "2026-12-31", "2027-12-31"]),
        abort=st.fixed_dictionaries({"percent": percent, "status": st.just(500)}),
    ),
    conditions,
    st.none() | caller,
)
policies = st.one_of(
    st.integers(0, 100).map(lambda one: {"kind": "split", "weights": {"v1": one, "v2": 100 - one}}),
    policy("bluegreen", live=version),
    st.builds(lambda base, scope: {**base, **scope}, policy("route", to=version), conditions),
    policy("lane", caller=caller, callerVersion=version, to=version),
    policy("mirror", to=version, percent=percent, methods=methods),
    fault,
    policy("timeout", duration=st.sampled_from(["2s", "10s", "20s"])),
    policy("retries", attempts=st.integers(1, 3), perTry=st.sampled_from(["1s", "4s"]), methods=methods),
    policy("circuitbreaker", outliers=st.fixed_dictionaries({"maxPercent": st.sampled_from([10, 50, 100])})),
    policy("affinity", header=st.just("x-user")),
    policy("access", callers=st.lists(caller, min_size=1, max_size=2, unique=True), methods=methods),
)
releases = st.sampled_from(
    [
        None,
        *({"kind": kind, "live": "v1"} for kind in ("replace", "pause", "one")),
        {"kind": "share"},
        {"kind": "shadow", "live": "v1", "shadow": "v2"},
    ]
)
replicas = st.fixed_dictionaries(
    {"replicas": st.integers(1, 3)},
    optional={
        "image": st.sampled_from(["localhost:5000/a:1.0", "localhost:5000/a", "localhost:5000/a:latest"]),
        "settings": st.sampled_from([{"A": "b"}, {"A": "{sqlPassword}"}]),
        "resources": st.just({"memory": "1Gi"}),
    },
)
scaling = st.sampled_from([{"scaling": {"kind": "cpu", "max": 3}}, {"scaling": {"kind": "queue", "max": 3}}])


@st.composite
def services(draw: st.DrawFn) -> Node:
    chosen = draw(st.sets(st.sampled_from(sorted(CATALOGUE)), min_size=1, max_size=5))
    found: Node = {}
    for name in sorted(needed(chosen)):
        kind = CATALOGUE[name].kind
        several = kind is not Kind.BACKING and draw(st.booleans())
        versions = {one: draw(replicas | replicas | scaling) for one in (VERSIONS if several else ["v1"])}
        own: Node = {"versions": versions if kind is not Kind.BACKING else {"v1": {}}}
        if kind is Kind.HTTP:
            first = [{"kind": "bluegreen", "live": "v1"}] if several else []
            own["traffic"] = first + draw(st.lists(policies, max_size=4))
        if kind is Kind.WORKER and (release := draw(releases)):
            own["release"] = release
        found[name] = own
    return found


def needed(names: set[str]) -> set[str]:
    found = {need.service for name in names for need in hard_needs(CATALOGUE[name])}
    return names if found <= names else needed(names | found)


names = st.lists(st.sampled_from(["*", "a.example.org", "*.example.org"]), min_size=1, max_size=3)
egress = st.fixed_dictionaries(
    {
        "host": st.sampled_from(["a.example.org", "b.example.org", "webapp.pitstop.svc"]),
        "port": st.sampled_from([443, 1433]),
        "protocol": st.sampled_from(["TCP", "TLS", "HTTPS"]),
        "callers": st.lists(st.sampled_from(["webapp", "invoiceservice"]), min_size=1, unique=True),
    }
)
around = st.fixed_dictionaries(
    {
        "mesh": st.sampled_from([CANARY["mesh"], EVERYTHING["mesh"], {"kind": "none"}]),
        "namespace": st.sampled_from(["pitstop", "other", "istio-system"]),
        "storage": st.sampled_from([{"kind": "claims"}, {"kind": "ephemeral"}]),
        "ingress": st.just({})
        | st.fixed_dictionaries({"hosts": names}, optional={"tls": st.just({"kind": "values"})}),
        "egress": st.just([]) | st.lists(egress, max_size=2),
    },
    optional={"quota": st.just({"cpu": "2", "memory": "4Gi", "pods": 20})},
)


@thoroughness(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(services(), around)
def test_no_stack_file_reaches_the_checks_over_plans(found: Node, rest: Node) -> None:
    try:
        asked = parse(raw({**rest, "services": found}))
    except RefusedError:
        assume(condition=False)
    codes = {finding.code for finding in check_settings(asked, TODAY)}
    event("refused" if codes else "sound")
    if not codes:
        assert list(check_plan(build(asked, OWNER))) == []


def test_a_whole_environment_is_judged_in_the_blink_of_an_eye() -> None:
    def once() -> float:
        start = time.process_time()  # what others do on this machine does not count
        plan_for(Settings.model_validate(raw(base=EVERYTHING)), OWNER, TODAY)
        return time.process_time() - start

    assert min(once() for _ in range(5)) < 0.05  # seconds


def test_policies_that_exclude_each_other_make_no_more_routes_than_they_are() -> None:
    faults: list[Node] = [
        {
            "kind": "fault",
            "headers": {"x-chaos": f"drill-{number}"},
            "abort": {"percent": 1, "status": 500},
            "until": "2026-12-31",
        }
        for number in range(4)
    ]
    content = raw({"services.webapp": {"traffic": faults}})
    (route,) = [way.route for way in plan_for(parse(content), OWNER, TODAY).routes if way.service == "webapp"]
    spec: Any = route.body["spec"]
    assert len(spec["http"]) == 5
