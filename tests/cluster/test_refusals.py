"""Mistakes, through the ordinary CLI: one line each, a status that is not zero, and nothing touched."""

import re
from pathlib import Path

import pytest
import yaml

from ops.paths import CHECKOUT
from tests.cluster.conftest import Running, pitstop

CUSTOMERS = "pitstop:services.customermanagementapi"
MISTAKES = {
    "unknown key": (("services", "customermanagementapi", "colour"), "blue", f"{CUSTOMERS}.colour"),
    "weight 101": (
        ("services", "customermanagementapi", "traffic", 0, "weights", "v1"),
        101,
        f"{CUSTOMERS}.traffic[0].weights.v1 = 101",
    ),
    "sum of 90": (
        ("services", "customermanagementapi", "traffic", 0, "weights", "v1"),
        65,
        "the sum is 90 and must be 100",
    ),
    "version with no deployment": (
        ("services", "customermanagementapi", "traffic", 0, "weights"),
        {"v1": 75, "v3": 25},
        "v3 has no deployment",
    ),
}


def stack_file(folder: Path, path: tuple[str | int, ...], value: object) -> Path:
    """The committed stack file with one value changed."""
    content = yaml.safe_load((CHECKOUT / "Pulumi.local.yaml").read_text())
    place = content["config"]
    keys: list[str | int] = [f"pitstop:{path[0]}", *path[1:]]
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    changed = folder / "Pulumi.local.yaml"
    changed.write_text(yaml.safe_dump(content))
    return changed


def refused(running: Running, config: Path, environ: dict[str, str] | None = None) -> str:
    """What an update says that must not touch anything."""
    before = running.state()
    shell = Running(running.environment, running.cluster, running.variables | (environ or {}))
    done = shell.pulumi("up", "--yes", "--config-file", str(config), check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "Traceback" not in said
    assert running.state() == before
    return re.sub(r"\s+", " ", said)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_stack_file_is_one_line(running: Running, tmp_path: Path, mistake: str) -> None:
    path, value, line = MISTAKES[mistake]
    assert line in refused(running, stack_file(tmp_path, path, value))


def test_the_committed_stack_file_is_not_refused(running: Running) -> None:
    running.pulumi("preview", "--config-file", str(CHECKOUT / "Pulumi.local.yaml"))


def test_a_kubeconfig_that_does_not_answer(running: Running, tmp_path: Path) -> None:
    content = running.cluster.kubeconfig.read_text()
    dead = tmp_path / "kubeconfig"
    dead.write_text(re.sub(r"server: https://127\.0\.0\.1:\d+", "server: https://127.0.0.1:9", content))
    config = stack_file(tmp_path, ("images",), "standin")
    said = refused(running, config, {"PITSTOP_KUBECONFIG": str(dead)})
    assert "does not answer" in said
    assert "PITSTOP_KUBECONFIG" in said


def test_an_istio_that_another_stack_owns(running: Running, tmp_path: Path) -> None:
    config = stack_file(tmp_path, ("namespace",), "pitstop-other")
    said = refused(running, config, {"PITSTOP_OWNER": "pitstop.somebody-else"})
    assert "pitstop:mesh.kind = helm" in said
    assert "belongs to" in said


def test_a_namespace_that_another_stack_owns(running: Running, tmp_path: Path) -> None:
    config = stack_file(tmp_path, ("mesh",), {"kind": "existing"})
    said = refused(running, config, {"PITSTOP_OWNER": "pitstop.somebody-else"})
    assert "pitstop:namespace = pitstop" in said


def test_our_own_commands_leave_the_stack_file_as_it_is_committed(running: Running) -> None:
    running.pulumi("preview")  # the plain CLI notes its salt there
    assert "encryptionsalt" in (CHECKOUT / "Pulumi.local.yaml").read_text()
    pitstop("preview")
    assert "encryptionsalt" not in (CHECKOUT / "Pulumi.local.yaml").read_text()
