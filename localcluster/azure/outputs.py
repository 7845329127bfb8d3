"""What a resource has once it exists: what it was asked to be, as Azure gives it back, and what is computed.

Properties the package's output types do not have are left out, as Azure leaves out passwords; those they
always have are made up, if nothing better is known, by name and type.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from localcluster.azure import kinds, paths, schema
from localcluster.azure.computed import COMPUTED, MADE, Facts
from localcluster.azure.schema import Many, Named, Properties, Property, Scalar, Type
from localcluster.azure.values import UNKNOWN, Document, guid, has_unknown

DEEP = 8  # output types may contain themselves
# What a type says it may have and Azure never gives back.
# Source: https://learn.microsoft.com/rest/api/keyvault/secrets/create-or-update (value)
WITHHELD: Mapping[str, tuple[str, ...]] = MappingProxyType({"keyvault:Secret": ("properties.value",)})


def outputs(token: str, facts: Facts) -> Document:
    """The outputs of a resource; what depends on an unknown input is unknown too."""
    token = token.removeprefix(f"{schema.PACKAGE}:")
    known = schema.outputs_of(token)
    made = COMPUTED[token](facts) if token in COMPUTED else {}
    fill = _Fill(token, facts)
    asked = _as_given_back(dict(facts.inputs), known)
    for path in WITHHELD.get(token, ()):
        paths.put(asked, paths.parse(path), None)
    result = fill.whole(_over(made, asked), known, ())
    return {name: _blurred(value) for name, value in result.items()}


def preview(token: str, inputs: Mapping[str, object], facts: Facts) -> Document:
    """The outputs a resource will have when it is made: what is computed is unknown."""
    known = schema.outputs_of(token)
    asked = _as_given_back(dict(inputs), known)
    result = outputs(token, facts)
    return {name: _unless_asked(value, asked.get(name)) for name, value in result.items()}


def _unless_asked(value: object, asked: object) -> object:
    """A value with everything unknown but what was asked for."""
    if isinstance(value, Mapping) and isinstance(asked, Mapping):
        return {name: _unless_asked(item, asked.get(name)) for name, item in value.items()}
    if isinstance(value, list) and isinstance(asked, list) and len(value) == len(asked):
        return [_unless_asked(item, one) for item, one in zip(value, asked, strict=True)]
    return UNKNOWN if asked is None or has_unknown(value) else value


def _blurred(value: object) -> object:
    """A value whose texts are unknown as a whole where a part of them is."""
    if isinstance(value, Mapping):
        return {name: _blurred(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_blurred(item) for item in value]
    return UNKNOWN if has_unknown(value) else value


def _over(low: Mapping[str, object], high: Mapping[str, object]) -> Document:
    """Two documents as one; the second wins."""
    merged = dict(low)
    for name, value in high.items():
        below = merged.get(name)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[name] = _over(below, value) if both else value  # type: ignore[arg-type]  # both are mappings
    return merged


def _as_given_back(inputs: Mapping[str, object], known: Properties) -> Document:
    return {name: _projected(value, known[name].type) for name, value in inputs.items() if name in known}


def _projected(value: object, to: Type) -> object:
    match to:
        case Many(item, keyed=True) if isinstance(value, list):  # identities: a list in, a map by id back
            return {str(one): {} for one in value}
        case Many(item, keyed=True) if isinstance(value, Mapping):
            return {name: _projected(one, item) for name, one in value.items()}
        case Many(item, keyed=False) if isinstance(value, list):
            return [_projected(one, item) for one in value]
        case Named() if isinstance(value, Mapping) and not schema.enum_values(to):
            return _as_given_back(value, schema.members(to))
        case _:
            return value


class _Fill:
    """Adds what output types always have."""

    def __init__(self, token: str, facts: Facts) -> None:
        self._token = token
        self._facts = facts

    def whole(self, value: Mapping[str, object], known: Properties, path: tuple[str, ...]) -> Document:
        filled: Document = {}
        for name, rule in known.items():
            here = (*path, name)
            if name in value:
                filled[name] = self._below(value[name], rule.type, here)
            elif rule.required and len(path) < DEEP and (made := self._made(name, rule, here)) is not None:
                filled[name] = made
        return filled

    def _below(self, value: object, expected: Type, path: tuple[str, ...]) -> object:
        match expected:
            case Many(item, keyed=True) if isinstance(value, Mapping):
                return {name: self._below(one, item, (*path, name)) for name, one in value.items()}
            case Many(item, keyed=False) if isinstance(value, list):
                return [self._below(one, item, (*path, str(index))) for index, one in enumerate(value)]
            case Named() if isinstance(value, Mapping) and not schema.enum_values(expected):
                return self.whole(value, schema.members(expected), path)
            case _:
                return value

    def _made(self, name: str, rule: Property, path: tuple[str, ...]) -> object:
        if len(path) == 1 and name in _OWN:
            return _OWN[name](self._token, self._facts)
        made: object = None
        match rule.type:
            case Scalar("str"):
                made = self._text(name, path)
            case Scalar(kind):
                made = _PLAIN[kind]
            case Many(_, keyed):
                made = {} if keyed else []
            case Named():
                values = schema.enum_values(rule.type)
                made = values[0] if values else self.whole({}, schema.members(rule.type), path)
        return made

    def _text(self, name: str, path: tuple[str, ...]) -> str:
        facts, folded = self._facts, name.lower()
        fixed = {
            "etag": f'"{facts.version}"',
            "id": f"{facts.identity}/{'/'.join(path[:-1])}",
            "tenantid": facts.tenant,
            "provisioningstate": "Succeeded",
        }
        if folded in fixed:
            return fixed[folded]
        if folded.endswith(("id", "guid")):
            # An identity that is used by another resource has the ids it has itself.
            of = next((step for step in reversed(path) if step.startswith("/subscriptions/")), "")
            return guid(of, name.removesuffix("Id")) if of else facts.guid(".".join(path))
        return MADE if name.endswith(("At", "On", "Date", "Time", "Timestamp")) else ""


_PLAIN: Mapping[str, object] = MappingProxyType({"bool": False, "int": 0, "float": 0, "any": None})
_OWN: Mapping[str, Callable[[str, Facts], object]] = MappingProxyType(
    {
        "azureApiVersion": lambda token, _: schema.api_version(token),
        "location": lambda _, facts: facts.location,
        "name": lambda _, facts: facts.name,
        "type": lambda token, facts: kinds.arm_type(token, facts.inputs),
        "systemData": lambda _token, _facts: {"createdAt": MADE, "createdBy": "rehearsal"},
    }
)
