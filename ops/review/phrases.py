"""Small words for changes of values."""

from collections.abc import Iterable, Mapping

from components.model.manifests import Document, Json
from ops.review.reading import leaves

FEW = 3
LONGEST = 60  # characters of a value


def moved(what: str, old: str, new: str) -> str:
    """`what 1 -> 2`, or on and off where it was not there before or is not any more."""
    old, new = shown(old), shown(new)
    if not old:
        return f"{what} {new} on"
    if not new:
        return f"{what} {old} off"
    return f"{what} {old} -> {new}"


def differing(old: Json, new: Json) -> dict[str, tuple[str, str]]:
    """Every leaf that differs, before and after; empty where it is not there."""
    before, after = leaves(old), leaves(new)
    return {
        path: (before.get(path, ""), after.get(path, ""))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    }


def few(names: Iterable[str], most: int = FEW) -> str:
    """A list that stays short: `a, b, c and 4 more`."""
    listed = list(names)
    more = len(listed) - most
    return ", ".join(listed) if more <= 1 else f"{', '.join(listed[:most])} and {more} more"


def values(old: Document, new: Document, most: int = FEW) -> list[str]:
    """Leaves that differ, each in words, and how many more there are."""
    found = [_value(path, *pair) for path, pair in differing(old, new).items()]
    return found if len(found) <= most + 1 else [*found[:most], f"{len(found) - most} more values"]


def shown(value: str) -> str:
    """A value as short as it is still told apart: of an Azure id the name, of a long text its beginning."""
    if value.startswith("/subscriptions/"):
        return f".../{value.rpartition('/')[2]}"
    return value if len(value) <= LONGEST else f"{value[:LONGEST]}..."


def _value(path: str, old: str, new: str) -> str:
    old, new = shown(old), shown(new)
    if old and new:
        return f"{path} {old} -> {new}"
    return f"{path} {new} set" if new else f"{path} {old} removed"


def count(number: int, thing: str) -> str:
    """`1 pod`, `2 pods`; the plural of kinds that end in y."""
    if number == 1:
        return f"1 {thing}"
    return f"{number} {thing[:-1]}ies" if thing.endswith("y") else f"{number} {thing}s"


def added_and_gone(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[list[str], list[str], list[str]]:
    """Which keys came, went and have another value."""
    return (
        sorted(new.keys() - old.keys()),
        sorted(old.keys() - new.keys()),
        sorted(key for key in old.keys() & new.keys() if old[key] != new[key]),
    )
