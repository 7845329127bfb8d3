"""A real cluster behind the managed cluster of a rehearsal, as `backing.Behind` wants it.

All that lasts is in one folder: the node, and a record of what was asked for. So any process may go on where
another was killed, and every step may be done again.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console

from localcluster import images
from localcluster.azure.backing import BehindError, Inputs, Say
from localcluster.azure.behind import admission, asked, mesh, played, pools
from localcluster.azure.behind.additions import AZURE_FILE, additions
from localcluster.azure.behind.asked import Pool, Record, Scale
from localcluster.azure.behind.install import Addon
from localcluster.azure.behind.kubectl import Kubectl
from localcluster.node import rootfs
from localcluster.node.embedded import EmbeddedNode
from localcluster.node.layout import NODE_NAME
from localcluster.tools import charts, toolbox
from localcluster.tools.toolbox import Toolbox
from ops.errors import UserError
from ops.progress import Progress

TOOLS = ("node", "rehearsal", *images.TOOLS)
READY_SECONDS = 60.0
DRAIN_SECONDS = 60.0


class Cloud(BaseModel):
    """What the cluster is told of the rest of Azure: values of vaults, and public addresses by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vaults: Mapping[str, Mapping[str, str]] = {}
    addresses: Mapping[str, str] = {}


class Clusters:
    """At most one cluster, in one folder; see `backing.Behind` for what its methods promise."""

    def __init__(
        self, folder: Path, say: Say, cloud: Callable[[], Cloud] = Cloud, scale: Scale = "nodes"
    ) -> None:
        """Nothing is started; `cloud` is asked whenever the cluster may need to know."""
        self._folder = folder
        self._say = say
        self._scale: Scale = scale
        self._cloud = cloud
        self._told: tuple[int | None, Cloud] = (None, Cloud())

    def cluster(self, identity: str, inputs: Inputs) -> None:
        """Has the cluster be as asked, and returns when it answers."""
        with self._alone(), _plainly():
            before = self._of(identity, self._record())
            record = Record(
                identity=asked.cluster_of(identity),
                scale=before.scale if before else self._scale,
                cluster=asked.cluster(inputs),
                pools=before.pools if before else {},
                revisions=before.revisions if before else (),
                gateways=before.gateways if before else (),
            )
            self._remember(record)
            tools, kubectl = self._running()
            kubectl.apply([*played.wanted(record), *admission.policies(record)])
            kubectl.delete(played.unwanted(record))
            self._have_nodes(record, kubectl)
            self._have_mesh(record, tools, kubectl)

    def pool(self, identity: str, inputs: Inputs) -> None:
        """Has a pool of the cluster be as asked."""
        with self._alone(), _plainly():
            record = self._expected(identity)
            pool = asked.pool(inputs, identity)
            record = record.model_copy(update={"pools": {**record.pools, pool.name: pool}})
            self._remember(record)
            _, kubectl = self._running()
            self._have_nodes(record, kubectl)

    def remove(self, identity: str) -> None:
        """Has the cluster or the pool be gone."""
        with self._alone(), _plainly():
            record = self._record()
            if record is None or record.identity != asked.cluster_of(identity):
                return
            name = asked.pool_of(identity)
            if not name:
                self._say("removing the node")
                self._node().destroy()
                self._path.unlink()
                return
            left = {kept: pool for kept, pool in record.pools.items() if kept != name}
            self._remember(record.model_copy(update={"pools": left}))
            _, kubectl = self._running()
            self._have_nodes(self._expected(identity), kubectl)

    def kubeconfig(self, identity: str) -> str:
        """The administrator's; a node that was stopped is started for it."""
        with self._alone(), _plainly():
            self._expected(identity)
            self._running()
            return self._node().kubeconfig.read_text()

    def resume(self) -> None:
        """Has a node run again that was stopped, or ended with the machine, where there is one."""
        with self._alone(), _plainly():
            if self._record() is not None:
                self._running()

    def secrets(self) -> None:
        """Pass on what has changed in the rest of Azure, where there is a running cluster to be told."""
        if self._path.exists() and self._node().status().running:
            with self._alone(), _plainly():
                self._tell()

    def standins(self) -> tuple[played.StandIn, ...]:
        """What is played for the cluster that is there, for a person to read."""
        return played.standins(self._record())

    @property
    def _path(self) -> Path:
        return self._folder / "behind.json"

    def _node(self, tools: Toolbox | None = None) -> EmbeddedNode:
        return EmbeddedNode(self._folder / "node", additions(tools.path("kwok")) if tools else ())

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / ".behind.lock"
        with FileLock(path):
            yield
            if not self._path.exists():
                path.unlink(missing_ok=True)

    def _record(self) -> Record | None:
        try:
            return Record.model_validate_json(self._path.read_text())
        except (FileNotFoundError, ValidationError):
            return None

    def _remember(self, record: Record) -> None:
        scratch = self._path.with_suffix(".new")
        scratch.write_text(record.model_dump_json(by_alias=True))
        scratch.replace(self._path)

    def _of(self, identity: str, record: Record | None) -> Record | None:
        if record is not None and record.identity != asked.cluster_of(identity):
            raise BehindError(
                f"{identity}: a rehearsal has one cluster behind it, and it stands for {record.identity}"
            )
        return record

    def _expected(self, identity: str) -> Record:
        record = self._of(identity, self._record())
        if record is None:
            raise BehindError(f"{identity}: there is no such cluster behind this rehearsal")
        return record

    def _running(self) -> tuple[Toolbox, Kubectl]:
        progress = Telling(self._say)
        tools = toolbox.ensure(TOOLS, progress)
        bootstrap = charts.istio_file(images.BOOTSTRAP)
        archive = images.ensure(tools, rootfs.ensure(progress), bootstrap, progress)
        node = self._node(tools)
        node.start(tools, progress, archives=[archive])
        self._tell()
        return tools, Kubectl(tools.path("kubectl"), node.kubeconfig)

    def _tell(self) -> None:
        node, cloud = self._node(), self._cloud()
        told = (node.status().pid, cloud)  # what it was told is gone with its process 1
        if told != self._told:
            node.write(AZURE_FILE, cloud.model_dump_json())
            self._told = told

    def _have_nodes(self, record: Record, kubectl: Kubectl) -> None:
        every = every_pool(record)
        kubectl.apply([pools.system_node(record, every)])
        _have_taints(kubectl, pools.system_taints(record, every))
        there = set(kubectl.names("nodes")) - {NODE_NAME}
        users = [pool for pool in pools.system_first(every) if pool.mode == "User"]
        made = (
            [node for pool in users for node in pools.nodes(record, pool)] if record.scale == "nodes" else []
        )
        names = [node["metadata"]["name"] for node in made]
        gone = sorted(there - set(names))
        if gone:
            self._say(f"removing {len(gone)} nodes")
            _drain(kubectl, gone)
        new = [node for node in made if node["metadata"]["name"] not in there]
        if new:
            self._say(f"adding {len(new)} nodes")
        kubectl.create(new)
        kubectl.apply([{key: part for key, part in node.items() if key != "status"} for node in made])
        kubectl.apply(made, "--subresource=status")
        if names:
            ready = ("wait", "node", *names, "--for=condition=Ready", f"--timeout={READY_SECONDS:.0f}s")
            kubectl.run(*ready, timeout=READY_SECONDS + 10)

    def _have_mesh(self, record: Record, tools: Toolbox, kubectl: Kubectl) -> None:
        """Install what is asked for before removing what is not; the record holds both while that goes on."""
        revisions, gateways = record.cluster.revisions, record.cluster.gateways
        if not revisions and not record.revisions:
            return
        every = tuple(dict.fromkeys((*record.revisions, *revisions)))
        kinds = tuple(dict.fromkeys((*record.gateways, *gateways)))
        self._remember(record.model_copy(update={"revisions": every, "gateways": kinds}))
        mechanism = record.cluster.service_mesh_profile.istio.components.proxy_redirection_mechanism
        addon = Addon(
            renderer=tools.path("charts"),
            charts=charts.ensure(Telling(self._say)),
            kubectl=kubectl,
            chaining=mechanism == "CNIChaining",
            say=self._say,
        )
        if revisions:
            addon.install(revisions, gateways)
        addon.remove(
            [revision for revision in every if revision not in revisions],
            [kind for kind in kinds if kind not in gateways],
            every,
        )
        if not revisions:
            kubectl.delete(mesh.namespaces())
        self._remember(record.model_copy(update={"revisions": revisions, "gateways": gateways}))


