"""What `up`, `down`, `stop`, `preview`, `measure` and `env` do, step by step."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console
from rich.syntax import Syntax

from components import login
from components.model import naming, routes, stackfile
from components.model.catalogue import CATALOGUE, callers_of
from components.model.checks import plan_for
from components.model.explain import PROJECT
from components.model.matches import Caller, Request
from components.model.naming import KUBECONFIG_VARIABLE
from components.model.plan import Plan
from components.model.render import render
from components.model.settings import Settings
from localcluster import images
from localcluster.node.select import Embedded, External, NoClusterError
from localcluster.tools import charts, toolbox
from ops import belonging, clusters, rehearsal
from ops.clusters import Azure, Choice
from ops.errors import UserError
from ops.kube import Kube
from ops.measure import Entrance, Load, Split, measure
from ops.paths import CHECKOUT, checkout_dir
from ops.progress import Progress, elapsed
from ops.rehearsal import Rehearsal
from ops.split import SplitMeasurement, render_table
from ops.stack import Needs, Stack, pulumi_env

READ_PATHS = {
    "customermanagementapi": "/api/customers",
    "vehiclemanagementapi": "/api/vehicles",
    "workshopmanagementapi": "/swagger/v1/swagger.json",
}
# The page of the webapp that asks each service once.
PAGES = {"customermanagementapi": "/CustomerManagement", "vehiclemanagementapi": "/VehicleManagement"}
TIMINGS = "timings.json"


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment as its stack file states it, and the cluster it belongs on."""

    name: str
    settings: Settings
    choice: Choice

    @classmethod
    def read(cls, name: str) -> "Environment":
        """Everything that can be known wrong is said here, before anything is built or started."""
        settings = stackfile.load(stackfile.path_of(name, CHECKOUT))
        plan_for(settings, naming.owner(PROJECT, name))
        return cls(name, settings, clusters.choose(settings, rehearsal.asked(name)))

    @property
    def rehearsal(self) -> Rehearsal | None:
        """The rehearsal this is, if it is one."""
        return self.choice.rehearsal if isinstance(self.choice, Azure) else None

    @property
    def plan(self) -> Plan:
        """Everything the environment consists of."""
        return plan_for(self.settings, naming.owner(PROJECT, self.name))

    def groups(self) -> tuple[str, ...]:
        """The tools this environment needs, images included."""
        if isinstance(self.choice, Azure):
            return rehearsal.TOOLS if self.rehearsal else ("engine",)
        if isinstance(self.choice, External) and self.settings.images != "standin":
            return ("engine",)
        node = ("node",) if isinstance(self.choice, Embedded) else ()
        return ("engine", *node, *images.TOOLS)

    def stack(self, tools: toolbox.Toolbox, progress: Progress) -> Stack:
        """The stack of this environment, for the cluster as it is now."""
        return Stack(self.name, self.needs(tools, progress))

    def needs(self, tools: toolbox.Toolbox, progress: Progress) -> Needs:
        """What the program is told besides its stack file."""
        folder = charts.ensure(progress) if self.settings.mesh.kind == "helm" else None
        if isinstance(self.choice, Azure):
            named = not self.rehearsal and clusters.running(self.choice)
            reference = clusters.current(self.choice).reference if named else None
            return Needs(tools, folder, reference, self.rehearsal)
        return Needs(tools, folder, clusters.current(self.choice).reference)


def up(name: str, *, yes: bool, requests: int) -> None:
    """Tools, cluster, images, preview and update, measured split. What is in place already is left alone."""
    started, progress = time.monotonic(), Progress()
    with _alone():
        environment = Environment.read(name)
        belonging.check(name, environment.settings, environment.choice)
        clusters.confirm(environment.choice, environment.settings, yes=yes)
        begin(environment, progress)
        tools = toolbox.ensure(environment.groups(), progress)
        clusters.bring_up(environment.choice, environment.settings, tools, progress)
        with progress.step("preview and update"):
            stack = environment.stack(tools, progress)
            stack.ensure()
            belonging.remember(name, environment.settings, environment.choice)
            stack.up()
        cluster = _measurable(environment, progress)
        measured = measure_splits(environment, cluster, requests, progress) if cluster else ()
    _remember(progress, time.monotonic() - started)
    _report(environment, cluster, measured, time.monotonic() - started)


def begin(environment: Environment, progress: Progress) -> None:
    """A rehearsal is never taken for the thing itself, and Azure is not asked as nobody.

    Raises:
        RefusedError: nobody is logged in, or to another subscription.
    """
    if environment.rehearsal:
        for line in environment.rehearsal.said():
            progress.note(line)
    elif isinstance(environment.choice, Azure):
        login.check(environment.plan.azure, environment.name, os.environ)


