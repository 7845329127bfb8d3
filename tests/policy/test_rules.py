"""Each rule over a stack of which nothing is wrong, and over the same stack with one thing wrong."""

from datetime import date

import pytest

from policy.rulebook.judging import Configuration, configured, judge, rules
from policy.rulebook.registry import Rule
from tests.policy.breaks import BREAKS, Break
from tests.policy.world import CONFIG, Stack, resources, world

TODAY = date(2026, 11, 25)
WORLD = world()


@pytest.fixture(scope="module")
def production() -> Configuration:
    return configured(CONFIG, TODAY)


def test_nothing_is_wrong_with_the_world(production: Configuration) -> None:
    assert [str(one.violation) for one in judge(resources(WORLD), production)] == []


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.code)
def test_every_rule_has_something_to_judge_there(rule: Rule) -> None:  # type: ignore[type-arg]
    kinds = {one.kind for one in resources(WORLD)}
    assert kinds & set(rule.kinds)


@pytest.mark.parametrize("change", BREAKS, ids=lambda change: change.name)
def test_a_rule_finds_what_breaks_it_and_no_other_does(change: Break, production: Configuration) -> None:
    found = judge(resources(change.of(WORLD)), production)
    assert {one.code for one in found} == {change.rule, *change.also}
    said = change.said or change.path.replace('"', "")
    assert [one for one in found if one.code == change.rule and str(one.violation).startswith(said)]


def test_every_rule_is_broken_by_something() -> None:
    assert {one.code for one in rules()} == {change.rule for change in BREAKS}


def test_the_world_itself_is_left_alone() -> None:
    before: Stack = world()
    for change in BREAKS:
        change.of(WORLD)
    assert before == WORLD
