"""Traffic policies and workers' releases: what is accepted, and the line about what is not."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter

from components.model.explain import parse
from components.model.findings import RefusedError
from components.model.traffic import TextMatch, TrafficPolicy, WorkerRelease
from tests.model.examples import REMOVE, WHOLE, Node, _steps, raw, settings
from tests.model.refusing import Case, lines, mended

API = "services.customermanagementapi"
KEY = f"pitstop:{API}"
SPLIT: Node = {"kind": "split", "weights": {"v1": 75, "v2": 25}}
ROUTE: Node = {"kind": "route", "to": "v2", "headers": {"x-beta": "1"}}
LANE: Node = {"kind": "lane", "caller": "webapp", "callerVersion": "v1", "to": "v2"}
MIRROR: Node = {"kind": "mirror", "to": "v2", "percent": 10}
FAULT: Node = {"kind": "fault", "abort": {"percent": 25, "status": 500}, "until": "2027-01-31"}
TIMEOUT: Node = {"kind": "timeout", "duration": "5s"}
RETRIES: Node = {"kind": "retries", "attempts": 2, "perTry": "2s"}
BREAKER: Node = {"kind": "circuitbreaker", "outliers": {}}
AFFINITY: Node = {"kind": "affinity", "cookie": {"name": "pitstop"}}
ACCESS: Node = {"kind": "access", "callers": ["webapp"]}

KINDS = (
    "split or bluegreen or route or lane or mirror or fault or timeout or retries or circuitbreaker or "
    "affinity or access"
)
DAY = "must be a date, e.g. 2027-01-31"
SERVICES = (
    "valid: webapp, customermanagementapi, vehiclemanagementapi, workshopmanagementapi, "
    "workshopmanagementeventhandler, notificationservice, invoiceservice, auditlogservice, timeservice, "
    "sqlserver, rabbitmq, mailserver, logserver"
)
METHODS = "must be GET or HEAD or OPTIONS or POST or PUT or PATCH or DELETE"
NO_V7 = "v7 has no deployment; the versions are v1, v2, or add it, e.g. versions: {v7: {}}"
NO_TEXT = "must be a text, in quotes, or one of exact, prefix and regex, e.g. {prefix: beta-}"
ONE_FORM = "must be one of exact, prefix and regex, e.g. {prefix: beta-}"
SHARE = "must be a number from 0.0001 to 100, e.g. 25"
DURATION = "must be a whole number and ms, s, m or h, e.g. 10s"
LIMIT = "must limit something, e.g. {max: 100, pending: 50}"
OUTSIDER = "must be namespace/service-account, e.g. monitoring/prometheus"
PATH = "must be a path without query, with a * at its end where it goes on, e.g. /api/*"
ROUTED = "must begin with / and have no query, which is not compared, e.g. /api/customers"
COOKIE = "must be at most 200 characters, no space, ; or , among them, e.g. beta"
ONE_SERVER = "must be one host, by its name and not its address, e.g. smtp.example.org"
EMPTY = "must not be empty"
TRUE: object = True  # what YAML makes of true


def at(policy: Node, path: str, value: object, message: str, named: str = "") -> Case:
    """A policy beside the split with one value changed, and the line about it; `named`: about another key."""
    changes = {f"{API}.traffic[1]": policy, f"{API}.traffic[1].{path}": value}
    place: Any = raw(changes)
    key = f"{API}.traffic[1].{named or path}"
    for step in _steps(key):
        place = place.get(step, REMOVE) if isinstance(place, dict) else place[step]
    shown = "" if place is REMOVE else f" = {json.dumps(place)}"
    return changes, f"pitstop:{key}{shown}: {message}"


REJECTED: dict[str, Case] = {
    # which version answers
    "unknown key of a policy": (
        {f"{API}.traffic[0].mirror": 1},
        f"{KEY}.traffic[0].mirror = 1: unknown key; valid: kind, weights",
    ),
    "weight of 101": (
        {f"{API}.traffic[0].weights.v1": 101},
        f"{KEY}.traffic[0].weights.v1 = 101: must be a whole number from 0 to 100, e.g. 75",
    ),
    "weight below 0": (
        {f"{API}.traffic[0].weights.v1": -1},
        f"{KEY}.traffic[0].weights.v1 = -1: must be a whole number from 0 to 100, e.g. 75",
    ),
    "weight with a fraction": (
        {f"{API}.traffic[0].weights.v1": 74.5},
        f"{KEY}.traffic[0].weights.v1 = 74.5: must be a whole number from 0 to 100, e.g. 75",
    ),
    "weight as text": (
        {f"{API}.traffic[0].weights.v1": "75"},
        f'{KEY}.traffic[0].weights.v1 = "75": must be a whole number from 0 to 100, e.g. 75',
    ),
    "weight that is a truth": (
        {f"{API}.traffic[0].weights": {"v1": True, "v2": 99}},
        f"{KEY}.traffic[0].weights.v1 = true: must be a whole number from 0 to 100, e.g. 75",
    ),
    "weights that sum to 90": (
        {f"{API}.traffic[0].weights.v2": 15},
        (
            f'{KEY}.traffic[0].weights = {{"v1": 75, "v2": 15}}: the sum is 90 and must be 100, '
            "e.g. v1: 75, v2: 25"
        ),
    ),
    "weights that sum to 190": (
        {f"{API}.traffic[0].weights": {"v1": 95, "v2": 95}},
        (
            f'{KEY}.traffic[0].weights = {{"v1": 95, "v2": 95}}: the sum is 190 and must be 100, '
            "e.g. v1: 95, v2: 5"
        ),
    ),
    "weights of which two are too much": (
        {f"{API}.versions.v3": {}, f"{API}.traffic[0].weights": {"v1": 60, "v2": 60, "v3": 1}},
        (
            f'{KEY}.traffic[0].weights = {{"v1": 60, "v2": 60, "v3": 1}}: the sum is 121 and must be 100, '
            "e.g. v1: 0, v2: 0, v3: 100"
        ),
    ),
    "no weights": (
        {f"{API}.traffic[0].weights": {}},
        f"{KEY}.traffic[0].weights = {{}}: the sum is 0 and must be 100, e.g. v1: 100",
    ),
    "a split without weights": (
        {f"{API}.traffic[0].weights": REMOVE},
        f"{KEY}.traffic[0].weights: required, e.g. {{v1: 75, v2: 25}}",
    ),
    "a version with no deployment": (
        {f"{API}.traffic[0].weights": {"v1": 75, "v3": 25}},
        (
            f"{KEY}.traffic[0].weights.v3 = 25: v3 has no deployment; the versions are v1, v2, "
            "or add it, e.g. versions: {v3: {}}"
        ),
    ),
    "a live version with no deployment": (
        {f"{API}.traffic": [{"kind": "bluegreen", "live": "v9"}]},
        (
            f'{KEY}.traffic[0].live = "v9": v9 has no deployment; the versions are v1, v2, '
            "or add it, e.g. versions: {v9: {}}"
        ),
    ),
    "a live version that is none": (
        {f"{API}.traffic": [{"kind": "bluegreen", "live": "green"}]},
        f'{KEY}.traffic[0].live = "green": must be v and a number, e.g. v1',
    ),
    "nothing live": (
        {f"{API}.traffic": [{"kind": "bluegreen"}]},
        f"{KEY}.traffic[0].live: required, e.g. v1",
    ),
    "unknown policy": (
        {f"{API}.traffic[0].kind": "canary"},
        f"{KEY}.traffic[0].kind = canary: must be {KINDS}",
    ),
    "policy without a kind": (
        {f"{API}.traffic[0].kind": REMOVE},
        f"{KEY}.traffic[0].kind: required, e.g. {{kind: split, weights: {{v1: 75, v2: 25}}}}",
    ),
    "one policy that is no list": (
        {f"{API}.traffic": {"kind": "bluegreen", "live": "v1"}},
        f'{KEY}.traffic = {{"kind": "bluegreen", "live": "v1"}}: must be a list',
    ),
    "a policy that is a word": (
        {f"{API}.traffic": ["bluegreen"]},
        f'{KEY}.traffic[0] = "bluegreen": must be a map',
    ),
    # whom it answers
    "a route that asks nothing": (
        {f"{API}.traffic[1]": {"kind": "route", "to": "v2"}},
        (
            f'{KEY}.traffic[1] = {{"kind": "route", "to": "v2"}}: must ask something of a request: headers, '
            'cookie, path or methods, e.g. headers: {x-beta: "yes"}'
        ),
    ),
    **{
        f"a route by the path of every request, {form} {text}": (
            {f"{API}.traffic[1]": {"kind": "route", "to": "v2", "path": {form: text}}},
            (
                f'{KEY}.traffic[1].path = {{"{form}": "{text}"}}: is so of every request; valid: a part of '
                "them, e.g. {prefix: /api} (or split or bluegreen, which are for all)"
            ),
        )
        for form, text in [("prefix", "/"), ("regex", ".*"), ("regex", ".+"), ("regex", "/.*")]
    },
    "a route to a version that is not there": at(ROUTE, "to", "v7", NO_V7),
    "a route to nowhere": at(ROUTE, "to", REMOVE, "required, e.g. v2"),
    "a header in capitals": at(
        ROUTE,
        "headers",
        {"X-Beta": "1"},
        "must be a header's name in lower case, e.g. x-beta",
        "headers.X-Beta",
    ),
    "a header that is a number": at(ROUTE, "headers.x-beta", 1, NO_TEXT),
    "a header that is a truth": at(ROUTE, "headers.x-beta", TRUE, NO_TEXT),
    "a header of two forms": at(ROUTE, "headers.x-beta", {"exact": "a", "prefix": "b"}, ONE_FORM),
    "a header of no form": at(ROUTE, "headers.x-beta", {}, ONE_FORM),
    "an empty header": at(ROUTE, "headers.x-beta", "", "must not be empty, e.g. {prefix: beta-}"),
    "an empty prefix": at(ROUTE, "headers.x-beta", {"prefix": ""}, "must not be empty, e.g. {prefix: beta-}"),
    "a header of an unknown form": at(
        ROUTE,
        "headers.x-beta",
        {"exact": "y", "sufix": "x"},
        "unknown key; valid: exact, prefix, regex",
        "headers.x-beta.sufix",
    ),
    "two cookies": at(ROUTE, "cookie", {"a": "1", "b": "2"}, "must have at most 1"),
    "a cookie with a space": at(
        ROUTE, "cookie", {"a b": "1"}, "must be letters, digits, '_', '-' and '.', e.g. beta", "cookie.a b"
    ),
    "a cookie that is two": at(ROUTE, "cookie", {"a": "1; b"}, COOKIE, "cookie.a"),
    "a cookie with a comma": at(ROUTE, "cookie", {"a": "1,b"}, COOKIE, "cookie.a"),
    "a cookie with a line's end": at(ROUTE, "cookie", {"a": "1\n"}, COOKIE, "cookie.a"),
    "a cookie nobody can type": at(ROUTE, "cookie", {"a": "1\x01"}, COOKIE, "cookie.a"),
    "a path without a slash": at(ROUTE, "path", "api/customers", ROUTED),
    "a prefix without a slash": at(ROUTE, "path", {"prefix": "api/"}, ROUTED),
    "a path with a query": at(FAULT, "path", {"exact": "/api?page=1"}, ROUTED),
    "a prefix with a fragment": at(ROUTE, "path", {"prefix": "/api#"}, ROUTED),
    "cookies beside their own header": (
        {f"{API}.traffic[1]": {**ROUTE, "headers": {"cookie": "a=1"}, "cookie": {"a": "1"}}},
        f'{KEY}.traffic[1].headers.cookie = "a=1": cookies are this header; state one of the two',
    ),
    "an unknown method": at(ROUTE, "methods", ["FETCH"], METHODS, "methods[0]"),
    "no method": at(ROUTE, "methods", [], EMPTY),
    "methods that are a word": at(ROUTE, "methods", "GET", "must be a list"),
    "a lane of nobody": at(LANE, "caller", REMOVE, "required, e.g. webapp"),
    "a lane of somebody unknown": at(
        LANE, "caller", "webap", f"unknown service; did you mean webapp? {SERVICES}"
    ),
    "a lane of no version": at(LANE, "callerVersion", REMOVE, "required, e.g. v2"),
    "a lane by another spelling": at(
        LANE,
        "caller_version",
        "v2",
        "unknown key; did you mean callerVersion? valid: kind, caller, callerVersion, to",
    ),
    "a lane to a version that is not there": at(LANE, "to", "v7", NO_V7),
    # copies
    "a mirror without a share": at(MIRROR, "percent", REMOVE, "required, e.g. 25"),
    "a mirror of nothing": at(MIRROR, "percent", 0, SHARE),
    "a mirror of nearly nothing": at(MIRROR, "percent", 0.00001, SHARE),
    "a mirror of more than there is": at(MIRROR, "percent", 100.1, SHARE),
    "a mirror of a share that is no number": at(MIRROR, "percent", "10 %", SHARE),
    "a mirror of a truth": at(MIRROR, "percent", TRUE, SHARE),
    "a mirror to a version that is not there": at(MIRROR, "to", "v7", NO_V7),
    "a mirror to nowhere": at(MIRROR, "to", REMOVE, "required, e.g. v2"),
    "a mirror of no method": at(MIRROR, "methods", [], EMPTY),
    # trouble on purpose
    "a fault that does nothing": (
        {f"{API}.traffic[1]": {"kind": "fault", "until": "2027-01-31"}},
        (
            f'{KEY}.traffic[1] = {{"kind": "fault", "until": "2027-01-31"}}: must have a delay or an abort, '
            "e.g. abort: {percent: 25, status: 500}"
        ),
    ),
    "a fault without an end": at(FAULT, "until", REMOVE, "required, e.g. 2027-01-31"),
    "a fault until a day that is none": at(FAULT, "until", "2027-02-30", DAY),
    "a fault until an hour": at(FAULT, "until", "2027-01-31T12:00:00Z", DAY),
    "a fault until a number": at(FAULT, "until", 20270131, DAY),
    "a fault until some day": at(FAULT, "until", "tomorrow", DAY),
    "a fault until nothing": at(FAULT, "until", None, DAY),
    "an abort that succeeds": at(
        FAULT, "abort.status", 200, "must be a whole number from 400 to 599, e.g. 503"
    ),
    "an abort without a status": at(FAULT, "abort.status", REMOVE, "required, e.g. 503"),
    "an abort without a share": at(FAULT, "abort.percent", REMOVE, "required, e.g. 25"),
    "an abort of all and more": at(FAULT, "abort.percent", 200, SHARE),
    "a delay of nothing": at(FAULT, "delay", {"percent": 1, "duration": "0s"}, DURATION, "delay.duration"),
    "a delay without a length": at(FAULT, "delay", {"percent": 1}, "required, e.g. 5s", "delay.duration"),
    "a fault of a caller nobody knows": at(FAULT, "caller", "browser", f"unknown service; {SERVICES}"),
    "five faults": (
        {f"{API}.traffic[{number}]": FAULT for number in range(1, 6)},
        (
            f'{KEY}.traffic[5] = {{"kind": "fault", "abort": {{"percent": 25, "status": 500}}, "until": '
            '"2027-01-...: must be one of at most 4 faults of a service; remove it'
        ),
    ),
    # patience
    "a timeout without a unit": at(TIMEOUT, "duration", "5", DURATION),
    "a timeout with a fraction": at(TIMEOUT, "duration", "1.5s", DURATION),
    "a timeout that is a number": at(TIMEOUT, "duration", 5, "must be a text"),
    "a timeout of days": at(TIMEOUT, "duration", "25h", "must be at most a day, e.g. 10s"),
    "no timeout": at(TIMEOUT, "duration", REMOVE, "required, e.g. 5s"),
    "no retries": at(RETRIES, "attempts", 0, "must be a whole number from 1 to 10, e.g. 2"),
    "many retries": at(RETRIES, "attempts", 11, "must be a whole number from 1 to 10, e.g. 2"),
    "retries nobody counts": at(RETRIES, "attempts", REMOVE, "required, e.g. 2"),
    "retries without an end": at(RETRIES, "perTry", REMOVE, "required, e.g. 2s"),
    "retries for no method": at(RETRIES, "methods", [], EMPTY),
    "retries for no failure": at(RETRIES, "when", [], EMPTY),
    "retries for an unknown failure": at(
        RETRIES,
        "when",
        ["4xx"],
        "must be 5xx or gateway-error or reset or reset-before-request or connect-failure or refused-stream "
        "or retriable-4xx or unavailable or cancelled",
        "when[0]",
    ),
    # limits
    "a circuit breaker that breaks nothing": (
        {f"{API}.traffic[1]": {"kind": "circuitbreaker"}},
        (
            f'{KEY}.traffic[1] = {{"kind": "circuitbreaker"}}: must have connections or outliers, '
            "e.g. outliers: {consecutive5xx: 5}"
        ),
    ),
    "a limit of nothing": at(BREAKER, "connections", {}, LIMIT),
    "a limit that is empty": at(BREAKER, "connections", {"max": None}, LIMIT),
    "no connection at all": at(
        BREAKER,
        "connections",
        {"max": 0},
        "must be a whole number from 1 to 100000, e.g. 100",
        "connections.max",
    ),
    "no time to connect": at(
        BREAKER, "connections", {"connectTimeout": "0s"}, DURATION, "connections.connectTimeout"
    ),
    "gateway errors that come too late": at(
        BREAKER,
        "outliers",
        {"consecutive5xx": 5, "consecutiveGatewayErrors": 5},
        "has no effect from 5 on, where consecutive5xx ejects already; valid: less, e.g. 3",
        "outliers.consecutiveGatewayErrors",
    ),
    "all pods left out and more": at(
        BREAKER,
        "outliers",
        {"maxPercent": 101},
        "must be a whole number from 1 to 100, e.g. 50",
        "outliers.maxPercent",
    ),
    # the same pod
    "affinity by nothing": (
        {f"{API}.traffic[1]": {"kind": "affinity"}},
        (
            f'{KEY}.traffic[1] = {{"kind": "affinity"}}: must have one of cookie and header, '
            "e.g. cookie: {name: pitstop}"
        ),
    ),
    "affinity by two things": (
        {f"{API}.traffic[1]": {"kind": "affinity", "cookie": {"name": "a"}, "header": "x-user"}},
        (
            f'{KEY}.traffic[1] = {{"kind": "affinity", "cookie": {{"name": "a"}}, "header": "x-user"}}: must '
            "have one of cookie and header, e.g. cookie: {name: pitstop}"
        ),
    ),
    "affinity by a cookie without a name": at(
        AFFINITY, "cookie", {"ttl": "1h"}, "required, e.g. pitstop", "cookie.name"
    ),
    # who may call
    "access for nobody": (
        {f"{API}.traffic[1]": {"kind": "access", "methods": ["GET"]}},
        (
            f'{KEY}.traffic[1] = {{"kind": "access", "methods": ["GET"]}}: must name callers or outsiders, '
            "e.g. callers: [webapp]"
        ),
    ),
    "access for a namespace": at(ACCESS, "outsiders", ["monitoring"], OUTSIDER, "outsiders[0]"),
    "access for everybody of a namespace": at(
        ACCESS, "outsiders", ["a/b", "monitoring/*"], OUTSIDER, "outsiders[1]"
    ),
    "access for a certificate's name": at(ACCESS, "outsiders", ["ns/a/sa/b"], OUTSIDER, "outsiders[0]"),
    "access for a namespace that cannot be": at(
        ACCESS, "outsiders", ["My Namespace/foo"], OUTSIDER, "outsiders[0]"
    ),
    "access for an account that cannot be": at(
        ACCESS, "outsiders", ["monitoring/foo bar"], OUTSIDER, "outsiders[0]"
    ),
    "access for capitals": at(ACCESS, "outsiders", ["Monitoring/prometheus"], OUTSIDER, "outsiders[0]"),
    "access to a template": at(ACCESS, "paths", ["/api/{id}"], PATH, "paths[0]"),
    "access to an open brace": at(ACCESS, "paths", ["/api/{"], PATH, "paths[0]"),
    "access to a query": at(ACCESS, "paths", ["/api?page=1"], PATH, "paths[0]"),
    "access to a fragment": at(ACCESS, "paths", ["/api#top"], PATH, "paths[0]"),
    "access to a path with a space": at(ACCESS, "paths", ["/a b"], PATH, "paths[0]"),
    "access to a relative path": at(ACCESS, "paths", ["api/*"], PATH, "paths[0]"),
    "access to a star in the middle": at(ACCESS, "paths", ["/api", "/api/*/x"], PATH, "paths[1]"),
    "access to no path": at(ACCESS, "paths", [], EMPTY),
    "access for somebody unknown": at(
        ACCESS, "callers", ["webap"], f"unknown service; did you mean webapp? {SERVICES}", "callers[0]"
    ),
}
WORKER = "services.notificationservice"


def release(value: object, message: str, named: str = "") -> Case:
    """A worker's release, and the line about it or a key of it."""
    place: Any = value
    for step in _steps(named):
        place = place.get(step, REMOVE)
    shown = "" if place is REMOVE else f" = {json.dumps(place)}"
    key = f"release.{named}" if named else "release"
    return {f"{WORKER}.release": value}, f"pitstop:{WORKER}.{key}{shown}: {message}"


