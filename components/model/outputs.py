"""Texts with a place for what is known only once something exists: an address, an identity, a secret value.

A plan is plain data, and so are these places: `${azure:vault:properties.vaultUri}` is the output of a
resource of the plan, `${secret:sqlPassword}` a secret value, `${version:sqlPassword}` a text that changes
when that value does and tells nothing else of it. Whoever registers fills them in; what is rendered shows
them as they are.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

PLACE = re.compile(r"\$\{(azure|secret|version):([A-Za-z0-9-]+)(?::([A-Za-z0-9_.]+))?\}")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One place in a text. `path` leads into the outputs of a resource; a secret value has none."""

    kind: str
    name: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "${" + ":".join(part for part in (self.kind, self.name, ".".join(self.path)) if part) + "}"


def output(resource: str, path: str = "id") -> str:
    """The place of an output of the Azure resource with this key."""
    return str(Place("azure", resource, tuple(path.split("."))))


def secret(name: str) -> str:
    """The place of a secret value."""
    return str(Place("secret", name))


def version(name: str) -> str:
    """The place of what changes with a secret value."""
    return str(Place("version", name))


def places(value: object) -> Iterator[Place]:
    """Every place in a document, in the order it stands there."""
    if isinstance(value, str):
        yield from (_place(*found) for found in PLACE.findall(value))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from places(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from places(item)


def filled(value: object, values: Mapping[Place, object]) -> object:
    """The same document with its places filled; a text that is nothing but a place becomes the value itself.

    A place without a value stays as it is: it may be what somebody wrote.
    """
    return each_text(value, lambda text: filled_text(text, values))


def filled_text(text: str, values: Mapping[Place, object]) -> object:
    """The same for one text."""
    if whole := PLACE.fullmatch(text):
        return values.get(_place(*whole.groups("")), text)
    return PLACE.sub(lambda found: str(values.get(_place(*found.groups("")), found.group())), text)


def each_text(value: object, change: Callable[[str], object]) -> object:
    """The same document with something else for each of its texts."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: each_text(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [each_text(item, change) for item in value]
    return value


def _place(kind: str, name: str, path: str) -> Place:
    return Place(kind, name, tuple(path.split(".")) if path else ())
