"""Reading documents of which some values are not known yet.

A preview knows the inputs of a resource, but not what only its update will tell. Such a value stands in a
document as `Unknown`, and whoever touches it is told so: a rule never takes it for absent, or for wrong.
"""

from collections.abc import Iterator, Mapping
from typing import NoReturn

# What the engine writes for a value of each type that is not known yet.
# Source: https://github.com/pulumi/pulumi-policy/blob/main/sdk/python/lib/pulumi_policy/proxy.py
SENTINELS = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the mark of a secret, not one
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"

Document = Mapping[str, object]
NOTHING: Document = {}


class UnknownReadError(Exception):
    """A rule needs a value that is not known yet."""

    def __init__(self, path: str, urn: str) -> None:
        super().__init__(path)
        self.path = path
        self.urn = urn


class Unknown:
    """The place of a value that is not known yet. Any use of it raises `UnknownReadError`."""

    __slots__ = ("path", "urn")

    def __init__(self, path: str, urn: str = "") -> None:
        self.path = path
        self.urn = urn

    def _used(self, *_: object) -> NoReturn:
        raise UnknownReadError(self.path, self.urn)

    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __str__ = __hash__ = _used
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _used


def plain(value: object, urn: str = "", path: str = "") -> object:
    """A document as rules read it: without the engine's marks, whole numbers as such, unknowns in place.

    `urn` is whose document it is: who is told of an unknown wants to know.
    """
    if isinstance(value, str):
        return Unknown(path, urn) if value in SENTINELS else value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        if SIGNATURE in value:
            return _marked(value, urn, path)
        return {
            str(key): plain(item, urn, f"{path}.{key}" if path else str(key)) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [plain(item, urn, f"{path}[{number}]") for number, item in enumerate(value)]
    return value


def _marked(value: Document, urn: str, path: str) -> object:
    """A secret is what it hides, an output is its value where it has one, and a file is nobody's to read."""
    if value[SIGNATURE] == OUTPUT and "value" not in value:
        return Unknown(path, urn)
    return plain(value["value"], urn, path) if value[SIGNATURE] in {SECRET, OUTPUT} else None


def at(value: object, *keys: str) -> object:
    """What a document has at a path; None where it has nothing.

    Raises:
        UnknownReadError: that, or something on the way there, is not known yet.
    """
    for key in keys:
        value = known(value)
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return known(value)


def known(value: object) -> object:
    """The value itself.

    Raises:
        UnknownReadError: it is not known yet.
    """
    if isinstance(value, Unknown):
        raise UnknownReadError(value.path, value.urn)
    return value


def mapping(value: object, *keys: str) -> Document:
    """The map at a path; an empty one where there is none."""
    found = at(value, *keys)
    return found if isinstance(found, Mapping) else NOTHING


def items(value: object, *keys: str) -> tuple[Document, ...]:
    """The maps of the list at a path."""
    return tuple(one for one in listed(value, *keys) if isinstance(one, Mapping))


def listed(value: object, *keys: str) -> tuple[object, ...]:
    """The list at a path, each of its items known."""
    found = at(value, *keys)
    return tuple(known(one) for one in found) if isinstance(found, list | tuple) else ()


def texts(value: object, *keys: str) -> tuple[str, ...]:
    """The texts of the list at a path."""
    return tuple(one for one in listed(value, *keys) if isinstance(one, str))


def labelled(value: object, *keys: str) -> Mapping[str, str]:
    """The map of texts at a path, each of them known."""
    return {key: str(known(one)) for key, one in mapping(value, *keys).items()}


def text(value: object, *keys: str) -> str:
    """The text at a path; empty where there is none."""
    found = at(value, *keys)
    return found if isinstance(found, str) else ""


def number(value: object, *keys: str) -> float | None:
    """The number at a path, however it is written; None where there is none."""
    found = at(value, *keys)
    if isinstance(found, bool):
        return None
    if isinstance(found, str):
        try:
            return float(found)
        except ValueError:
            return None
    return found if isinstance(found, int | float) else None


def true(value: object, *keys: str) -> bool:
    """Whether a path holds `true`, and not merely something."""
    return at(value, *keys) is True


def false(value: object, *keys: str) -> bool:
    """Whether a path holds `false`: what is not said is no."""
    return at(value, *keys) is False


def numbered(values: tuple[Document, ...], path: str) -> Iterator[tuple[str, Document]]:
    """Each map of a list with its own path."""
    for number_, one in enumerate(values):
        yield f"{path}[{number_}]", one