UNRELEASED: dict[str, Case] = {
    "without a kind": (
        {f"{WORKER}.release": {"live": "v1"}},
        f"pitstop:{WORKER}.release.kind: required, e.g. {{kind: replace, live: v1}}",
    ),
    "of an unknown kind": (
        {f"{WORKER}.release": {"kind": "canary", "live": "v1"}},
        f"pitstop:{WORKER}.release.kind = canary: must be replace or pause or one or share or shadow",
    ),
    "that is a word": release("pause", "must be a map"),
    "of nothing live": release({"kind": "pause"}, "required, e.g. v1", "live"),
    "of a version that is not there": release({"kind": "one", "live": "v7"}, NO_V7, "live"),
    "with a shadow that is not there": release(
        {"kind": "shadow", "live": "v1", "shadow": "v7"}, NO_V7, "shadow"
    ),
    "with no shadow": release({"kind": "shadow", "live": "v1"}, "required, e.g. v2", "shadow"),
    "with a shadow of itself": release(
        {"kind": "shadow", "live": "v1", "shadow": "v1"}, "must differ from live, which is v1 too", "shadow"
    ),
    "with a SQL Server at an address": release(
        {"kind": "shadow", "live": "v1", "shadow": "v2", "sqlHost": "10.0.0.1"}, ONE_SERVER, "sqlHost"
    ),
    "with any mail server": release(
        {"kind": "shadow", "live": "v1", "shadow": "v2", "mailHost": "*.example.org"}, ONE_SERVER, "mailHost"
    ),
    "with weights": release({"kind": "share", "weights": {"v1": 50}}, "unknown key; valid: kind", "weights"),
}

