"""Versions come, share, and go while requests run, and no caller sees an error."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import yaml

from components.model import naming
from ops.kube import Kube, PodRef
from ops.measure import LOAD_PORT
from ops.paths import CHECKOUT
from tests.cluster.conftest import Running

API = "customermanagementapi"
SECONDS = 240  # of load at most; an update takes a fraction of it
RATE = 40


def stack_file(folder: Path, name: str, versions: tuple[str, ...], weights: dict[str, int]) -> Path:
    content = yaml.safe_load((CHECKOUT / "Pulumi.local.yaml").read_text())
    content["config"]["pitstop:services"][API] = {
        "versions": {version: {} for version in versions},
        "traffic": [{"kind": "split", "weights": weights}],
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@contextmanager
def load(kube: Kube, pod: PodRef, host: str) -> Iterator[Callable[[], dict[str, int]]]:
    """Requests at a steady rate while the block runs; then how they were answered."""
    asked = {"url": f"http://{host}:5100/api/customers", "t": f"{SECONDS}s", "c": "4", "qps": str(RATE)}
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(
            kube.pod_get, pod, LOAD_PORT, f"fortio/rest/run?{urlencode(asked)}", timeout=SECONDS + 30
        )

        def ended() -> dict[str, int]:
            assert not running.done(), "the load ended before the update: nothing is known of the rest"
            kube.pod_get(pod, LOAD_PORT, "fortio/rest/stop?runid=0")
            return dict(json.loads(running.result())["RetCodes"])

        yield ended


def test_a_version_leaves_and_comes_back_without_an_error(
    running: Running, caller: tuple[Kube, PodRef], tmp_path: Path
) -> None:
    kube, pod = caller
    host = naming.host(API, running.environment.settings.namespace)
    both = ("v1", "v2")
    steps = {
        "moved away": stack_file(tmp_path, "away", both, {"v1": 100, "v2": 0}),
        "removed": stack_file(tmp_path, "removed", ("v1",), {"v1": 100}),
        "added": stack_file(tmp_path, "added", both, {"v1": 100, "v2": 0}),
        "shared": stack_file(tmp_path, "shared", both, {"v1": 75, "v2": 25}),
    }
    try:
        for name, config in steps.items():
            with load(kube, pod, host) as ended:
                running.pulumi("up", "--yes", "--config-file", str(config))
                codes = ended()
            assert set(codes) == {"200"}, f"{name}: {codes}"
            assert codes["200"] > RATE, f"{name}: too few requests to tell"
    finally:
        running.pulumi("up", "--yes")


def test_a_version_in_use_is_not_removed(running: Running, tmp_path: Path) -> None:
    gone = stack_file(tmp_path, "gone", ("v1",), {"v1": 100})
    before = running.state()
    for command in (("preview",), ("up", "--yes")):
        done = running.pulumi(*command, "--config-file", str(gone), check=False)
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode != 0
        assert f"pitstop:services.{API}.versions.v2: gone from the stack file" in said
        assert "update, and remove it with a second update" in said
    assert running.state() == before
