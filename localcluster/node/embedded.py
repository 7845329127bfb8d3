"""The embedded node's life: start, look, stop, destroy. Each can be interrupted and called again."""

import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from filelock import FileLock
from pydantic import BaseModel, ConfigDict

from localcluster.node import policy, ports, rootfs, supervision, volumes
from localcluster.node.client import Client
from localcluster.node.images import ImageStore
from localcluster.node.machine import Machine, WaysIn
from localcluster.node.services import Addition
from localcluster.node.state import Record, State, Tools
from localcluster.node.supervision import ServiceStatus
from ops.errors import UserError
from ops.progress import Progress

START_SECONDS = 180.0
SETTLE_SECONDS = 30.0
PODS_SECONDS = 60.0
FREE_BYTES = 4 * 2**30


class NodeStatus(BaseModel):
    """The node as it is now; one that does not run has no services."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    running: bool
    pid: int | None
    api_port: int | None
    http_port: int | None
    https_port: int | None
    services: tuple[ServiceStatus, ...]


@dataclass(frozen=True)
class Order:
    """What one start is made of."""

    tools: Tools
    root: Path
    inputs: str
    archives: tuple[Path, ...]


class EmbeddedNode:
    """One node, whose whole state is the folder `home`."""

    def __init__(self, home: Path, additions: Sequence[Addition] = ()) -> None:
        """Nothing is started. `additions` are processes beside those that each node has."""
        self._state = State(home.resolve(), additions)
        name = hashlib.sha256(str(self._state.home).encode()).hexdigest()[:8]
        self._machine = Machine(f"pitstop-{name}")

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig for programs on this machine; there once `start` has ended."""
        return self._state.kubeconfig

    @property
    def logs(self) -> Path:
        """One folder for each process, its newest lines in `current`."""
        return self._state.logs

    def exists(self) -> bool:
        """Whether there is anything to stop or to destroy."""
        return self._state.home.exists() or self._alive()

    def start(self, tools: Tools, progress: Progress, archives: Sequence[Path] = ()) -> None:
        """Have the node ready, with the images of `archives` in it; a healthy one is left alone.

        Volumes whose claim is gone are empty and free again afterwards.

        Raises:
            UserError: something is missing or taken, or the node does not come up; then nothing of it runs.
        """
        root = rootfs.ensure(progress)
        client = Client(tools.path("kubectl"), self._state)
        with self._locked():
            order = Order(tools, root, self._state.inputs(tools, root), tuple(archives))
            if not self._is_current(order.inputs) or not self._is_ready(client):
                self._need_ports()
                self._need_space()
                self._machine.halt()
                with self._or_nothing():
                    self._start(order, client, progress)
            self._import(order.archives)
            if reason := volumes.renew(self._state.volumes, client):
                raise UserError(f"the node's volumes could not be made ready: {reason[-300:]}; run again")

    def stop(self) -> None:
        """End every process of the node. `start` goes on from what is kept, like a machine after a reboot."""
        with self._locked():
            self._machine.halt()

    def destroy(self) -> None:
        """End the node and remove everything of it."""
        with self._locked():
            self._machine.halt()
            self._state.remove()

    def import_images(self, archive: Path) -> None:
        """Load an image archive; one that was loaded before is not read again.

        Raises:
            UserError: the node does not run, or its runtime refuses the archive.
        """
        with self._locked():
            self._import((archive,))

    def status(self) -> NodeStatus:
        """What runs, as its supervisor sees it."""
        pid, record = self._machine.pid(), self._state.record()
        return NodeStatus(
            running=pid is not None,
            pid=pid,
            api_port=record.api_port if record else None,
            http_port=record.http_port if record else None,
            https_port=record.https_port if record else None,
            services=self._look() if pid else (),
        )

    def versions(self) -> dict[str, str]:
        """The version of each program as it says itself, asked in the node; none where none runs."""
        return supervision.versions(self._machine) if self._alive() else {}

    def run(self, *command: str) -> str:
        """The output of a program run inside the node.

        Raises:
            UserError: it fails, or the node does not run.
        """
        done = self._machine.run(*command)
        if done.returncode:
            raise UserError(f"{command[0]} in the node failed: {done.stderr.strip()[-300:]}")
        return done.stdout

    def write(self, path: PurePosixPath, text: str) -> None:
        """Have a private file inside the running node, whole or not at all; this machine's disk never has it.

        Raises:
            UserError: it cannot be written, or the node does not run.
        """
        with os.fdopen(os.memfd_create("text"), "wb+") as stream:
            stream.write(text.encode())
            stream.seek(0)
            script = 'umask 077 && cat >"$0.new" && mv "$0.new" "$0"'
            done = self._machine.run("sh", "-c", script, str(path), stdin=stream)
        if done.returncode:
            raise UserError(f"{path} in the node was not written: {done.stderr.strip()[-300:]}")

    def _look(self) -> tuple[ServiceStatus, ...]:
        more = [addition.service.name for addition in self._state.additions]
        return supervision.look(self._machine, more)

    def _alive(self) -> bool:
        return self._machine.pid() is not None

    def _is_current(self, inputs: str) -> bool:
        """Whether what runs was started from the same inputs, on the ports that are asked for now."""
        record = self._state.record()
        if record is None or not record.complete or not self._alive() or record.inputs != inputs:
            return False
        listening = zip(ports.VARIABLES, record.ports, strict=True)
        return all(ports.asked(variable) in {None, port} for variable, port in listening)

    def _is_ready(self, client: Client) -> bool:
        """Whether the node is ready, or gets ready by itself: a process of it may just be coming back."""
        return client.wait_ready(SETTLE_SECONDS, since=0, alive=self._alive)

    def _start(self, order: Order, client: Client, progress: Progress) -> None:
        before = self._state.record()
        with progress.step("starting the node"):
            record, since = self._boot(order, before)
            self._import(order.archives)
            if not client.wait_api(START_SECONDS, self._alive):
                raise UserError(self._complaint())
            if reason := client.apply_addons(SETTLE_SECONDS, self._alive):
                raise UserError(f"the node's add-ons could not be applied: {reason[-300:]}")
            if not client.wait_ready(START_SECONDS, since, self._alive):
                raise UserError(self._complaint())
            if not client.wait_metrics(PODS_SECONDS, self._alive):
                log = self.logs / "metrics-server" / "current"
                raise UserError(f"the node's metrics were not there after {PODS_SECONDS:.0f} s; log: {log}")
            # A node that was given no images has none for its DNS either.
            if self._state.imported.exists() and not client.wait_dns(PODS_SECONDS, self._alive):
                log = self.logs / "kubelet" / "current"
                raise UserError(f"the node's DNS was not ready after {PODS_SECONDS:.0f} s; log: {log}")
        if reason := policy.obstacle(self._machine):
            progress.note(f"NetworkPolicy is not enforced by this node: {reason}")
        if before is not None and before.complete:
            with progress.step("waiting for the pods that ran before"):
                back = client.wait_pods(PODS_SECONDS, since, self._alive)
            if not back:
                progress.note("not every pod is ready again; going on")
        self._state.remember(record.model_copy(update={"complete": True}))

    def _boot(self, order: Order, before: Record | None) -> tuple[Record, float]:
        """Start the machine on what is kept; answers its record and when, in seconds since the epoch."""
        if before is not None and not before.worth_keeping:
            self._state.remove()  # a first start that was cut off: half-made state, and nobody's data
        self._state.prepare(order.tools)
        last = before.ports if before else (None, None, None)
        with (
            ports.listen(ports.API_VARIABLE, last[0], ports.API_PREFERRED) as api,
            ports.listen(ports.HTTP_VARIABLE, last[1], ports.HTTP_PREFERRED) as http,
            ports.listen(ports.HTTPS_VARIABLE, last[2], ports.HTTPS_PREFERRED) as https,
        ):
            record = Record(
                inputs=order.inputs,
                api_port=api.getsockname()[1],
                http_port=http.getsockname()[1],
                https_port=https.getsockname()[1],
                kept=before is not None and before.worth_keeping,
            )
            self._state.remember(record)
            since = time.time()
            self._machine.boot(self._state.home, order.root, WaysIn(api, http, https), self._state.boot_log)
        return record, since

    def _complaint(self) -> str:
        if not self._alive():
            said = self._state.boot_log.read_text(errors="replace").strip() or "no reason given"
            return f"the node did not start: {said.splitlines()[-1]}; log: {self._state.boot_log}"
        culprit = supervision.suspect(self._look())
        name = culprit.name if culprit else "kubelet"
        log = self.logs / name / "current"
        return (
            f"the node was not ready after {START_SECONDS:.0f} s, most likely because of {name}; log: {log}"
        )

    def _import(self, archives: Sequence[Path]) -> None:
        store = ImageStore(self._machine, self._state.imported, self._state.snapshotter())
        for archive in archives:
            store.load(archive)

    def _need_ports(self) -> None:
        """A node that runs is not ended for a port the next one cannot have."""
        record = self._state.record() if self._alive() else None
        for variable in ports.VARIABLES:
            ports.require(variable, record.ports if record else ())

    def _need_space(self) -> None:
        folder = self._state.home
        while not folder.exists():
            folder = folder.parent
        free = shutil.disk_usage(folder).free
        if free < FREE_BYTES:
            raise UserError(
                f"{folder}: {free / 2**30:.1f} GB free, the node needs {FREE_BYTES / 2**30:.0f} GB; "
                "make room or set PITSTOP_CACHE to a folder on a larger disk"
            )

    @contextmanager
    def _or_nothing(self) -> Iterator[None]:
        """A start that fails or is interrupted ends what it has started."""
        try:
            yield
        except BaseException:
            self._machine.halt()
            raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One command at a time for each node; the lock is not in the folder that `destroy` removes."""
        home = self._state.home
        home.parent.mkdir(parents=True, exist_ok=True)
        path = home.with_name(f".{home.name}.lock")
        with FileLock(path):
            yield
            if not home.exists():
                path.unlink(missing_ok=True)
