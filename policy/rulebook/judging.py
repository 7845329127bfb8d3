"""Every rule over everything a program registers: which violations there are, and which are excepted."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from . import access, azure, mesh, wiring, workloads
from . import exceptions as exempting
from .exceptions import Exemption, Exemptions
from .reading import Document, UnknownReadError
from .registry import (
    RESOURCE_RULES,
    STACK_RULES,
    Kind,
    Level,
    Resource,
    Rule,
    Stack,
    Told,
    Violation,
)

# Importing a module registers its rules.
_RULES = (azure, workloads, mesh, wiring, access)

PACK = "pack"
EXCEPTION, UNUSED = "X1", "X2"
AnyRule = Rule[Resource] | Rule[Stack]


class PackSettings(BaseModel):
    """What the whole pack is told, under `pack` in its configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    environment: Annotated[Kind, Field(description="what defaults the rules have")] = "prod"
    unknowns: Annotated[
        Literal["refuse", "advise"],
        Field(description="what a rule does that needs a value a preview does not know"),
    ] = "refuse"
    exceptions: Annotated[
        tuple[dict[str, Any], ...],
        Field(description=f"what may be otherwise for a while, each: {exempting.EXAMPLE}"),
    ] = ()


class ConfigurationError(ValueError):
    """The pack's configuration is not valid; says where, and what would be. One line for each mistake."""


def rules() -> tuple[AnyRule, ...]:
    """Every rule, by code."""
    return tuple(sorted((*RESOURCE_RULES, *STACK_RULES), key=lambda one: order(one.code)))


def order(code: str) -> tuple[str, int, str]:
    """A2 comes before A10, and A7 before A7-window."""
    main, _, suffix = code.partition("-")
    return main[0], int(main[1:]), suffix


def codes() -> frozenset[str]:
    """The codes of all rules."""
    return frozenset(one.code for one in rules())


@dataclass(frozen=True)
class Configuration:
    """What pack and rules are told, as of a day."""

    pack: PackSettings
    today: date
    told: Mapping[str, Told]
    levels: Mapping[str, Level]
    exemptions: Exemptions = field(init=False)

    def __post_init__(self) -> None:
        exemptions = exempting.read(self.pack.exceptions, codes(), self.today)
        object.__setattr__(self, "exemptions", exemptions)

    def level(self, code: str) -> Level:
        """What a violation of a rule does."""
        return self.levels[code]


def configured(content: Mapping[str, object], today: date) -> Configuration:
    """The configuration of a file as `--policy-pack-config` takes it.

    Raises:
        ConfigurationError: with every mistake.
    """
    known = {one.code: one for one in rules()}
    stated: dict[str, Document] = {}
    levels: dict[str, Level] = {EXCEPTION: Level.MANDATORY, UNUSED: Level.ADVISORY}
    valid = ["all", PACK, *known, *levels]
    wrong = [f"{name}: no such rule; valid: {', '.join(valid)}" for name in sorted({*content} - {*valid})]
    overall = _level(content.get("all"), "all", wrong)
    for code in (*known, *levels):
        own = content.get(code)
        levels[code] = _level(own, code, wrong) or overall or levels.get(code) or known[code].level
        stated[code] = (
            {k: v for k, v in own.items() if k != "enforcementLevel"} if isinstance(own, dict) else {}
        )
    pack = _pack(content.get(PACK, {}), wrong)
    told = {}
    for code, rule in known.items():
        try:
            told[code] = rule.told(stated[code], pack.environment, today)
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ConfigurationError("\n".join(wrong))
    return Configuration(pack, today, told, levels)


def _level(stated: object, code: str, wrong: list[str]) -> Level | None:
    word = stated.get("enforcementLevel") if isinstance(stated, dict) else stated
    if word is None:
        return None
    try:
        return Level(str(word))
    except ValueError:
        wrong.append(f"{code} = {json.dumps(word)}: no such level; valid: {', '.join(Level)}")
        return None


def _pack(stated: object, wrong: list[str]) -> PackSettings:
    own = {k: v for k, v in stated.items() if k != "enforcementLevel"} if isinstance(stated, dict) else stated
    try:
        return PackSettings.model_validate(own)
    except ValidationError as error:
        for one in error.errors():
            key = ".".join([PACK, *(str(part) for part in one["loc"])])
            wrong.append(f"{key} = {json.dumps(one['input'], default=str)}: {one['msg']}")
        return PackSettings()


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation, what it does, and the exception that covers it."""

    code: str
    level: Level
    violation: Violation
    unknown: bool = False
    exemption: Exemption | None = None

    @property
    def resource(self) -> Resource | None:
        """Whose violation it is; None: the stack's."""
        return self.violation.resource

    @property
    def stops(self) -> bool:
        """Whether nothing may be carried out while it is there."""
        return self.level is Level.MANDATORY and self.exemption is None


def over_resource(rule: Rule[Resource], resource: Resource, told: Told) -> Iterator[tuple[Violation, bool]]:
    """What a rule finds of one resource, and whether it is that a value is unknown."""
    if resource.kind in rule.kinds:
        yield from _whatever(rule, resource, told, (resource,))


def over_stack(rule: Rule[Stack], stack: Stack, told: Told) -> Iterator[tuple[Violation, bool]]:
    """What a rule finds of a stack, and whether it is that a value is unknown."""
    yield from _whatever(rule, stack, told, stack.resources)


def _whatever(
    rule: Rule[Any], subject: Resource | Stack, told: Told, resources: tuple[Resource, ...]
) -> Iterator[tuple[Violation, bool]]:
    try:
        for violation in rule.judge(subject, told):
            yield violation, False
    except UnknownReadError as unknown:
        resource = next((one for one in resources if one.urn == unknown.urn), None)
        yield Violation(resource, unknown.path, f"cannot be judged: {unknown.path} is unknown"), True


def judge(resources: Iterable[Resource], configuration: Configuration) -> tuple[Finding, ...]:
    """Everything that is found, the excepted too, and what is wrong with the exceptions themselves."""
    stack = Stack(tuple(resources))
    found: list[Finding] = []
    for rule in rules():
        found += _judged(rule, stack, configuration)
    used = {one.exemption for one in found}
    found += [
        Finding(EXCEPTION, configuration.level(EXCEPTION), Violation(None, "", text))
        for text in configuration.exemptions.wrong
    ]
    found += [
        Finding(UNUSED, configuration.level(UNUSED), Violation(None, "", unused(one)))
        for one in configuration.exemptions.valid
        if one not in used
    ]
    return tuple(one for one in found if one.level is not Level.DISABLED)


def unused(exemption: Exemption) -> str:
    """What is said of an exception that nothing needs."""
    return f"{exemption}: nothing needs it; take it out"


def _judged(rule: AnyRule, stack: Stack, configuration: Configuration) -> Iterator[Finding]:
    told, level = configuration.told[rule.code], configuration.level(rule.code)
    for violation, unknown in _found(rule, stack, told) if level is not Level.DISABLED else ():
        exemption = configuration.exemptions.covering(rule.code, violation.resource)
        lenient = unknown and configuration.pack.unknowns == "advise"
        own = Level.ADVISORY if lenient else level
        yield Finding(rule.code, own, violation, unknown, exemption)


def _found(rule: AnyRule, stack: Stack, told: Told) -> Iterator[tuple[Violation, bool]]:
    if rule.whole:
        yield from _whatever(rule, stack, told, stack.resources)
        return
    for resource in stack.of(*rule.kinds):
        yield from _whatever(rule, resource, told, (resource,))
