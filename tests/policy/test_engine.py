"""The pack inside the real engine says what it says without one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster.tools import toolbox
from ops import policy, recording
from ops.paths import CHECKOUT
from ops.progress import Progress
from policy.rulebook.judging import judge
from tests.policy.engine import Engine, Said, engine, served

pytestmark = pytest.mark.tools

PROGRAM = f"""
import runpy
from components import preflight

preflight.look = lambda plan, target: preflight.Facts(owners={{}}, istio=False, control_planes=())
runpy.run_path({str(CHECKOUT / "__main__.py")!r}, run_name="__main__")
"""


@pytest.fixture(scope="module")
def tools() -> toolbox.Toolbox:
    return toolbox.ensure(("engine",), Progress())


@pytest.fixture(scope="module")
def providers() -> Iterator[str]:
    with served() as where:
        yield where


@pytest.fixture(scope="module")
def local(tools: toolbox.Toolbox, providers: str, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The whole program with the local environment's stack file."""
    folder = tmp_path_factory.mktemp("local")
    (folder / "around").mkdir()
    around = recording.surroundings("local", folder / "around")
    kept = {name: value for name, value in around.items() if name.startswith("PITSTOP")}
    made = engine(tools, folder / "engine", PROGRAM, kept, providers)
    (made.folder / "Pulumi.local.yaml").write_text((CHECKOUT / "Pulumi.local.yaml").read_text())
    made.init("local")
    return made


@pytest.fixture(scope="module")
def strict(local: Engine, tmp_path_factory: pytest.TempPathFactory) -> Said:
    """The local environment, judged as production without an exception."""
    config = tmp_path_factory.mktemp("config") / "strict.json"
    config.write_text(json.dumps({}))
    return local.preview(CHECKOUT / "policy", config)


def test_the_local_environment_passes(local: Engine) -> None:
    said = local.preview(CHECKOUT / "policy", CHECKOUT / "policy" / "local.json")
    assert said.status == 0, said.text
    assert said.violations == ()


def test_what_stops_a_preview_is_what_stops_without_an_engine(strict: Said, tmp_path: Path) -> None:
    (tmp_path / "strict.json").write_text(json.dumps({}))
    found = judge(map(policy.resource, recording.record("local")), policy.read(tmp_path / "strict.json"))
    expected = {(one.code, one.resource.urn if one.resource else "") for one in found if one.stops}
    assert len(expected) > 20
    assert strict.status != 0
    assert strict.stopping() == expected