# Their examples are for a key, or one thing is wrong beside it.
ELSEWHERE = {
    "a header in capitals",
    "a cookie with a space",
    "affinity by two things",
    "weight that is a truth",
}


@pytest.mark.parametrize("case", REJECTED)
def test_a_mistake_is_one_line_with_key_value_and_what_is_valid(case: str) -> None:
    changes, line = REJECTED[case]
    assert lines(changes) == (line,)


@pytest.mark.parametrize(
    "case",
    [
        case
        for case, (_, line) in REJECTED.items()
        if "e.g. " in line and "versions: {" not in line and case not in ELSEWHERE
    ],
)
def test_the_example_of_a_line_is_valid(case: str) -> None:
    mended(*REJECTED[case])


@pytest.mark.parametrize("case", UNRELEASED)
def test_a_mistake_in_a_release_is_one_line(case: str) -> None:
    changes, line = UNRELEASED[case]
    base = raw({f"{WORKER}.versions": {"v1": {}, "v2": {}}}, WHOLE)
    assert lines(changes, base) == (line,)


@pytest.mark.parametrize(
    "pattern",
    ["(", "[a", "a{2,1}", "(?=x)", "(?!x)", "(?<=x)", r"(a)\1", "a++", "(?>a)", "a{1001}", "a" * 300],
)
def test_a_pattern_envoy_would_refuse_is_refused(pattern: str) -> None:
    (line,) = lines({f"{API}.traffic[1]": ROUTE, f"{API}.traffic[1].headers.x-beta": {"regex": pattern}})
    assert line.startswith(f"{KEY}.traffic[1].headers.x-beta.regex = ")
    assert line.endswith(", e.g. (beta|staff)-.*")


