"""Files that others must not read, and that are never half there."""

import os
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops import environment
from ops.cli import app
from ops.paths import checkout_dir, checkout_id, leave_shell, write_private


def test_its_owner_alone_reads_it_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    for text in ("one", "two"):
        write_private(path, text)
        assert path.read_text() == text
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_to_be_kept_stays(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, "first", replace=False)
    write_private(path, "second", replace=False)
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_nothing_and_takes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, "kept")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "half \ud800")
    assert path.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_run_left_is_in_nobodys_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getpid", lambda: 7)
    (tmp_path / ".secret-7").write_text("half")
    write_private(tmp_path / "secret", "whole")
    assert (tmp_path / "secret").read_text() == "whole"


def test_of_several_threads_none_is_in_the_way_of_another(tmp_path: Path) -> None:
    paths = [tmp_path / f"secret-{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: write_private(path, path.name), paths))
    assert [path.read_text() for path in paths] == [path.name for path in paths]


def test_what_make_env_said_for_another_environment_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {
        "KUBECONFIG": f"{checkout_dir()}/node/kubeconfig",
        "PITSTOP_KUBECONFIG": f"{checkout_dir()}/node/kubeconfig",
        "PITSTOP_OWNER": f"pitstop.local.{checkout_id()}",
        "PITSTOP_REHEARSAL": f"{checkout_dir()}.rehearsal/prod",
        "PULUMI_BACKEND_URL": f"file://{checkout_dir()}/pulumi/backend",
    }
    ours |= {"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true", "PITSTOP_REHEARSAL_SCALE": "pods"}
    others = {"PULUMI_HOME": "/home/one/.pulumi", "PITSTOP_CACHE": "/cache", "FOLDER": f"{checkout_dir()}"}
    for name, value in (ours | others).items():
        monkeypatch.setenv(name, value)
    assert leave_shell("prod") == "prod"
    assert not ours.keys() & os.environ.keys()
    assert {name: os.environ[name] for name in others} == others


def test_a_cluster_and_a_backend_of_a_persons_own_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {
        "PITSTOP_KUBECONFIG": "/home/one/.kube/config#dev",
        "PULUMI_BACKEND_URL": "azblob://states",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    leave_shell("dev")
    assert {name: os.environ[name] for name in own} == own


def test_a_second_make_env_leaves_nothing_of_the_first_in_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    first = {
        "PULUMI_STACK": "local",
        "PULUMI_BACKEND_URL": f"file://{checkout_dir()}/pulumi/backend",
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "PITSTOP_OWNER": f"pitstop.local.{checkout_id()}",
        "PITSTOP_CHARTS": "/cache/charts",
    }
    own = {"PITSTOP_SECRETS": "/home/one/values.json"}
    second = {"PULUMI_STACK": "dev", "PITSTOP_CHARTS": "/cache/charts"}
    for name, value in (first | own).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(environment, "shell", lambda _name: second)
    said = CliRunner().invoke(app, ["env", "--env", "dev"]).stdout
    script = f"set -eu\n{said}\n/usr/bin/env"
    left = subprocess.run(
        ["/bin/sh", "-c", script], env=first | own, capture_output=True, text=True, check=True
    ).stdout
    seen = dict(line.split("=", 1) for line in left.splitlines())
    assert {name: seen[name] for name in seen if name.startswith(("PULUMI_", "PITSTOP_"))} == second | own