def _measurable(environment: Environment, progress: Progress) -> clusters.Cluster | None:
    """The cluster, where pods really run and we are let in."""
    if environment.rehearsal and environment.rehearsal.scale == "nodes":
        progress.note(f"no split is measured: no pod runs; {rehearsal.ASKED}=pods runs them")
        return None
    if isinstance(environment.choice, Azure) and not clusters.running(environment.choice):
        progress.note("no split is measured: the cluster's credentials are not kept; see docs/azure.md")
        return None
    return clusters.current(environment.choice)


def down(name: str, *, yes: bool) -> None:
    """Remove what `up` made.

    A cluster of our own is removed whole, with the stack that owns its mesh. From a cluster of somebody
    else's, or one shared with another stack, only what the stack owns is removed.
    """
    progress = Progress()
    with _alone():
        environment = Environment.read(name)
        whole = not _keeps_its_cluster(environment)
        belonging.check(name, environment.settings, environment.choice, every=whole)
        begin(environment, progress)
        _say_what_goes(environment, progress)
        if not whole:
            clusters.confirm(environment.choice, environment.settings, yes=yes)
            stack = environment.stack(toolbox.ensure(("engine",), progress), progress)
            with progress.step("removing what the stack owns"):
                stack.ensure()
                stack.destroy()
                belonging.forget(name)
            return
        with progress.step("removing this checkout's cluster and state"):
            clusters.take_down(environment.choice)
            if not isinstance(environment.choice, Azure):
                shutil.rmtree(checkout_dir(), ignore_errors=True)
                _lock_file().unlink(missing_ok=True)


def _keeps_its_cluster(environment: Environment) -> bool:
    """Whether a stack is taken off its cluster resource by resource; one of our own is thrown away."""
    if isinstance(environment.choice, Azure):
        return clusters.elsewhere(environment.choice)
    return isinstance(environment.choice, External) or environment.settings.mesh.kind == "existing"


def _say_what_goes(environment: Environment, progress: Progress) -> None:
    """Which data an environment keeps, and whether it goes with it."""
    plan = environment.plan
    what = "; ".join(f"{claim}: {holds}" for claim, holds in sorted(plan.data().items()))
    if what:
        kept = plan.retain and _keeps_its_cluster(environment)
        progress.note(f"data that {'stays (storage.retain)' if kept else 'goes with it'}: {what}")


def stop(name: str) -> None:
    """Stop our own node; its state is kept."""
    environment = Environment.read(name)
    if not isinstance(environment.choice, Embedded):
        raise UserError(
            f"stop: the cluster of {name} is not a node of this checkout; down removes what is ours"
        )
    with _alone(), Progress().step("stopping the node"):
        clusters.node().stop()


def preview(name: str) -> None:
    """The plan as the engine sees it; where no cluster runs, the manifests themselves."""
    progress = Progress()
    settings = stackfile.load(stackfile.path_of(name, CHECKOUT))
    plan = plan_for(settings, naming.owner(PROJECT, name))
    try:
        choice: Choice | None = clusters.choose(settings, rehearsal.asked(name))
    except NoClusterError as reason:
        progress.note(f"{reason}")
        choice = None
    if choice is None or not (isinstance(choice, Azure) or clusters.running(choice)):
        progress.note("no cluster is running: these are the manifests, with placeholders for secret values")
        text = render(plan)
        if (console := Console()).is_terminal:
            console.print(Syntax(text, "yaml", background_color="default"))
        else:
            print(text)
        return
    environment = Environment(name, settings, choice)
    begin(environment, progress)
    stack = environment.stack(toolbox.ensure(("engine",), progress), progress)
    stack.ensure()
    with progress.step("asking the engine"):
        stack.preview()


def remeasure(name: str, *, requests: int) -> None:
    """Measure the split of a running environment."""
    environment, progress = Environment.read(name), Progress()
    cluster = _running(environment)
    Console().print(render_table(measure_splits(environment, cluster, requests, progress)))


def secrets(name: str) -> tuple[str, ...]:
    """The names of the secret values the program asks its configuration for."""
    settings = stackfile.load(stackfile.path_of(name, CHECKOUT))
    return plan_for(settings, naming.owner(PROJECT, name)).secrets_needed()


def shell(name: str) -> dict[str, str]:
    """The variables that make the plain `pulumi` and `kubectl` work in a shell."""
    environment, progress = Environment.read(name), Progress()
    tools = toolbox.ensure(("engine",), progress)
    values = pulumi_env(name, environment.needs(tools, progress))
    if not isinstance(environment.choice, Azure) or clusters.running(environment.choice):
        cluster = clusters.current(environment.choice)
        values["KUBECONFIG"] = str(cluster.kubeconfig)
        if not isinstance(environment.choice, Azure):
            values.setdefault(KUBECONFIG_VARIABLE, cluster.reference)
    kubectl = toolbox.find(("kubectl",))
    if kubectl.tools:
        values["PATH"] = os.pathsep.join((str(kubectl.path("kubectl").parent), values["PATH"]))
    return values


