"""A plan in words."""

from collections.abc import Iterator, Mapping

import pytest

from components.model.manifests import Json
from components.registering import _token
from ops.errors import UserError
from ops.review import routes
from ops.review.preview import Preview, understood
from ops.review.words import lines, summary
from tests.model.examples import REMOVE, plan
from tests.review import recorded
from tests.review.scenarios import SERVICE

RECORDED = {
    "nothing": [],
    "weights": ["customermanagementapi: v2 10 % -> 25 %"],
    "dark": ["customermanagementapi: v2 0 % -> 25 %; mirror GET 100 % to v2 off"],
    "version": [
        (
            "customermanagementapi: v2 pods 1 -> 3, image pitstop.local/standin/customermanagementapi:2.0 -> "
            "ghcr.io/o/c:2.1, 10 other fields (topologySpreadConstraints); 1 PodDisruptionBudget created"
        )
    ],
    "removed": ["customermanagementapi: v2 off the routes; v2 not routable any more; v2 removed"],
    "volume": [
        "rabbitmq: volume replaced, data lost (spec.storageClassName)",
        "sqlserver: volume replaced, data lost (spec.storageClassName)",
    ],
    "refused": [],
}


@pytest.mark.parametrize("name", RECORDED)
def test_what_the_engine_said_in_words(name: str) -> None:
    assert sorted(lines(recorded.preview(name))) == sorted(RECORDED[name])
    assert summary(recorded.document(name)) == lines(recorded.preview(name))


def between(before: Mapping[str, object], after: Mapping[str, object]) -> Preview:
    """What the engine would say about two environments, the differing objects alone."""

    def objects(changes: Mapping[str, object]) -> dict[tuple[str, str], dict[str, object]]:
        return {
            (f"kubernetes:{_token(one.api_version, one.kind)}", one.key): dict(one.document())
            for one in plan(changes).objects()
        }

    old, new = objects(before), objects(after)

    def steps() -> Iterator[dict[str, object]]:
        for key in dict.fromkeys([*old, *new]):
            if old.get(key) != new.get(key):
                kind = "create" if key not in old else "delete" if key not in new else "update"
                yield recorded.step(kind, *key, old.get(key), new.get(key))

    return understood({"steps": list(steps())})


BLUE: Mapping[str, object] = {
    f"{SERVICE}.versions": {"v1": {"replicas": 2}, "v2": {"replicas": 2}},
    f"{SERVICE}.traffic": [{"kind": "split", "weights": {"v1": 100, "v2": 0}}],
}
POLICY = f"{SERVICE}.traffic[1]"
FAULT = {
    "kind": "fault",
    "abort": {"percent": 10, "status": 503},
    "headers": {"x-chaos": "yes"},
    "until": "2026-12-01",
}
# What a policy is, and what is said when it comes.
POLICIES: Mapping[str, tuple[Mapping[str, object], str]] = {
    "mirror": ({"kind": "mirror", "to": "v2", "percent": 20}, "mirror GET 20 % to v2 on"),
    "fault": (FAULT, "fault: abort with header x-chaos = yes 503 for 10 % on"),
    "retries": (
        {"kind": "retries", "attempts": 2, "perTry": "2s"},
        (
            "retries 2 on connect-failure,refused-stream on; "
            "retries GET, HEAD 2 of 2s on connect-failure,gateway-error,refused-stream on"
        ),
    ),
    "timeout": ({"kind": "timeout", "duration": "7s"}, "timeout 15s -> 7s"),
    "cookie": (
        {"kind": "route", "to": "v2", "cookie": {"beta": "yes"}},
        "requests with cookie beta = yes to v2 on",
    ),
    "path": ({"kind": "route", "to": "v2", "path": {"prefix": "/new"}}, "requests with path /new* to v2 on"),
    "lane": (
        {"kind": "lane", "caller": "webapp", "callerVersion": "v1", "to": "v2"},
        "requests from webapp 1.0 to v2 on",
    ),
    "breaker": (
        {"kind": "circuitbreaker", "connections": {"max": 100, "pending": 10}},
        "circuit breaker: connections on (maxConnections 100, http1MaxPendingRequests 10)",
    ),
    "affinity": ({"kind": "affinity", "header": "x-user"}, "affinity on (httpHeaderName x-user)"),
}


