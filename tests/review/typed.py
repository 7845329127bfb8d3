"""Command lines as people and workflows type them: whether the commands and their options exist."""

import os
import re
import shlex
import subprocess

import typer
from typer.main import get_command

from ops.cli import app
from ops.paths import CHECKOUT

SHELL = re.compile(r" \|\| | && | > | >> | \| |;")
# What a step or a page has for a value that is not known here.
FILLED = {"$PULL": "7"}


def check(line: str, *, whole: bool = True) -> None:
    """Asks typer for `./pitstop`, and make for a target's commands. Of a mention, options may be missing.

    Raises:
        TyperException: there is no such command or option.
        AssertionError: there is no such target, or nothing uses a variable.
    """
    words = shlex.split(SHELL.split(line, maxsplit=1)[0], comments=True)
    if words[0] == "./pitstop":
        _pitstop(words[1:], whole=whole)
    else:
        assert words[0] == "make", line
        _make(words[1:])


def _pitstop(words: list[str], *, whole: bool) -> None:
    command = get_command(app)
    while (commands := getattr(command, "commands", None)) is not None:
        name, *words = words or [""]
        if name not in commands:
            raise typer.BadParameter(f"No such command '{name}'")
        command = commands[name]
    try:
        command.make_context("typed", [FILLED.get(word, word) for word in words])
    except typer.BadParameter as error:
        if whole or "Missing" not in str(error):
            raise


def _make(words: list[str]) -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    for word in words:
        name, given, _ = word.partition("=")
        assert not given or f"$({name})" in makefile, f"make: nothing uses {name}"
    for line in of_make(words):
        if line.startswith("./pitstop"):
            check(line)


def of_make(words: list[str]) -> list[str]:
    """What make would run, by make itself."""
    command = ["make", "--dry-run", "PYTHON=", *words]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(command, cwd=CHECKOUT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line.strip() for line in done.stdout.splitlines()]
