"""Environments to try things on."""

import copy
import re
from collections.abc import Mapping
from datetime import date
from typing import Any, cast

import pytest

from components.model.catalogue import CATALOGUE
from components.model.checks import plan_for
from components.model.explain import parse
from components.model.manifests import Document, Json
from components.model.plan import Plan
from components.model.settings import Settings

OWNER = "pitstop.test"
TODAY = date(2026, 11, 25)
Node = dict[str, object]

CANARY: Node = {
    "namespace": "pitstop",
    "cluster": {"kind": "local"},
    "mesh": {"kind": "helm", "size": "small", "gateway": {"service": "NodePort", "nodePort": 30080}},
    "images": "standin",
    "ingress": {"hosts": ["*"]},
    "services": {
        "webapp": {},
        "customermanagementapi": {
            "versions": {"v1": {}, "v2": {}},
            "traffic": [{"kind": "split", "weights": {"v1": 75, "v2": 25}}],
        },
        "sqlserver": {},
        "rabbitmq": {},
    },
}
# Everything there is: thirteen services, two versions where there can be two.
WHOLE: Node = CANARY | {
    "services": {
        **cast(Node, CANARY["services"]),
        **{name: {} for name in CATALOGUE if name not in cast(Node, CANARY["services"])},
    }
}
REMOVE = object()


def raw(changes: Mapping[str, object] | None = None, base: Node = CANARY) -> Node:
    """An environment with some values changed, added or (REMOVE) taken away, by a path such as `a.b[0].c`."""
    content = copy.deepcopy(base)
    for path, value in (changes or {}).items():
        *keys, last = _steps(path)
        place: Any = content
        for key in keys:
            place = place[key] if isinstance(key, int) else place.setdefault(key, {})
        if value is REMOVE:
            del place[last]
        elif isinstance(last, int) and last == len(place):
            place.append(copy.deepcopy(value))
        else:
            place[last] = copy.deepcopy(value)
    return content


def _steps(path: str) -> list[str | int]:
    found = re.findall(r"([^.\[\]]+)|\[(\d+)\]", path)
    return [name or int(number) for name, number in found]


def settings(changes: Mapping[str, object] | None = None, base: Node = CANARY) -> Settings:
    """Typed settings of the changed environment."""
    return parse(raw(changes, base))


def plan(changes: Mapping[str, object] | None = None, base: Node = CANARY, today: date = TODAY) -> Plan:
    """The checked plan of the changed environment, as of a fixed day."""
    return plan_for(settings(changes, base), OWNER, today)


def pick(value: Json, *path: str | int) -> Json:
    """What is at a path of a document; a path that is not there fails the test."""
    for step in path:
        match value, step:
            case dict(), str() if step in value:
                value = value[step]
            case list(), int() if -len(value) <= step < len(value):
                value = value[step]
            case _:
                pytest.fail(f"no {step} in {value}")
    return value


def items(value: Json, *path: str | int) -> list[Document]:
    """The maps in a list at a path of a document."""
    found = pick(value, *path)
    assert isinstance(found, list)
    assert all(isinstance(one, dict) for one in found)
    return cast(list[Document], found)


def objects(environment: Plan, kind: str) -> dict[str, Document]:
    """The environment's objects of a kind, by name; a second of the same name fails the test."""
    found = [one for one in environment.objects() if one.kind == kind]
    assert len({(one.namespace, one.name) for one in found}) == len(found)
    return {one.name: one.document() for one in found}
