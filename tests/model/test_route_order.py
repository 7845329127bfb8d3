"""The compiled routes against what the policies say, for every request of a small world.

The reference below knows nothing of routes: it goes through the policies of a service as a person reads
them. What it is compared with are the documents Istio gets, read as Istio reads them.
"""

import json
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import settings as thoroughness
from hypothesis import strategies as st

from components.model import routes
from components.model.catalogue import CATALOGUE
from components.model.manifests import Document, Json, labels
from components.model.matches import Caller, Request
from components.model.settings import ServiceSettings
from components.model.traffic import (
    CallerLane,
    ConditionalRoute,
    Conditions,
    DarkRelease,
    FaultInjection,
    Retries,
    Timeout,
)
from tests.model.examples import Node, items

API, WEBAPP = CATALOGUE["customermanagementapi"], CATALOGUE["webapp"]
HOST = "customermanagementapi.pitstop.svc.cluster.local"
METHODS = ("GET", "HEAD", "POST", "PUT")
CALLERS = (*(Caller("webapp", version) for version in ("v1", "v2", "v3")), Caller("timeservice", "v1"), None)


def world() -> Iterator[Request]:
    """Every request there is: each condition below is met by some of them and missed by others."""
    beta = (None, "a", "ab", "abc", "b", "bc")
    for method, path, caller, header, cookie in product(
        METHODS, ("/", "/a", "/a/b"), CALLERS, beta, (None, "c=d; beta=1", "beta=2")
    ):
        sent = {"x-beta": header, "cookie": cookie}
        yield Request(method, path, tuple((name, text) for name, text in sent.items() if text), caller)


WORLD = tuple(world())

# --- what a service may say ---------------------------------------------------------------------------

texts = st.sampled_from(["a", {"exact": "ab"}, {"exact": "b"}, {"prefix": "a"}, {"prefix": "b"}])
methods = st.lists(st.sampled_from(METHODS[:3]), min_size=1, max_size=3, unique=True)
versions = st.sampled_from(["v1", "v2"])
percents = st.sampled_from([1, 25, 100])
conditions = st.fixed_dictionaries(
    {},
    optional={
        "headers": st.fixed_dictionaries({"x-beta": texts}),
        "path": st.sampled_from(["/a", {"prefix": "/a"}, {"prefix": "/"}]),
        "methods": methods,
    },
)
route = st.fixed_dictionaries(
    {"kind": st.just("route"), "to": versions}, optional={"cookie": st.just({"beta": "1"})}
)
lanes = st.fixed_dictionaries(
    {
        "kind": st.just("lane"),
        "caller": st.just("webapp"),
        "callerVersion": st.sampled_from(["v1", "v2"]),
        "to": versions,
    }
)
fault = st.fixed_dictionaries(
    {"kind": st.just("fault"), "until": st.just("2027-01-31")},
    optional={
        "caller": st.sampled_from(["webapp", "timeservice"]),
        "cookie": st.sampled_from([{"beta": "1"}, {"beta": "2"}]),
        "delay": st.fixed_dictionaries({"percent": percents, "duration": st.sampled_from(["1s", "2s"])}),
        "abort": st.fixed_dictionaries({"percent": percents, "status": st.sampled_from([500, 503])}),
    },
)
mirrors = st.fixed_dictionaries(
    {"kind": st.just("mirror"), "to": versions, "percent": percents, "methods": methods}
)
patience = st.fixed_dictionaries(
    {
        "kind": st.just("retries"),
        "attempts": st.integers(1, 3),
        "perTry": st.just("2s"),
        "methods": methods,
    }
)


def merged(*parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Node]:
    return st.tuples(*parts).map(lambda found: {key: value for one in found for key, value in one.items()})


routings = merged(route, conditions).filter(
    lambda one: len(one) > 2 + (one.get("path") == {"prefix": "/"})  # which asks nothing
)
faults = merged(fault, conditions).filter(lambda one: "delay" in one or "abort" in one)
splits = st.one_of(
    st.integers(0, 100).map(lambda share: {"kind": "split", "weights": {"v1": share, "v2": 100 - share}}),
    versions.map(lambda version: {"kind": "bluegreen", "live": version}),
)
durations = st.sampled_from(["3s", "7s"]).map(lambda length: {"kind": "timeout", "duration": length})


@st.composite
def services(draw: st.DrawFn) -> ServiceSettings:
    chosen = [
        *draw(st.lists(splits, max_size=1)),
        *draw(st.lists(st.one_of(routings, lanes), max_size=3)),
        *draw(st.lists(faults, max_size=2)),
        *draw(st.lists(mirrors, max_size=1)),
        *draw(st.lists(patience, max_size=1)),
        *draw(st.lists(durations, max_size=1)),
    ]
    return ServiceSettings.model_validate(
        {"versions": {"v1": {}, "v2": {}}, "traffic": draw(st.permutations(chosen))}
    )


