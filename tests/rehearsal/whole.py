"""A rehearsed environment as a person drives it: our own commands, and the plain CLI beside them."""

import os
import shlex
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from components.model import stackfile
from components.model.settings import Settings
from localcluster.azure import state
from localcluster.node.select import decide, look
from ops import presumed
from ops.errors import UserError
from ops.paths import CHECKOUT
from ops.rehearsal import ASKED, SCALES, Rehearsal

Config = dict[str, Any]
NOTHING: Mapping[str, str] = {}
MOST_REQUESTS = 3_000  # of the load beside an update; it ends with the update


@dataclass(frozen=True)
class Whole:
    """One environment in rehearsal; `asked` is what REHEARSE is."""

    name: str
    asked: str
    folder: Path  # for changed stack files

    @property
    def rehearsal(self) -> Rehearsal:
        return Rehearsal(self.name, SCALES[self.asked])

    @property
    def settings(self) -> Settings:
        return stackfile.load(stackfile.path_of(self.name, CHECKOUT))

    def make(self, command: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`REHEARSE=... make COMMAND ENV=...`, as a person calls it."""
        call = [CHECKOUT / "pitstop", command, "--env", self.name, *arguments]
        return _run(call, {**os.environ, ASKED: self.asked}, check=check)

    def pulumi(
        self,
        *arguments: str,
        config: Path | None = None,
        check: bool = True,
        more: Mapping[str, str] = NOTHING,
    ) -> subprocess.CompletedProcess[str]:
        """The CLI in a shell that has evaluated `make -s env`; by default with a copy of the stack file."""
        file = config or self.stack_file("as-it-is", lambda _: None)
        call = ["pulumi", *arguments, "--non-interactive", "--config-file", str(file)]
        return _run(call, {**self.variables(), **more}, check=check)

    def variables(self) -> dict[str, str]:
        script = f'eval "$(./pitstop env --env {self.name})" && env -0'
        variables = {**os.environ, ASKED: self.asked}
        done = subprocess.run(
            ["bash", "-c", script], cwd=CHECKOUT, env=variables, text=True, capture_output=True, check=True
        )
        return dict(entry.split("=", 1) for entry in done.stdout.split("\0") if "=" in entry)

    def stack_file(self, name: str, change: Callable[[Config], None]) -> Path:
        """The stack file with a change, elsewhere."""
        content = yaml.safe_load(stackfile.path_of(self.name, CHECKOUT).read_text())
        change(content["config"])
        path = self.folder / f"{self.name}-{name}.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    def made(self) -> dict[str, str]:
        """What is in the cloud, but for what the environment presumes: type tokens by id."""
        taken = presumed.identities(self.settings)
        found = state.inventory(self.rehearsal.folder)
        return {identity: token for identity, token in found.items() if identity not in taken}

    def one(self, token: str) -> str:
        """The id of the only resource of a type."""
        (identity,) = (identity for identity, kind in self.made().items() if kind == token)
        return identity


def possible() -> None:
    """Skip where no node can be had: there would be nothing behind the managed cluster."""
    try:
        choice = decide(look())
    except UserError as reason:
        pytest.skip(str(reason))
    if choice.kind != "embedded":
        pytest.skip("the cluster behind a rehearsal is the embedded node, and none can be had here")


def _run(command: list[Any], variables: dict[str, str], *, check: bool) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=CHECKOUT, env=variables, text=True, capture_output=True, check=False)
    if check and done.returncode:
        shown = shlex.join(map(str, command))
        pytest.fail(f"{shown}: status {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}")
    return done


@contextmanager
def asking(url: str, host: str) -> Iterator[Counter[str]]:
    """Requests one after the other while the block runs, at most so many; how they were answered."""
    answers: Counter[str] = Counter()
    over = threading.Event()

    def ask() -> None:
        with httpx2.Client(headers={"Host": host}, timeout=10.0) as client:
            while not over.wait(0.05) and answers.total() < MOST_REQUESTS:
                try:
                    answers[str(client.get(url).status_code)] += 1
                except httpx2.HTTPError as error:
                    answers[type(error).__name__] += 1

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join()