@pytest.mark.parametrize("pattern", [r"\C", r"beta\C*", r"\\\C", r"\QC\E\C"])
def test_a_pattern_istio_would_refuse_is_refused(pattern: str) -> None:
    (line,) = lines({f"{API}.traffic[1]": ROUTE, f"{API}.traffic[1].headers.x-beta": {"regex": pattern}})
    assert line.endswith(r": has \C, which Istio's RE2 has not; valid: a dot, e.g. (beta|staff)-.*")


@pytest.mark.parametrize(
    "pattern",
    ["(beta|staff)-.*", r"\d+", "(?i)beta", "[^;]*", "é+", "a{1000}", r"\\C", r"\Q\C\E", r"a\Q\C", r"\pC"],
)
def test_a_pattern_of_envoys_is_accepted(pattern: str) -> None:
    assert TextMatch.model_validate({"regex": pattern}).form == ("regex", pattern)


def test_a_second_mistake_is_a_second_line() -> None:
    changes: Node = {
        f"{API}.traffic[1]": ROUTE | {"methods": ["FETCH"]},
        f"{API}.traffic[2]": MIRROR | {"percent": 0},
    }
    assert [line.split(" = ")[0] for line in lines(changes)] == [
        f"{KEY}.traffic[1].methods[0]",
        f"{KEY}.traffic[2].percent",
    ]


