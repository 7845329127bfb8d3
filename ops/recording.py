"""What the program registers for a stack file, without an engine, a cluster or a credential.

The program runs in a process of its own, because the SDK keeps what it is told in globals. It is told that
this is a preview, and nothing exists yet: what only an update would tell is unknown here, as it is there.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from components.model import naming, stackfile
from components.model.catalogue import Secret
from components.model.explain import PROJECT
from components.model.naming import (
    CHARTS_VARIABLE,
    KUBECONFIG_VARIABLE,
    OWNER_VARIABLE,
    REHEARSAL_VARIABLE,
    SECRETS_VARIABLE,
)
from ops.errors import UserError
from ops.paths import CHECKOUT

SECONDS = 120
REFUSED = 3  # the status of a program that says, as JSON, what is wrong
STACK = "pulumi:pulumi:Stack"
PLACEHOLDER = "placeholder-of-a-secret-value"


@dataclass(frozen=True, slots=True)
class Registered:
    """One registered resource. `inputs` are as they go over the wire, the engine's marks included."""

    type: str
    name: str
    urn: str
    inputs: dict[str, object]
    protect: bool
    parent: str
    after: tuple[str, ...]
    custom: bool


def record(environment: str, file: Path | None = None) -> tuple[Registered, ...]:
    """Everything the program registers for an environment, or for another file in its place.

    Raises:
        UserError: the program refuses the stack file, with its own line; or it fails.
    """
    file = file or stackfile.path_of(environment, CHECKOUT)
    managed = stackfile.load(file).azure is not None
    with tempfile.TemporaryDirectory(prefix="pitstop-record-") as folder:
        asked = {"environment": environment, "config": _config(file), "folder": folder}
        done = _ended(file, json.dumps(asked), surroundings(environment, Path(folder), managed=managed))
    if done.returncode == REFUSED:
        raise UserError(*(f"{file.name}: {line}" for line in json.loads(done.stdout)))
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise UserError(f"{file.name}: {last}")
    return tuple(Registered(**one | {"after": tuple(one["after"])}) for one in json.loads(done.stdout))


def _ended(file: Path, asked: str, around: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [sys.executable, "-m", "ops.recorder"],
            cwd=CHECKOUT,
            env=around,
            input=asked,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UserError(
            f"{file.name}: the program has registered nothing whole in {SECONDS} s, e.g. on a busy machine; "
            "the same command again may do"
        ) from None


def _config(file: Path) -> dict[str, str]:
    """The stack's plain values as the engine hands them to a program; what is encrypted is not needed."""
    content = stackfile.decoded(file.read_text(encoding="utf-8"))
    stated: Mapping[str, object] = content.get("config") or {}
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in stated.items()
        if not stackfile.encrypted(value)
    }


def surroundings(environment: str, folder: Path, *, managed: bool = False) -> dict[str, str]:
    """The variables the program is told things by; what they point to is made up.

    A managed cluster is not there yet, and has no kubeconfig.
    """
    folder.mkdir(exist_ok=True)
    (folder / SECRETS_VARIABLE).write_text(json.dumps({str(name): PLACEHOLDER for name in Secret}))
    user = {"name": "nobody", "user": {"token": PLACEHOLDER}}
    cluster = {"name": "nowhere", "cluster": {"server": "https://127.0.0.1:9"}}
    context = {"name": "nowhere", "context": {"cluster": "nowhere", "user": "nobody"}}
    kubeconfig = {"clusters": [cluster], "users": [user], "contexts": [context], "current-context": "nowhere"}
    (folder / KUBECONFIG_VARIABLE).write_text(yaml.safe_dump(kubeconfig))
    for chart in ("base", "cni", "istiod", "gateway"):
        (folder / "charts" / chart).mkdir(parents=True)
        (folder / "charts" / chart / "Chart.yaml").touch()
    # No credential of the person who runs this reaches the program.
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPYCACHEPREFIX") if name in os.environ}
    cluster_there = {} if managed else {KUBECONFIG_VARIABLE: str(folder / KUBECONFIG_VARIABLE)}
    return (
        kept
        | cluster_there
        | {
            "PYTHONPATH": str(CHECKOUT),
            REHEARSAL_VARIABLE: str(folder),  # nobody has to be logged in
            SECRETS_VARIABLE: str(folder / SECRETS_VARIABLE),
            CHARTS_VARIABLE: str(folder / "charts"),
            OWNER_VARIABLE: naming.owner(PROJECT, environment),
        }
    )
