"""Exceptions hold for one rule, one resource and some days; what is wrong with one is a violation itself."""

from collections.abc import Mapping
from datetime import date

import pytest

from policy.rulebook.judging import Finding, configured, judge
from policy.rulebook.registry import Level
from tests.policy.breaks import V1
from tests.policy.test_rules import TODAY
from tests.policy.world import CONFIG, REMOVE, Node, changed, resources, world

WORLD = changed(world(), V1, "spec.template.spec.automountServiceAccountToken", REMOVE)
GOOD = {
    "rule": "W7",
    "resource": "kubernetes:apps/v1:Deployment::orders-v1",
    "owner": "shop",
    "reason": "asks the API server which pods there are",
    "expires": "2026-12-31",
}


def found(
    *exceptions: Node, today: date = TODAY, more: Mapping[str, object] | None = None
) -> tuple[Finding, ...]:
    pack = {"environment": "prod", "exceptions": list(exceptions)}
    return judge(resources(WORLD), configured({**CONFIG, "pack": pack, **(more or {})}, today))


@pytest.mark.parametrize(
    "resource",
    [
        "kubernetes:apps/v1:Deployment::orders-v1",
        "kubernetes:apps/v1:Deployment::orders-*",
        "urn:pulumi:prod::shop::kubernetes:apps/v1:Deployment::orders-v1",
        "urn:pulumi:*::orders-v1",
    ],
)
def test_an_exception_covers_what_it_names(resource: str) -> None:
    (one,) = found({**GOOD, "resource": resource})
    assert one.code == "W7"
    assert one.exemption is not None
    assert not one.stops


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rule": "W4"}, "nothing needs it"),
        ({"resource": "kubernetes:apps/v1:Deployment::orders-v2"}, "nothing needs it"),
        ({"resource": "orders-v1"}, "nothing needs it"),
        ({"expires": "2026-11-24"}, "over since 2026-11-24"),
        ({"expires": "soon"}, "expires soon: not a day"),
        ({"owner": " "}, "without owner"),
        ({"reason": ""}, "without reason"),
        ({"expires": None}, "without expires"),
        ({"rule": "W99"}, "rule W99: no such rule"),
        ({"until": "2027-01-01"}, "until: no such key"),
    ],
)
def test_one_that_does_not_hold_covers_nothing_and_is_told(change: Node, said: str) -> None:
    one, other = found({**GOOD, **change})
    assert (one.code, one.stops, one.exemption) == ("W7", True, None)
    assert other.code == ("X2" if "needs" in said else "X1")
    assert said in str(other.violation)
    assert other.level is (Level.ADVISORY if "needs" in said else Level.MANDATORY)


def test_the_last_day_is_included() -> None:
    for today, stops in ((date(2026, 12, 31), False), (date(2027, 1, 1), True)):
        assert [one.stops for one in found(GOOD, today=today) if one.code == "W7"] == [stops]


def test_an_exception_for_a_rule_that_is_off_is_not_needed() -> None:
    (one,) = found(GOOD, more={"W7": "disabled"})
    assert one.code == "X2"


def test_a_violation_of_the_stack_is_excepted_as_such() -> None:
    more = {"M2-graph": {"edges": ["shop/web -> shop/nowhere:1"]}}
    without = [one for one in found(more=more) if one.resource is None]
    assert [one.code for one in without] == ["M2-graph"]
    exempt = {**GOOD, "rule": "M2-graph", "resource": "stack"}
    covered = [one for one in found(exempt, more=more) if one.resource is None]
    assert [one.stops for one in covered] == [False]
