"""The schema of azure-native, read from the text of its Python package without importing it.

The package is generated from the provider's schema, so its classes are the schema: names, types, which are
required, and the values of enums. Importing `network` alone takes 2 s and 100 MB; the text of the one class
that is asked for is found and parsed in milliseconds.
"""

import ast
import difflib
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from localcluster.azure.documented import DOCUMENTED

PACKAGE = "azure-native"
_PARSING = threading.Lock()
MANY = 12  # names beyond this are not listed in a message


@dataclass(frozen=True, slots=True)
class Scalar:
    """One of Python's own types: str, int, float or bool; `any` takes everything."""

    name: str


@dataclass(frozen=True, slots=True)
class Named:
    """A class of the package: an object's type or an enum."""

    module: str
    file: str  # without .py
    name: str


@dataclass(frozen=True, slots=True)
class Many:
    """A list, or a map by text."""

    item: "Type"
    keyed: bool


@dataclass(frozen=True, slots=True)
class Either:
    """One of several types."""

    options: tuple["Type", ...]


Type = Scalar | Named | Many | Either


@dataclass(frozen=True, slots=True)
class Property:
    """One property of an object."""

    type: Type
    required: bool
    constant: str | None = None  # the only value it may have: it tells the types of a union apart


Properties = Mapping[str, Property]


class UnknownTokenError(LookupError):
    """No type or function of this name; the message says which is near."""


@lru_cache(maxsize=256)
def inputs_of(token: str) -> Properties:
    """The inputs of a resource.

    Raises:
        UnknownTokenError: the package has no such type.
    """
    module, name, file = _located(token)
    for suffix in ("InitArgs", "Args"):  # Init where the plain name is that of an object's type
        if _has(module, file, f"{name}{suffix}"):
            return _arguments(_class(module, file, f"{name}{suffix}"), module)
    raise UnknownTokenError(f"{token}: not a type of {PACKAGE}")


@lru_cache(maxsize=256)
def outputs_of(token: str) -> Properties:
    """What a resource has once it exists: its inputs as Azure knows them, and what it computes.

    Raises:
        UnknownTokenError: the package has no such type.
    """
    module, name, file = _located(token)
    return _results(_class(module, file, name), module)


@lru_cache(maxsize=256)
def api_version(token: str) -> str:
    """The version of Azure's interface a type is made for, e.g. 2025-09-01.

    Raises:
        UnknownTokenError: the package has no such type.
    """
    module, _, file = _located(token)
    found = re.search(r"Uses Azure REST API version (\S+?)\.\s", _text(module, file))
    return found[1] if found else ""


@lru_cache(maxsize=64)
def arguments_of(token: str) -> Properties:
    """The arguments of a function.

    Raises:
        UnknownTokenError: the package has no such function.
    """
    module, _, file = _located(token)
    return _parameters(_text(module, file), f"{file}_output", module)


@lru_cache(maxsize=64)
def results_of(token: str) -> Properties:
    """What a function answers with.

    Raises:
        UnknownTokenError: the package has no such function.
    """
    module, name, file = _located(token)
    return _results(_class(module, file, f"{name[0].upper()}{name[1:]}Result"), module)


@lru_cache(maxsize=1)
def config_of() -> Properties:
    """What the provider itself can be told."""
    return _arguments(_class("", "provider", "ProviderArgs"), "")


@lru_cache(maxsize=1024)
def members(named: Named) -> Properties:
    """The properties of an object's type."""
    made = _class(named.module, named.file, named.name)
    if named.file == "outputs":
        return _results(made, named.module)
    return _arguments(made, named.module)


@lru_cache(maxsize=1024)
def enum_values(named: Named) -> tuple[str, ...]:
    """The values of an enum, with those that Azure alone documents; none for an object's type."""
    if named.file != "_enums":
        return ()
    made = _class(named.module, named.file, named.name)
    listed = (
        str(statement.value.value)
        for statement in made.body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
    )
    return (*listed, *DOCUMENTED.get((named.module, named.name), ()))


