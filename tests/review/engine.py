"""The real engine over stack files of ours, with Azure rehearsed and objects rendered."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcluster.azure.plugin import launcher
from localcluster.azure.state import FOLDER_VARIABLE
from localcluster.tools import toolbox
from ops.paths import CHECKOUT
from ops.progress import Progress
from ops.stack import PROVIDER, Needs, _offer_provider, _path

UNTOUCHED = {"same", "refresh"}
PROGRAM = CHECKOUT / "tests" / "review" / "program"


@dataclass(frozen=True)
class Engine:
    """A stack of its own in a folder. `protect` is a kind whose objects the program protects."""

    folder: Path
    stack: str = "dev"
    protect: str = ""

    @property
    def cloud(self) -> Path:
        """The rehearsal's Azure."""
        return self.folder / "cloud"

    def up(self, file: Path) -> None:
        done = self.run(file, "up", "--yes", "--skip-preview")
        assert done.returncode == 0, done.stdout[-3_000:] + done.stderr

    def preview(self, file: Path, *more: str) -> dict[str, object]:
        """The document of `pulumi preview --json`."""
        found: dict[str, object] = json.loads(self.run(file, "preview", "--json", *more).stdout)
        return found

    def diff(self, file: Path) -> str:
        """The engine's own, without the providers' names of the day."""
        shown = self.run(file, "preview", "--diff").stdout
        shown = re.sub(r"(?<=::)[-0-9a-f]{36}(?=\])", "of-the-day", shown)
        return shown.replace(str(self.folder), "/somewhere")

    def refresh(self, file: Path) -> dict[str, object]:
        """The document of `pulumi refresh --preview-only --json`; what is rendered cannot be looked at."""
        done = self.run(file, "refresh", "--preview-only", "--json", "--target", "**azure-native:**")
        found: dict[str, object] = json.loads(done.stdout)
        return found

    def run(self, file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = self.folder / "program"
        environ = self._environ(file)
        if not program.exists():  # a copy: the CLI writes its salt beside the program
            shutil.copytree(PROGRAM, program)
            self._pulumi(program, environ, "stack", "init", self.stack)
        return self._pulumi(program, environ, *arguments)

    def _pulumi(
        self, program: Path, environ: Mapping[str, str], *arguments: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=program,
            env=environ,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
        )

    def _environ(self, file: Path) -> dict[str, str]:
        tools = toolbox.ensure(("engine",), Progress())
        home, state, rendered = (self.folder / name for name in ("home", "state", "rendered"))
        for folder in (state, rendered, self.cloud):
            folder.mkdir(exist_ok=True, parents=True)
        _offer_provider(tools.path(PROVIDER), home)
        launcher(home)
        plain = {
            name: value for name, value in os.environ.items() if not name.startswith(("PULUMI", "PITSTOP_RE"))
        }
        return plain | {
            "PATH": os.pathsep.join(_path(Needs(tools), os.environ)),
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_HOME": str(home),
            "PULUMI_CONFIG_PASSPHRASE": "nothing is secret here",
            "PULUMI_STACK": self.stack,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PYTHONPATH": str(CHECKOUT),
            FOLDER_VARIABLE: str(self.cloud),
            "REVIEW_STACK_FILE": str(file),
            "REVIEW_FOLDER": str(rendered),
            "REVIEW_PROTECT": self.protect,
        }


def reduced(preview: Mapping[str, object]) -> dict[str, object]:
    """A preview without what differs from machine to machine and from run to run."""
    kept = {"op", "urn", "oldState", "newState", "replaceReasons", "diffReasons", "detailedDiff"}
    states = {"type", "custom", "inputs", "protect", "retainOnDelete"}
    steps = [
        one for one in _listed(preview.get("steps")) if isinstance(one, dict) and one["op"] not in UNTOUCHED
    ]
    return {
        "steps": [
            {
                key: {name: item for name, item in value.items() if name in states}
                if "State" in key
                else value
                for key, value in step.items()
                if key in kept and value is not None
            }
            for step in sorted(steps, key=lambda one: str(one["urn"]))
        ],
        "diagnostics": [
            one for one in _listed(preview.get("diagnostics")) if "'severity': 'error'" in str(one)
        ],
        "changeSummary": preview.get("changeSummary"),
    }


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
