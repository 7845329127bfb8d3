"""What a check is: a code, why it exists, and a function that finds what is wrong."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

from components.model.findings import Finding
from components.model.plan import Plan
from components.model.settings import Settings

Subject = TypeVar("Subject", contravariant=True)


@dataclass(frozen=True, slots=True)
class Asked:
    """An environment as it is asked for, on a day: what may stand in a stack file depends on both."""

    settings: Settings
    today: date


@dataclass(frozen=True, slots=True)
class Check(Generic[Subject]):
    """One rule. `title`, `reason` and `source` are what docs/checks.md says about it."""

    code: str
    title: str
    reason: str
    source: str
    find: Callable[[Subject], Iterator[Finding]]


SETTINGS: list[Check[Asked]] = []
PLANS: list[Check[Plan]] = []

Find = Callable[[Subject], Iterator[Finding]]


def settings_check(
    code: str, title: str, *, reason: str, source: str
) -> Callable[[Find[Asked]], Find[Asked]]:
    """Registers a rule over settings: what only the catalogue, or another service, can tell."""

    def register(find: Find[Asked]) -> Find[Asked]:
        SETTINGS.append(Check(code, title, reason, source, find))
        return find

    return register


def plan_check(code: str, title: str, *, reason: str, source: str) -> Callable[[Find[Plan]], Find[Plan]]:
    """Registers a rule over a plan: it guards the compiler, no stack file reaches it."""

    def register(find: Find[Plan]) -> Find[Plan]:
        PLANS.append(Check(code, title, reason, source, find))
        return find

    return register
