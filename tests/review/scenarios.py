"""Pairs of environments between which a pull request moves, and what the engine says about each."""

from collections.abc import Callable, Mapping

from components.model.findings import RefusedError
from tests.model.examples import REMOVE, plan
from tests.review.engine import documents, refused

SERVICE = "services.customermanagementapi"
CALM: Mapping[str, object] = {f"{SERVICE}.traffic": [{"kind": "split", "weights": {"v1": 90, "v2": 10}}]}
DARK: Mapping[str, object] = {
    f"{SERVICE}.traffic": [
        {"kind": "split", "weights": {"v1": 100, "v2": 0}},
        {"kind": "mirror", "to": "v2", "percent": 100},
    ]
}


def of(changes: Mapping[str, object]) -> dict[str, object]:
    """The documents of an environment, or what its stack file is refused for."""
    try:
        return documents(plan(changes))
    except RefusedError as error:
        return refused(*error.lines)


def _weights(v1: int, v2: int) -> dict[str, object]:
    return {f"{SERVICE}.traffic": [{"kind": "split", "weights": {"v1": v1, "v2": v2}}]}


def _another_volume() -> dict[str, object]:
    return of({**CALM, "storage": {"class": "fast"}})


def _protected(given: dict[str, object]) -> dict[str, object]:
    resources = given["resources"]
    assert isinstance(resources, list)
    for one in resources:
        one["protect"] = one["type"].endswith(":PersistentVolumeClaim")
    return given


# The name of a recording, the environment that runs, and the one that is asked for.
SCENARIOS: Mapping[str, tuple[Callable[[], dict[str, object]], Callable[[], dict[str, object]]]] = {
    "nothing": (lambda: of(CALM), lambda: of(CALM)),
    "weights": (lambda: of(CALM), lambda: of(_weights(75, 25))),
    "dark": (lambda: of(DARK), lambda: of(_weights(75, 25))),
    "version": (
        lambda: of(CALM),
        lambda: of({**CALM, f"{SERVICE}.versions.v2": {"replicas": 3, "image": "ghcr.io/o/c:2.1"}}),
    ),
    "removed": (
        lambda: of(_weights(100, 0)),
        lambda: of({f"{SERVICE}.versions.v2": REMOVE, f"{SERVICE}.traffic": REMOVE}),
    ),
    "volume": (lambda: of(CALM), _another_volume),
    "protected": (lambda: _protected(of(CALM)), lambda: _protected(_another_volume())),
    "refused": (lambda: of(CALM), lambda: of(_weights(65, 25))),
}
