"""The cluster an environment lives on: which one, having it up with the images in it, and taking it down."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import typer

from components.model.azure.settings import AksCluster
from components.model.kubeconfig import expanded
from components.model.naming import KUBECONFIG_VARIABLE
from components.model.settings import KubeconfigCluster, Settings
from localcluster import images
from localcluster.node import rootfs
from localcluster.node.embedded import EmbeddedNode
from localcluster.node.select import Choice as LocalChoice
from localcluster.node.select import Embedded, External, Kind, asked, decide, look
from localcluster.tools import charts
from localcluster.tools.toolbox import Toolbox
from ops.errors import UserError
from ops.kube import Kube
from ops.paths import CHECKOUT, checkout_dir, checkout_id
from ops.progress import Progress
from ops.rehearsal import Rehearsal

KIND_CONFIG = """\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
  - role: control-plane
    extraPortMappings:
      - {containerPort: 30080, hostPort: %d, listenAddress: 127.0.0.1}
      - {containerPort: 30443, hostPort: %d, listenAddress: 127.0.0.1}
"""
KIND_PORT, KIND_TLS_PORT = 8080, 8443
# How each kind of local cluster takes an image archive, by how its contexts are named.
LOADERS: Mapping[str, tuple[str, ...]] = {
    "kind-": ("kind", "load", "image-archive", "--name", "{name}", "{archive}"),
    "k3d-": ("k3d", "image", "import", "--cluster", "{name}", "{archive}"),
    "docker-desktop": ("docker", "load", "--input", "{archive}"),
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that answers. The ports are where its ingress gateway listens on this machine's loopback."""

    kubeconfig: Path
    context: str | None
    http_port: int | None
    https_port: int | None
    ours: bool

    @property
    def reference(self) -> str:
        """The cluster as PITSTOP_KUBECONFIG names it."""
        return f"{self.kubeconfig}#{self.context}" if self.context else str(self.kubeconfig)


@dataclass(frozen=True, slots=True)
class Azure:
    """A managed cluster: it comes and goes with the update itself, which may be a rehearsal."""

    rehearsal: Rehearsal | None = None
    kind: Literal["azure"] = "azure"


Choice = LocalChoice | Azure


def node() -> EmbeddedNode:
    """This checkout's own node, whether it exists or not."""
    return EmbeddedNode(checkout_dir() / "node")


def choose(settings: Settings, rehearsal: Rehearsal | None = None) -> Choice:
    """The cluster to use: the variable, else the stack, else one of our own.

    Raises:
        UserError: no cluster can be had here, or there is nothing to rehearse.
    """
    if isinstance(settings.cluster, AksCluster):
        return Azure(rehearsal)
    if rehearsal:
        raise UserError(f"{rehearsal.environment} is not on Azure: nothing to rehearse; make up runs it")
    # `make env` names our own cluster by the variable; it stays ours.
    named = asked(own=(node().kubeconfig, _kind_kubeconfig()))
    if named is None and isinstance(settings.cluster, KubeconfigCluster):
        path = CHECKOUT / expanded(settings.cluster.path)  # as the program takes it, which runs there
        return External(kubeconfig=path, context=settings.cluster.context)
    return decide(look(), named)


def bring_up(choice: Choice, settings: Settings, tools: Toolbox, progress: Progress) -> None:
    """Have the cluster running with every image in it; a managed one comes with the update."""
    if isinstance(choice, Embedded):
        ours = node()
        ours.start(tools, progress, archives=[_archive(tools, progress)])
    elif isinstance(choice, Kind):
        _bring_up_kind(choice, tools, progress)
    elif isinstance(choice, External):
        _answers(choice)
        if settings.images == "standin":
            _load(choice, tools, progress)
    elif choice.rehearsal:
        choice.rehearsal.resume(progress)


def current(choice: Choice) -> Cluster:
    """The cluster of this choice as it is now.

    Raises:
        UserError: it is a managed one, whose credentials nobody keeps.
    """
    if isinstance(choice, Azure):
        return _managed(choice)
    if isinstance(choice, External):
        return Cluster(choice.kubeconfig, choice.context, None, None, ours=False)
    if isinstance(choice, Kind):
        return Cluster(_kind_kubeconfig(), _kind_context(), KIND_PORT, KIND_TLS_PORT, ours=True)
    return _of_node(node())


def _of_node(own: EmbeddedNode) -> Cluster:
    status = own.status()
    return Cluster(own.kubeconfig, None, status.http_port, status.https_port, ours=True)


def running(choice: Choice) -> bool:
    """Whether a cluster of our own is up; somebody else's counts as up."""
    if isinstance(choice, Azure):
        own = choice.rehearsal.node if choice.rehearsal else None
        return own.status().running if own else asked(own=()) is not None
    if isinstance(choice, Embedded):
        return node().status().running
    return not isinstance(choice, Kind) or _kind_name() in _output("kind", "get", "clusters").split()


