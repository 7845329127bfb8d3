"""Values as the engine sends them: plain JSON, with marks for what is secret and for what nobody knows yet.

Source of the marks: https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/plugin/rpc.go
"""

import uuid
from collections.abc import Mapping

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # a value that only an update will know
SIGNATURE = "4dabf18193072939515e22adb298388d"  # the key that marks a special value
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - not a password: the mark of a secret value
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"  # the mark of a value with its dependencies

Document = dict[str, object]


def is_unknown(value: object) -> bool:
    """Whether the engine does not know a value yet."""
    if isinstance(value, Mapping) and value.get(SIGNATURE) == OUTPUT:
        return "value" not in value
    return value == UNKNOWN


def revealed(value: object) -> object:
    """The value in a secret or in an output."""
    while isinstance(value, Mapping) and value.get(SIGNATURE) in {SECRET, OUTPUT}:
        value = value.get("value", UNKNOWN)
    return value


def opened(value: object) -> object:
    """The same value without any marks, and without what is null; numbers that are whole as whole ones."""
    value = revealed(value)
    if isinstance(value, Mapping):
        return {key: opened(item) for key, item in value.items() if revealed(item) is not None}
    if isinstance(value, list | tuple):
        return [opened(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def opened_map(value: Mapping[str, object]) -> Document:
    """`opened` for what is an object."""
    return {key: opened(item) for key, item in value.items() if revealed(item) is not None}


def has_unknown(value: object) -> bool:
    """Whether there is something in a plain value that nobody knows yet."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(has_unknown(item) for item in value)
    return isinstance(value, str) and UNKNOWN in value


def sealed(value: object, like: object) -> object:
    """A plain value with the marks of secrets where another value has them."""
    if isinstance(like, Mapping) and like.get(SIGNATURE) == OUTPUT:
        return sealed(value, like.get("value"))
    if isinstance(like, Mapping) and like.get(SIGNATURE) == SECRET:
        return {SIGNATURE: SECRET, "value": value}
    if isinstance(value, Mapping) and isinstance(like, Mapping):
        return {key: sealed(item, like.get(key)) for key, item in value.items()}
    if isinstance(value, list) and isinstance(like, list | tuple):
        others = [*like, *[None] * (len(value) - len(like))]
        return [sealed(item, other) for item, other in zip(value, others, strict=False)]
    return value


def sealed_map(value: Document, like: Mapping[str, object]) -> Document:
    """`sealed` for what is an object."""
    return {key: sealed(item, like.get(key)) for key, item in value.items()}


def guid(identity: str, purpose: str = "") -> str:
    """A GUID that is the same whenever it is asked for."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{identity.lower()}#{purpose}"))
