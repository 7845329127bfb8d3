"""Looks into documents of somebody else's: what is not there, or is not what was expected, is empty."""

from collections.abc import Mapping

from components.model.manifests import Document, Json

# What the engine writes for a value that only exists after the update.
# Source: https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/plugin/rpc.go
UNKNOWN = (
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
)


def at(value: Json, *path: str | int) -> Json:
    """What stands at a path; None where nothing does."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and 0 <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def section(value: Json, *path: str | int) -> Document:
    found = at(value, *path)
    return found if isinstance(found, dict) else {}


def entries(value: Json, *path: str | int) -> list[Document]:
    """The maps of a list."""
    found = at(value, *path)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def texts(value: Json, *path: str | int) -> list[str]:
    """The texts of a list."""
    found = at(value, *path)
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def text(value: Json, *path: str | int) -> str:
    """A text or a number, as it is shown."""
    found = at(value, *path)
    if isinstance(found, bool):
        return "on" if found else "off"
    if isinstance(found, float) and found.is_integer():
        return str(int(found))
    if isinstance(found, str):
        return "(known after the update)" if found in UNKNOWN else found
    return "" if found is None or isinstance(found, dict | list) else str(found)


def number(value: Json, *path: str | int) -> int | None:
    found = at(value, *path)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return int(found)


def truth(value: Json, *path: str | int) -> bool:
    return at(value, *path) is True


def leaves(value: Json, prefix: str = "") -> dict[str, str]:
    """Every value below, by its path; lists are numbered."""
    if isinstance(value, Mapping):
        parts = [(f"{prefix}.{key}" if prefix else key, item) for key, item in value.items()]
    elif isinstance(value, list):
        parts = [(f"{prefix}[{number}]", item) for number, item in enumerate(value)]
    else:
        return {prefix: text(value)} if value is not None else {}
    return {path: leaf for place, item in parts for path, leaf in leaves(item, place).items()}
