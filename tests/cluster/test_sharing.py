"""A second environment on the same cluster: its own namespace and weights, the first one's mesh."""

from collections.abc import Iterator

import pytest
import yaml

from components.model import stackfile
from ops.environment import Environment, measure_splits
from ops.paths import CHECKOUT
from ops.progress import Progress
from tests.cluster.conftest import Running, pitstop

NAME = "second"
SERVICES = ("webapp", "customermanagementapi", "sqlserver", "rabbitmq", "logserver")


@pytest.fixture
def second(running: Running) -> Iterator[Environment]:
    """Another environment of this checkout; it, and nothing else, is gone afterwards."""
    content = yaml.safe_load((CHECKOUT / "Pulumi.local.yaml").read_text())
    content["config"] |= {
        "pitstop:namespace": "pitstop-second",
        "pitstop:mesh": {"kind": "existing"},
        "pitstop:ingress": {"hosts": ["second.example.org"]},
    }
    services = content["config"]["pitstop:services"]
    services["customermanagementapi"]["traffic"][0]["weights"] = {"v1": 50, "v2": 50}
    content["config"]["pitstop:services"] = {name: services[name] for name in SERVICES}
    config = stackfile.path_of(NAME, CHECKOUT)
    config.write_text(yaml.safe_dump(content))
    try:
        pitstop("up", "--env", NAME, "--requests", "400")
        yield Environment(NAME, stackfile.load(config), running.environment.choice)
    finally:
        pitstop("down", "--env", NAME)
        config.unlink()


def test_two_environments_share_a_cluster(running: Running, second: Environment) -> None:
    for one in measure_splits(second, running.cluster, 2000, Progress()):
        assert one.passes(), f"{one.via}: {dict(one.counts)}"
        assert one.errors == 0
        assert one.asked == {"v1": 50, "v2": 50}
    for one in measure_splits(running.environment, running.cluster, 2000, Progress()):
        assert one.passes(), f"{one.via}: {dict(one.counts)}"
    running.pulumi("preview", "--expect-no-changes")
