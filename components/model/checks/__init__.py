"""Proofs over a whole environment that no single setting can give. A finding stops the program.

Settings are checked for what only the catalogue knows; the plan is checked for what the mesh would take
without a word and then do something else. docs/checks.md lists them all, made from what stands here.
"""

from collections.abc import Iterator
from datetime import date

from components.model import plan as plans
from components.model.checks import (
    azure,
    callers,
    capacity,
    environments,
    outside,
    resilience,
    routes,
    secrets,
    traffic,
    workloads,
)
from components.model.checks.registry import PLANS, SETTINGS, Asked, Check
from components.model.findings import Finding, RefusedError
from components.model.plan import Plan
from components.model.settings import Settings

__all__ = ["PLANS", "SETTINGS", "Asked", "Check", "check_plan", "check_settings", "plan_for"]

# Importing a module registers its rules.
_RULES = (environments, traffic, resilience, capacity, outside, routes, workloads, callers, azure, secrets)


def plan_for(settings: Settings, owner: str, today: date | None = None) -> Plan:
    """The checked plan of an environment, as of a day (today's, where none is given).

    Raises:
        RefusedError: with every finding.
    """
    found = list(check_settings(settings, today))
    if found:
        raise RefusedError(found)
    plan = plans.build(settings, owner)
    found = list(check_plan(plan))
    if found:
        raise RefusedError(found)
    return plan


def check_settings(settings: Settings, today: date | None = None) -> Iterator[Finding]:
    """Everything the settings' own types cannot see."""
    asked = Asked(settings, today or date.today())  # noqa: DTZ011 - a day as the person who wrote it counts
    for check in SETTINGS:
        yield from check.find(asked)


def check_plan(plan: Plan) -> Iterator[Finding]:
    """What must hold between objects, whatever made them."""
    for check in PLANS:
        yield from check.find(plan)