class Telling(Progress):
    """Progress that is told line by line."""

    def __init__(self, say: Say) -> None:
        super().__init__(Console(quiet=True))
        self._say = say

    def note(self, text: str) -> None:
        """Pass it on."""
        self._say(text)

    @contextlib.contextmanager
    def step(self, title: str, number: int = 0, total: int = 0) -> Iterator[None]:
        """Tell the beginning; the engine shows that time passes."""
        self._say(title)
        with super().step(title, number, total):
            yield


def every_pool(record: Record) -> dict[str, Pool]:
    """Inline pools and those that are resources of their own, by name."""
    return {pool.name: pool for pool in record.cluster.agent_pool_profiles} | dict(record.pools)


def _have_taints(kubectl: Kubectl, wanted: tuple[str, ...]) -> None:
    """The taints of the real node, among which Kubernetes has its own."""
    found = kubectl.get("node", NODE_NAME)["spec"].get("taints", [])
    own = {
        f"{one['key']}={one.get('value', '')}:{one['effect']}"
        for one in found
        if not one["key"].startswith("node.kubernetes.io/")
    }
    changes = [*(f"{text.partition('=')[0]}:{text.rpartition(':')[2]}-" for text in own - set(wanted))]
    changes += [text for text in wanted if text not in own]
    if changes:
        kubectl.run("taint", "node", NODE_NAME, "--overwrite", *changes)


def _drain(kubectl: Kubectl, names: list[str]) -> None:
    """Evict pods first, as AKS does; after a minute they go anyway, as with a deleted pool."""
    drain = ("drain", *names, "--ignore-daemonsets", "--delete-emptydir-data", "--force")
    with contextlib.suppress(BehindError):
        kubectl.run(*drain, f"--timeout={DRAIN_SECONDS:.0f}s", timeout=DRAIN_SECONDS + 10)
    for name in names:
        left = ("delete", "pods", "--all-namespaces", f"--field-selector=spec.nodeName={name}")
        kubectl.run(*left, "--force", "--grace-period=0")
    kubectl.run("delete", "node", *names, "--ignore-not-found")


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    """What is wrong with this machine is told as the resource's error."""
    try:
        yield
    except UserError as error:
        raise BehindError(str(error)) from error
