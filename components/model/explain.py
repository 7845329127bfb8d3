"""From what pydantic found wrong to lines a person can act on: key path, value, what would be valid."""

import difflib
import json
import types
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from components.model.catalogue import Secret
from components.model.findings import Finding, RefusedError
from components.model.settings import Settings
from components.model.types import suggest

PROJECT = "pitstop"
EXAMPLES = {
    "namespace": "pitstop",
    "cluster": "{kind: local}",
    "mesh": "{kind: helm}",
    "services": "{webapp: {}}",
    "context": "kind-pitstop",
    "weights": "{v1: 75, v2: 25}",
    "live": "v1",
    "shadow": "v2",
    "to": "v2",
    "caller": "webapp",
    "callers": "[webapp]",
    "callerVersion": "v2",
    "traffic": "{kind: split, weights: {v1: 75, v2: 25}}",
    "release": "{kind: replace, live: v1}",
    "scaling": "{kind: cpu, max: 4}",
    "tls": "{kind: values}",
    "secrets": "{kind: configuration}",
    "certificate": "pitstop",
    "percent": "25",
    "status": "503",
    "duration": "5s",
    "perTry": "2s",
    "attempts": "2",
    "until": "2027-01-31",
    "host": "smtp.example.org",
    "name": "pitstop",
    "max": "4",
    "cpu": "4",
    "memory": "8Gi",
    "pods": "60",
    "version": '"1.34"',
    "access": "{kind: private}",
    "authorizedRanges": "[203.0.113.0/24]",
    "admins": "[5b0c1c0e-3d1e-4a53-9f3c-0d3c5f2f7a11]",
    "system": "{vmSize: Standard_D4ds_v5, max: 5}",
    "pools": "{apps: {vmSize: Standard_D4ds_v5, max: 3}}",
    "vmSize": "Standard_D4ds_v5",
    "subscription": "9c1f6a0e-5d24-4c1b-8e52-2f7a3b6d9e10",
    "tenant": "2f0d6c55-8a1b-4c7e-9f64-7f1d3c2b5a90",
    "location": "westeurope",
    "outbound": "{kind: natGateway}",
    "nextHop": "10.20.32.4",
    "database": "{kind: azureSql}",
    "commit": "c1991d9818f74164e23557a784b152210486bbb9",
    "zone": "example.org",
    "resourceGroup": "rg-dns",
}
WORDS = {
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "tuple_type": "a list",
    "string_type": "a text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "float_type": "a number",
}
SHOWN = 80  # characters of a value; the key path leads to the rest
DEEPEST = 6
HIDDEN = "[secret]"  # in place of a value nobody is to see

Raw = Mapping[str, object]
Keys = Sequence[str | int]


def parse(raw: Raw, wrong: Sequence[Finding] = ()) -> Settings:
    """Settings from the stack's plain values; `wrong` is said of the keys that are not among them.

    Raises:
        RefusedError: every mistake at once, one line each.
    """
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        there = {finding.path for finding in wrong}
        found = [one for one in findings(error, raw) if one.code != "missing" or one.path not in there]
        raise RefusedError([*wrong, *found]) from None
    if wrong:
        raise RefusedError(wrong)
    return settings


def findings(error: ValidationError, raw: Raw) -> list[Finding]:
    """One finding for each thing pydantic reports, without repeats."""
    errors = error.errors(include_url=False, include_input=True)
    found = [
        _finding(one, raw) for details in errors if not _follows(details, errors) for one in _each(details)
    ]
    return list(dict.fromkeys(found))


def _each(details: ErrorDetails) -> Iterator[ErrorDetails]:
    """Our own errors may say several things of one value."""
    yield details
    for message, at in details.get("ctx", {}).get("more", ()):
        yield {**details, "msg": message, "ctx": {"at": at}}


def _follows(details: ErrorDetails, errors: Sequence[ErrorDetails]) -> bool:
    """Whether a list counts as too short only because what is in it is wrong, which is said already."""
    loc = details["loc"]
    inside = [other for other in errors if other["loc"][: len(loc)] == loc and len(other["loc"]) > len(loc)]
    return details["type"] == "too_short" and bool(inside)


def key_path(parts: Keys) -> str:
    """A key as `pulumi config set --path` takes it: `pitstop:services.webapp.traffic[0].kind`."""
    steps = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return f"{PROJECT}:{steps.removeprefix('.')}"


def no_secret(name: str) -> Finding:
    """What is said of a value that may be secret, under a key that takes none.

    It is not shown: the engine masks a secret value only where all of it stands.
    """
    path = key_path((name,))
    if name in _keys_of(Settings):
        return Finding("encrypted", path, "must be plain text; only secret values are encrypted", HIDDEN)
    return Finding("unknown-key", path, f"unknown key; {suggest(name, list(Secret))}", HIDDEN)


def not_encrypted(name: str) -> Finding:
    """What is said of a secret value that anybody can read; it is not shown once more."""
    path = key_path((name,))
    return Finding("secret-plain", path, f"must be encrypted: pulumi config set --secret {path}", HIDDEN)


