"""Pairs of environments between which a pull request moves; what the engine says about each is recorded."""

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from components.model import stackfile
from ops.paths import CHECKOUT
from tests.model.examples import REMOVE, Node, raw

SERVICE = "services.customermanagementapi"
Changes = Mapping[str, object]


def weights(v1: int, v2: int) -> Changes:
    return {f"{SERVICE}.traffic": [{"kind": "split", "weights": {"v1": v1, "v2": v2}}]}


DARK: Changes = {
    f"{SERVICE}.traffic": [
        {"kind": "split", "weights": {"v1": 100, "v2": 0}},
        {"kind": "mirror", "to": "v2", "percent": 100},
    ]
}


@dataclass(frozen=True)
class Scenario:
    """What runs, and what is asked for; both as changes of one environment."""

    before: Changes
    after: Changes
    base: Node | None = None
    protect: str = ""


def dev() -> Node:
    """The environment of `Pulumi.dev.yaml`."""
    content = stackfile.decoded(stackfile.path_of("dev", CHECKOUT).read_text())
    return {key.removeprefix("pitstop:"): value for key, value in content["config"].items()}


def text(changes: Changes, base: Node | None = None) -> str:
    """The stack file of an environment with changes."""
    content = raw(changes, base) if base is not None else raw(changes)
    return yaml.safe_dump({"config": {f"pitstop:{key}": value for key, value in content.items()}})


CALM = weights(90, 10)
SCENARIOS: Mapping[str, Scenario] = {
    "nothing": Scenario(CALM, CALM),
    "weights": Scenario(CALM, weights(75, 25)),
    "dark": Scenario(DARK, weights(75, 25)),
    "version": Scenario(
        CALM, {**CALM, f"{SERVICE}.versions.v2": {"replicas": 3, "image": "ghcr.io/o/c:2.1"}}
    ),
    "removed": Scenario(weights(100, 0), {f"{SERVICE}.versions.v2": REMOVE, f"{SERVICE}.traffic": REMOVE}),
    "volume": Scenario(CALM, {**CALM, "storage": {"class": "fast"}}),
    "protected": Scenario(CALM, {**CALM, "storage": {"class": "fast"}}, protect="PersistentVolumeClaim"),
    "refused": Scenario(CALM, weights(65, 25)),
    "pool": Scenario({}, {"cluster.pools.apps.min": 3, "cluster.pools.apps.max": 5}, dev()),
    "cluster": Scenario({}, {"cluster.network.podCidr": "10.128.0.0/14"}, dev()),
}
