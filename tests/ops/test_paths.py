"""Files that others must not read, and that are never half there."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ops.paths import write_private


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
