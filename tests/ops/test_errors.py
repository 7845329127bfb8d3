"""Whatever goes wrong outside the program is one line and exit status 2."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from ops import environment
from ops.cli import app
from ops.errors import plainly
from ops.paths import CHECKOUT
from ops.progress import Progress
from tests.review.typed import of_make


def ended(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    def run() -> None:
        raise error

    with pytest.raises(SystemExit) as end:
        plainly(run)
    return end.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (FileExistsError(17, "File exists", "/etc/passwd"), 2, "pitstop: /etc/passwd: File exists\n"),
        (OSError(28, "No space left on device"), 2, "pitstop: No space left on device\n"),
        (TimeoutError(), 2, "pitstop: TimeoutError\n"),
        (BrokenPipeError(32, "Broken pipe"), 1, ""),
        (SystemExit(1), 1, ""),
    ],
)
def test_what_the_system_refuses_is_one_line(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, said: str
) -> None:
    assert ended(error, capsys) == (status, said)


def test_an_interrupt_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "pitstop: interrupted; run the same command again to go on\n"
    assert ended(KeyboardInterrupt(), capsys) == (130, line)

    def shell(_name: str) -> dict[str, str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "shell", shell)
    with pytest.raises(SystemExit) as end:
        plainly(lambda: app(["env"]))
    assert (end.value.code, capsys.readouterr().err) == (130, line)


def pitstop(*arguments: str, output: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    with (output or Path(os.devnull)).open("w") as file:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=CHECKOUT,
            env=os.environ | {"PITSTOP_VENV": sys.prefix} | environ,
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )


@pytest.mark.parametrize("arguments", [("diff-env", "dev", "prod"), ("--help",)])
def test_output_that_finds_no_place_is_told(arguments: tuple[str, ...]) -> None:
    done = pitstop("-m", "ops", *arguments, output=Path("/dev/full"))
    assert (done.returncode, done.stderr) == (2, "pitstop: No space left on device\n")


def test_a_program_that_is_not_there_is_told() -> None:
    done = pitstop("-m", "ops", "run", "nosuchprogram")
    told = "pitstop: run: nosuchprogram: no such program; e.g. ./pitstop run pytest\n"
    assert (done.returncode, done.stderr) == (2, told)


def test_a_cache_that_is_a_file_is_told_before_there_is_an_environment(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = pitstop("pitstop", "status", PITSTOP_CACHE=f"{tmp_path}/file")
    assert done.returncode == 2
    assert done.stderr == f"pitstop: {tmp_path}/file/venv: Not a directory\n"


def test_a_note_is_one_line_however_long_it_is() -> None:
    said = io.StringIO()
    Progress(Console(file=said, width=40)).note("word " * 40)
    assert said.getvalue().count("\n") == 1


@pytest.mark.parametrize(("given", "meant"), [([], "prod"), (["ENV=dev"], "dev")])
def test_make_pins_what_pitstop_pins(given: list[str], meant: str) -> None:
    assert of_make(["pin", *given]) == [f"./pitstop pin --env {meant}"]
