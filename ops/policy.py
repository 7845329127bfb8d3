"""The policy pack over what the program registers for a stack file: no engine, no cluster, no credential."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from ops.errors import UserError
from ops.paths import CHECKOUT
from ops.recording import Registered, record
from policy.rulebook.judging import (
    AnyRule,
    Configuration,
    ConfigurationError,
    Finding,
    configured,
    judge,
    rules,
)
from policy.rulebook.reading import plain
from policy.rulebook.registry import Level, Resource

FOLDER = CHECKOUT / "policy"


def check(environment: str, *, as_json: bool) -> int:
    """Judges an environment, shows what is found and returns the exit status: 2 where something stops it.

    Raises:
        UserError: the stack file, or the pack's configuration, is wrong.
    """
    configuration = configuration_of(environment)
    registered = record(environment)
    found = judge(map(resource, registered), configuration)
    if as_json:
        print(json.dumps([entry(one) for one in found], indent=2))
    else:
        _show(environment, len(registered), found)
    return 2 if any(one.stops for one in found) else 0


def configuration_of(environment: str, today: date | None = None) -> Configuration:
    """What the pack is told for an environment: its own file, or else the strictest defaults.

    Raises:
        UserError: the file is not valid.
    """
    path = FOLDER / f"{environment}.json"
    return read(path, today) if path.exists() else configured({}, today or _today())


def read(path: Path, today: date | None = None) -> Configuration:
    """A file as `--policy-pack-config` takes it.

    Raises:
        UserError: it is not valid.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path.name}: not JSON: {error}") from None
    if not isinstance(content, Mapping):
        raise UserError(f'{path.name}: no map of rules; valid, e.g.: {{"pack": {{"environment": "dev"}}}}')
    try:
        return configured(content, today or _today())
    except ConfigurationError as error:
        raise UserError(f"{path.name}: {'; '.join(str(error).splitlines())}") from None


def resource(one: Registered) -> Resource:
    """A registration as the pack judges it."""
    inputs = plain(one.inputs, one.urn)
    return Resource(
        one.type,
        one.name,
        one.urn,
        inputs if isinstance(inputs, Mapping) else {},
        protect=one.protect,
        parent=one.parent,
        after=frozenset(one.after),
    )


def entry(one: Finding) -> dict[str, object]:
    """What is found, for machines: `severity` is mandatory where it stops, `exception` what covers it."""
    rule = _known().get(one.code)
    where, excepted = one.resource, one.exemption
    found: dict[str, object] = {
        "code": one.code,
        "severity": str(Level.ADVISORY if one.exemption else one.level),
        "resource": f"{where.type}::{where.name}" if where else "stack",
        "message": str(one.violation),
        "path": one.violation.path,
        "urn": where.urn if where else "",
        "unknown": one.unknown,
    }
    if rule:
        found |= {"title": rule.title, "todo": rule.remedy, "source": rule.source}
    if excepted:
        until = excepted.expires.isoformat()
        found["exception"] = {"owner": excepted.owner, "reason": excepted.reason, "expires": until}
    return found


def _show(environment: str, count: int, found: Sequence[Finding]) -> None:
    console = Console(highlight=False)
    if found:
        console.print(_table(found))
    stopping = sum(one.stops for one in found)
    excepted = sum(one.exemption is not None for one in found)
    advice = len(found) - stopping - excepted
    console.print(
        f"{environment}: {len(rules())} rules over {count} resources: {stopping} violations, "
        f"{advice} advisory, {excepted} excepted",
        markup=False,
    )
    for code in dict.fromkeys(one.code for one in found if one.exemption is None):
        if rule := _known().get(code):
            console.print(f"\n{code}  {rule.title}\n  {rule.remedy}\n  {rule.source}", markup=False)


def _table(found: Iterable[Finding]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for name in ("rule", "does", "resource", "what"):
        table.add_column(name, overflow="fold")
    for one in sorted(found, key=lambda one: not one.stops):
        where = one.resource
        covered = one.exemption
        until = f"excepted until {covered.expires}" if covered else str(one.level)
        table.add_row(
            one.code,
            until,
            f"{where.type.rpartition(':')[2]} {where.name}" if where else "",
            f"{one.violation} ({covered.owner}: {covered.reason})" if covered else str(one.violation),
            style="red" if one.stops else "dim" if covered else "yellow",
        )
    return table


@cache
def _known() -> Mapping[str, AnyRule]:
    return {rule.code: rule for rule in rules()}


def _today() -> date:
    return datetime.now(tz=UTC).date()