def address(environment: Environment, cluster: clusters.Cluster) -> str | None:
    """Where the webapp is reached from this machine, when it runs on a cluster of our own.

    With a certificate that is the gateway's port for TLS: the other sends on to it, or answers nothing.
    """
    settings = environment.settings
    scheme, port = ("https", cluster.https_port) if settings.ingress.tls else ("http", cluster.http_port)
    if port is None or "webapp" not in settings.services:
        return None
    return f"{scheme}://127.0.0.1:{port}"


def where(environment: Environment, cluster: clusters.Cluster) -> str:
    """What to tell a person who wants to see the webapp; nothing where it is not reached from here."""
    url, host = address(environment, cluster), host_of(environment.settings)
    if url is None:
        return ""
    if host is None:
        return f"The webapp answers at {url}"
    named = url.replace("127.0.0.1", host)
    port = url.rpartition(":")[2]
    unknown = "-k " if environment.settings.ingress.tls else ""  # who signed it, nobody knows here
    return f"The webapp answers at {named}, e.g. curl {unknown}--resolve {host}:{port}:127.0.0.1 {named}"


def host_of(settings: Settings) -> str | None:
    """A name the gateway answers to; None where it answers to every name."""
    first = settings.ingress.hosts[0]
    return None if first == "*" else first.replace("*", "www")


def _running(environment: Environment) -> clusters.Cluster:
    if not clusters.may_run(environment.choice):
        raise UserError(f"{environment.name}: nothing is running; `make up` starts it")
    return clusters.current(environment.choice)


def measure_splits(
    environment: Environment, cluster: clusters.Cluster, requests: int, progress: Progress
) -> tuple[SplitMeasurement, ...]:
    """Measure each service that shares its requests between versions."""
    settings = environment.settings
    url, host = address(environment, cluster), host_of(settings)
    fortio = images.fortio(public=not clusters.has_images(environment.choice, settings))
    measured: list[SplitMeasurement] = []
    with Kube(cluster.kubeconfig, cluster.context) as kube:
        for service, weights in settings.asked().items() if settings.meshed else ():
            callers = [name for name, _ in callers_of(service) if name in settings.services]
            if service not in READ_PATHS or not callers:
                continue
            if reason := _unmeasurable(settings, service):
                progress.note(f"{service} is not measured: {reason}")
                continue
            split = Split(
                namespace=settings.namespace,
                service=service,
                port=CATALOGUE[service].ports[0].number,
                path=READ_PATHS[service],
                caller=callers[0],
                weights=weights,
                versions={version: naming.version_label(version) for version in weights},
            )
            page = PAGES.get(service) if _shared_alike(settings, service, "webapp") else None
            way_in = Entrance(url=f"{url}{page}", host=host) if url and page else None
            measured += measure(kube, split, way_in, fortio, Load(requests=requests), progress)
    return tuple(measured)


def _unmeasurable(settings: Settings, service: str) -> str:
    """Why a plain GET would not show the split."""
    way = routes.way_of(settings.services[service], Request("GET", READ_PATHS[service]))
    if not way.name.startswith(routes.DEFAULT):
        return f"its policies send GET {READ_PATHS[service]} elsewhere ({way.name})"
    if "fault" in way.extras:
        return "its requests fail on purpose"
    if "mirror" in way.extras:
        return "copies of its requests would be counted too"
    return ""


def _shared_alike(settings: Settings, service: str, caller: str) -> bool:
    """Whether a caller's plain GET goes the way of everybody's: no lane, and no fault for this caller."""
    if caller not in settings.services:
        return False
    own, path = settings.services[service], READ_PATHS[service]
    versions = settings.services[caller].versions
    ways = [routes.way_of(own, Request("GET", path, caller=Caller(caller, version))) for version in versions]
    return all(way == routes.way_of(own, Request("GET", path)) for way in ways)


def _report(
    environment: Environment,
    cluster: clusters.Cluster | None,
    measured: tuple[SplitMeasurement, ...],
    seconds: float,
) -> None:
    console = Console()
    if environment.rehearsal:
        console.print(environment.rehearsal.played())
    if measured:
        console.print(render_table(measured))
    told = where(environment, cluster) if cluster else ""
    console.print(told or "The environment is up.", highlight=False, soft_wrap=True)
    console.print(f"Up in {elapsed(seconds)}. Next: make status, or see README.md.", highlight=False)
    if not all(measurement.passes() for measurement in measured):
        raise UserError("the measured split is not the one asked for; make measure repeats the measurement")


def _remember(progress: Progress, seconds: float) -> None:
    """Keep how long each stage took, for `make bench` and `make status`."""
    stages = [{"stage": title, "seconds": round(took, 2)} for title, took in progress.steps]
    path = checkout_dir() / TIMINGS
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"stages": stages, "seconds": round(seconds, 2)}, indent=2))


@contextmanager
def _alone() -> Iterator[None]:
    """One command that changes things at a time, for each checkout."""
    _lock_file().parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(_lock_file(), timeout=0):
            yield
    except Timeout:
        raise UserError("another up, down or stop of this checkout is running; wait for it to end") from None


def _lock_file() -> Path:
    return checkout_dir().with_suffix(".lock")
