"""Every check over settings refuses what nothing else refuses, and what its message proposes passes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import pytest

from components.model import sql
from components.model.checks import SETTINGS, check_plan, check_settings, plan_for
from components.model.checks.capacity import LOADED_CONTEXTS
from components.model.findings import RefusedError
from components.model.settings import Settings
from ops.clusters import LOADERS
from tests.model.azure import AKS, FULL
from tests.model.everything import EVERYTHING
from tests.model.examples import (
    CANARY,
    OWNER,
    REMOVE,
    TODAY,
    WHOLE,
    Node,
    items,
    objects,
    plan,
    raw,
    settings,
)

Changes = Mapping[str, object]
CUSTOMERS = "customermanagementapi"
API = f"services.{CUSTOMERS}"
WEB = "services.webapp"
CARS = "services.vehiclemanagementapi"
NOTES = "services.notificationservice"
AUDIT = "services.auditlogservice"
PAIR: Node = {"v1": {}, "v2": {}}
SPLIT: Node = {"kind": "split", "weights": {"v1": 75, "v2": 25}}
BLUE: Node = {"kind": "bluegreen", "live": "v1"}
ABORT: Node = {"percent": 25, "status": 500}
DELAY: Node = {"percent": 25, "duration": "2s"}
FAULT: Node = {"kind": "fault", "abort": ABORT, "until": "2026-12-31"}
RETRIES: Node = {"kind": "retries", "attempts": 2, "perTry": "4s"}
READING: Node = {"kind": "access", "callers": ["webapp"], "methods": ["GET"]}
BREAKER: Node = {"kind": "circuitbreaker", "outliers": {}}
SHADOW: Node = {"kind": "shadow", "live": "v1", "shadow": "v2"}
# A shadow where no sidecar keeps its server apart from the databases.
SHADOWED: Node = {
    "mesh": {"kind": "none"},
    f"{API}.traffic": [BLUE],
    NOTES: {
        "versions": PAIR,
        "release": SHADOW | {"sqlHost": "shadow-sql.example.org", "mailHost": "shadow-mail.example.org"},
    },
}
AZURE_MESHLESS = raw(SHADOWED, FULL)
SHADOWS_EGRESS = EVERYTHING["egress"][:2]  # type: ignore[index]
ELSEWHERE: Node = {"kind": "external", "host": "sql.example.org"}
AZURE_SQL = sql.server(settings(base=FULL)).host


@dataclass(frozen=True)
class Case:
    """An environment, what is changed in it, what is said about that, and what the saying proposes."""

    broken: Changes
    line: str
    fixed: Changes
    base: Node = field(default_factory=lambda: CANARY)


SERVICES = {
    "need-missing": Case(
        {"services.sqlserver": REMOVE},
        "pitstop:services.sqlserver: required because customermanagementapi does not start without it, "
        "e.g. sqlserver: {}",
        {"services.sqlserver": {}},
    ),
    "no-requests": Case(
        {"services.timeservice": {"traffic": [BLUE]}},
        "pitstop:services.timeservice.traffic = bluegreen: timeservice takes no requests the mesh could "
        "route; remove the key; a worker has release",
        {"services.timeservice": {"release": {"kind": "one", "live": "v1"}}},
    ),
    "no-queue": Case(
        {f"{WEB}.release": {"kind": "pause", "live": "v1"}},
        "pitstop:services.webapp.release = pause: webapp takes no events from a queue; remove the key",
        {f"{WEB}.release": REMOVE},
    ),
    "setting-secret": Case(
        {f"{WEB}.versions": {"v1": {"settings": {"Broker": "amqp://{rabbitmqPassword}@rabbitmq"}}}},
        "pitstop:services.webapp.versions.v1.settings.Broker = amqp://{rabbitmqPassword}@rabbitmq: is "
        "taken as it stands, and rabbitmqPassword comes from a Secret only; remove the key",
        {f"{WEB}.versions.v1.settings": {}},
    ),
    "one-version": Case(
        {"services.sqlserver": {"versions": {"v2": {}}}},
        "pitstop:services.sqlserver.versions = v2: sqlserver keeps data and has one version; "
        "valid: versions: {v1: {}}",
        {"services.sqlserver": {"versions": {"v1": {}}}},
    ),
    "singleton": Case(
        {"services.rabbitmq": {"versions": {"v1": {"replicas": 2}}}},
        "pitstop:services.rabbitmq.versions.v1.replicas = 2: rabbitmq must never run twice; valid: 1",
        {"services.rabbitmq.versions.v1.replicas": 1},
    ),
    "singleton, by its release": Case(
        {
            "services.auditlogservice": {
                "versions": {"v1": {"replicas": 2}},
                "release": {"kind": "one", "live": "v1"},
            }
        },
        "pitstop:services.auditlogservice.versions.v1.replicas = 2: auditlogservice must never run twice; "
        "valid: 1",
        {"services.auditlogservice.versions.v1.replicas": 1},
    ),
    "singleton-release": Case(
        {"services.timeservice": {"versions": PAIR, "release": {"kind": "replace", "live": "v2"}}},
        "pitstop:services.timeservice.release.kind = replace: timeservice must never run twice, not even "
        "for a moment; valid: one, e.g. {kind: one, live: v1}",
        {"services.timeservice.release": {"kind": "one", "live": "v1"}},
    ),
    "undecided": Case(
        {f"{API}.traffic": REMOVE},
        f"pitstop:{API}.traffic: required when there are several versions (v1, v2), "
        "e.g. [{kind: bluegreen, live: v1}]",
        {f"{API}.traffic": [BLUE]},
    ),
    "undecided, a worker": Case(
        {"services.auditlogservice": {"versions": PAIR}},
        "pitstop:services.auditlogservice.release: required when there are several versions (v1, v2), "
        "e.g. {kind: replace, live: v1}",
        {"services.auditlogservice.release": {"kind": "replace", "live": "v1"}},
    ),
    "undecided, a worker alone": Case(
        {"services.timeservice": {"versions": PAIR}},
        "pitstop:services.timeservice.release: required when there are several versions (v1, v2), "
        "e.g. {kind: one, live: v1}",
        {"services.timeservice.release": {"kind": "one", "live": "v1"}},
    ),
    "mesh-needed": Case(
        {"mesh": {"kind": "none"}},
        f"pitstop:{API}.traffic[0].kind = split: needs a mesh and mesh.kind is none; valid without: "
        "bluegreen",
        {f"{API}.traffic[0]": BLUE},
    ),
    "mesh-needed, hosts": Case(
        {"mesh": {"kind": "none"}, f"{API}.traffic": [BLUE], "ingress.hosts": ["a.example.org"]},
        "pitstop:ingress.hosts = a.example.org: needs a mesh and mesh.kind is none; "
        'valid without: hosts: ["*"]',
        {"ingress.hosts": ["*"]},
    ),
    "mesh-needed, TLS": Case(
        {"mesh": {"kind": "none"}, f"{API}.traffic": [BLUE], "ingress.tls": {"kind": "values"}},
        "pitstop:ingress.tls = values: needs a mesh and mesh.kind is none; remove the key",
        {"ingress.tls": REMOVE},
    ),
    "mesh-needed, egress": Case(
        {
            "mesh": {"kind": "none"},
            f"{API}.traffic": [BLUE],
            "egress": [{"host": "a.example.org", "callers": ["webapp"]}],
        },
        "pitstop:egress = a.example.org: needs a mesh and mesh.kind is none; remove the key",
        {"egress": REMOVE},
    ),
}
ROUTES = {
    "policy-twice": Case(
        {f"{WEB}.traffic": [{"kind": "timeout", "duration": "5s"}, {"kind": "timeout", "duration": "9s"}]},
        "pitstop:services.webapp.traffic[1].kind = timeout: traffic[0] is one already and one is enough; "
        "remove one of them",
        {f"{WEB}.traffic[1]": REMOVE},
    ),
    "policy-contradicts": Case(
        {f"{API}.traffic[1]": BLUE},
        f"pitstop:{API}.traffic[1].kind = bluegreen: traffic[0] is a split already; remove one of them",
        {f"{API}.traffic[1]": REMOVE},
    ),
    "route-unreachable": Case(
        {
            f"{API}.traffic[1]": {"kind": "route", "to": "v2", "headers": {"x-team": {"prefix": "a"}}},
            f"{API}.traffic[2]": {"kind": "route", "to": "v1", "headers": {"x-team": "audit"}},
        },
        f"pitstop:{API}.traffic[2].kind = route: gets no request, traffic[1] takes them all; "
        "list it earlier, or ask that one for something more",
        {f"{API}.traffic[1].methods": ["GET"]},
    ),
    "route-unreachable, a lane": Case(
        {
            f"{API}.traffic[1]": {"kind": "lane", "caller": "webapp", "callerVersion": "v1", "to": "v2"},
            f"{API}.traffic[2]": {"kind": "lane", "caller": "webapp", "callerVersion": "v1", "to": "v1"},
        },
        f"pitstop:{API}.traffic[2].kind = lane: gets no request, traffic[1] takes them all; "
        "list it earlier, or ask that one for something more",
        {f"{API}.traffic[2]": REMOVE},
    ),
    "route-unreachable, by two": Case(
        {
            f"{API}.traffic[1]": {"kind": "route", "to": "v2", "methods": ["GET"]},
            f"{API}.traffic[2]": {"kind": "route", "to": "v1", "methods": ["POST"]},
            f"{API}.traffic[3]": {"kind": "route", "to": "v2", "methods": ["POST", "GET"], "path": "/a"},
        },
        f"pitstop:{API}.traffic[3].kind = route: gets no request, traffic[1] and traffic[2] take them all; "
        "list it earlier, or ask one of those for something more",
        {f"{API}.traffic[2].headers": {"x-team": "audit"}},
    ),
    "route-unreachable, by a path of every request": Case(
        {
            f"{API}.traffic[1]": {"kind": "route", "to": "v2", "path": {"prefix": "/"}, "methods": ["GET"]},
            f"{API}.traffic[2]": {"kind": "route", "to": "v1", "methods": ["GET"]},
        },
        f"pitstop:{API}.traffic[2].kind = route: gets no request, traffic[1] takes them all; "
        "list it earlier, or ask that one for something more",
        {f"{API}.traffic[1].path": {"prefix": "/api"}},
    ),
    "conditions-meet": Case(
        {
            f"{API}.traffic[1]": {"kind": "route", "to": "v2", "headers": {"x-team": {"prefix": "b"}}},
            f"{API}.traffic[2]": FAULT | {"headers": {"x-team": {"regex": "b[0-9]+"}}},
        },
        f"pitstop:{API}.traffic[2]: asks for another pattern of the same text than traffic[1], and one "
        "route cannot ask for both; valid: the same pattern or exact texts, e.g. {exact: beta}",
        {f"{API}.traffic[2].headers.x-team": {"exact": "beta"}},
    ),
    "conditions-meet, two cookies": Case(
        {
            f"{API}.traffic[1]": {"kind": "route", "to": "v2", "cookie": {"beta": "yes"}},
            f"{API}.traffic[2]": FAULT | {"cookie": {"chaos": "yes"}},
        },
        f"pitstop:{API}.traffic[2]: asks for another cookie than traffic[1], and one route cannot ask for "
        "both; valid: the same cookie, or another header, e.g. headers: {x-beta: drill}",
        {f"{API}.traffic[2].cookie": {}, f"{API}.traffic[2].headers": {"x-beta": "drill"}},
    ),
    "conditions-meet, a cookie and its header": Case(
        {
            f"{API}.traffic[1]": {"kind": "route", "to": "v2", "headers": {"cookie": {"prefix": "beta="}}},
            f"{API}.traffic[2]": FAULT | {"cookie": {"beta": "yes"}},
        },
        f"pitstop:{API}.traffic[2]: asks for another cookie than traffic[1], and one route cannot ask for "
        "both; valid: the same cookie, or another header, e.g. headers: {x-beta: drill}",
        {f"{API}.traffic[1].headers": {}, f"{API}.traffic[1].cookie": {"beta": "yes"}},
    ),
    "lane-caller": Case(
        {f"{API}.traffic[1]": {"kind": "lane", "caller": "timeservice", "callerVersion": "v1", "to": "v2"}},
        f"pitstop:{API}.traffic[1].caller = timeservice: timeservice does not call customermanagementapi; "
        "valid: webapp",
        {f"{API}.traffic[1].caller": "webapp"},
    ),
    "lane-caller, its version": Case(
        {f"{API}.traffic[1]": {"kind": "lane", "caller": "webapp", "callerVersion": "v2", "to": "v2"}},
        f"pitstop:{API}.traffic[1].callerVersion = v2: webapp has no such version; valid: v1",
        {f"{API}.traffic[1].callerVersion": "v1"},
    ),
    "lane-caller, nobody calls": Case(
        {f"{WEB}.traffic": [{"kind": "lane", "caller": "webapp", "callerVersion": "v1", "to": "v1"}]},
        "pitstop:services.webapp.traffic[0].caller = webapp: webapp does not call webapp; "
        "no service of this environment does; remove it",
        {f"{WEB}.traffic[0]": REMOVE},
    ),
    "mirror-writes": Case(
        {
            f"{API}.traffic": [
                BLUE,
                {"kind": "mirror", "to": "v2", "percent": 10, "methods": ["GET", "POST"]},
            ]
        },
        f"pitstop:{API}.traffic[1].methods = GET, POST: a copy of POST would write twice, versions share one "
        "database; valid: GET, HEAD, OPTIONS, e.g. methods: [GET]",
        {f"{API}.traffic[1].methods": ["GET"]},
    ),
    "mirror-live": Case(
        {f"{API}.traffic[1]": {"kind": "mirror", "to": "v2", "percent": 10}},
        f"pitstop:{API}.traffic[1].to = v2: gets 25 % of the requests itself; "
        "valid: a version with a weight of 0",
        {f"{API}.traffic[0].weights": {"v1": 100, "v2": 0}},
    ),
    "mirror-live, another is dark": Case(
        {f"{API}.traffic": [BLUE, {"kind": "mirror", "to": "v1", "percent": 10}]},
        f"pitstop:{API}.traffic[1].to = v1: gets 100 % of the requests itself; valid: v2",
        {f"{API}.traffic[1].to": "v2"},
    ),
    "faults-forbidden": Case(
        {"guardrails": {"faults": False}, f"{API}.traffic[1]": FAULT},
        f"pitstop:{API}.traffic[1].kind = fault: guardrails.faults is false; remove the policy, "
        "or allow it: guardrails: {faults: true}",
        {"guardrails": {"faults": True}},
    ),
    "fault-expired": Case(
        {f"{API}.traffic[1]": FAULT | {"until": "2026-11-24"}},
        f"pitstop:{API}.traffic[1].until = 2026-11-24: that day is over; remove the fault or move the day, "
        "e.g. until: 2026-12-09",
        {f"{API}.traffic[1].until": "2026-12-09"},
    ),
    "fault-caller": Case(
        {f"{API}.traffic[1]": FAULT | {"caller": "invoiceservice"}},
        f"pitstop:{API}.traffic[1].caller = invoiceservice: invoiceservice does not call "
        "customermanagementapi; valid: webapp",
        {f"{API}.traffic[1].caller": "webapp"},
    ),
    "fault-caller, not there": Case(
        {WEB: REMOVE, f"{API}.traffic[1]": FAULT | {"caller": "webapp"}},
        f"pitstop:{API}.traffic[1].caller = webapp: webapp does not call customermanagementapi; "
        "no service of this environment does; remove it",
        {f"{API}.traffic[1].caller": REMOVE},
    ),
    "faults-overlap": Case(
        {
            f"{API}.traffic[1]": FAULT | {"methods": ["GET", "POST"]},
            f"{API}.traffic[2]": FAULT | {"headers": {"x-chaos": "drill"}},
        },
        f"pitstop:{API}.traffic[2].abort: traffic[1] has one for some of the same requests; valid: "
        "conditions that exclude each other, e.g. methods: [GET] here and methods: [POST] there",
        {f"{API}.traffic[1].methods": ["POST"], f"{API}.traffic[2].methods": ["GET"]},
    ),
    "fault-retries": Case(
        {f"{API}.traffic[1]": FAULT, f"{API}.traffic[2]": RETRIES},
        f"pitstop:{API}.traffic[2].kind = retries: traffic[1] is a fault for all of these requests and "
        "retries never cover injected faults; remove one of the two, or narrow the fault, e.g. headers: "
        "{x-chaos: drill}",
        {f"{API}.traffic[1].headers": {"x-chaos": "drill"}},
    ),
    "fault-retries, the same methods": Case(
        {f"{API}.traffic[1]": FAULT | {"methods": ["GET", "HEAD"]}, f"{API}.traffic[2]": RETRIES},
        f"pitstop:{API}.traffic[2].kind = retries: traffic[1] is a fault for all of these requests and "
        "retries never cover injected faults; remove one of the two, or narrow the fault, e.g. headers: "
        "{x-chaos: drill}",
        {f"{API}.traffic[1].methods": ["GET"]},
    ),
    "fault-timeout": Case(
        {f"{API}.traffic[1]": FAULT, f"{API}.traffic[2]": {"kind": "timeout", "duration": "5s"}},
        f"pitstop:{API}.traffic[2].kind = timeout: traffic[1] is a fault for all of these requests and Istio "
        "gives them no timeout; remove one of the two, or narrow the fault, e.g. headers: {x-chaos: drill}",
        {f"{API}.traffic[1].headers": {"x-chaos": "drill"}},
    ),
    "access-caller": Case(
        {f"{API}.traffic[1]": READING | {"callers": ["webapp", "logserver"]}},
        f"pitstop:{API}.traffic[1].callers[1] = logserver: logserver does not call customermanagementapi; "
        "valid: webapp",
        {f"{API}.traffic[1].callers": ["webapp"]},
    ),
    "access-open": Case(
        {f"{API}.traffic[1]": {"kind": "access", "callers": ["webapp"]}},
        f"pitstop:{API}.traffic[1].callers = webapp: may send every request already; remove the policy, or "
        "narrow it, e.g. methods: [GET]",
        {f"{API}.traffic[1].methods": ["GET"]},
    ),
    "access-open, beside one that narrows": Case(
        {f"{API}.traffic[1]": READING, f"{API}.traffic[2]": {"kind": "access", "callers": ["webapp"]}},
        f"pitstop:{API}.traffic[2].callers = webapp: may send every request already; remove the policy, or "
        "narrow it, e.g. methods: [GET]",
        {f"{API}.traffic[2]": REMOVE},
    ),
    "access-open, with outsiders": Case(
        {
            f"{API}.traffic[1]": {
                "kind": "access",
                "callers": ["webapp"],
                "outsiders": ["monitoring/prober"],
                "paths": ["/hc", "/*"],
            }
        },
        f"pitstop:{API}.traffic[1].callers = webapp: may send every request already; remove the key, or "
        "narrow it, e.g. methods: [GET]",
        {f"{API}.traffic[1].callers": REMOVE},
    ),
    "access-outsider": Case(
        {f"{API}.traffic[1]": {"kind": "access", "outsiders": ["pitstop/webapp"]}},
        f"pitstop:{API}.traffic[1].outsiders[0] = pitstop/webapp: is in this environment, where the call "
        "graph decides who calls customermanagementapi; valid: callers: [webapp], narrowed",
        {f"{API}.traffic[1]": READING},
    ),
}
RESILIENCE = {
    "retry-grpc": Case(
        {f"{API}.traffic[1]": RETRIES | {"when": ["cancelled", "unavailable"]}},
        f"pitstop:{API}.traffic[1].when = cancelled, unavailable: only gRPC fails so; for HTTP there are "
        "5xx, gateway-error, reset, reset-before-request, connect-failure, refused-stream, retriable-4xx, "
        "e.g. when: [gateway-error]",
        {f"{API}.traffic[1].when": ["cancelled", "gateway-error"]},
    ),
    "retry-writes": Case(
        {f"{API}.traffic[1]": RETRIES | {"methods": ["GET", "POST"]}},
        f"pitstop:{API}.traffic[1].when = connect-failure, refused-stream, gateway-error: after "
        "gateway-error a POST may have been carried out; valid for it: connect-failure, refused-stream, "
        "reset-before-request, e.g. when: [connect-failure]",
        {f"{API}.traffic[1].when": ["connect-failure"]},
    ),
    "retry-time": Case(
        {f"{API}.traffic[1]": RETRIES | {"perTry": "6s"}},
        f"pitstop:{API}.traffic[1].perTry = 6s: 3 tries must fit into the timeout of 15s; valid: at most 5s, "
        "e.g. perTry: 5s",
        {f"{API}.traffic[1].perTry": "5s"},
    ),
    "retry-time, a timeout of its own": Case(
        {f"{API}.traffic[1]": RETRIES, f"{API}.traffic[2]": {"kind": "timeout", "duration": "10s"}},
        f"pitstop:{API}.traffic[1].perTry = 4s: 3 tries must fit into the timeout of 10s; "
        "valid: at most 3333ms, e.g. perTry: 3333ms",
        {f"{API}.traffic[1].perTry": "3333ms"},
    ),
    "retry-budget": Case(
        {f"{API}.traffic[1]": RETRIES | {"attempts": 3, "perTry": "1s"}},
        f"pitstop:{API}.traffic[1].attempts = 3: makes up to 24 tries at customermanagementapi of one "
        "request, guardrails.retryBudget is 20; valid: at most 2, e.g. attempts: 2",
        {f"{API}.traffic[1].attempts": 2},
    ),
    "retry-budget, the way in": Case(
        {f"{WEB}.traffic": [RETRIES | {"attempts": 3, "perTry": "1s"}]},
        "pitstop:services.webapp.traffic[0].attempts = 3: makes up to 24 tries at customermanagementapi of "
        "one request, guardrails.retryBudget is 20; valid: at most 2, e.g. attempts: 2",
        {f"{WEB}.traffic[0].attempts": 2},
        WHOLE,
    ),
    "retry-budget, both": Case(
        {f"{WEB}.traffic": [RETRIES], f"{API}.traffic[1]": RETRIES},
        f"pitstop:{API}.traffic[1].attempts = 2: makes up to 54 tries at customermanagementapi of one "
        "request, guardrails.retryBudget is 20; remove these retries",
        {f"{API}.traffic[1]": REMOVE},
    ),
    "retry-budget, less than the services try": Case(
        {"guardrails": {"retryBudget": 5}},
        "pitstop:guardrails.retryBudget = 5: the services themselves try 6 times; valid: at least that, "
        "e.g. retryBudget: 6",
        {"guardrails": {"retryBudget": 6}},
        WHOLE,
    ),
    "timeout-chain": Case(
        {
            f"{WEB}.traffic": [{"kind": "timeout", "duration": "5s"}],
            f"{API}.traffic[1]": {"kind": "timeout", "duration": "6s"},
        },
        f"pitstop:{API}.traffic[1].duration = 6s: whoever calls webapp waits 5s only; valid: at most that, "
        "e.g. duration: 5s",
        {f"{API}.traffic[1].duration": "5s"},
    ),
    "timeout-chain, the default": Case(
        {f"{API}.traffic[1]": {"kind": "timeout", "duration": "1m"}},
        f"pitstop:{API}.traffic[1].duration = 1m: whoever calls webapp waits 15s only; valid: at most that, "
        "e.g. duration: 15s",
        {f"{WEB}.traffic": [{"kind": "timeout", "duration": "60s"}]},
    ),
    "outlier-alone": Case(
        {f"{API}.versions": {"v1": {"replicas": 2}, "v2": {}}, f"{API}.traffic[1]": BREAKER},
        f"pitstop:{API}.versions.v2.replicas = 1: traffic[1].outliers can leave out a pod only where there "
        "is another; valid: 2 or more, e.g. replicas: 2",
        {f"{API}.versions.v2.replicas": 2},
    ),
    "outlier-alone, scaled": Case(
        {
            f"{WEB}": {
                "versions": {"v1": {"scaling": {"kind": "cpu", "min": 1, "max": 3}}},
                "traffic": [BREAKER],
            }
        },
        f"pitstop:{WEB}.versions.v1.scaling.min = 1: traffic[0].outliers can leave out a pod only where "
        "there is another; valid: 2 or more, e.g. min: 2",
        {f"{WEB}.versions.v1.scaling.min": 2},
    ),
    "outlier-percent": Case(
        {
            f"{WEB}": {
                "versions": {"v1": {"replicas": 3}},
                "traffic": [BREAKER | {"outliers": {"maxPercent": 33}}],
            }
        },
        "pitstop:services.webapp.traffic[0].outliers.maxPercent = 33: is less than one of 3 pods; "
        "valid: 34 to 99, e.g. maxPercent: 34",
        {f"{WEB}.traffic[0].outliers.maxPercent": 34},
    ),
    "outlier-percent, all": Case(
        {
            f"{WEB}": {
                "versions": {"v1": {"replicas": 2}},
                "traffic": [BREAKER | {"outliers": {"maxPercent": 100}}],
            }
        },
        "pitstop:services.webapp.traffic[0].outliers.maxPercent = 100: would leave out every pod; "
        "valid: 50 to 99, e.g. maxPercent: 50",
        {f"{WEB}.traffic[0].outliers.maxPercent": 50},
    ),
    "affinity-split": Case(
        {f"{API}.traffic[1]": {"kind": "affinity", "header": "x-user"}},
        f"pitstop:{API}.traffic[1].kind = affinity: each request draws its version anew (v1, v2), so callers "
        "would change pods; valid: all to one, e.g. {kind: bluegreen, live: v1}",
        {f"{API}.traffic[0]": BLUE},
    ),
}
CAPACITY = {
    "scaling-kind": Case(
        {f"{API}.versions.v1.scaling": {"kind": "queue", "max": 4}},
        f"pitstop:{API}.versions.v1.scaling.kind = queue: customermanagementapi takes nothing from a queue; "
        "valid: cpu, e.g. {kind: cpu, max: 4}",
        {f"{API}.versions.v1.scaling": {"kind": "cpu", "max": 4}},
    ),
    "scaling-kind, alone": Case(
        {"services.timeservice": {"versions": {"v1": {"scaling": {"kind": "cpu", "max": 4}}}}},
        "pitstop:services.timeservice.versions.v1.scaling = cpu: timeservice must never run twice; "
        "remove the key, valid: replicas: 1",
        {"services.timeservice.versions.v1": {"replicas": 1}},
    ),
    "storage-one-pod": Case(
        {AUDIT: {"versions": {"v1": {"replicas": 2}}}},
        f"pitstop:{AUDIT}.versions.v1.replicas = 2: one pod keeps the audit log; valid: 1",
        {f"{AUDIT}.versions.v1.replicas": 1},
    ),
    "storage-one-pod, without a claim": Case(
        {"storage": {"kind": "ephemeral"}, AUDIT: {"versions": {"v1": {"replicas": 3}}}},
        f"pitstop:{AUDIT}.versions.v1.replicas = 3: one pod keeps the audit log; valid: 1",
        {f"{AUDIT}.versions.v1.replicas": 1},
    ),
    "storage-one-pod, scaled": Case(
        {AUDIT: {"versions": {"v1": {"scaling": {"kind": "queue", "max": 1}}}}},
        f"pitstop:{AUDIT}.versions.v1.scaling = queue: one pod keeps the audit log; remove the key, valid: "
        "replicas: 1",
        {f"{AUDIT}.versions.v1": {"replicas": 1}},
    ),
    "storage-one-pod, scaled without a claim": Case(
        {
            "storage": {"kind": "ephemeral"},
            AUDIT: {"versions": {"v1": {"scaling": {"kind": "queue", "min": 2, "max": 5}}}},
        },
        f"pitstop:{AUDIT}.versions.v1.scaling = queue: one pod keeps the audit log; remove the key, valid: "
        "replicas: 1",
        {f"{AUDIT}.versions.v1": {}},
    ),
    "storage-one-pod, shared": Case(
        {AUDIT: {"versions": PAIR, "release": {"kind": "share"}}},
        f"pitstop:{AUDIT}.release.kind = share: one volume keeps the audit log and one version can have it; "
        "valid: replace, pause or one, or storage: {kind: ephemeral}",
        {"storage": {"kind": "ephemeral"}, f"{AUDIT}.versions.v1": {"replicas": 2}},
    ),
    "storage-one-pod, with a shadow": Case(
        {AUDIT: {"versions": PAIR, "release": SHADOW}},
        f"pitstop:{AUDIT}.release.kind = shadow: one volume keeps the audit log and one version can have it; "
        "valid: replace, pause or one, or storage: {kind: ephemeral}",
        {f"{AUDIT}.release": {"kind": "pause", "live": "v1"}},
    ),
    "memory-small": Case(
        {"services.rabbitmq.versions": {"v1": {"resources": {"memory": "128Mi"}}}},
        "pitstop:services.rabbitmq.versions.v1.resources.memoryLimit = 256Mi: needs 384Mi; valid: that or "
        "more, e.g. memoryLimit: 384Mi",
        {"services.rabbitmq.versions.v1.resources.memoryLimit": "384Mi"},
    ),
    "memory-small, images that are real": Case(
        {"services.sqlserver.versions": {"v1": {"resources": {"memory": "1Gi"}}}, "images": "upstream"},
        "pitstop:services.sqlserver.versions.v1.resources.memoryLimit = 2Gi: needs 3Gi; valid: that or "
        "more, e.g. memoryLimit: 3Gi",
        {"images": "standin"},
    ),
    "storage-small": Case(
        {"storage": {"sizes": {"rabbitmq": "64Mi"}}},
        "pitstop:storage.sizes.rabbitmq = 64Mi: rabbitmq takes nothing with less than 256Mi; valid: 256Mi "
        "or more",
        {"storage.sizes.rabbitmq": "256Mi"},
    ),
    "size-unused": Case(
        {"storage": {"sizes": {"sqlserver": "4Gi", "logserver": "4Gi"}}},
        "pitstop:storage.sizes.logserver = 4Gi: is not in this environment; remove the key",
        {"storage": {"sizes": {"sqlserver": "4Gi"}}},
    ),
    "image-moves": Case(
        {f"{WEB}.versions": {"v1": {"image": "localhost:5000/webapp:latest"}}},
        "pitstop:services.webapp.versions.v1.image = localhost:5000/webapp:latest: may change; valid: a tag "
        "other than latest, or a digest, e.g. localhost:5000/webapp:1.0",
        {f"{WEB}.versions.v1.image": "localhost:5000/webapp:1.0"},
    ),
    "image-moves, no tag": Case(
        {f"{WEB}.versions": {"v1": {"image": "localhost:5000/webapp"}}},
        "pitstop:services.webapp.versions.v1.image = localhost:5000/webapp: may change; valid: a tag "
        "other than latest, or a digest, e.g. localhost:5000/webapp:1.0",
        {f"{WEB}.versions.v1.image": f"localhost:5000/webapp@sha256:{'0' * 64}"},
    ),
    "images-local": Case(
        {"cluster": {"kind": "kubeconfig", "context": "aks-one"}},
        "pitstop:images = standin: only contexts kind-*, k3d-*, docker-desktop can load them and this is "
        "aks-one; valid: upstream or a registry, e.g. ghcr.io/acme/pitstop",
        {"images": "ghcr.io/acme/pitstop"},
    ),
    "quota-small": Case(
        {"quota": {"cpu": "1", "memory": "991Mi", "pods": 20}},
        # five pods, the job that prepares databases, and one more; a sidecar in each
        "pitstop:quota.memory = 991Mi: an update of this environment needs 992Mi; valid: at least that, "
        "e.g. memory: 992Mi",
        {"quota.memory": "992Mi"},
    ),
    "quota-small, pods": Case(
        {"quota": {"cpu": "1", "memory": "1Gi", "pods": 6}},
        "pitstop:quota.pods = 6: an update of this environment needs 7; valid: at least that, e.g. pods: 7",
        {"quota.pods": 7},
    ),
    "quota-small, a larger mesh": Case(
        {"quota": {"cpu": "799m", "memory": "4Gi", "pods": 20}, "mesh": {"kind": "helm"}},
        "pitstop:quota.cpu = 799m: an update of this environment needs 810m; valid: at least that, "
        "e.g. cpu: 810m",
        {"quota.cpu": "810m"},
    ),
}
OUTSIDE = {
    "namespace-taken": Case(
        {"namespace": "istio-ingress"},
        "pitstop:namespace = istio-ingress: belongs to the cluster or the mesh; valid: one of its own, "
        "e.g. pitstop",
        {"namespace": "pitstop"},
    ),
    "namespace-taken, another's mesh": Case(
        {"namespace": "aks-istio-system"},
        "pitstop:namespace = aks-istio-system: belongs to the cluster or the mesh; valid: one of its own, "
        "e.g. pitstop",
        {"namespace": "pitstop"},
        EVERYTHING,
    ),
    "namespace-taken, by the name that is proposed": Case(
        {"mesh": {"kind": "existing", "rootNamespace": "pitstop"}},
        "pitstop:namespace = pitstop: belongs to the cluster or the mesh; valid: one of its own, "
        "e.g. pitstop-2",
        {"namespace": "pitstop-2"},
    ),
    "host-twice, by every host": Case(
        {"ingress.hosts": ["*", "a.example.org"]},
        "pitstop:ingress.hosts[1] = a.example.org: is one of *, which is listed too; remove it",
        {"ingress.hosts[1]": REMOVE},
    ),
    "host-twice, by a wildcard": Case(
        {"ingress.hosts": ["example.org", "*.a.example.org", "*.example.org"]},
        "pitstop:ingress.hosts[1] = *.a.example.org: is one of *.example.org, which is listed too; remove it",
        {"ingress.hosts[1]": REMOVE},
    ),
    "host-twice": Case(
        {"ingress.hosts": ["a.example.org", "b.example.org", "a.example.org"]},
        "pitstop:ingress.hosts[2] = a.example.org: is listed already; remove it",
        {"ingress.hosts[2]": REMOVE},
    ),
    "host-star-tls": Case(
        {"ingress.hosts": ["*"]},
        "pitstop:ingress.hosts[0] = *: no certificate is for every host; valid: the names it is for, "
        "e.g. pitstop.example.org",
        {"ingress.hosts": ["pitstop.example.org"]},
        EVERYTHING,
    ),
    "ingress-unused": Case(
        {WEB: REMOVE, "ingress.hosts": ["a.example.org"]},
        "pitstop:ingress = a.example.org: nothing here is reached from outside; remove the key, or add "
        "webapp",
        {WEB: {}},
    ),
    "ingress-unused, by a certificate": Case(
        {WEB: REMOVE, "ingress.tls": {"kind": "values"}},
        "pitstop:ingress = *: nothing here is reached from outside; remove the key, or add webapp",
        {"ingress": REMOVE},
    ),
    "egress-caller": Case(
        {"egress": [{"host": "a.example.org", "callers": ["invoiceservice"]}]},
        "pitstop:egress[0].callers[0] = invoiceservice: is not in this environment; valid: "
        "customermanagementapi, rabbitmq, sqlserver, webapp",
        {"egress[0].callers": ["webapp"]},
    ),
    "egress-inside": Case(
        {"egress": [{"host": "webapp.pitstop.svc", "callers": ["webapp"]}]},
        "pitstop:egress[0].host = webapp.pitstop.svc: is webapp of this environment, which the call graph "
        "lets callers reach; remove the entry",
        {"egress": []},
    ),
    "egress-twice": Case(
        {
            "egress": [
                {"host": "a.example.org", "callers": [name]} for name in ("webapp", "customermanagementapi")
            ]
        },
        "pitstop:egress[1].host = a.example.org:443: egress[0] is the same already; remove one, callers is "
        "a list",
        {"egress": [{"host": "a.example.org", "callers": ["webapp", "customermanagementapi"]}]},
    ),
    "egress-twice, the databases": Case(
        {
            "azure.database": {"kind": "external", "host": "sql.example.org"},
            "egress": [
                {"host": "sql.example.org", "port": 1433, "protocol": "TCP", "callers": ["webapp"]},
            ],
        },
        "pitstop:egress[0].host = sql.example.org:1433: is the databases' server, which services that need "
        "it call anyway; remove it",
        {"egress[0].port": 14330},
        FULL,
    ),
    "egress-blurred": Case(
        {
            "egress": [
                {"host": "a.example.org", "protocol": "TLS", "callers": ["webapp"]},
                {"host": "b.example.org", "protocol": "TCP", "callers": ["webapp"]},
            ]
        },
        "pitstop:egress[1].port = 443: egress[0] has this port too, and TCP names no host; valid: another "
        "port, or a protocol that names one for both, e.g. protocol: TLS",
        {"egress[1].protocol": "TLS"},
    ),
    "egress-blurred, by two shadows": Case(
        {
            "services.workshopmanagementeventhandler": {
                "versions": PAIR,
                "release": SHADOW | {"sqlHost": "other-sql.example.org"},
            },
            "egress[3]": {
                "host": "other-sql.example.org",
                "port": 1433,
                "protocol": "TCP",
                "callers": ["workshopmanagementeventhandler"],
            },
        },
        "pitstop:egress[3].port = 1433: egress[0] has this port too, and TCP names no host; valid: one host "
        "for both, or another port for what is no shadow's server",
        {
            "services.workshopmanagementeventhandler.release.sqlHost": "shadow-sql.example.org",
            "egress[0].callers": ["notificationservice", "workshopmanagementeventhandler"],
            "egress[3]": REMOVE,
        },
        EVERYTHING,
    ),
    "egress-blurred, by a shadow and the databases": Case(
        {"mesh": {"kind": "helm"}, "azure.database": ELSEWHERE, "egress": SHADOWS_EGRESS},
        "pitstop:egress[0].port = 1433: the databases have this port too, and TCP names no host; valid: "
        "databases on another port or in the cluster",
        {"azure.database": ELSEWHERE | {"port": 14330}},
        AZURE_MESHLESS,
    ),
    "shadow-egress, by another protocol": Case(
        {"egress[0].protocol": "TLS"},
        f"pitstop:{NOTES}.release.sqlHost = shadow-sql.example.org: egress does not let notificationservice "
        "call it; e.g. egress: [{host: shadow-sql.example.org, port: 1433, protocol: TCP, callers: "
        "[notificationservice]}]",
        {"egress[0].protocol": "TCP"},
        EVERYTHING,
    ),
    "shadow-hosts": Case(
        {f"{NOTES}.release.sqlHost": REMOVE},
        f"pitstop:{NOTES}.release.sqlHost: required, or sqlserver would get everything twice, "
        "e.g. sqlHost: sqlserver.example.org",
        {f"{NOTES}.release.sqlHost": "shadow-sql.example.org"},
        EVERYTHING,
    ),
    "shadow-hosts, the live one's": Case(
        {f"{NOTES}.release.mailHost": "mailserver.pitstop.svc.cluster.local"},
        f"pitstop:{NOTES}.release.mailHost = mailserver.pitstop.svc.cluster.local: is the live version's, "
        "which would get everything twice; valid: another, e.g. mailHost: mailserver.example.org",
        {f"{NOTES}.release.mailHost": "shadow-mail.example.org"},
        EVERYTHING,
    ),
    "shadow-hosts, a name of this namespace": Case(
        {f"{NOTES}.release.sqlHost": "sql2"},
        f"pitstop:{NOTES}.release.sqlHost = sql2: must be one host outside of this namespace, with a dot in "
        "its name, e.g. sqlHost: sqlserver.example.org",
        {f"{NOTES}.release.sqlHost": "shadow-sql.example.org"},
        EVERYTHING,
    ),
    "shadow-hosts, in full": Case(
        {f"{NOTES}.release.mailHost": "mail2.pitstop.svc"},
        f"pitstop:{NOTES}.release.mailHost = mail2.pitstop.svc: must be one host outside of this namespace, "
        "with a dot in its name, e.g. mailHost: mailserver.example.org",
        {f"{NOTES}.release.mailHost": "shadow-mail.example.org"},
        EVERYTHING,
    ),
    "shadow-hosts, another service": Case(
        {f"{NOTES}.release.sqlHost": "rabbitmq"},
        f"pitstop:{NOTES}.release.sqlHost = rabbitmq: must be one host outside of this namespace, with a dot "
        "in its name, e.g. sqlHost: sqlserver.example.org",
        {f"{NOTES}.release.sqlHost": "shadow-sql.example.org"},
        EVERYTHING,
    ),
    "shadow-hosts, a server elsewhere": Case(
        {"azure.database": ELSEWHERE, f"{NOTES}.release.sqlHost": "sql.example.org"},
        f"pitstop:{NOTES}.release.sqlHost = sql.example.org: is the live version's, which would get "
        "everything twice; valid: another, e.g. sqlHost: sqlserver.example.org",
        {f"{NOTES}.release.sqlHost": "shadow-sql.example.org"},
        AZURE_MESHLESS,
    ),
    "shadow-hosts, Azure's": Case(
        {f"{NOTES}.release.sqlHost": AZURE_SQL},
        f"pitstop:{NOTES}.release.sqlHost = {AZURE_SQL}: is the live version's, which would get everything "
        "twice; valid: another, e.g. sqlHost: sqlserver.example.org",
        {f"{NOTES}.release.sqlHost": "shadow-sql.example.org"},
        AZURE_MESHLESS,
    ),
    "shadow-hosts, where the live one mails": Case(
        {f"{NOTES}.versions.v1": {"settings": {"email__host": "Shadow-Mail.example.org."}}},
        f"pitstop:{NOTES}.release.mailHost = shadow-mail.example.org: is the live version's, which would get "
        "everything twice; valid: another, e.g. mailHost: mailserver.example.org",
        {f"{NOTES}.versions.v1.settings": {"Email__Host": "smtp.example.org"}},
        EVERYTHING,
    ),
    "shadow-hosts, by a setting": Case(
        {f"{NOTES}.versions.v2": {"settings": {"email__host": "mailserver"}}},
        f"pitstop:{NOTES}.versions.v2.settings.email__host = mailserver: a shadow mails by release.mailHost; "
        "remove the key",
        {f"{NOTES}.versions.v2.settings": {"Email__Port": "2525"}},
        EVERYTHING,
    ),
    "shadow-hosts, no use": Case(
        {
            "storage": {"kind": "ephemeral"},
            "services.auditlogservice": {"versions": PAIR, "release": SHADOW | {"sqlHost": "a"}},
        },
        "pitstop:services.auditlogservice.release.sqlHost = a: auditlogservice has no use for one; remove "
        "the key",
        {"services.auditlogservice.release.sqlHost": REMOVE},
    ),
    "shadow-egress": Case(
        {"egress[0]": {"host": "shadow-sql.example.org", "port": 1433, "callers": ["invoiceservice"]}},
        f"pitstop:{NOTES}.release.sqlHost = shadow-sql.example.org: egress does not let notificationservice "
        "call it; e.g. egress: [{host: shadow-sql.example.org, port: 1433, protocol: TCP, callers: "
        "[notificationservice]}]",
        {
            "egress[0]": {
                "host": "shadow-sql.example.org",
                "port": 1433,
                "protocol": "TCP",
                "callers": ["notificationservice"],
            }
        },
        EVERYTHING,
    ),
}
APPS = "cluster.pools.apps"
QUEUED: Node = {"versions": {"v1": {"scaling": {"kind": "queue", "max": 4}}}}
AZURE = {
    "images-local, in a managed cluster": Case(
        {"images": "standin"},
        "pitstop:images = standin: no managed cluster can load them; valid: upstream, own or a registry, "
        "e.g. upstream",
        {"images": "upstream"},
        AKS,
    ),
    "subnet-small": Case(
        {"azure.network": {"nodes": "10.20.0.0/28"}},
        "pitstop:azure.network.nodes = 10.20.0.0/28: has 11 addresses, and the pools may need 15 while they "
        "are upgraded; valid: a /27 or larger, or smaller pools",
        {"azure.network": {"nodes": "10.20.0.0/27"}},
        AKS,
    ),
    "subnet-small, with its pods": Case(
        {"cluster.network": {"mode": "subnet"}, "azure.network": {"nodes": "10.20.0.0/22"}},
        "pitstop:azure.network.nodes = 10.20.0.0/22: has 1019 addresses, and the pools may need 1665 while "
        "they are upgraded; valid: a /21 or larger, or smaller pools",
        {"azure.network": {"nodes": "10.20.0.0/21"}},
        AKS,
    ),
    "address-overlap": Case(
        {"cluster.network": {"podCidr": "10.16.0.0/13"}},
        "pitstop:cluster.network.podCidr = 10.16.0.0/13: overlaps azure.network.range, which is "
        "10.20.0.0/16; "
        "valid: another private range",
        {"cluster.network": {"podCidr": "192.168.0.0/16"}},
        AKS,
    ),
    "address-overlap, of services": Case(
        {"cluster.network": {"serviceCidr": "10.20.128.0/20", "dnsServiceIP": "10.20.128.10"}},
        "pitstop:cluster.network.serviceCidr = 10.20.128.0/20: overlaps azure.network.range, which is "
        "10.20.0.0/16; valid: another private range",
        {"cluster.network": {}},
        AKS,
    ),
    "no-pool": Case(
        {f"{APPS}.spot": True},
        "pitstop:cluster.pools = apps: every pool has a taint (spot machines have one of Azure's); "
        "valid: one "
        "pool with neither, e.g. apps: {vmSize: Standard_D4ds_v5, max: 3}",
        {"cluster.pools": {"apps": {"vmSize": "Standard_D4ds_v5", "max": 3}}},
        AKS,
    ),
    "no-pool, by a taint": Case(
        {f"{APPS}.taints": ["dedicated=batch:NoSchedule"]},
        "pitstop:cluster.pools = apps: every pool has a taint (spot machines have one of Azure's); "
        "valid: one "
        "pool with neither, e.g. apps: {vmSize: Standard_D4ds_v5, max: 3}",
        {f"{APPS}.taints": ["dedicated=batch:PreferNoSchedule"]},
        AKS,
    ),
    "logs-nowhere": Case(
        {"azure.monitoring": None, "cluster.addons": {"defender": True}},
        "pitstop:cluster.addons.defender = true: needs azure.monitoring; valid without: false",
        {"cluster.addons": {"defender": False}},
        AKS,
    ),
    "logs-nowhere, of containers": Case(
        {"azure.monitoring": None, "cluster.addons": {"containerInsights": True}},
        "pitstop:cluster.addons.containerInsights = true: needs azure.monitoring; valid without: false",
        {"azure.monitoring": {}},
        AKS,
    ),
    "addon-cluster": Case(
        {"mesh": {"kind": "addon", "revisions": ["asm-1-27"]}},
        "pitstop:mesh.kind = addon: the add-on belongs to a cluster of kind aks, and this is local; valid "
        "where somebody else has switched it on: {kind: existing, revision: asm-1-27, rootNamespace: "
        "aks-istio-system, gateway: {namespace: aks-istio-ingress, selector: {istio: "
        "aks-istio-ingressgateway-external}}, cni: false}",
        {
            "mesh": {
                "kind": "existing",
                "revision": "asm-1-27",
                "rootNamespace": "aks-istio-system",
                "gateway": {
                    "namespace": "aks-istio-ingress",
                    "selector": {"istio": "aks-istio-ingressgateway-external"},
                },
                "cni": False,
            }
        },
        CANARY,
    ),
    "keda-addon": Case(
        {"services.invoiceservice": QUEUED},
        "pitstop:cluster.addons.keda = false: a service is scaled by its queue, which KEDA does; valid: true",
        {"cluster.addons": {"keda": True}},
        AKS,
    ),
    "builds-unused": Case(
        {"azure.registry": {"builds": {"commit": "a" * 40}}},
        "pitstop:azure.registry.builds: images come from upstream; valid: images: own, or no builds",
        {"images": "own"},
        AKS,
    ),
    "database-twice": Case(
        {"azure.database": {"kind": "azureSql"}},
        "pitstop:services.sqlserver: azure.database is azureSql, and services call that; remove the key",
        {"services.sqlserver": REMOVE},
        AKS,
    ),
    "developer-edition": Case(
        {"guardrails": {"production": True}, "azure.protect": True},
        "pitstop:services.sqlserver: Developer edition, and guardrails.production is true; valid: "
        "azure.database: {kind: azureSql}",
        {"azure.database": {"kind": "azureSql"}, "services.sqlserver": REMOVE},
        AKS,
    ),
    "unprotected": Case(
        {"azure.protect": False},
        "pitstop:azure.protect = false: guardrails.production is true; valid: true",
        {"azure.protect": True},
        FULL,
    ),
    "egress-blurred, by the databases": Case(
        {"egress": [{"host": "a.example.org", "port": 1433, "protocol": "TCP", "callers": ["webapp"]}]},
        "pitstop:egress[0].port = 1433: the databases have this port too, and TCP names no host; "
        "valid: another "
        "port",
        {"egress[0].port": 1434},
        FULL,
    ),
}
VAULT: Node = {"azure.vault": {}, "secrets": {"kind": "vault"}}
ZONE: Node = {
    "azure.dns": {"zone": "example.org", "resourceGroup": "rg-dns"},
    "ingress.hosts": ["pitstop.example.org"],
}
SECRETS = {
    "vault-missing": Case(
        {"secrets": {"kind": "vault"}},
        "pitstop:secrets.kind = vault: only a managed cluster of this stack has a key vault; valid here: "
        "configuration",
        {"secrets.kind": "configuration"},
    ),
    "vault-missing, for a certificate": Case(
        {"ingress.hosts": ["a.example.org"], "ingress.tls": {"kind": "vault", "certificate": "mine"}},
        "pitstop:ingress.tls.kind = vault: only a managed cluster of this stack has a key vault; valid here: "
        "values",
        {"ingress.tls": {"kind": "values"}},
    ),
    "vault-missing, though there could be one": Case(
        {"secrets": {"kind": "vault"}},
        "pitstop:azure.vault: required because secrets.kind is vault, e.g. vault: {}",
        {"azure.vault": {}},
        FULL,
    ),
    "vault-driver": Case(
        VAULT,
        "pitstop:cluster.addons.vault: required where secrets or a certificate come from a vault, e.g. "
        "vault: {}",
        {"cluster.addons.vault": {}},
        AKS,
    ),
    "vault-driver, that looks too seldom": Case(
        {**VAULT, "cluster.addons.vault.rotation": "1h"},
        "pitstop:cluster.addons.vault.rotation = 1h: an update waits that long for a new value; valid: at "
        "most 5m, e.g. 2m",
        {"cluster.addons.vault.rotation": "2m"},
        FULL,
    ),
    "vault-driver, that is nobody": Case(
        {**VAULT, "cluster.workloadIdentity": False},
        "pitstop:cluster.workloadIdentity = false: the reader of the vault is a service account; valid: true",
        {"cluster.workloadIdentity": True},
        FULL,
    ),
    "dns-zone": Case(
        {**ZONE, "ingress.hosts": ["pitstop.example.org", "pitstop.example.com"]},
        "pitstop:ingress.hosts[1] = pitstop.example.com: must be a name of azure.dns.zone, e.g. "
        "pitstop.example.org (or remove azure.dns)",
        {"ingress.hosts": ["pitstop.example.org"]},
        AKS,
    ),
    "dns-zone, for everybody's gateway": Case(
        {**ZONE, "mesh": {"kind": "existing"}},
        "pitstop:azure.dns = example.org: mesh.kind is existing, whose gateway is not this stack's: nobody "
        "would give it the address; remove the key",
        {"azure.dns": REMOVE},
        AKS,
    ),
    "dns-zone, without a load balancer": Case(
        {**ZONE, "mesh.gateway": {"service": "ClusterIP"}},
        "pitstop:mesh.gateway.service = ClusterIP: azure.dns leads to a load balancer's address; valid: "
        "LoadBalancer",
        {"mesh.gateway.service": "LoadBalancer"},
        AKS,
    ),
}
# By code; what stands behind a comma tells two cases of one code apart.
CASES = {**SERVICES, **ROUTES, **RESILIENCE, **CAPACITY, **OUTSIDE, **AZURE, **SECRETS}


def code_of(name: str) -> str:
    return name.partition(",")[0]


@pytest.mark.parametrize("name", CASES)
def test_an_environment_that_cannot_work_is_refused_by_one_check_alone(name: str) -> None:
    case = CASES[name]
    with pytest.raises(RefusedError) as refused:
        plan(case.broken, case.base)
    assert refused.value.lines == (case.line,)
    assert {finding.code for finding in refused.value.findings} == {code_of(name)}


@pytest.mark.parametrize("name", CASES)
def test_what_the_message_proposes_passes(name: str) -> None:
    case = CASES[name]
    assert plan(case.fixed, raw(case.broken, case.base)).workloads


def test_every_check_over_settings_has_a_case() -> None:
    assert {code_of(name) for name in CASES} == {check.code for check in SETTINGS}


@pytest.mark.parametrize(
    "base", [CANARY, WHOLE, EVERYTHING, AKS, FULL], ids=["canary", "whole", "everything", "aks", "full"]
)
def test_the_sound_environments_pass(base: Node) -> None:
    assert list(check_settings(settings(base=base), TODAY)) == []
    assert list(check_plan(plan(base=base))) == []


def test_every_kind_of_policy_and_release_is_among_them() -> None:
    sound = settings(base=EVERYTHING)
    kinds = {policy.kind for own in sound.services.values() for policy in own.traffic}
    releases = {own.release.kind for own in sound.services.values() if own.release}
    schema = Settings.model_json_schema()["$defs"]
    assert kinds == set(
        schema["ServiceSettings"]["properties"]["traffic"]["items"]["discriminator"]["mapping"]
    )
    named = schema["ServiceSettings"]["properties"]["release"]["anyOf"][0]["discriminator"]["mapping"]
    assert releases == set(named)
    assert len(sound.services) == 13


def test_everything_wrong_is_told_at_once() -> None:
    changes = {
        **SERVICES["singleton"].broken,
        **ROUTES["fault-expired"].broken,
        **OUTSIDE["host-twice"].broken,
    }
    codes = [finding.code for finding in check_settings(settings(changes), TODAY)]
    assert sorted(codes) == ["fault-expired", "host-twice", "singleton"]


@pytest.mark.parametrize("value", ["yes", "no"])
def test_a_cookie_has_one_value(value: str) -> None:
    route: Node = {"kind": "route", "to": "v2", "cookie": {"beta": "yes"}}
    sound = plan({f"{API}.traffic[1]": route, f"{API}.traffic[2]": FAULT | {"cookie": {"beta": value}}})
    names = [way["name"] for way in items(objects(sound, "VirtualService")[CUSTOMERS], "spec", "http")]
    assert ("route-1-fault-2" in names) is (value == "yes")
    assert ("default-fault-2" in names) is (value == "no")


def test_a_fault_has_its_whole_last_day() -> None:
    fault = {f"{API}.traffic[1]": FAULT}
    assert plan(fault, today=date(2026, 12, 31)).workloads
    with pytest.raises(RefusedError, match="that day is over"):
        plan(fault, today=date(2027, 1, 1))


def test_the_day_is_todays_where_none_is_given() -> None:
    with pytest.raises(RefusedError, match="that day is over"):
        plan_for(settings({f"{API}.traffic[1]": FAULT | {"until": "2026-01-01"}}), OWNER)


def test_contexts_that_can_load_images_are_those_with_a_loader() -> None:
    assert set(LOADED_CONTEXTS) == set(LOADERS)


def test_a_finding_tells_where_its_reason_stands() -> None:
    with pytest.raises(RefusedError) as refused:
        plan(SERVICES["singleton"].broken)
    assert refused.value.findings[0].reference == "docs/checks.md#singleton"