# --- what the policies say about a request ------------------------------------------------------------


def holds(asked: Conditions, request: Request) -> bool:
    sent = dict(request.headers)
    for name, text in asked.headers.items():
        if name not in sent or not fits(text.exact, text.prefix, sent[name]):
            return False
    for name, value in asked.cookie.items():
        if f"{name}={value}" not in sent.get("cookie", "").split("; "):
            return False
    if asked.path and not fits(asked.path.exact, asked.path.prefix, request.path):
        return False
    return asked.methods is None or request.method in asked.methods


def fits(exact: str | None, prefix: str | None, text: str) -> bool:
    return text == exact if exact is not None else text.startswith(str(prefix))


def called_by(request: Request, service: str, version: str = "") -> bool:
    caller = request.caller
    return caller is not None and caller.service == service and version in ("", caller.version)


def target(own: ServiceSettings, request: Request) -> dict[str, int]:
    """The first route or lane that is meant; everybody else gets the split."""
    for policy in own.traffic:
        if isinstance(policy, ConditionalRoute) and holds(policy, request):
            return {policy.to: 100}
        if isinstance(policy, CallerLane) and called_by(request, policy.caller, policy.caller_version):
            return {policy.to: 100}
    return own.shares()


def trouble(own: ServiceSettings, request: Request) -> Document:
    """Of each kind of trouble the first that is meant for the request."""
    found: Document = {}
    for policy in own.traffic:
        if not isinstance(policy, FaultInjection) or not holds(policy, request):
            continue
        if policy.caller and not called_by(request, policy.caller):
            continue
        if policy.delay and "delay" not in found:
            percentage: Document = {"value": policy.delay.percent}
            found["delay"] = {"percentage": percentage, "fixedDelay": policy.delay.duration}
        if policy.abort and "abort" not in found:
            share: Document = {"value": policy.abort.percent}
            found["abort"] = {"percentage": share, "httpStatus": policy.abort.status}
    return found


def expected(own: ServiceSettings, request: Request) -> Document:
    """What is done to a request, in the words of a route."""
    shares = target(own, request)
    found: Document = {"shares": dict(shares)}
    for policy in own.traffic:
        if (
            isinstance(policy, DarkRelease)
            and request.method in policy.methods
            and shares.get(policy.to) != 100
        ):
            found |= {"mirror": policy.to, "mirrorPercentage": {"value": policy.percent}}
    if fault := trouble(own, request):
        return found | {"fault": fault}  # Istio gives a request with a fault no patience
    for policy in own.traffic:
        if isinstance(policy, Retries):
            tried: Document = {
                "attempts": policy.attempts,
                "perTryTimeout": policy.per_try,
                "retryOn": "connect-failure,gateway-error,refused-stream",
            }
            careful: Document = {"attempts": 2, "retryOn": "connect-failure,refused-stream"}
            found["retries"] = tried if request.method in policy.methods else careful
    limits = [policy.duration for policy in own.traffic if isinstance(policy, Timeout)]
    return found | {"timeout": limits[0] if limits else "15s"}


# --- what Istio does with a request -------------------------------------------------------------------


def matched(form: Json, text: str | None) -> bool:
    assert isinstance(form, dict)
    ((kind, wanted),) = form.items()
    assert isinstance(wanted, str)
    if text is None:
        return False
    if kind == "regex":
        return re.fullmatch(wanted, text) is not None
    return text == wanted if kind == "exact" else text.startswith(wanted)


def takes(way: Document, request: Request) -> bool:
    """Whether one of a route's matches is for the request; all of a match must be met."""
    if "match" not in way:
        return True
    sent = dict(request.headers)
    from_pod = labels(request.caller.service, request.caller.version) if request.caller else {}
    for match in items(way, "match"):
        assert set(match) <= {"headers", "uri", "method", "sourceLabels"}
        wanted, source = match.get("headers", {}), match.get("sourceLabels", {})
        assert isinstance(wanted, dict)
        assert isinstance(source, dict)
        if (
            all(matched(form, sent.get(name)) for name, form in wanted.items())
            and ("uri" not in match or matched(match["uri"], request.path))
            and ("method" not in match or matched(match["method"], request.method))
            and source.items() <= from_pod.items()
        ):
            return True
    return False


