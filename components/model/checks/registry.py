"""What a check is: a code, why it exists, and a function that finds what is wrong."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Generic, TypeVar

from components.model import access
from components.model.catalogue import CATALOGUE, Kind
from components.model.explain import key_path
from components.model.findings import Finding
from components.model.plan import Plan
from components.model.settings import ServiceSettings, Settings
from components.model.types import Model

Subject_contra = TypeVar("Subject_contra", contravariant=True)
Policy_co = TypeVar("Policy_co", bound=Model, covariant=True)


@dataclass(frozen=True, slots=True)
class Stated(Generic[Policy_co]):
    """A traffic policy where it stands."""

    service: str
    own: ServiceSettings
    number: int
    policy: Policy_co

    def path(self, *keys: str | int) -> str:
        """The key of the policy, or of something in it."""
        return key_path(("services", self.service, "traffic", self.number, *keys))


@dataclass(frozen=True)
class Asked:
    """An environment as it is asked for, on a day: what may stand in a stack file depends on both."""

    settings: Settings
    today: date

    @cached_property
    def callers(self) -> Mapping[str, tuple[str, ...]]:
        """For each service that answers requests, the services of the environment that send it some."""
        found: dict[str, tuple[str, ...]] = {
            name: () for name in sorted(self.settings.services) if CATALOGUE[name].kind is Kind.HTTP
        }
        for edge in access.edges(self.settings):
            if edge.service in found:
                found[edge.service] += (edge.caller,)
        return found

    def stated(self, kind: type[Policy_co]) -> Iterator[Stated[Policy_co]]:
        """Every policy of a kind; those for services without requests have a finding of their own."""
        for name in self.callers:
            yield from stated(name, self.settings.services[name], kind)


def stated(service: str, own: ServiceSettings, kind: type[Policy_co]) -> Iterator[Stated[Policy_co]]:
    """The policies of a kind of one service."""
    for number, policy in enumerate(own.traffic):
        if isinstance(policy, kind):
            yield Stated(service, own, number, policy)


@dataclass(frozen=True, slots=True)
class Check(Generic[Subject_contra]):
    """One rule. `title`, `reason` and `source` are what docs/checks.md says about it."""

    code: str
    title: str
    reason: str
    source: str
    find: Callable[[Subject_contra], Iterator[Finding]]


SETTINGS: list[Check[Asked]] = []
PLANS: list[Check[Plan]] = []

Find = Callable[[Subject_contra], Iterator[Finding]]


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