def may_run(choice: Choice) -> bool:
    """Whether it is up, or may be and nobody here can tell."""
    return running(choice) or elsewhere(choice)


def elsewhere(choice: Choice) -> bool:
    """Whether it is one in Azure: it may run though nobody here is let in, which `current` then says."""
    return isinstance(choice, Azure) and choice.rehearsal is None


def has_images(choice: Choice, settings: Settings) -> bool:
    """Whether the images that are assembled here are on its nodes; others pull what a registry has."""
    if isinstance(choice, External):
        return settings.images == "standin"
    return not elsewhere(choice)


def take_down(choice: Choice) -> None:
    """Remove a cluster of our own; somebody else's is left alone."""
    if isinstance(choice, Azure):
        if choice.rehearsal:
            choice.rehearsal.remove()
        return
    if isinstance(choice, Kind):
        _output("kind", "delete", "cluster", "--name", _kind_name(), "--kubeconfig", str(_kind_kubeconfig()))
    if node().exists():
        node().destroy()


def confirm(choice: Choice, settings: Settings, *, yes: bool) -> None:
    """Name a cluster that is not ours, and ask before anything cluster-wide is installed on it.

    Raises:
        UserError: the answer is no, or there is nobody to ask.
    """
    if not isinstance(choice, External) or settings.mesh.kind != "helm" or yes:
        return
    where = f"context {choice.context or '(current)'} of {choice.kubeconfig}"
    question = f"{where} was not made by this project. Install Istio, cluster-wide, there?"
    try:
        agreed = typer.confirm(question, default=False, err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise UserError(
            f"{where}: nothing was installed; pass --yes to agree, or choose another {KUBECONFIG_VARIABLE}"
        )


def _managed(choice: Azure) -> Cluster:
    if choice.rehearsal:
        return _of_node(choice.rehearsal.node)
    named = asked(own=())
    if named is None:
        raise UserError(
            "the cluster's credentials are not kept; get some, az aks get-credentials --file kubeconfig, "
            f"and name them by {KUBECONFIG_VARIABLE}=kubeconfig"
        )
    return Cluster(named.kubeconfig, named.context, None, None, ours=False)


def _archive(tools: Toolbox, progress: Progress) -> Path:
    bootstrap = charts.istio_file(images.BOOTSTRAP)
    return images.ensure(tools, rootfs.ensure(progress), bootstrap, progress)


def _answers(choice: External) -> None:
    with Kube(choice.kubeconfig, choice.context) as kube:
        kube.version()


def _bring_up_kind(choice: Kind, tools: Toolbox, progress: Progress) -> None:
    progress.note(f"using kind: {choice.reason}")
    if not running(choice):
        with progress.step("creating a kind cluster"):
            config = checkout_dir() / "kind.yaml"
            config.parent.mkdir(parents=True, exist_ok=True)
            config.write_text(KIND_CONFIG % (KIND_PORT, KIND_TLS_PORT))
            kubeconfig = str(_kind_kubeconfig())
            command = ("kind", "create", "cluster", "--name", _kind_name(), "--kubeconfig", kubeconfig)
            _output(*command, "--config", str(config))
    _load(External(kubeconfig=_kind_kubeconfig(), context=_kind_context()), tools, progress)


def _load(choice: External, tools: Toolbox, progress: Progress) -> None:
    """Hand the images to a cluster that runs in this machine's Docker."""
    with Kube(choice.kubeconfig, choice.context) as kube:
        context = choice.context or kube.context
    for prefix, command in LOADERS.items():
        if context.startswith(prefix):
            archive = _archive(tools, progress)
            with progress.step(f"loading the images into {context}"):
                _output(
                    *(part.format(name=context.removeprefix(prefix), archive=archive) for part in command)
                )
            return
    raise UserError(
        f'pitstop:images = "standin": images can be loaded into contexts kind-*, k3d-* and docker-desktop; '
        f"context {context} is none of these"
    )


def _kind_name() -> str:
    return f"pitstop-{checkout_id()}"


def _kind_context() -> str:
    return f"kind-{_kind_name()}"


def _kind_kubeconfig() -> Path:
    return checkout_dir() / "kind-kubeconfig"


def _output(*command: str) -> str:
    """What a program prints.

    Raises:
        UserError: it is missing, or fails; says its last line.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError(f"{command[0]} is not installed, and this cluster needs it") from None
    if done.returncode:
        said = (done.stderr.strip() or f"status {done.returncode}").splitlines()[-1]
        raise UserError(f"{' '.join(command[:3])} failed: {said}")
    return done.stdout
