"""Strict checks against azure-native's own types: what its provider or Azure would refuse, said before."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from localcluster.azure.schema import (
    Either,
    Many,
    Named,
    Properties,
    Property,
    Scalar,
    Type,
    UnknownTokenError,
    arguments_of,
    config_of,
    enum_values,
    inputs_of,
    members,
    near,
    outputs_of,
)
from localcluster.azure.values import SIGNATURE, is_unknown, revealed

__all__ = ["UnknownTokenError", "argument_problems", "config_problems", "is_unknown", "problems"]

Opaque = Callable[[object], bool]


def problems(token: str, inputs: Mapping[str, object], opaque: Opaque = is_unknown) -> list[str]:
    """What is wrong with the inputs of a resource, each in a line; nothing, if they are right.

    Names, types, required properties and enum values are the package's; an enum that Azure may extend is
    still taken at its word. Secrets are looked into. What `opaque` says yes to is accepted anywhere.

    Args:
        token: `containerservice:ManagedCluster`, with or without the package.
        inputs: the provider's own names, in camelCase.
        opaque: tells values that are filled in later.

    Raises:
        UnknownTokenError: the package has no such type.
    """
    check = _Check(token, opaque, lambda: outputs_of(token))
    check.all_of("", inputs, inputs_of(token))
    return check.found


def argument_problems(token: str, arguments: Mapping[str, object], opaque: Opaque = is_unknown) -> list[str]:
    """The same for the arguments of a function, e.g. `containerservice:listManagedClusterUserCredentials`.

    Raises:
        UnknownTokenError: the package has no such function.
    """
    check = _Check(token, opaque, lambda: MappingProxyType({}))
    check.all_of("", arguments, arguments_of(token))
    return check.found


def config_problems(config: Mapping[str, object]) -> list[str]:
    """The same for the provider's own configuration, whose values all arrive as text or JSON in text."""
    known = config_of()
    unknown = (name for name in config if name not in known and not name.startswith("__"))
    return [f"{name}: unknown property; {near(name, known)}" for name in sorted(unknown)]


# --- judging ------------------------------------------------------------------------------------------


class _Check:
    """One walk over inputs, collecting what is wrong."""

    def __init__(self, token: str, opaque: Opaque, computed: Callable[[], Properties]) -> None:
        self.found: list[str] = []
        self._token = token
        self._opaque = opaque
        self._computed = computed
        self._hidden = False  # inside a secret: its values are not shown

    def all_of(self, path: str, value: Mapping[str, object], known: Properties) -> None:
        given = {name: item for name, item in value.items() if item is not None}
        for name, item in given.items():
            if name not in known:
                self._say(_join(path, name), item, self._unknown(path, name, known))
        for name, rule in known.items():
            if name in given:
                self._property(_join(path, name), given[name], rule)
            elif rule.required:
                self.found.append(f"{_join(path, name)}: missing, and {self._token} needs it")

    def _property(self, path: str, value: object, rule: Property) -> None:
        self.value(path, value, rule.type)
        plain = revealed(value)
        if rule.constant is not None and not self._opaque(plain) and plain != rule.constant:
            self._say(path, value, f"must be {rule.constant}")

    def value(self, path: str, value: object, expected: Type) -> None:
        plain = revealed(value)
        if self._opaque(plain) or self._opaque(value):
            return
        outside, self._hidden = self._hidden, self._hidden or plain is not value
        match expected:
            case Scalar(name) if not _SCALARS[name](plain):
                self._say(path, plain, f"must be {_WORDS[name]}")
            case Many():
                self._many(path, plain, expected)
            case Either():
                self._either(path, plain, expected)
            case Named():
                self._named(path, plain, expected)
        self._hidden = outside

    def _many(self, path: str, plain: object, expected: Many) -> None:
        if expected.keyed and isinstance(plain, Mapping):
            for key, item in plain.items():
                self.value(_join(path, str(key)), item, expected.item)
        elif not expected.keyed and isinstance(plain, list | tuple):
            for index, item in enumerate(plain):
                self.value(f"{path}[{index}]", item, expected.item)
        else:
            self._say(path, plain, f"must be a {'map' if expected.keyed else 'list'}")

    def _either(self, path: str, plain: object, expected: Either) -> None:
        judged: list[list[str]] = []
        for option in _told_apart(plain, expected.options):
            attempt = _Check(self._token, self._opaque, self._computed)
            attempt._hidden = self._hidden
            attempt.value(path, plain, option)
            if not attempt.found:
                return
            judged.append(attempt.found)
        nearest = min(judged, key=len)
        self.found += nearest

    def _named(self, path: str, plain: object, expected: Named) -> None:
        if values := enum_values(expected):
            if plain not in values:
                self._say(path, plain, near(str(plain), values, every=True))
        elif isinstance(plain, Mapping):
            self.all_of(path, plain, members(expected))
        else:
            self._say(path, plain, "must be an object")

    def _unknown(self, path: str, name: str, known: Properties) -> str:
        if _computed_at(self._computed(), [*re.findall(r"[^.\[\]]+", path), name]):
            return f"is read-only: {self._token} computes it; remove it"
        return f"unknown property; {near(name, known)}"

    def _say(self, path: str, value: object, what: str) -> None:
        self.found.append(f"{path}{'' if self._hidden else _shown(value)}: {what}")


def _told_apart(value: object, options: tuple[Type, ...]) -> tuple[Type, ...]:
    """Of the types of a union, those whose constant is the value's, if one has it."""
    if not isinstance(value, Mapping):
        return options

    def same(option: Type) -> bool:
        if not isinstance(option, Named) or enum_values(option):
            return False
        fixed = {name: rule.constant for name, rule in members(option).items() if rule.constant}
        return bool(fixed) and all(revealed(value.get(name)) == constant for name, constant in fixed.items())

    return tuple(option for option in options if same(option)) or options


def _computed_at(computed: Type | Properties, names: Sequence[str]) -> bool:
    """Whether the outputs have a property there."""
    if not names:
        return True
    if isinstance(computed, Named) and not enum_values(computed):
        computed = members(computed)
    match computed:
        case Many():  # a key, or an index
            return _computed_at(computed.item, names[1:])
        case Mapping():
            return names[0] in computed and _computed_at(computed[names[0]].type, names[1:])
        case _:
            return False


def _shown(value: object) -> str:
    """A value as a message shows it; never a secret, and nothing long."""
    if isinstance(value, Mapping) and SIGNATURE in value:
        return ""
    if isinstance(value, Mapping | list | tuple):
        return ""
    text = json.dumps(value, default=str)
    return f" = {text}" if len(text) <= 80 else ""


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _whole(value: object) -> bool:
    # The engine's numbers are all of the floating kind.
    return isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0


_SCALARS: Mapping[str, Callable[[object], bool]] = {
    "str": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int": _whole,
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "any": lambda _value: True,
}
_WORDS = {"str": "a text", "bool": "true or false", "int": "a whole number", "float": "a number"}
