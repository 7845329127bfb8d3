"""What may be otherwise, for a while: each exception has an owner, a reason and a last day."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase

from .reading import Document
from .registry import Resource

KEYS = ("rule", "resource", "owner", "reason", "expires")
EXAMPLE = (
    '{"rule": "W2", "resource": "kubernetes:apps/v1:Deployment::mailserver", "owner": "platform", '
    '"reason": "writes its spool beside its program", "expires": "2026-06-30"}'
)
STACK = "stack"  # what a violation of no resource is excepted by


@dataclass(frozen=True, slots=True)
class Exemption:
    """One exception. `number` is its place in the configuration."""

    number: int
    rule: str
    resource: str
    owner: str
    reason: str
    expires: date

    def covers(self, code: str, resource: Resource | None) -> bool:
        """Whether it is meant for a rule on a resource: by URN, or by type::name; * is any text."""
        if code != self.rule:
            return False
        names = (resource.urn, f"{resource.type}::{resource.name}") if resource else (STACK,)
        return any(fnmatchcase(one, self.resource) for one in names)

    def __str__(self) -> str:
        return f"exceptions[{self.number}] ({self.rule} on {self.resource}, {self.owner})"


@dataclass(frozen=True, slots=True)
class Exemptions:
    """The exceptions that hold on a day, and what is wrong with the others."""

    valid: tuple[Exemption, ...]
    wrong: tuple[str, ...]

    def covering(self, code: str, resource: Resource | None) -> Exemption | None:
        """The exception that holds for a rule on a resource."""
        return next((one for one in self.valid if one.covers(code, resource)), None)


def read(stated: Sequence[Document], codes: frozenset[str], today: date) -> Exemptions:
    """The exceptions of a pack's configuration."""
    valid: list[Exemption] = []
    wrong: list[str] = []
    for number, one in enumerate(stated):
        problems = list(_problems(one, codes, today))
        if problems:
            wrong += [f"exceptions[{number}]: {problem}" for problem in problems]
        else:
            texts = {key: str(one[key]) for key in KEYS if key != "expires"}
            valid.append(Exemption(number, **texts, expires=date.fromisoformat(str(one["expires"]))))
    return Exemptions(tuple(valid), tuple(wrong))


def _problems(one: Document, codes: frozenset[str], today: date) -> Iterator[str]:
    missing = [key for key in KEYS if not str(one.get(key) or "").strip()]
    if missing:
        yield f"without {', '.join(missing)}; valid, e.g.: {EXAMPLE}"
    if unknown := sorted(set(one) - set(KEYS)):
        yield f"{unknown[0]}: no such key; valid: {', '.join(KEYS)}"
    rule, expires = str(one.get("rule") or ""), str(one.get("expires") or "")
    if rule and rule not in codes:
        yield f"rule {rule}: no such rule; valid: {', '.join(sorted(codes))}"
    if expires:
        try:
            last = date.fromisoformat(expires)
        except ValueError:
            yield f"expires {expires}: not a day; valid, e.g.: {today.replace(year=today.year + 1, day=1)}"
            return
        if last < today:
            yield f"{rule} on {one.get('resource')}: over since {expires}; mend it, or say again why"