# --- what is accepted ---------------------------------------------------------------------------------

ACCEPTED: list[Node] = [
    SPLIT,
    {"kind": "bluegreen", "live": "v2"},
    ROUTE,
    {"kind": "route", "to": "v1", "headers": {"x-user": {"regex": "(a|b)-.*"}, "x-env": {"prefix": "st"}}},
    {"kind": "route", "to": "v1", "cookie": {"beta": "1"}},
    {"kind": "route", "to": "v1", "cookie": {"beta": "ä" * 199 + "="}},
    {"kind": "route", "to": "v1", "cookie": {"beta": ""}},
    {"kind": "route", "to": "v1", "path": "/api/customers"},
    {"kind": "route", "to": "v1", "path": "/"},
    {"kind": "route", "to": "v1", "path": {"prefix": "/"}, "methods": ["GET"]},
    {"kind": "route", "to": "v1", "path": {"regex": "/.*/edit"}},
    {"kind": "route", "to": "v1", "path": {"regex": "/api/.*|.*[.]js"}},
    {"kind": "route", "to": "v1", "path": {"prefix": "/api/"}, "methods": ["GET", "HEAD"]},
    LANE,
    MIRROR,
    {"kind": "mirror", "to": "v2", "percent": 0.5, "methods": ["GET", "HEAD", "OPTIONS"]},
    FAULT,
    {**FAULT, "delay": {"percent": 100, "duration": "1500ms"}, "caller": "webapp", "path": {"prefix": "/"}},
    {
        "kind": "fault",
        "delay": {"percent": 1, "duration": "24h"},
        "until": "2027-01-31",
        "cookie": {"a": "1"},
    },
    TIMEOUT,
    RETRIES,
    {**RETRIES, "when": ["5xx", "reset"], "methods": ["GET", "POST"]},
    BREAKER,
    {"kind": "circuitbreaker", "connections": {"max": 1}},
    {
        "kind": "circuitbreaker",
        "connections": {"pending": 1, "requests": 2, "perConnection": 3, "connectTimeout": "2s"},
        "outliers": {"consecutive5xx": 2, "consecutiveGatewayErrors": 1, "interval": "5s", "ejection": "1m"},
    },
    AFFINITY,
    {"kind": "affinity", "cookie": {"name": "pitstop", "ttl": "1h"}},
    {"kind": "affinity", "header": "x-user"},
    ACCESS,
    {"kind": "access", "outsiders": ["monitoring/prometheus"], "methods": ["GET"], "paths": ["/", "/api/*"]},
    {"kind": "access", "outsiders": ["1-of-2/a.b-c"], "paths": ["/*", "/a~b;c=d,e/ü"]},
]


