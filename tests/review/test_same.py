"""Whether main's plan is the plan that was reviewed."""

import copy
from typing import Any

from typer.testing import CliRunner

from ops.review.commands import app
from ops.review.preview import Preview, understood
from ops.review.same import differences
from tests.review import recorded
from tests.review.recorded import of, step


def _with(name: str, key: str, weight: int) -> Preview:
    """A recording with another weight of v2 before (`oldState`) or after (`newState`)."""
    document: Any = copy.deepcopy(recorded.document(name))
    (route,) = [
        one for one in document["steps"] if one["urn"].endswith("VirtualService::customermanagementapi")
    ]
    route[key]["inputs"]["spec"]["http"][0]["route"][1]["weight"] = weight
    return understood(document)


def test_the_same_plan_has_no_differences() -> None:
    for name in ("nothing", "weights", "volume", "removed"):
        assert differences(recorded.preview(name), recorded.preview(name)) == []


def test_another_weight_than_reviewed() -> None:
    assert differences(recorded.preview("weights"), _with("weights", "newState", 30)) == [
        "VirtualService customermanagementapi: other values than reviewed, at spec.http[0].route[1].weight"
    ]


def test_an_environment_that_moved_since() -> None:
    (line,) = differences(recorded.preview("weights"), _with("weights", "oldState", 20))
    assert line == (
        "VirtualService customermanagementapi: the environment has moved since the review, at "
        "spec.http[0].route[1].weight"
    )


def test_what_came_and_what_went() -> None:
    change = "update VirtualService customermanagementapi (customermanagementapi: v2 10 % -> 25 %)"
    assert differences(recorded.preview("weights"), recorded.preview("nothing")) == [
        f"reviewed, and not done any more: {change}"
    ]
    assert differences(recorded.preview("nothing"), recorded.preview("weights")) == [
        f"done now, and never reviewed: {change}"
    ]


def test_another_thing_done_to_the_same() -> None:
    token = "kubernetes:core/v1:ConfigMap"  # noqa: S105 - a type token
    reviewed = of(step("update", token, "map", {"a": 1}, {"a": 2}))
    now = of(step("replace", token, "map", {"a": 1}, {"a": 2}))
    assert differences(reviewed, now) == ["ConfigMap map: update was reviewed, and it is replace now"]


def test_a_plan_that_fails_now() -> None:
    assert any(
        "the sum is 90" in line
        for line in differences(recorded.preview("nothing"), recorded.preview("refused"))
    )


def test_the_command() -> None:
    paths = [str(recorded.FIXTURES / f"{name}.json") for name in ("weights", "nothing")]
    same = CliRunner().invoke(app, ["same-plan", "--reviewed", paths[0], "--preview", paths[0]])
    assert (same.exit_code, same.stdout) == (0, "the plan is the one that was reviewed (1 changes)\n")
    other = CliRunner().invoke(app, ["same-plan", "--reviewed", paths[0], "--preview", paths[1]])
    assert other.exit_code == 2
    assert other.stderr.startswith("reviewed, and not done any more: ")
