"""A second checkout comes up beside this one, and its `down` leaves the machine as it was."""

import shutil
import subprocess
from pathlib import Path

import pytest

from ops.paths import CHECKOUT, cache_root
from ops.stack import _without_salt
from tests.cluster.conftest import Running, pitstop
from tests.traces import left_by_nodes


def traces() -> dict[str, set[str]]:
    """What a checkout could leave on the machine."""
    return {**left_by_nodes(), "checkouts": {path.name for path in (cache_root() / "checkouts").iterdir()}}


def copy_of_this_checkout(folder: Path) -> Path:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, target)
    config = folder / "Pulumi.local.yaml"
    config.write_bytes(_without_salt(config.read_bytes()))  # tests before this one use the plain CLI
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    return folder


def test_a_second_checkout_comes_and_goes(running: Running, tmp_path: Path) -> None:
    if running.environment.choice.kind != "embedded":
        pytest.skip("only the embedded node is judged by what it leaves on this machine")
    before = traces()
    checkout = copy_of_this_checkout(tmp_path / "checkout")
    try:
        said = pitstop("up", "--yes", "--requests", "400", cwd=checkout).stdout
        assert "The webapp answers at" in said
        assert f":{running.cluster.http_port}" not in said
        during = traces()
        assert during["cgroups"] - before["cgroups"]  # what is looked for can be seen
        assert during["namespaces"] - before["namespaces"]
        changed = subprocess.run(
            ["git", "diff", "--stat"], cwd=checkout, capture_output=True, text=True, check=True
        )
        assert changed.stdout == ""
    finally:
        pitstop("down", "--yes", cwd=checkout)
    after = traces()
    # Pods of the first node may go meanwhile; nothing may have come.
    assert {kind: found - before[kind] for kind, found in after.items()} == {kind: set() for kind in before}