@pytest.mark.parametrize("policy", ACCEPTED, ids=lambda policy: str(policy["kind"]))
def test_accepted(policy: Node) -> None:
    found = settings({f"{API}.traffic": [policy]}).services["customermanagementapi"].traffic
    assert [one.kind for one in found] == [policy["kind"]]


def test_every_kind_of_policy_is_accepted_somewhere_and_rejected_somewhere() -> None:
    known = set(KINDS.split(" or "))
    assert {str(policy["kind"]) for policy in ACCEPTED} == known
    rejected = {
        str(policy["kind"])
        for changes, _ in REJECTED.values()
        for policy in changes.values()
        if isinstance(policy, dict) and "kind" in policy
    }
    assert rejected | {"split", "bluegreen"} == known  # those two are changed, or listed, above


@pytest.mark.parametrize(
    "release",
    [
        {"kind": "replace", "live": "v2"},
        {"kind": "pause", "live": "v1"},
        {"kind": "one", "live": "v1"},
        {"kind": "share"},
        {"kind": "shadow", "live": "v2", "shadow": "v1"},
        {"kind": "shadow", "live": "v1", "shadow": "v2", "sqlHost": "sql-2", "mailHost": "mail-2"},
    ],
)
def test_accepted_releases(release: Node) -> None:
    changes: Node = {f"{WORKER}.versions": {"v1": {}, "v2": {}}, f"{WORKER}.release": release}
    found = settings(changes, WHOLE).services["notificationservice"].release
    assert found is not None
    assert found.kind == release["kind"]


