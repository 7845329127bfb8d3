"""The real engine over plans of ours, with a provider that renders and needs no cluster."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from components.model.plan import Plan
from components.registering import _token
from localcluster.tools import toolbox
from ops.paths import CHECKOUT
from ops.progress import Progress
from ops.stack import PROVIDER, Needs, _offer_provider, _path

PROGRAM = CHECKOUT / "tests" / "review" / "program"
PROTECTED = {"PersistentVolumeClaim"}


def documents(plan: Plan) -> dict[str, object]:
    """What the small program registers for a plan."""
    resources = [
        {
            "type": f"kubernetes:{_token(one.api_version, one.kind)}",
            "name": one.key,
            "inputs": one.document(),
            "protect": False,
        }
        for one in plan.objects()
    ]
    return {"version": version("pulumi-kubernetes"), "resources": resources}


def refused(*lines: str) -> dict[str, object]:
    """A program that says what is wrong with its stack file, as ours does."""
    return {"refused": list(lines)}


@dataclass(frozen=True)
class Engine:
    """A stack of its own in a folder."""

    folder: Path
    stack: str = "dev"

    def up(self, given: Mapping[str, object]) -> None:
        self._pulumi(given, "stack", "select", "--create", self.stack)
        done = self._pulumi(given, "up", "--yes", "--skip-preview")
        assert done.returncode == 0, done.stdout + done.stderr

    def preview(self, given: Mapping[str, object]) -> dict[str, object]:
        """The document of `pulumi preview --json`."""
        self._pulumi(given, "stack", "select", "--create", self.stack)
        found: dict[str, object] = json.loads(self._pulumi(given, "preview", "--json").stdout)
        return found

    def diff(self, given: Mapping[str, object]) -> str:
        """The engine's own, without the provider's name of the day."""
        shown = self._pulumi(given, "preview", "--diff").stdout
        return re.sub(r"(?<=::cluster::)[-0-9a-f]{36}", "of-the-day", shown)

    def _pulumi(self, given: Mapping[str, object], *arguments: str) -> subprocess.CompletedProcess[str]:
        told, program = self.folder / "documents.json", self.folder / "program"
        told.write_text(json.dumps(given))
        if not program.exists():  # a copy: the CLI writes its salt beside the program
            shutil.copytree(PROGRAM, program)
        return subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=program,
            env=self._environ(told),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
        )

    def _environ(self, told: Path) -> dict[str, str]:
        tools = toolbox.ensure(("engine",), Progress())
        home, state = self.folder / "home", self.folder / "state"
        state.mkdir(exist_ok=True)
        _offer_provider(tools.path(PROVIDER), home)
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI")}
        return plain | {
            "PATH": os.pathsep.join(_path(Needs(tools), os.environ)),
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_HOME": str(home),
            "PULUMI_CONFIG_PASSPHRASE": "nothing is secret here",
            "PULUMI_STACK": self.stack,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PYTHONPATH": str(CHECKOUT),
            "REVIEW_DOCUMENTS": str(told),
        }


def reduced(preview: Mapping[str, object]) -> dict[str, object]:
    """A preview without what differs from machine to machine and from run to run."""
    kept = {"op", "urn", "oldState", "newState", "replaceReasons", "detailedDiff"}
    states = {"type", "custom", "inputs", "protect", "retainOnDelete"}
    steps = preview["steps"]
    assert isinstance(steps, list)
    return {
        "steps": [
            {
                key: {name: item for name, item in value.items() if name in states}
                if "State" in key
                else value
                for key, value in step.items()
                if key in kept and value is not None
            }
            for step in steps
        ],
        "diagnostics": [
            one for one in _listed(preview.get("diagnostics")) if "from $PATH at" not in str(one)
        ],
        "changeSummary": preview.get("changeSummary"),
    }


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
