"""Reads a stack file without Pulumi: for what runs around the program, and for `make preview`."""

from pathlib import Path

import yaml

from components.model.explain import PROJECT, parse
from components.model.findings import Finding, RefusedError
from components.model.settings import Settings


def path_of(environment: str, checkout: Path) -> Path:
    """The stack file of an environment."""
    return checkout / f"Pulumi.{environment}.yaml"


def load(path: Path) -> Settings:
    """The settings a stack file states; its encrypted values are left alone.

    Raises:
        RefusedError: when the file is missing, is not YAML, or states what is not valid.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        known = sorted(other.name.split(".")[1] for other in path.parent.glob("Pulumi.*.yaml"))
        raise RefusedError(
            [Finding("no-stack", path.name, f"no such file; environments are {', '.join(known)}")]
        ) from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise RefusedError([Finding("not-yaml", f"{path.name}{line}", f"not YAML: {problem}")]) from None
    config = content.get("config") if isinstance(content, dict) else None
    return parse(_plain(config if isinstance(config, dict) else {}))


def _plain(config: dict[str, object]) -> dict[str, object]:
    prefix = f"{PROJECT}:"
    return {
        key.removeprefix(prefix): value
        for key, value in config.items()
        if key.startswith(prefix) and not (isinstance(value, dict) and set(value) == {"secure"})
    }
