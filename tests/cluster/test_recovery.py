"""Killed without warning, everything comes back: each process of the node, its supervisor, an update."""

import os
import signal
import subprocess
import time
from pathlib import Path

import httpx2
import pytest

from localcluster.node.services import services
from ops import clusters
from ops.paths import CHECKOUT
from tests.cluster.conftest import Running, pitstop
from tests.cluster.test_refusals import stack_file

BACK_SECONDS = 180.0


def answers(running: Running) -> bool:
    """Whether a person sees customers, and not the page that says a service is away."""
    try:
        page = httpx2.get(f"{running.url}/CustomerManagement", timeout=10, trust_env=False)
    except httpx2.HTTPError:
        return False
    return page.status_code == 200 and 'data-service="customermanagementapi"' in page.text


def wait_until_it_answers(running: Running) -> None:
    deadline = time.monotonic() + BACK_SECONDS
    while not answers(running):
        assert time.monotonic() < deadline, f"the webapp did not answer in {BACK_SECONDS:.0f} s"
        time.sleep(1)


def embedded(running: Running) -> None:
    if running.environment.choice.kind != "embedded":
        pytest.skip("the processes of the node are ours only on the embedded node")


@pytest.mark.parametrize("name", [service.name for service in services()])
def test_a_killed_process_of_the_node_comes_back(running: Running, name: str) -> None:
    embedded(running)
    node = clusters.node()
    before = {one.name: one for one in node.status().services}[name]
    assert before.up
    node.run("sh", "-c", f"kill -KILL {before.pid}")
    deadline = time.monotonic() + BACK_SECONDS
    while True:
        after = {one.name: one for one in node.status().services}.get(name)
        if after is not None and after.up and after.pid != before.pid:
            break
        assert time.monotonic() < deadline, f"{name} did not come back"
        time.sleep(0.5)
    wait_until_it_answers(running)


def test_an_update_that_is_killed_is_finished_by_the_next(running: Running, tmp_path: Path) -> None:
    config = stack_file(
        tmp_path, ("services", "customermanagementapi", "traffic", 0, "weights"), {"v1": 10, "v2": 90}
    )
    locks = Path(running.variables["PULUMI_BACKEND_URL"].removeprefix("file://")) / ".pulumi" / "locks"
    command = ["pulumi", "up", "--yes", "--skip-preview", "--refresh", "--non-interactive"]
    update = subprocess.Popen(
        [*command, "--config-file", str(config)],
        cwd=CHECKOUT,
        env=running.variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list(locks.rglob("*.json")) and update.poll() is None:
        assert time.monotonic() < deadline, "the update never took its lock"
        time.sleep(0.05)
    time.sleep(2)  # into the update itself
    os.killpg(update.pid, signal.SIGKILL)
    update.wait()
    assert update.returncode == -signal.SIGKILL, "the update ended before it was killed"
    assert list(locks.rglob("*.json")), "a killed update leaves its lock: nothing was tested"
    pitstop("up", "--yes", "--requests", "400")
    running.pulumi("preview", "--expect-no-changes")


def test_a_killed_supervisor_is_recovered_by_the_next_up(running: Running) -> None:
    embedded(running)
    pid = clusters.node().status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while answers(running):
        assert time.monotonic() < deadline, "the node outlived its supervisor"
    pitstop("up", "--yes", "--requests", "400")
    assert answers(running)
