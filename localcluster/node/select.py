"""Which cluster to use, and why not another. `decide` is pure; `look` gathers the facts for it."""

import os
import platform
import shutil
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from components.model.kubeconfig import named
from components.model.naming import KUBECONFIG_VARIABLE as VARIABLE
from ops.errors import UserError

LOOK_SECONDS = 5.0
WAYS_OUT = f"start Docker (with kind installed), or set {VARIABLE}=~/.kube/config#context"


class NoClusterError(UserError):
    """No cluster was named, and none can be had on this machine."""


class Facts(BaseModel):
    """What this machine can do. `namespaces` is the reason why it cannot make them, or empty."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str
    machine: str
    root: bool
    apt: bool
    namespaces: str
    docker: bool
    kind: bool


class External(BaseModel):
    """A cluster somebody else made. Without a context, the kubeconfig's current one is meant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["external"] = "external"
    kubeconfig: Path
    context: str | None = None


class Embedded(BaseModel):
    """The node in namespaces of this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["embedded"] = "embedded"


class Kind(BaseModel):
    """A cluster made with kind, in Docker; `reason` says why the embedded node is not used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["kind"] = "kind"
    reason: str


Choice = External | Embedded | Kind


def asked(own: Collection[Path] = ()) -> External | None:
    """The cluster that PITSTOP_KUBECONFIG names by `PATH` or `PATH#CONTEXT`; none for one of our `own` files.

    Raises:
        UserError: there is no such file.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return None
    path, context = named(text)
    kubeconfig = path.absolute()  # the engine runs in another folder than whoever said it
    if kubeconfig.resolve() in own:
        return None
    if not kubeconfig.is_file():
        raise UserError(f"{VARIABLE}={text}: no such file; e.g. {VARIABLE}=~/.kube/config#kind-pitstop")
    return External(kubeconfig=kubeconfig, context=context or None)


def decide(facts: Facts, external: External | None = None) -> Choice:
    """The cluster to use: the one that was named, else the embedded node, else kind.

    Raises:
        NoClusterError: none of them is possible; the line says why and what would help.
    """
    if external is not None:
        return external
    obstacle = _obstacle(facts)
    if obstacle is None:
        return Embedded()
    if facts.docker and facts.kind:
        return Kind(reason=obstacle)
    missing = "kind is not installed" if facts.docker else "Docker does not answer"
    raise NoClusterError(f"no cluster can run here: {obstacle}, and {missing}; {WAYS_OUT}")


def _obstacle(facts: Facts) -> str | None:
    """Why the embedded node cannot run, or None where it can."""
    if facts.system != "Linux":
        return f"the embedded node needs Linux and this is {facts.system}"
    if facts.machine != "x86_64":
        return f"the embedded node needs x86_64 and this is {facts.machine}"
    if not facts.root:
        return "the embedded node needs root"
    if not facts.apt:
        return "the embedded node needs apt-get and dpkg-deb (Debian, Ubuntu)"
    if facts.namespaces:
        return f"the embedded node needs namespaces of its own ({facts.namespaces})"
    return None


def look() -> Facts:
    """Ask this machine; Docker, whose answer can take seconds, only where the embedded node cannot run."""
    facts = Facts(
        system=platform.system(),
        machine=platform.machine(),
        root=hasattr(os, "geteuid") and os.geteuid() == 0,
        apt=bool(shutil.which("apt-get") and shutil.which("dpkg-deb")),
        namespaces=_try_namespaces(),
        docker=False,
        kind=bool(shutil.which("kind")),
    )
    return facts if _obstacle(facts) is None else facts.model_copy(update={"docker": _docker_answers()})


def _try_namespaces() -> str:
    """Make the namespaces the node needs, with a mount in them; the reason where that fails."""
    if not shutil.which("unshare"):
        return "there is no unshare"
    kinds = ("--cgroup", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork")
    command = ["unshare", *kinds, "mount", "-t", "tmpfs", "none", "/tmp"]  # noqa: S108  # a mount point
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        return "unshare does not end"
    return (done.stderr.strip() or f"status {done.returncode}").splitlines()[-1] if done.returncode else ""


def _docker_answers() -> bool:
    if not shutil.which("docker"):
        return False
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
