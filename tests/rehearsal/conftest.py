"""A laboratory: the real engine, a stack of its own, and the stand-in in Azure's place."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from localcluster.azure.plugin import launcher
from localcluster.azure.state import inventory
from localcluster.tools import toolbox
from ops.paths import CHECKOUT
from ops.progress import Progress
from tests.rehearsal.sky import Sky

STACK = "test"
Resource = dict[str, object]


def resource(name: str, token: str, inputs: Mapping[str, object], **more: object) -> Resource:
    """One resource of the program; it is in the group, unless it is the group."""
    inside = {} if name == "group" else {"resourceGroupName": "${group.name}"}
    return {"name": name, "token": token, "inputs": {**inside, **inputs}, **more}


GROUP = resource(
    "group",
    "resources:ResourceGroup",
    {"resourceGroupName": "rg", "location": "westeurope"},
    outputs=["name"],
)


@dataclass(frozen=True, slots=True)
class Run:
    """One command of the engine."""

    status: int
    output: str

    def counts(self) -> dict[str, int]:
        """How many resources were created, updated and so on."""
        told = self.output.rpartition("Resources:")[2]
        found = re.findall(r"(\d+) (created|updated|replaced|deleted|unchanged)", told)
        return {what: int(number) for number, what in found}


@dataclass(slots=True)
class Lab:
    """One stack."""

    folder: Path
    environ: dict[str, str]

    @property
    def cloud(self) -> Path:
        """The folder of the rehearsal."""
        return self.folder / "rehearsal"

    def there(self) -> dict[str, str]:
        """What exists: type tokens by id."""
        return inventory(self.cloud)

    def identity(self, end: str) -> str:
        """The id of the one resource whose id ends so."""
        (found,) = [one for one in self.there() if one.endswith(end)]
        return found

    def declare(self, *resources: Resource, **content: object) -> None:
        """What the program is to register from now on."""
        text = json.dumps({"resources": resources, **content})
        (self.folder / "program" / "resources.json").write_text(text)

    def faults(self, *listed: dict[str, object]) -> None:
        """Failures to inject from now on."""
        path = self.folder / "faults.json"
        path.write_text(json.dumps(listed))
        self.environ["PITSTOP_REHEARSAL_FAULTS"] = str(path)

    def pulumi(self, *arguments: str, status: int = 0) -> Run:
        """A command; its output and its status, which must be the expected one."""
        named = (STACK,) if arguments[:2] == ("stack", "init") else ("--stack", STACK)
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", *named],
            cwd=self.folder / "program",
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode != 0) == (status != 0), done.stdout + done.stderr
        return Run(done.returncode, done.stdout)

    def up(self, *arguments: str, status: int = 0) -> Run:
        return self.pulumi("up", "--yes", "--skip-preview", *arguments, status=status)

    def steps(self) -> dict[str, tuple[str, list[str]]]:
        """What an update would do: operation and what replaces, by logical name; nothing for what stays."""
        shown = json.loads(self.pulumi("preview", "--json").output)
        return {
            step["urn"].rpartition("::")[2]: (step["op"], sorted(step.get("replaceReasons") or []))
            for step in shown["steps"]
            if step["op"] != "same" and "pulumi:pulumi:Stack" not in step["urn"]
        }

    def state(self) -> dict[str, dict[str, object]]:
        """The engine's state, by logical name."""
        exported = json.loads(self.pulumi("stack", "export").output)
        return {one["urn"].rpartition("::")[2]: one for one in exported["deployment"]["resources"]}


@pytest.fixture(scope="session")
def tools() -> Sequence[Path]:
    """Folders with the engine and its language host."""
    found = toolbox.ensure(("engine",), Progress())
    return [found.path(name).parent for name in ("pulumi", "pulumi-language-python")]


@pytest.fixture
def lab(tmp_path: Path, tools: Sequence[Path]) -> Lab:
    """A stack with nothing in it."""
    shutil.copytree(CHECKOUT / "tests" / "rehearsal" / "program", tmp_path / "program")
    (tmp_path / "backend").mkdir()
    launcher(tmp_path / "home")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI", "ARM_"))}
    environ |= {
        "PATH": os.pathsep.join(
            [*map(str, tools), str(Path(sys.prefix) / "bin"), os.environ.get("PATH", os.defpath)]
        ),
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'backend'}",
        "PULUMI_CONFIG_PASSPHRASE": "rehearsal",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PITSTOP_REHEARSAL": str(tmp_path / "rehearsal"),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    made = Lab(tmp_path, environ)
    made.declare()
    made.pulumi("stack", "init")
    return made


@pytest.fixture
def cloud(tmp_path: Path) -> Sky:
    """A rehearsal without an engine, with a resource group."""
    made = Sky(tmp_path)
    made.make("resources:ResourceGroup")
    return made