def _located(token: str) -> tuple[str, str, str]:
    """Module, name and file of a type or function."""
    module, _, name = token.removeprefix(f"{PACKAGE}:").partition(":")
    files = _files(module)
    if not files:
        raise UnknownTokenError(f"{token}: {PACKAGE} has no module {module}; {near(module, _modules())}")
    file = files.get(name.lower())
    if file is None or f"'{PACKAGE}:{module}:{name}'" not in _text(module, file):
        raise UnknownTokenError(f"{token}: {PACKAGE} has no such type; {near(name, _names(module))}")
    return module, name, file


@lru_cache(maxsize=1)
def _root() -> Path:
    spec = find_spec("pulumi_azure_native")
    if spec is None or spec.origin is None:
        raise UnknownTokenError(f"{PACKAGE}: its Python package is not installed (pulumi-azure-native)")
    return Path(spec.origin).parent


@lru_cache(maxsize=1)
def _modules() -> tuple[str, ...]:
    return tuple(sorted(path.parent.name for path in _root().glob("*/__init__.py")))


@lru_cache(maxsize=64)
def _files(module: str) -> Mapping[str, str]:
    """Files by what they define: `managed_cluster` defines ManagedCluster, and names differ in no more."""
    if module not in _modules():
        return {}
    return {path.stem.replace("_", ""): path.stem for path in (_root() / module).glob("[!_]*.py")}


@lru_cache(maxsize=64)
def _names(module: str) -> tuple[str, ...]:
    """Types and functions of a module."""
    token = re.compile(rf"'{PACKAGE}:{module}:(\w+)'")
    texts = (_text(module, file) for file in _files(module).values())
    return tuple(sorted(match[1] for text in texts if (match := token.search(text))))


@lru_cache(maxsize=512)
def _text(module: str, file: str) -> str:
    return (_root() / module / f"{file}.py").read_text()


def _start(text: str, name: str) -> int:
    found = [text.find(f"\nclass {name}{after}") for after in (":", "(")]
    return max(found)


def _has(module: str, file: str, name: str) -> bool:
    if not (_root() / module / f"{file}.py").exists():
        return False
    return _start(_text(module, file), name) >= 0


def _class(module: str, file: str, name: str) -> ast.ClassDef:
    """One class of a file, parsed alone."""
    text = _text(module, file)
    start = _start(text, name)
    if start < 0:
        raise UnknownTokenError(f"{module}:{name}: not in {PACKAGE}'s {file}")
    made = _parsed(_block(text, start))
    if not isinstance(made, ast.ClassDef):
        raise UnknownTokenError(f"{module}:{name}: not a class")
    return made


def _parsed(text: str) -> ast.stmt:
    """The first statement of a text.

    One thread at a time: Python 3.11 counts the depth of what it builds for all threads together, and a
    change of threads meanwhile is a SystemError (https://github.com/python/cpython/issues/106905).
    """
    with _PARSING:
        return ast.parse(text).body[0]


def _block(text: str, start: int) -> str:
    """The lines of a definition: up to the next one that is not indented."""
    end = re.compile(r"\n(?=[^\s#)])").search(text, start + 1)
    return text[start + 1 : end.start() if end else len(text)]