@pytest.mark.parametrize("kind", POLICIES)
def test_a_policy_that_comes_and_goes(kind: str) -> None:
    policy, words = POLICIES[kind]
    with_it = {**BLUE, POLICY: policy}
    assert lines(between(BLUE, with_it)) == [f"customermanagementapi: {words}"]
    gone = lines(between(with_it, BLUE))
    assert len(gone) == 1
    assert " off" in gone[0] or "7s -> 15s" in gone[0]


def test_a_policy_that_changes_is_told_with_both_values() -> None:
    mirror = {"kind": "mirror", "to": "v2", "percent": 20}
    told = lines(between({**BLUE, POLICY: mirror}, {**BLUE, POLICY: {**mirror, "percent": 60}}))
    assert told == ["customermanagementapi: mirror GET to v2 20 % -> 60 %"]


def test_what_a_wider_route_does_already_is_not_told_of_a_narrower_one() -> None:
    both = {**BLUE, POLICY: {"kind": "mirror", "to": "v2", "percent": 20}, f"{SERVICE}.traffic[2]": FAULT}
    (told,) = lines(between(BLUE, both))
    assert told.count("mirror") == 1
    assert told.count("fault") == 1


def test_versions_scaling_settings_and_callers() -> None:
    new = {**BLUE, f"{SERVICE}.versions.v3": {"settings": {"Colour": "blue"}}}
    (told,) = lines(between(BLUE, new))
    assert "v3 routable" in told
    assert "v3 gets 0 %" in told
    assert "v3 added (1 pod, image pitstop.local/standin/customermanagementapi:3.0)" in told
    changed = {**new, f"{SERVICE}.versions.v3": {"settings": {"Colour": "red"}}}
    assert lines(between(new, changed)) == ["customermanagementapi: v3 setting Colour changed"]
    scaled = {
        **new,
        f"{SERVICE}.versions.v3": {"settings": {"Colour": "blue"}, "scaling": {"kind": "cpu", "max": 5}},
    }
    assert "v3 scales from 2 to 5 pods at 70 % cpu" in lines(between(new, scaled))[0]
    assert "v3 scales no more (was 2 to 5 pods at 70 % cpu)" in lines(between(scaled, new))[0]
    more = {
        **new,
        f"{SERVICE}.versions.v3": {"settings": {"Colour": "blue"}, "scaling": {"kind": "cpu", "max": 9}},
    }
    moved = "v3 scaling 2 to 5 pods at 70 % cpu -> 2 to 9 pods at 70 % cpu"
    assert moved in lines(between(scaled, more))[0]
    worker: Mapping[str, object] = {"services.notificationservice": {}, "services.mailserver": {}}
    assert any(
        line.startswith("rabbitmq: may be called by notificationservice")
        for line in lines(between({}, worker))
    )


def test_a_setting_is_told_by_its_name_and_never_by_its_value() -> None:
    old, new = (
        {f"{SERVICE}.versions.v1": {"settings": {"Colour": value}}} for value in ("tulip", "daffodil")
    )
    (told,) = lines(between(old, new))
    assert "Colour" in told
    assert "tulip" not in told
    assert "daffodil" not in told


def test_a_new_environment_is_told_service_by_service() -> None:
    everything = between({"services.customermanagementapi": REMOVE}, {})
    told = {line.partition(":")[0]: line for line in lines(everything)}
    assert {"customermanagementapi", "rabbitmq", "sqlserver", "webapp"} <= told.keys()
    assert "v1 75 %, v2 25 %" in told["customermanagementapi"]
    assert "may be called by customermanagementapi" in told["rabbitmq"]


def test_weights_that_do_not_add_up_are_told_as_istio_takes_them() -> None:
    targets: list[Json] = [
        {"destination": {"host": "a", "subset": version}, "weight": weight}
        for version, weight in (("v1", 90), ("v2", 20))
    ]
    assert routes.shares({"http": [{"route": targets}]}) == {"v1": "81.8", "v2": "18.2"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "has neither steps nor diagnostics"),
        ([], "valid dictionary"),
        ({"steps": [{"urn": "u"}]}, "steps.0.op: Field required"),
    ],
)
def test_something_else_is_refused_in_one_line(content: object, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        understood(content)
