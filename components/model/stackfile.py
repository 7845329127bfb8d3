"""Reads a stack file without Pulumi: for what runs around the program, and for `make preview`."""

import json
import re
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml

from components.model.catalogue import Secret
from components.model.explain import PROJECT, SHOWN, key_path, not_encrypted, parse
from components.model.findings import Finding, RefusedError
from components.model.settings import Settings

TAGS = "tag:yaml.org,2002:"
# Of a stack, as Pulumi takes it, and no flag of its CLI.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
EXAMPLE = f"{{{PROJECT}:namespace: pitstop}}"


class Loader(yaml.SafeLoader):
    """YAML as Pulumi reads it (1.2): `on` and `yes` are texts, so is a date, and a key stands there once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A map; its keys are different texts.

        Raises:
            yaml.MarkedYAMLError: one is not; says where.
        """
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != f"{TAGS}str":
                plain = isinstance(key, yaml.ScalarNode) and key.value
                problem = f"the key {key.value[:20]} is no text; quote it" if plain else "a key is no text"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            if key.value in seen:
                problem = f"the key {key.value} stands there twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


OTHERWISE = {f"{TAGS}{name}" for name in ("bool", "float", "int", "timestamp")}
Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag not in OTHERWISE]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# Without numbers in base 60, such as 1:40.
INTEGER = re.compile(r"[-+]?(0b[0-1_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*)")
FLOAT = re.compile(
    r"[-+]?([0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?|\.[0-9][0-9_]*([eE][-+][0-9]+)?|\.(inf|Inf|INF))|\.(nan|NaN|NAN)"
)
Loader.add_implicit_resolver(f"{TAGS}float", re.compile(rf"(?:{FLOAT.pattern})$"), list("-+0123456789."))
Loader.add_implicit_resolver(f"{TAGS}int", re.compile(rf"(?:{INTEGER.pattern})$"), list("-+0123456789"))
Loader.add_implicit_resolver(f"{TAGS}bool", re.compile(r"true|false", re.IGNORECASE), list("tTfF"))


def path_of(environment: str, checkout: Path) -> Path:
    """The stack file of an environment.

    Raises:
        RefusedError: Pulumi takes no stack of that name.
    """
    if not NAME.fullmatch(environment):
        valid = "must be at most 100 letters, digits and - _ . after a letter or digit"
        shown = json.dumps(environment[:SHOWN])
        raise _refusal("no-stack", "environment", f"{valid}; {_known(checkout)}", shown)
    return checkout / f"Pulumi.{environment}.yaml"


def name_of(path: Path) -> str:
    """The environment a stack file is of."""
    return path.name.removeprefix("Pulumi.").removesuffix(".yaml")


def environments(checkout: Path) -> tuple[str, ...]:
    """The environments that have a stack file."""
    return tuple(sorted(name_of(path) for path in checkout.glob("Pulumi.*.yaml")))


def load(path: Path) -> Settings:
    """The settings a stack file states; its encrypted values are left alone.

    Raises:
        RefusedError: when the file is missing, is not YAML, or states what is not valid.
    """
    content = _read(path)
    if not isinstance(content, dict):
        raise _refusal("no-map", path.name, f"must be a map, e.g. config: {EXAMPLE}")
    config = {} if content.get("config") is None else content["config"]
    if not isinstance(config, dict):
        raise _refusal("no-map", f"{path.name}, config", f"must be a map, e.g. {EXAMPLE}")
    return parse(_plain(config), [*_misplaced(config)])


def encrypted(value: object) -> bool:
    """Whether a value stands there as Pulumi writes a secret one."""
    return isinstance(value, dict) and set(value) == {"secure"} and isinstance(value["secure"], str)


def decoded(text: str) -> Any:  # noqa: ANN401 - whatever the YAML is
    """YAML as a stack file's is read.

    Raises:
        yaml.YAMLError: it is none.
    """
    return yaml.load(text, Loader)  # noqa: S506 - a SafeLoader


def _read(path: Path) -> object:
    try:
        text = path.read_text(encoding="utf-8")
        content: object = decoded(text) if text.strip() else {}
    except FileNotFoundError:
        raise _refusal("no-stack", path.name, f"no such file; {_known(path.parent)}") from None
    except OSError as error:
        raise _refusal("no-stack", path.name, f"cannot be read ({error.strerror})") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise _refusal("not-yaml", f"{path.name}{line}", f"not YAML: {problem}") from None
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise _refusal("not-yaml", path.name, f"not YAML: {type(error).__name__}") from None
    return content


def _refusal(code: str, place: str, text: str, value: str = "") -> RefusedError:
    return RefusedError([Finding(code, place, text, value)])


def _known(checkout: Path) -> str:
    return f"environments are {', '.join(environments(checkout)) or 'none so far'}"


def _misplaced(config: dict[str, object]) -> Iterator[Finding]:
    """Keys the engine gives the project and nothing here would, and secret values in plain text."""
    secret = set(Secret)
    for key, value in config.items():
        project, colon, name = key.partition(":")
        if not colon:
            text = f"stands there as {key}, which the engine alone reads; valid: {key_path((key,))}"
            yield Finding("no-project", key_path((key,)), text)
        elif project == PROJECT and name in secret and not encrypted(value):
            yield not_encrypted(name)


def _plain(config: dict[str, object]) -> dict[str, object]:
    """The project's own keys without its secret values; encrypted, any other would be wrong here too."""
    prefix, secret = f"{PROJECT}:", set(Secret)
    return {
        key.removeprefix(prefix): value
        for key, value in config.items()
        if key.startswith(prefix) and key.removeprefix(prefix) not in secret
    }