@pytest.mark.parametrize(
    "until",
    [
        "2026-12-31",  # a stack file as our own tools read it, and what a person writes
        "2026-12-31T00:00:00Z",  # what Pulumi makes of a date without quotes
        date(2026, 12, 31),  # what PyYAML makes of it
    ],
)
def test_a_day_however_it_arrives(until: object) -> None:
    content = raw({f"{API}.traffic[1]": FAULT | {"until": until}})
    (_, fault) = parse(content).services["customermanagementapi"].traffic
    assert fault.kind == "fault"
    assert fault.until == date(2026, 12, 31)


def test_a_day_with_an_hour_is_refused_in_every_form() -> None:
    noon = datetime(2026, 12, 31, 12, tzinfo=UTC)
    with pytest.raises(RefusedError, match="must be a date"):
        parse(raw({f"{API}.traffic[1]": FAULT | {"until": noon}}))


def test_what_is_not_said_is_the_careful_choice() -> None:
    policies: TypeAdapter[TrafficPolicy] = TypeAdapter(TrafficPolicy)
    mirror, retries, breaker, fault = (
        policies.validate_python(one) for one in (MIRROR, RETRIES, BREAKER, FAULT)
    )
    assert mirror.kind == "mirror"
    assert mirror.methods == ("GET",)
    assert retries.kind == "retries"
    assert retries.methods == ("GET", "HEAD")
    assert retries.when == ("connect-failure", "refused-stream", "gateway-error")
    assert breaker.kind == "circuitbreaker"
    assert breaker.outliers is not None
    outliers = breaker.outliers
    assert (outliers.consecutive_5xx, outliers.consecutive_gateway_errors) == (5, None)
    assert (outliers.interval, outliers.ejection, outliers.max_percent) == ("10s", "30s", 50)
    assert fault.kind == "fault"
    assert not fault.scoped
    everywhere = policies.validate_python(FAULT | {"path": {"prefix": "/"}})
    assert everywhere.kind == "fault"
    assert not everywhere.scoped
    for scope in ({"caller": "webapp"}, {"methods": ["GET"]}, {"path": "/"}, {"cookie": {"a": "1"}}):
        scoped = policies.validate_python(FAULT | scope)
        assert scoped.kind == "fault"
        assert scoped.scoped


