"""How two environments differ: `make diff-env A=dev B=prod`. Differences are data, so it can be shown."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from components.model import stackfile
from components.model.settings import Settings
from ops.paths import CHECKOUT

NOTHING = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that is not the same; a side that has not got it is empty."""

    path: str
    left: str
    right: str


def show(left: str, right: str) -> None:
    """Prints the table."""
    found = [*differences(_settings(left), _settings(right))]
    console = Console(highlight=False)
    if not found:
        console.print(f"{left} and {right} do not differ")
        return
    table = Table(title=f"{len(found)} differences", box=box.SIMPLE_HEAD)
    table.add_column("key", overflow="fold")
    for name in (left, right):
        table.add_column(name, overflow="fold")
    group = ""
    for one in found:
        top = one.path.split(".")[0].split("[")[0]
        if group not in ("", top):
            table.add_section()
        group = top
        table.add_row(one.path, one.left or "-", one.right or "-")
    console.print(table)


def differences(left: Settings, right: Settings) -> Iterator[Difference]:
    """Every key whose value differs, defaults included, in the order of the model."""
    yield from _between("", _data(left), _data(right))


def _settings(environment: str) -> Settings:
    return stackfile.load(stackfile.path_of(environment, CHECKOUT))


def _data(settings: Settings) -> object:
    return settings.model_dump(mode="json", by_alias=True, exclude_none=True)


def _between(path: str, left: object, right: object) -> Iterator[Difference]:
    if left == right:
        return
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for key in dict.fromkeys((*left, *right)):
            place = f"{path}.{key}" if path else str(key)
            yield from _between(place, left.get(key), right.get(key))
    elif isinstance(left, list) and isinstance(right, list) and _of_maps(left + right):
        for number in range(max(len(left), len(right))):
            yield from _between(f"{path}[{number}]", _at(left, number), _at(right, number))
    else:
        yield Difference(path, _text(left), _text(right))


def _of_maps(items: list[object]) -> bool:
    return all(isinstance(item, Mapping) for item in items)


def _at(items: list[object], number: int) -> object:
    return items[number] if number < len(items) else None


def _text(value: object) -> str:
    if value is None:
        return NOTHING
    return value if isinstance(value, str) else json.dumps(_short(value), ensure_ascii=False)


def _short(value: object) -> object:
    """Without the keys that hold nothing, which say nothing either."""
    if isinstance(value, Mapping):
        return {key: _short(item) for key, item in value.items() if item not in (None, {}, [])}
    return [_short(item) for item in value] if isinstance(value, list) else value
