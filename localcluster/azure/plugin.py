"""Puts the stand-in where the engine looks for the azure-native provider."""

import os
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

PROGRAM = "pulumi-resource-azure-native"
CHECKOUT = Path(__file__).resolve().parents[2]
MARK = "# the stand-in for azure-native of a rehearsal"


class InstalledError(Exception):
    """The real provider is where the stand-in would go."""


def launcher(home: Path) -> Path:
    """The program the engine starts, made below a `PULUMI_HOME` that is for rehearsals alone.

    Args:
        home: a folder that no run against Azure uses.

    Raises:
        InstalledError: the real provider is there.
    """
    path = home / "plugins" / f"resource-azure-native-v{version('pulumi-azure-native')}" / PROGRAM
    text = _script()
    if path.exists():
        content = path.read_bytes()
        if content == text.encode():
            return path
        if MARK.encode() not in content:
            raise InstalledError(
                f"{path}: the real provider is there; a rehearsal needs a PULUMI_HOME of its own"
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{PROGRAM}-{os.getpid()}")
    scratch.write_text(text)
    scratch.chmod(0o755)
    scratch.replace(path)
    return path


def _script() -> str:
    """The interpreter this runs in, so that the SDK that is checked against is the program's."""
    python, checkout = shlex.quote(sys.executable), shlex.quote(str(CHECKOUT))
    path = f"PYTHONPATH={checkout}${{PYTHONPATH:+:$PYTHONPATH}}"
    return f'#!/bin/sh\n{MARK}\n{path} exec {python} -m localcluster.azure.provider "$@"\n'