def done(way: Document) -> Document:
    """A route in the words of the reference."""
    found = {key: value for key, value in way.items() if key not in {"name", "match", "route", "mirror"}}
    shares: Document = {}
    for one in items(way, "route"):
        destination = one["destination"]
        assert isinstance(destination, dict)
        assert destination["host"] == HOST
        shares[str(destination["subset"])] = one["weight"]
    if isinstance(mirror := way.get("mirror"), dict):
        assert mirror["host"] == HOST
        found["mirror"] = mirror["subset"]
    return {"shares": shares, **found}


def compiled(own: ServiceSettings) -> list[Document]:
    return items(routes.virtual_service(API, own, "pitstop").document(), "spec", "http")


@thoroughness(max_examples=35, deadline=None)
@given(services())
def test_the_first_route_that_takes_a_request_does_what_the_policies_say(own: ServiceSettings) -> None:
    ways, known = compiled(own), routes.ways(own)
    told = {str(way["name"]): done(way) for way in ways}
    used: set[str] = set()
    for request in WORLD:
        name = str(next(way for way in ways if takes(way, request))["name"])
        assert told[name] == expected(own, request), request
        assert next(way for way in known if way.match.takes(request)).name == name
        used.add(name)
    names = [str(way["name"]) for way in ways]
    assert len(set(names)) == len(names)
    assert used == set(names)  # no route that no request reaches
    assert [way for way in ways if "match" not in way] == [ways[-1]]


@thoroughness(max_examples=20, deadline=None)
@given(services())
def test_the_way_in_from_outside_does_the_same_and_asks_for_no_caller(own: ServiceSettings) -> None:
    entry = routes.entry_route(WEBAPP, own, ["*"], "pitstop").document()
    inside = items(routes.virtual_service(WEBAPP, own, "pitstop").document(), "spec", "http")
    outside = items(entry, "spec", "http")
    assert "sourceLabels" not in json.dumps(outside)
    assert "match" not in outside[-1]
    for request in WORLD[::7]:
        if request.caller is None:
            mesh, gateway = (next(way for way in ways if takes(way, request)) for ways in (inside, outside))
            assert gateway["name"] == mesh["name"]
            assert json.loads(json.dumps(gateway).replace(', "port": {"number": 7005}', "")) == mesh
    for way in outside:  # a gateway knows no port of its own
        targets = [one["destination"] for one in items(way, "route")]
        targets += [way["mirror"]] if "mirror" in way else []
        assert all(isinstance(one, dict) and one["port"] == {"number": 7005} for one in targets)


@thoroughness(max_examples=20, deadline=None)
@given(services())
def test_the_same_policies_give_the_same_text(own: ServiceSettings) -> None:
    content = own.model_dump(by_alias=True)
    content["versions"] = dict(reversed(content["versions"].items()))
    for policy in content["traffic"]:
        if "weights" in policy:
            policy["weights"] = dict(reversed(policy["weights"].items()))
        if policy.get("methods"):
            policy["methods"] = list(reversed(policy["methods"]))
    again = ServiceSettings.model_validate(content)
    assert json.dumps(compiled(again)) == json.dumps(compiled(own))


def test_no_route_is_left_where_two_faults_share_its_methods() -> None:
    abort: Node = {"kind": "fault", "abort": {"percent": 1, "status": 500}, "until": "2027-01-31"}
    policies = [
        {"kind": "route", "to": "v2", "methods": ["GET", "POST"]},
        abort | {"methods": ["GET"]},
        abort | {"methods": ["POST"]},
    ]
    own = ServiceSettings.model_validate({"versions": {"v1": {}, "v2": {}}, "traffic": policies})
    assert [way["name"] for way in compiled(own)] == ["route-0-fault-1", "route-0-fault-2", "default"]


def test_a_compiler_that_forgets_something_would_be_noticed() -> None:
    policies = [
        {"kind": "route", "to": "v2", "headers": {"x-beta": "a"}},
        {"kind": "fault", "caller": "webapp", "abort": {"percent": 1, "status": 500}, "until": "2027-01-31"},
        {"kind": "mirror", "to": "v2", "percent": 25},
        {"kind": "retries", "attempts": 1, "perTry": "2s"},
    ]
    whole = ServiceSettings.model_validate({"versions": {"v1": {}, "v2": {}}, "traffic": policies})
    for number in range(len(policies)):
        left = [policy for place, policy in enumerate(policies) if place != number]
        ways = compiled(ServiceSettings.model_validate({"versions": {"v1": {}, "v2": {}}, "traffic": left}))
        assert any(
            done(next(way for way in ways if takes(way, request))) != expected(whole, request)
            for request in WORLD
        )