def _arguments(made: ast.ClassDef, module: str) -> Properties:
    names, constants = dict(_getters(made)), {}
    start = next(node for node in made.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    for call in ast.walk(start):
        match call:
            case ast.Call(func=ast.Attribute(attr="set"), args=[_, ast.Constant(name), ast.Constant(fixed)]):
                constants[name] = str(fixed)
    found = {}
    for argument, default in zip(start.args.kwonlyargs, start.args.kw_defaults, strict=True):
        getter = names.get(argument.arg)
        found[getter[0] if getter else argument.arg] = Property(
            _type(argument.annotation, module), default is None, constants.get(argument.arg)
        )
    return MappingProxyType(found)


def _results(made: ast.ClassDef, module: str) -> Properties:
    return MappingProxyType(
        {
            name: Property(_type(annotation, module), "Optional" not in ast.unparse(annotation)[:24])
            for _, (name, annotation) in _getters(made)
        }
    )


def _getters(made: ast.ClassDef) -> Iterator[tuple[str, tuple[str, ast.expr]]]:
    """Python's name of each property, with the provider's name and the type."""
    for node in made.body:
        if not isinstance(node, ast.FunctionDef) or node.returns is None:
            continue
        for decorator in node.decorator_list:
            match decorator:
                case ast.Call(
                    func=ast.Attribute(attr="getter"), keywords=[ast.keyword(value=ast.Constant(name))]
                ):
                    yield node.name, (str(name), node.returns)
                case ast.Attribute(attr="getter"):
                    yield node.name, (node.name, node.returns)


def _parameters(text: str, function: str, module: str) -> Properties:
    """The arguments of a function: one that may be left out is optional twice in the form for outputs."""
    made = _parsed(_block(text, text.index(f"\ndef {function}(")))
    if not isinstance(made, ast.FunctionDef):
        raise UnknownTokenError(f"{function}: not a function")
    names = {}
    for node in ast.walk(made):
        match node:
            case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(name))], value=ast.Name(id)):
                names[id] = str(name)
    return MappingProxyType(
        {
            names[argument.arg]: Property(
                _type(argument.annotation, module),
                "Optional[Optional" not in ast.unparse(argument.annotation),
            )
            for argument in made.args.args
            if argument.annotation and argument.arg in names
        }
    )


def _type(node: ast.expr | None, module: str) -> Type:
    """A type as an annotation writes it."""
    match node:
        case ast.Subscript(value=ast.Attribute(attr=name) | ast.Name(id=name), slice=inner):
            return _generic(name, inner, module)
        case ast.Attribute(attr="str" | "int" | "float" | "bool" as name):
            return Scalar(name)
        case ast.Constant(value=str(name)):
            return _reference(name, module)
        case _:
            return Scalar("any")


def _generic(name: str, inner: ast.expr, module: str) -> Type:
    """A type with others in brackets."""
    options = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    match name:
        case "Sequence" | "Mapping":
            return Many(_type(options[-1], module), keyed=name == "Mapping")
        case "Union":
            return _union(tuple(_type(option, module) for option in options))
        case _:  # Input, Output, Optional: what the engine adds, and whether it is required is known
            return _type(inner, module)


def _union(options: tuple[Type, ...]) -> Type:
    """A union; a text or an enum's value is the enum alone, so that a wrong value is seen."""
    enums = tuple(one for one in options if isinstance(one, Named) and one.file == "_enums")
    rest = tuple(one for one in options if one not in enums and one != Scalar("str"))
    kept = tuple(dict.fromkeys(enums + rest if enums else options))
    return kept[0] if len(kept) == 1 else Either(kept)


def _reference(name: str, module: str) -> Type:
    plain = name.rpartition(".")[2]
    if name.startswith("outputs."):
        return Named(module, "outputs", plain)
    if plain.endswith("Args"):
        return Named(module, "_inputs", plain)
    places = (("_enums", plain), ("_inputs", plain.removesuffix("Dict")), ("outputs", plain))
    return next(Named(module, file, one) for file, one in places if _has(module, file, one))


def near(name: str, known: "Mapping[str, object] | tuple[str, ...]", *, every: bool = False) -> str:
    """What may have been meant, and what would be valid."""
    names = list(known)
    folded = {one.lower(): one for one in names}
    close = difflib.get_close_matches(name.lower(), list(folded), n=1, cutoff=0.6)
    hint = f"did you mean {folded[close[0]]}?" if close else ""
    listed = f"valid: {', '.join(names)}" if names else "there is none to set"
    if len(names) > MANY and not every:
        return hint or f"there are {len(names)} others"
    return f"{hint} {listed}".strip()
