"""Work grows with the number of services and no faster: counted in calls, which no busy machine changes."""

import sys
from collections.abc import Callable
from functools import cache, partial
from types import FrameType

import pytest

from bench.plan import catalogue_of, made_up
from components.model.checks import PLANS, SETTINGS, Asked, Check
from components.model.explain import parse
from components.model.plan import Plan, build
from components.model.settings import Settings
from tests.property.strategies import TODAY

SMALL, LARGE = 10, 40
MOST = 1.3  # what a service may cost in the large catalogue, compared with the small one


def calls(work: Callable[[], object]) -> int:
    """How many functions are called, each resumption of a generator included."""
    count = 0

    def counted(frame: FrameType, event: str, argument: object) -> None:  # noqa: ARG001 - as Python calls it
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


@cache
def world(size: int) -> tuple[Settings, Plan]:
    """A made-up environment; asked for where its catalogue is in place."""
    settings = parse(made_up(size))
    return settings, build(settings, "pitstop.test")


def growth(work: Callable[[Settings, Plan], object]) -> float:
    """What one service costs among many, compared with among few."""
    costs = []
    for size in (SMALL, LARGE):
        with catalogue_of(size):
            settings, plan = world(size)
            costs.append(calls(partial(work, settings, plan)) / size)
    return costs[1] / costs[0]


def test_settings_and_plan() -> None:
    assert growth(lambda settings, _: build(settings, "pitstop.test")) < MOST


@pytest.mark.parametrize("check", SETTINGS, ids=lambda check: str(check.code))
def test_a_check_of_settings(check: Check[Asked]) -> None:
    assert growth(lambda settings, _: list(check.find(Asked(settings, TODAY)))) < MOST


@pytest.mark.parametrize("check", PLANS, ids=lambda check: str(check.code))
def test_a_check_of_plans(check: Check[Plan]) -> None:
    assert growth(lambda _, plan: list(check.find(plan))) < MOST


def test_work_that_grows_faster_is_noticed() -> None:
    def each_with_each(settings: Settings, _: Plan) -> None:
        for one in settings.services:
            for other in settings.services:
                one.startswith(other)

    assert growth(each_with_each) > 3
