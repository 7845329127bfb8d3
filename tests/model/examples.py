"""Environments to try things on."""

import copy
from collections.abc import Mapping
from typing import cast

from components.model.checks import plan_for
from components.model.explain import parse
from components.model.plan import Plan
from components.model.settings import Settings

OWNER = "pitstop.test"
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
            "traffic": {"kind": "split", "weights": {"v1": 75, "v2": 25}},
        },
        "sqlserver": {},
        "rabbitmq": {},
    },
}
REMOVE = object()


def raw(changes: Mapping[str, object] | None = None) -> Node:
    """The canary environment with some values changed, added or (REMOVE) taken away, by dotted key."""
    content = copy.deepcopy(CANARY)
    for path, value in (changes or {}).items():
        *keys, last = path.split(".")
        place = content
        for key in keys:
            place = cast(Node, place.setdefault(key, {}))
        if value is REMOVE:
            del place[last]
        else:
            place[last] = copy.deepcopy(value)
    return content


def settings(changes: Mapping[str, object] | None = None) -> Settings:
    """Typed settings of the changed canary environment."""
    return parse(raw(changes))


def plan(changes: Mapping[str, object] | None = None) -> Plan:
    """The checked plan of the changed canary environment."""
    return plan_for(settings(changes), OWNER)
