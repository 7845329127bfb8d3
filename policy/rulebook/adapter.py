"""The rules as Pulumi's policies. Nothing is decided here."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, Protocol

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy import Severity as PulumiSeverity
from pulumi_policy.proxy import UnknownValueError

from . import exceptions as exempting
from .exceptions import Exemption
from .judging import (
    EXCEPTION,
    PACK,
    UNUSED,
    AnyRule,
    PackSettings,
    codes,
    over_resource,
    over_stack,
    unused,
)
from .reading import SENTINELS, Document, plain
from .registry import RESOURCE_RULES, STACK_RULES, Level, Resource, Rule, Stack, Told, Violation

NAME = "meshed-aks"
UNKNOWN = next(iter(sorted(SENTINELS)))


class Seen(Protocol):
    """What a policy is shown of a resource; one resource, or one of a stack."""

    resource_type: str
    props: Mapping[str, Any]
    urn: str
    name: str
    opts: Any


class Run:
    """One preview or update: what the pack is told, and what has been seen so far."""

    def __init__(self, today: date | None = None) -> None:
        self.today = today or datetime.now(tz=UTC).date()
        self.pack = PackSettings()
        self.exemptions = exempting.read((), codes(), self.today)
        self.inputs: dict[str, Resource] = {}
        self.used: set[Exemption] = set()

    def configure(self, stated: Mapping[str, Any]) -> None:
        """Takes what the pack is told, which every call says again.

        Raises:
            ValueError: it is not valid.
        """
        self.pack = PackSettings.model_validate(stated)
        self.exemptions = exempting.read(self.pack.exceptions, codes(), self.today)

    def told(self, rule: AnyRule, stated: Mapping[str, Any]) -> Told:
        """What a rule is told."""
        return rule.told(stated, self.pack.environment, self.today)

    def reported(self, code: str, found: Iterator[tuple[Violation, bool]], report: ReportViolation) -> None:
        """Reports what no exception covers; of an unknown that is only advised, Pulumi's own word."""
        last: str | None = None
        for violation, unknown in found:
            resource = violation.resource
            if exemption := self.exemptions.covering(code, resource):
                self.used.add(exemption)
            elif unknown and self.pack.unknowns == "advise":
                last = violation.path
            else:
                report(str(violation), resource.urn if resource else None)
        if last is not None:
            raise UnknownValueError(UNKNOWN, [last])


def opened(value: object) -> object:
    """A document as the SDK shows it, without its guards: an unknown value is the engine's own mark again."""
    if isinstance(value, Mapping):
        return {str(key): _guarded(value, key) for key in value}
    if isinstance(value, (str, bytes)) or not hasattr(value, "__getitem__"):
        return value
    return [_guarded(value, index) for index in range(len(value))]  # type: ignore[arg-type]


def _guarded(container: Any, key: object) -> object:  # noqa: ANN401 - the SDK's guards have no common type
    try:
        return opened(container[key])
    except UnknownValueError as error:
        return error.unknown_type_sentinel


def resource_of(seen: Seen, after: frozenset[str] = frozenset()) -> Resource:
    """What a rule judges."""
    inputs = plain(opened(seen.props), seen.urn)
    document: Document = inputs if isinstance(inputs, Mapping) else {}
    return Resource(
        seen.resource_type,
        seen.name,
        seen.urn,
        document,
        protect=bool(seen.opts.protect),
        parent=seen.opts.parent or "",
        after=after,
    )


def policies(run: Run) -> list[Policy]:
    """The pack: first what it is told, last what it was told for nothing."""
    return [
        _told(run),
        *(_of_resource(rule, run) for rule in RESOURCE_RULES),
        *(_of_stack(rule, run) for rule in STACK_RULES),
        _exceptions(run),
        _unused(run),
    ]


def _told(run: Run) -> Policy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        try:
            run.configure(args.get_config())
        except ValueError as error:
            report(f"the pack's configuration: {error}", None)
        run.inputs[args.urn] = resource_of(args)

    schema = PackSettings.model_json_schema()["properties"]
    for one in schema.values():
        one.pop("default", None)
    return ResourceValidationPolicy(
        name=PACK,
        description="What the pack is told: environment, unknown values, exceptions",
        validate=validate,
        enforcement_level=EnforcementLevel.MANDATORY,
        config_schema=PolicyConfigSchema(properties=schema),
    )


def _of_resource(rule: Rule[Resource], run: Run) -> Policy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        resource = run.inputs[args.urn]
        if resource.kind not in rule.kinds:
            return
        if told := _read(rule, run, args.get_config(), report):
            run.reported(rule.code, over_resource(rule, resource, told), report)

    return ResourceValidationPolicy(validate=validate, **_described(rule))


def _of_stack(rule: Rule[Stack], run: Run) -> Policy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        if told := _read(rule, run, args.get_config(), report):
            run.reported(rule.code, over_stack(rule, _whole(args, run), told), report)

    return StackValidationPolicy(validate=validate, **_described(rule))


def _read(rule: AnyRule, run: Run, stated: Mapping[str, Any], report: ReportViolation) -> Told | None:
    try:
        return run.told(rule, stated)
    except ValueError as error:
        report(f"the pack's configuration: {error}", None)
        return None


def _whole(args: StackValidationArgs, run: Run) -> Stack:
    """Everything registered, by its inputs: what a cluster adds to them is no matter of the program's."""
    found: list[Resource] = []
    for one in args.resources:
        after = frozenset(other.urn for other in one.dependencies)
        seen = run.inputs.get(one.urn) or resource_of(one)
        found.append(Resource(seen.type, seen.name, seen.urn, seen.inputs, seen.protect, seen.parent, after))
    return Stack(tuple(found))


def _described(rule: AnyRule) -> dict[str, Any]:
    return {
        "name": rule.code,
        "description": rule.title,
        "enforcement_level": EnforcementLevel(rule.level),
        "severity": PulumiSeverity(rule.severity),
        "remediation_steps": rule.remedy,
        "url": rule.source,
        "config_schema": PolicyConfigSchema(properties={one.name: one.schema() for one in rule.settings}),
    }


def _exceptions(run: Run) -> Policy:
    def find() -> Iterator[str]:
        yield from run.exemptions.wrong

    return _said(
        EXCEPTION, "An exception has an owner, a reason and a day that is not over", Level.MANDATORY, find
    )


def _unused(run: Run) -> Policy:
    def find() -> Iterator[str]:
        for one in run.exemptions.valid:
            if one not in run.used:
                yield unused(one)

    return _said(UNUSED, "An exception is needed", Level.ADVISORY, find)


def _said(code: str, title: str, level: Level, find: Callable[[], Iterator[str]]) -> Policy:
    def validate(_args: StackValidationArgs, report: ReportViolation) -> None:
        for text in find():
            report(text, None)

    return StackValidationPolicy(
        name=code, description=title, validate=validate, enforcement_level=EnforcementLevel(level)
    )


def pack() -> None:
    """Serves the pack until the engine ends it."""
    PolicyPack(name=NAME, policies=policies(Run()))
