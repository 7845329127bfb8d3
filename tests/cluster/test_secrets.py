"""No secret value of a run is seen anywhere but where it is kept."""

from pathlib import Path

from ops.paths import checkout_dir
from tests.cluster.conftest import Running
from tests.review.secrets_of_a_run import leaks


def test_nothing_shows_a_secret_value(running: Running, tmp_path: Path) -> None:
    def pulumi(*arguments: str) -> str:
        done = running.pulumi(*arguments)
        return done.stdout + done.stderr

    folder = checkout_dir() / "pulumi"
    found = leaks(pulumi, running.environment.plan, folder, running.cluster.kubeconfig, tmp_path / "scratch")
    assert found == []
