"""From old inputs and new ones to what a change means for a resource."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from localcluster.azure import paths, replacement
from localcluster.azure.paths import Path

How = Literal["add", "delete", "update"]


@dataclass(frozen=True, slots=True)
class Change:
    """One property that is different."""

    path: Path
    how: How
    replaces: bool = False


def changes(
    token: str, old: Mapping[str, object], new: Mapping[str, object], outputs: Mapping[str, object]
) -> list[Change]:
    """What is different between plain inputs, and whether it forces a replacement.

    A property that was left to Azure and is now given the value Azure had chosen replaces nothing.
    """
    table = replacement.forces(token)
    found = []
    for change in _compared(old, new, ()):
        if change.path == ("location",) and _place(old.get("location")) == _place(new.get("location")):
            continue
        chosen = change.how == "add" and paths.at(dict(outputs), change.path) == paths.at(
            dict(new), change.path
        )
        forced = not chosen and replacement.covered(paths.pattern(change.path), table)
        found.append(Change(change.path, change.how, forced))
    return found


def refused(token: str, old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """The properties that Azure would not let change.

    One that the program leaves to Azure, before or after, is none: what Azure chose stays.
    """
    table = replacement.refuses(token)
    return [
        paths.text(change.path)
        for change in _compared(old, new, ())
        if replacement.covered(paths.pattern(change.path), table)
        and (change.how == "update" or isinstance(change.path[-1], int))
    ]


def _compared(old: object, new: object, path: Path) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted({*old, *new}):
            if name not in new:
                yield Change((*path, name), "delete")
            elif name not in old:
                yield Change((*path, name), "add")
            else:
                yield from _compared(old[name], new[name], (*path, name))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            if index >= len(new):
                yield Change((*path, index), "delete")
            elif index >= len(old):
                yield Change((*path, index), "add")
            else:
                yield from _compared(old[index], new[index], (*path, index))
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        yield Change(path, "update")


def _place(value: object) -> str:
    """`West Europe` and `westeurope` are the same place."""
    return str(value).replace(" ", "").lower()