def _finding(details: ErrorDetails, raw: Raw) -> Finding:
    context = details.get("ctx", {})
    keys, owner = _walk(details["loc"])
    keys += tuple(context.get("at", ()))
    path, value = key_path(keys), _shown(raw, keys)
    kind = details["type"]
    if kind == "extra_forbidden" and len(keys) == 1 and _meant_as_secret(str(keys[0])):
        return no_secret(str(keys[0]))
    if kind == "extra_forbidden":
        return Finding("unknown-key", path, f"unknown key; {suggest(str(keys[-1]), _keys_of(owner))}", value)
    if kind == "missing":
        return Finding("missing", path, f"required, e.g. {_example(keys)}")
    if kind == "union_tag_not_found":
        return Finding("missing", f"{path}.kind", f"required, e.g. {_example(keys)}")
    if kind == "union_tag_invalid":
        valid = f"must be {' or '.join(_names(context['expected_tags']))}"
        return Finding("value", f"{path}.kind", valid, _cut(str(context["tag"])))
    return Finding("value", path, _valid(details), value)


def _meant_as_secret(name: str) -> bool:
    """Whether an unknown key is nearly a secret value's: what stands there may be one."""
    return bool(difflib.get_close_matches(name.rpartition(":")[2], list(Secret), n=1, cutoff=0.7))


def _valid(details: ErrorDetails) -> str:
    kind = details["type"]
    if kind == "literal_error":
        return f"must be {' or '.join(_names(details['ctx']['expected']))}"
    if kind == "too_short":
        return "must not be empty"
    if kind == "too_long":
        return f"must have at most {details['ctx']['max_length']}"
    if kind == "invalid_key":
        return "must have texts as keys; quote them"
    return f"must be {WORDS[kind]}" if kind in WORDS else details["msg"]


def _example(keys: Keys) -> str:
    names = [key for key in keys if isinstance(key, str)]
    return EXAMPLES.get(names[-1], "...")


def _keys_of(owner: object) -> list[str]:
    if isinstance(owner, type) and issubclass(owner, BaseModel):
        return [field.alias or name for name, field in owner.model_fields.items()]
    return []


def _names(expected: str) -> list[str]:
    return [name.strip(" '") for name in expected.replace(" or ", ", ").split(",")]


def _shown(raw: Raw, keys: Keys) -> str:
    value: object = raw
    for key in keys:
        listed = isinstance(value, list | tuple) and isinstance(key, int) and key < len(value)
        if not listed and not (isinstance(value, Mapping) and key in value):
            return ""
        value = value[key]  # type: ignore[index]  # one of the two, both of which take it
    return _cut(json.dumps(_brief(value, DEEPEST, [SHOWN]), ensure_ascii=False))


def _cut(text: str) -> str:
    """A text that can be shown: not too long, and with nothing in it that no terminal takes."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def _brief(value: object, depth: int, left: list[int]) -> object:
    """A value with no more of it than can be shown; it may hold itself, or be as large as anybody likes.

    `left` holds how many parts may still be looked at, whatever they are in.
    """
    left[0] -= 1
    if isinstance(value, Mapping):
        shown = islice(value.items(), SHOWN if depth else 0)
        return {str(key): _brief(item, depth - 1, left) for key, item in shown if left[0] > 0}
    if isinstance(value, list | tuple):
        shown_items = islice(value, SHOWN if depth else 0)
        return [_brief(item, depth - 1, left) for item in shown_items if left[0] > 0]
    if isinstance(value, str):
        return value[:SHOWN]
    small = (
        value is None
        or isinstance(value, bool | float)
        or (isinstance(value, int) and abs(value) < 10**SHOWN)
    )
    return value if small else str(type(value).__name__)


def _walk(loc: Keys) -> tuple[tuple[str | int, ...], object]:
    """The keys of a location as the stack file has them, and the model the last of them belongs to.

    pydantic names a union's tag as a step of its own, which is no key, and marks a map's bad key.
    """
    keys: list[str | int] = []
    shape: object = Settings
    owner: object = Settings
    for step in loc:
        if step == "[key]" and get_origin(owner) is dict:  # anywhere else it is what somebody wrote
            continue
        tagged = _by_tag(shape, str(step))
        if tagged is not None:
            shape = tagged
            continue
        keys.append(step)
        owner, shape = _bare(shape), _below(shape, step)
    return tuple(keys), owner


def _bare(shape: object) -> object:
    """A shape without its annotations, and without the None of something that may be left out."""
    while get_origin(shape) is Annotated:
        shape = get_args(shape)[0]
    if get_origin(shape) in {Union, types.UnionType}:
        options = [option for option in get_args(shape) if option is not types.NoneType]
        if len(options) == 1:
            return _bare(options[0])
    return shape


def _by_tag(shape: object, tag: str) -> type[BaseModel] | None:
    shape = _bare(shape)
    if get_origin(shape) not in {Union, types.UnionType}:
        return None
    for option in get_args(shape):
        bare = _bare(option)
        nested = _by_tag(bare, tag)
        if nested is not None:
            return nested
        if isinstance(bare, type) and issubclass(bare, BaseModel) and "kind" in bare.model_fields:
            kind = bare.model_fields["kind"].annotation
            if get_origin(kind) is Literal and tag in get_args(kind):
                return bare
    return None


def _below(shape: object, step: str | int) -> object:
    shape = _bare(shape)
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        for name, field in shape.model_fields.items():
            if step in {name, field.alias}:
                return field.annotation
        return None
    if get_origin(shape) is dict:
        return get_args(shape)[1]
    if get_origin(shape) is tuple:
        return get_args(shape)[0]
    return None
