"""The pack inside the real engine says what it says without one."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.model import stackfile
from localcluster.tools import toolbox
from ops import policy, recording, stack
from ops.paths import CHECKOUT
from ops.progress import Progress
from policy.rulebook.judging import judge
from tests.policy.engine import Engine, engine, served

pytestmark = pytest.mark.tools
FOREIGN = CHECKOUT / "tests" / "policy" / "foreign" / "__main__.py"

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


def program(environment: str, tools: toolbox.Toolbox, providers: str, folder: Path) -> Engine:
    """The whole program with the stack file of an environment of which nothing exists yet."""
    around = folder / "around"
    around.mkdir()
    managed = stackfile.load(stackfile.path_of(environment, CHECKOUT)).azure is not None
    told_by = recording.surroundings(environment, around, managed=managed)
    kept = {name: value for name, value in told_by.items() if name.startswith("PITSTOP")}
    made = engine(tools, folder / "engine", PROGRAM, kept, providers)
    file = f"Pulumi.{environment}.yaml"
    # A plain `pulumi` in this checkout may have left the salt of its own passphrase.
    (made.folder / file).write_bytes(stack._without_salt((CHECKOUT / file).read_bytes()))
    made.init(environment)
    return made


def test_the_local_environment_passes(tools: toolbox.Toolbox, providers: str, tmp_path: Path) -> None:
    content = json.loads((CHECKOUT / "policy" / "local.json").read_text())
    for one in content["pack"]["exceptions"]:
        one["expires"] = "2999-12-31"  # the day of the test is no matter of the test
    (tmp_path / "local.json").write_text(json.dumps(content))
    said = program("local", tools, providers, tmp_path).preview(CHECKOUT / "policy", tmp_path / "local.json")
    assert said.status == 0, said.text
    assert said.violations == ()


@pytest.mark.parametrize("environment", ["local", "prod"])
def test_what_stops_a_preview_is_what_stops_without_an_engine(
    environment: str, tools: toolbox.Toolbox, providers: str, tmp_path: Path
) -> None:
    strict = tmp_path / "strict.json"
    strict.write_text("{}")  # production's defaults, and no exception
    found = judge(map(policy.resource, recording.record(environment)), policy.read(strict))
    expected = {(one.code, one.resource.urn if one.resource else "") for one in found if one.stops}
    said = program(environment, tools, providers, tmp_path).preview(CHECKOUT / "policy", strict)
    assert len(expected) > 20
    assert said.status != 0
    assert said.stopping() == expected


@pytest.fixture
def foreign(tools: toolbox.Toolbox, providers: str, tmp_path: Path) -> Engine:
    """Somebody else's program, with a pack that was copied to it."""
    made = engine(tools, tmp_path / "engine", FOREIGN.read_text(), {}, providers)
    made.init("prod")
    return made


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """The pack by itself, in a folder of another name."""
    target = tmp_path / "their-policies"
    shutil.copytree(CHECKOUT / "policy", target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def told(folder: Path, **more: object) -> Path:
    """A configuration for the pack."""
    path = folder / "told.json"
    path.write_text(json.dumps({"pack": {"environment": "prod"}, "A13-private": {"private": False}, **more}))
    return path


def test_a_program_of_somebody_elses_passes(foreign: Engine, pack: Path, tmp_path: Path) -> None:
    said = foreign.preview(pack, told(tmp_path))
    assert said.violations == ()
    assert said.status == 0, said.text


def test_or_does_not(foreign: Engine, pack: Path, tmp_path: Path) -> None:
    foreign.set("careless", "true")
    said = foreign.preview(pack, told(tmp_path))
    assert said.status != 0
    assert {rule for rule, _, level, _ in said.violations if level == "mandatory"} == {
        *("A1", "A2", "A3", "A5", "A7-window", "A9", "A13", "A14"),
        *("S2", "W2", "W3", "W6", "W8", "W11"),
    }
    (unknown,) = (message for rule, _, _, message in said.violations if rule == "A13")
    assert "properties.enablePurgeProtection: cannot be judged" in unknown
    assert "hunter2" not in "".join(message for _, _, _, message in said.violations)


def test_an_unknown_may_be_advice(foreign: Engine, pack: Path, tmp_path: Path) -> None:
    foreign.set("careless", "true")
    lenient = {"environment": "prod", "unknowns": "advise"}
    said = foreign.preview(pack, told(tmp_path, pack=lenient, all="advisory"))
    assert said.status == 0, said.text
    assert any("can't run policy 'A13'" in message for _, _, _, message in said.violations)


def test_a_configuration_the_schema_refuses(foreign: Engine, pack: Path, tmp_path: Path) -> None:
    said = foreign.preview(pack, told(tmp_path, A1={"minimum": 0}))
    assert said.status != 0
    assert "minimum" in said.text


def test_a_pack_that_cannot_run_fails_at_once(foreign: Engine, pack: Path, tmp_path: Path) -> None:
    (pack / "rulebook" / "azure.py").write_text("raise ValueError('this pack is broken')\n")
    started = time.monotonic()
    said = foreign.preview(pack, told(tmp_path))
    assert said.status != 0
    assert "does not serve: ValueError: this pack is broken" in said.text
    assert time.monotonic() - started < 40
