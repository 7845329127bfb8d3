"""Every check has an environment or a plan it refuses, and lets the sound one pass."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from components.model import manifests
from components.model.catalogue import CATALOGUE
from components.model.checks import check_plan, check_settings
from components.model.findings import RefusedError
from components.model.manifests import Document, Json, Manifest
from components.model.plan import Plan
from tests.model.examples import REMOVE, plan, settings

REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "need-missing": (
        {"services.sqlserver": REMOVE},
        (
            "pitstop:services.sqlserver: required because customermanagementapi does not start without it, "
            "e.g. sqlserver: {}"
        ),
    ),
    "no-requests": (
        {"services.timeservice": {"traffic": {"kind": "bluegreen", "live": "v1"}}},
        (
            "pitstop:services.timeservice.traffic = bluegreen: timeservice takes no requests the mesh could "
            "route; remove the key"
        ),
    ),
    "one-version": (
        {"services.sqlserver": {"versions": {"v2": {}}}},
        (
            "pitstop:services.sqlserver.versions = v2: sqlserver keeps data and has one version; "
            "valid: versions: {v1: {}}"
        ),
    ),
    "singleton": (
        {"services.rabbitmq": {"versions": {"v1": {"replicas": 2}}}},
        "pitstop:services.rabbitmq.versions.v1.replicas = 2: rabbitmq must never run twice; valid: 1",
    ),
}


@pytest.mark.parametrize("code", REFUSED)
def test_an_environment_that_cannot_work_is_refused(code: str) -> None:
    changes, line = REFUSED[code]
    with pytest.raises(RefusedError) as refused:
        plan(changes)
    assert refused.value.lines == (line,)
    assert [finding.code for finding in refused.value.findings] == [code]


def test_the_sound_environment_passes() -> None:
    assert list(check_settings(settings())) == []
    assert list(check_plan(plan())) == []


def edited(manifest: Manifest, change: Callable[[Document], None]) -> Manifest:
    spec = manifest.document()["spec"]
    assert isinstance(spec, dict)
    change(spec)
    return replace(manifest, body={**manifest.body, "spec": spec})


def first(value: Json) -> Document:
    assert isinstance(value, list)
    assert isinstance(value[0], dict)
    return value[0]


def api_route(environment: Plan, change: Callable[[Document], None]) -> Plan:
    return replace(
        environment,
        routes=tuple(
            replace(way, route=edited(way.route, change)) if way.service != "webapp" else way
            for way in environment.routes
        ),
    )


def api_rule(environment: Plan, change: Callable[[Document], None]) -> Plan:
    return replace(
        environment,
        routes=tuple(
            replace(way, destination=edited(way.destination, change)) if way.service != "webapp" else way
            for way in environment.routes
        ),
    )


def without_a_version(environment: Plan) -> Plan:
    return replace(
        environment,
        workloads=tuple(replace(load, deployments=load.deployments[:1]) for load in environment.workloads),
    )


def scaled_to_nothing(environment: Plan) -> Plan:
    def to_zero(spec: Document) -> None:
        spec["replicas"] = 0

    return replace(
        environment,
        workloads=tuple(
            replace(load, deployments=tuple(edited(one, to_zero) for one in load.deployments))
            for load in environment.workloads
        ),
    )


def address_changed(environment: Plan, change: Callable[[Document], None]) -> Plan:
    return replace(
        environment,
        workloads=tuple(
            replace(load, address=edited(load.address, change))
            if load.address and load.service.name == "customermanagementapi"
            else load
            for load in environment.workloads
        ),
    )


def pinned(spec: Document) -> None:
    spec["selector"] = {"app": "customermanagementapi", "version": "1.0"}


def hidden(spec: Document) -> None:
    first(spec["ports"])["appProtocol"] = "tcp"


def lighter(spec: Document) -> None:
    first(first(spec["http"])["route"])["weight"] = 65


def strayed(spec: Document) -> None:
    destination = first(first(spec["http"])["route"])["destination"]
    assert isinstance(destination, dict)
    destination["subset"] = "v7"


def matched(spec: Document) -> None:
    first(spec["http"])["match"] = [{"method": {"exact": "GET"}}]


def twice(spec: Document) -> None:
    assert isinstance(spec["http"], list)
    spec["http"] = [*spec["http"], *spec["http"]]


def relabelled(spec: Document) -> None:
    first(spec["subsets"])["labels"] = {"version": "9.0"}


def doubled(environment: Plan) -> Plan:
    return replace(environment, routes=(*environment.routes, environment.routes[0]))


BROKEN: dict[str, tuple[Callable[[Plan], Plan], str]] = {
    # Upstream's committed canary: the Service leaves the second version without endpoints.
    "selector pins a version": (
        lambda sound: address_changed(sound, pinned),
        "leaves customermanagementapi-v2 without requests",
    ),
    "port hides HTTP": (lambda sound: address_changed(sound, hidden), "port 5100 is not declared as HTTP"),
    "subset without pods": (without_a_version, "subset v2 has no pods"),
    "subset with no replica": (scaled_to_nothing, "subset v1 has no pods"),
    "subset with other labels": (lambda sound: api_rule(sound, relabelled), "subset v1 has no pods"),
    "weights do not sum": (lambda sound: api_route(sound, lighter), "weights sum to 90, not 100"),
    "route to no subset": (lambda sound: api_route(sound, strayed), "v7: no such subset"),
    "no route for the rest": (lambda sound: api_route(sound, matched), "must end with its one route"),
    "two routes for the rest": (lambda sound: api_route(sound, twice), "must end with its one route"),
    "two owners of a host": (doubled, "is a second DestinationRule for"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plan_is_caught(case: str) -> None:
    mutate, message = BROKEN[case]
    assert any(message in str(finding) for finding in check_plan(mutate(plan())))


def test_a_worker_that_must_not_run_twice_has_one_version() -> None:
    both = {"versions": {"v1": {}, "v2": {}}, "traffic": {"kind": "bluegreen", "live": "v1"}}
    codes = {finding.code for finding in check_settings(settings({"services.timeservice": both}))}
    assert codes == {"no-requests", "singleton"}


def test_checks_read_what_builders_write() -> None:
    service = CATALOGUE["webapp"]
    assert manifests.labels("webapp", "v1")["version"] == "1.0"
    assert manifests.service_object(service, "pitstop").document()["kind"] == "Service"
