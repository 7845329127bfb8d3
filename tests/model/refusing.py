"""A mistake and the line a person reads about it; and whether that line's example would have been right."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from components.model.explain import parse
from components.model.findings import RefusedError
from tests.model.examples import CANARY, Node, _steps, raw

Case = tuple[Mapping[str, object], str]


def lines(changes: Mapping[str, object], base: Node = CANARY) -> tuple[str, ...]:
    """What is said about an environment that is refused."""
    with pytest.raises(RefusedError) as refused:
        parse(raw(changes, base))
    return refused.value.lines


def mended(changes: Mapping[str, object], line: str, base: Node = CANARY) -> None:
    """Puts the line's example where it says something is wrong; the environment must be accepted then."""
    content: Any = raw(changes, base)
    *keys, last = _steps(line.partition(": ")[0].partition(" = ")[0].removeprefix("pitstop:"))
    text = line.rpartition("e.g. ")[2].partition(" (or ")[0].partition(" or ")[0]
    inner = ": " in text and not text.startswith(("{", "["))  # a key of what is there, not all of it
    example = yaml.safe_load(f"{{{text}}}" if inner else text)
    if last == "kind" and isinstance(example, dict):
        *keys, last = keys
    place = content
    for key in keys:
        place = place[key]
    place[last] = place[last] | example if inner else example
    parse(content)
