"""What runs, where it answers, and in which version: `make status`."""

import json
from collections.abc import Iterator

from lightkube.resources.core_v1 import Pod
from rich import box
from rich.console import Console
from rich.table import Table

from localcluster.tools import toolbox
from ops import clusters
from ops.environment import Environment, where
from ops.errors import UserError
from ops.kube import PASSING_ERRORS, Kube, is_ready

ISTIOD_MONITORING_PORT = 15014
SIDECAR = "istio-proxy"


def show(name: str) -> None:
    """Print the node's processes, the pods of the environment, and every version that runs."""
    environment, console = Environment.read(name), Console(highlight=False)
    if not clusters.may_run(environment.choice):
        console.print(f"{name}: nothing is running; make up starts it")
        return
    cluster = clusters.current(environment.choice)
    if environment.choice.kind == "embedded":
        console.print(_processes())
    with Kube(cluster.kubeconfig, cluster.context) as kube:
        console.print(_pods(kube, environment.settings.namespace))
        console.print(_versions(kube, environment))
    if told := where(environment, cluster):
        console.print(told, soft_wrap=True)


def _processes() -> Table:
    table = Table(title="Processes of the node", box=box.SIMPLE_HEAD)
    for heading in ("process", "state", "for", "restarts"):
        table.add_column(heading, justify="left" if heading in ("process", "state") else "right")
    for one in clusters.node().status().services:
        table.add_row(one.name, "up" if one.up else "DOWN", f"{one.seconds}s", str(one.restarts))
    return table


def _pods(kube: Kube, namespace: str) -> Table:
    table = Table(title=f"Pods of {namespace}", box=box.SIMPLE_HEAD)
    for heading in ("app", "version", "pod", "ready", "sidecar"):
        table.add_column(heading)
    with kube.answering(f"the pods of {namespace}"):
        pods = list(kube.client.list(Pod, namespace=namespace))
    for pod in pods:
        if pod.metadata is None or pod.spec is None:
            continue
        labels = pod.metadata.labels or {}
        containers = [*pod.spec.containers, *(pod.spec.initContainers or [])]
        meshed = "yes" if any(container.name == SIDECAR for container in containers) else "NO"
        ended = pod.status is not None and pod.status.phase == "Succeeded"
        ready = "yes" if is_ready(pod) else "done" if ended else "NO"
        table.add_row(
            labels.get("app", ""), labels.get("version", ""), pod.metadata.name or "", ready, meshed
        )
    return table


def _versions(kube: Kube, environment: Environment) -> Table:
    table = Table(title="Versions", box=box.SIMPLE_HEAD)
    for heading in ("what", "version", "from"):
        table.add_column(heading)
    table.add_row("Kubernetes API server", kube.version(), "it says so")
    for what, version in _mesh_versions(kube, environment.settings.namespace):
        table.add_row(what, version, "it says so")
    for tool in toolbox.find(environment.groups()).tools:
        version = "this checkout" if tool.version == "0" else tool.version
        table.add_row(tool.name, version, tool.source)
    return table


def _mesh_versions(kube: Kube, namespace: str) -> Iterator[tuple[str, str]]:
    """What istiod and one sidecar answer when they are asked."""
    with kube.answering("istiod and the webapp"):
        istiod = kube.ready_pods("istio-system", {"app": "istiod"})[:1]
        webapp = kube.ready_pods(namespace, {"app": "webapp"})[:1]
    for pod in istiod:
        try:
            yield "istiod", kube.pod_get(pod, ISTIOD_MONITORING_PORT, "version").strip()
        except PASSING_ERRORS as error:
            yield "istiod", f"does not answer: {error}"
    for pod in webapp:
        try:
            answer = kube.run(pod, SIDECAR, "pilot-agent", "request", "GET", "server_info")
            build = str(json.loads(answer[answer.index("{") :])["version"])
            yield "Envoy", build.split("/")[1]  # commit/version/state/mode/TLS library
        except (UserError, ValueError, KeyError, IndexError, *PASSING_ERRORS) as error:
            yield "Envoy", f"does not answer: {error}"
