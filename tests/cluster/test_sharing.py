"""A second environment on the same cluster: its own namespace and weights, the first one's mesh."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from components.model import stackfile
from ops.environment import Environment, measure_splits
from ops.paths import CHECKOUT
from ops.progress import Progress
from tests.cluster.conftest import Running

NAME = "second"


@pytest.fixture
def second(running: Running, tmp_path: Path) -> Iterator[Path]:
    """The stack file of another environment, whose stack is gone afterwards."""
    content = yaml.safe_load((CHECKOUT / "Pulumi.local.yaml").read_text())
    content["config"] |= {
        "pitstop:namespace": "pitstop-second",
        "pitstop:mesh": {"kind": "existing"},
        "pitstop:ingress": {"hosts": ["second.example.org"]},
    }
    weights = content["config"]["pitstop:services"]["customermanagementapi"]["traffic"]["weights"]
    weights |= {"v1": 50, "v2": 50}
    config = tmp_path / f"Pulumi.{NAME}.yaml"
    config.write_text(yaml.safe_dump(content))
    chosen = ("--stack", NAME, "--config-file", str(config))
    running.pulumi("stack", "init", NAME, "--no-select", "--config-file", str(config))
    try:
        yield config
    finally:
        running.pulumi("destroy", "--yes", *chosen)
        running.pulumi("stack", "rm", "--yes", "--preserve-config", NAME)


def test_two_environments_share_a_cluster(running: Running, second: Path) -> None:
    shell = Running(
        running.environment,
        running.cluster,
        running.variables | {"PITSTOP_OWNER": "pitstop.second", "PULUMI_STACK": NAME},
    )
    shell.pulumi("up", "--yes", "--stack", NAME, "--config-file", str(second))
    other = Environment(NAME, stackfile.load(second), running.environment.choice)
    for one in measure_splits(other, running.cluster, 2000, Progress()):
        assert one.passes(), f"{one.via}: {dict(one.counts)}"
        assert one.asked == {"v1": 50, "v2": 50}
    running.pulumi("preview", "--expect-no-changes")