def test_a_bare_text_is_exact() -> None:
    assert TextMatch.model_validate("beta") == TextMatch(exact="beta")
    assert TextMatch.model_validate({"prefix": "b"}).form == ("prefix", "b")


def test_a_shadow_must_be_another_version() -> None:
    releases: TypeAdapter[WorkerRelease] = TypeAdapter(WorkerRelease)
    with pytest.raises(ValueError, match="must differ from live, which is v2 too"):
        releases.validate_python({"kind": "shadow", "live": "v2", "shadow": "v2"})


# --- what the policies of a service say together ------------------------------------------------------


@pytest.mark.parametrize(
    ("policies", "shares"),
    [
        ([SPLIT], {"v1": 75, "v2": 25}),
        ([{"kind": "split", "weights": {"v2": 100}}], {"v1": 0, "v2": 100}),
        ([{"kind": "bluegreen", "live": "v2"}], {"v1": 0, "v2": 100}),
        ([ROUTE, SPLIT], {"v1": 75, "v2": 25}),
        ([TIMEOUT], {"v1": 100, "v2": 0}),
        ([], {"v1": 100, "v2": 0}),
    ],
)
def test_shares_of_what_no_other_policy_sends_elsewhere(policies: list[Node], shares: dict[str, int]) -> None:
    own = settings({f"{API}.traffic": policies}).services["customermanagementapi"]
    assert own.shares() == shares
    assert (own.split is None) == all(policy["kind"] not in {"split", "bluegreen"} for policy in policies)
