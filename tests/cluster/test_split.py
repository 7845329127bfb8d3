"""The split that was asked for is the split that is measured, before and after a change of weights."""

from pathlib import Path

import pytest

from components.model import stackfile
from ops.environment import Environment, measure_splits
from ops.progress import Progress
from ops.split import SplitMeasurement
from tests.cluster.conftest import Running

WEIGHTS = "services.customermanagementapi.traffic[0].weights"


def measured(running: Running, config: Path | None = None) -> tuple[SplitMeasurement, ...]:
    environment = running.environment
    if config is not None:
        environment = Environment(environment.name, stackfile.load(config), environment.choice)
    return measure_splits(environment, running.cluster, 2000, Progress())


def test_both_ways_in_get_the_split_that_was_asked_for(running: Running) -> None:
    inside, through = measured(running)
    for one in (inside, through):
        assert one.passes(), f"{one.via}: {dict(one.counts)}"
        assert one.errors == 0
    assert inside.requests == 2000
    assert inside.cross_checked
    assert through.cross_checked
    # The same counts against weights nobody asked for: the test can fail.
    assert not inside.model_copy(update={"asked": {"v1": 60, "v2": 40}}).passes()


def test_weights_move_with_an_ordinary_update(running: Running, tmp_path: Path) -> None:
    config = tmp_path / "Pulumi.local.yaml"
    config.write_bytes(Path("Pulumi.local.yaml").read_bytes())
    chosen = ("--config-file", str(config))
    try:
        values = [part for v, w in (("v1", 40), ("v2", 60)) for part in ("--plaintext", f"{WEIGHTS}.{v}={w}")]
        running.pulumi("config", "set-all", "--path", *values, *chosen)
        said = running.pulumi("up", "--yes", *chosen).stdout
        assert "2 updated" in said or "1 updated" in said, said
        inside, through = measured(running, config)
        assert inside.passes(), dict(inside.counts)
        assert through.passes(), dict(through.counts)
        assert not inside.model_copy(update={"asked": {"v1": 75, "v2": 25}}).passes()
    finally:
        running.pulumi("up", "--yes")


@pytest.mark.parametrize("command", [("up", "--yes", "--refresh"), ("preview",), ("refresh", "--yes")])
def test_doing_it_again_changes_nothing(running: Running, command: tuple[str, ...]) -> None:
    running.pulumi(*command, "--expect-no-changes")
