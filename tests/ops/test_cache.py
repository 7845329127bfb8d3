"""The cache forgets what nobody uses, and nothing else."""

import os
import subprocess
import sys
import time
from pathlib import Path

from ops.cache import DAYS, GOING, forget_unused, used
from ops.paths import CHECKOUT


def folder(parent: Path, name: str, days: float) -> Path:
    """One that was last used so many days ago."""
    made = parent / name
    made.mkdir()
    (made / "program").touch()
    then = time.time() - days * 86400
    os.utime(made, (then, then))
    return made


def test_a_month_without_use_and_it_goes(tmp_path: Path) -> None:
    for name, days in (("new", 0.0), ("recent", DAYS - 1), ("old", DAYS + 1)):
        folder(tmp_path, name, days)
    assert forget_unused(tmp_path) == ["old"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["new", "recent"]
    assert forget_unused(tmp_path) == []


def test_what_was_used_stays(tmp_path: Path) -> None:
    used(folder(tmp_path, "old", DAYS + 1))
    assert forget_unused(tmp_path) == []


def test_what_is_not_there_was_not_used(tmp_path: Path) -> None:
    used(tmp_path / "none")
    assert not list(tmp_path.iterdir())


def test_what_runs_is_hidden_or_is_a_file_stays(tmp_path: Path) -> None:
    folder(tmp_path, "running", DAYS + 1)
    folder(tmp_path, ".work-kubernetes", DAYS + 1)
    (tmp_path / "build.log").touch()
    os.utime(tmp_path / "build.log", (0, 0))
    assert forget_unused(tmp_path, {"running"}) == []
    assert len(list(tmp_path.iterdir())) == 3


def test_what_an_interrupted_run_left_goes_too(tmp_path: Path) -> None:
    folder(tmp_path, f"{GOING}old", 0)
    assert forget_unused(tmp_path) == []
    assert not list(tmp_path.iterdir())


def test_it_needs_nothing_but_python() -> None:
    """`./pitstop` imports these with the machine's Python."""
    load = "import sys; sys.path.insert(0, sys.argv[1]); import ops.cache, ops.errors, ops.paths"
    command = [sys.executable, "-S", "-I", "-c", load, str(CHECKOUT)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert not done.stderr
