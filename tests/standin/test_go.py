"""The tests of our own Go programs, where there is a Go to run them."""

import os
import subprocess
from pathlib import Path

import pytest

from localcluster.tools.golang import Go, find_go
from ops.errors import UserError
from ops.paths import CHECKOUT, cache_root

MODULES = {
    "standin": (CHECKOUT / "localcluster" / "standin", "./..."),
    "images": (CHECKOUT / "localcluster" / "tools" / "node", "./images"),
    "aksaddons": (CHECKOUT / "localcluster" / "tools" / "node", "./aksaddons"),
    "charts": (CHECKOUT / "localcluster" / "tools" / "node", "./charts"),
}

pytestmark = pytest.mark.node  # compiles Go: not part of the everyday run


@pytest.fixture(scope="module")
def go() -> Go:
    try:
        return find_go(dict(os.environ), cache_root())
    except UserError as error:
        pytest.skip(str(error))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("module", MODULES)
def test_go_tests_pass(go: Go, module: str) -> None:
    directory, packages = MODULES[module]
    done = _run(go, directory, "test", packages)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(900)
@pytest.mark.parametrize("module", MODULES)
def test_go_vet_finds_nothing(go: Go, module: str) -> None:
    directory, packages = MODULES[module]
    done = _run(go, directory, "vet", packages)
    assert done.returncode == 0, done.stdout + done.stderr


def test_go_sources_are_formatted(go: Go) -> None:
    folders = [str(directory / packages.removesuffix("...")) for directory, packages in MODULES.values()]
    done = subprocess.run(
        [go.program.with_name("gofmt"), "-l", *folders], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""


def _run(go: Go, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [go.program, *arguments],
        cwd=directory,
        env=dict(go.environ),
        capture_output=True,
        text=True,
        check=False,
    )
