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


def example_of(line: str) -> object:
    """What a line proposes after its last `e.g.`, as the stack file would have it."""
    text = line.rpartition("e.g. ")[2].partition(" (or ")[0].partition(" or ")[0]
    inner = ": " in text and not text.startswith(("{", "["))
    return yaml.safe_load(f"{{{text}}}" if inner else text)


def mended(changes: Mapping[str, object], line: str, base: Node = CANARY) -> None:
    """Puts the example where the line says something is wrong; the environment must be accepted then."""
    content: Any = raw(changes, base)
    *keys, last = _steps(line.partition(": ")[0].partition(" = ")[0].removeprefix("pitstop:"))
    example = example_of(line)
    if last == "kind" and isinstance(example, dict):
        *keys, last = keys
    place = content
    for key in keys:
        place = place[key]
    old = place[last] if isinstance(last, int) else place.get(last)
    place[last] = old | example if isinstance(old, dict) and isinstance(example, dict) else example
    parse(content)
