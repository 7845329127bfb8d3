"""The cluster's API as this package uses it: by kubectl, so that each step can be repeated by a person."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import yaml

from localcluster.azure.backing import BehindError
from localcluster.azure.behind.played import FIELD_MANAGER
from localcluster.azure.behind.pools import Document

CALL_SECONDS = 60.0
APPLY = ("apply", "--server-side", "--force-conflicts", "--validate=false")


class Kubectl:
    """One program and one kubeconfig."""

    def __init__(self, program: Path, kubeconfig: Path) -> None:
        self._command = (str(program), f"--kubeconfig={kubeconfig}")

    def run(self, *arguments: str, text: str = "", timeout: float = CALL_SECONDS) -> str:
        """What it prints.

        Raises:
            BehindError: it failed, or did not end in `timeout` seconds.
        """
        try:
            done = subprocess.run(
                [*self._command, *arguments],
                input=text,
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            raise BehindError(f"kubectl {' '.join(arguments[:3])}: no answer in {timeout:.0f} s") from None
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split()) or "no reason given"
            raise BehindError(f"kubectl {' '.join(arguments[:3])}: {said[-400:]}")
        return done.stdout

    def get(self, *what: str) -> Document:
        """An object or a list."""
        found: Document = json.loads(self.run("get", *what, "--output=json"))
        return found

    def names(self, *what: str) -> tuple[str, ...]:
        """The names of a list, in its order."""
        return tuple(self.run("get", *what, "--output=jsonpath={.items[*].metadata.name}").split())

    def create(self, documents: Sequence[Document]) -> None:
        """Make objects that are not there yet, their status included."""
        if documents:
            self.run("create", "--validate=false", "--filename=-", text=_text(documents))

    def apply(self, documents: Sequence[Document], *arguments: str, manager: str = FIELD_MANAGER) -> None:
        """Have objects be as given, in this order; what this manager said before and says no more goes."""
        if documents:
            self.apply_text(_text(documents), *arguments, manager=manager)

    def apply_text(self, text: str, *arguments: str, manager: str = FIELD_MANAGER) -> None:
        """The same, for YAML."""
        self.run(*APPLY, f"--field-manager={manager}", *arguments, "--filename=-", text=text)

    def delete_text(self, text: str, *arguments: str) -> None:
        """Remove the objects of a YAML text, and wait until they are gone."""
        delete = ("delete", "--ignore-not-found", f"--timeout={CALL_SECONDS:.0f}s", *arguments)
        self.run(*delete, "--filename=-", text=text, timeout=CALL_SECONDS + 10)

    def delete(self, documents: Sequence[Document]) -> None:
        """Remove objects, and wait until they are gone."""
        if documents:
            self.delete_text(_text(documents))

    def wait_rolled_out(self, namespace: str, deployment: str, timeout: float) -> None:
        """Wait until each pod of a Deployment is of its newest template and ready.

        Raises:
            BehindError: not in `timeout` seconds.
        """
        wait = ("rollout", "status", f"deployment/{deployment}", f"--namespace={namespace}")
        self.run(*wait, f"--timeout={timeout:.0f}s", timeout=timeout + 10)


def _text(documents: Sequence[Document]) -> str:
    return yaml.safe_dump_all(documents, sort_keys=False)
