"""`istioctl analyze` on a plan, as if a cluster ran it: the plan's objects, its pods, and a gateway."""

import json
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from components.model import istio, versions
from components.model.manifests import Document, Json
from components.model.plan import Plan
from tests.validate.listing import listing
from tests.validate.validators import crd_file

SECONDS = 60
PROXY: Document = {"name": "istio-proxy", "image": f"{versions.ISTIO_HUB}/proxyv2:{versions.ISTIO_TAG}"}


@dataclass(frozen=True, slots=True)
class Message:
    """What the analyzers say about one object."""

    code: str
    origin: str
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.origin}: {self.text}"


def analyze(istioctl: Path, objects: Iterable[Document]) -> list[Message]:
    """Every message about these objects; the custom resource definitions are added."""
    with listing([*objects, *definitions()]) as server, tempfile.TemporaryDirectory() as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        kubeconfig.write_text(json.dumps(server.kubeconfig()))  # JSON is YAML
        command = [str(istioctl), "analyze", "--kubeconfig", str(kubeconfig), "-A", "-v", "--output", "json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    # An analyzer that is left out finds nothing.
    assert done.stdout.startswith("["), done.stderr
    assert "Skipped analyzers" not in done.stderr, done.stderr
    return [Message(one["code"], one.get("origin", ""), one["message"]) for one in json.loads(done.stdout)]


@cache
def definitions() -> tuple[Document, ...]:
    """Istio's custom resource definitions without the schemas, which are judged elsewhere and large."""
    found = []
    for one in yaml.load_all(crd_file().read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        for version in one["spec"]["versions"]:
            version.pop("schema")
        found.append(one)
    return tuple(found)


def cluster(plan: Plan) -> list[Document]:
    """What a cluster with this environment has."""
    kept = [one for keeper in plan.keepers() for one in keeper.makes]
    made = [one.document(dict.fromkeys(one.values_needed(), "x")) for one in kept]
    objects = [*plan.documents(), *made]
    pods = [pod for one in objects for pod in pods_of(one, meshed=plan.meshed)]
    return [*objects, *pods, *_around(plan)]


def pods_of(workload: Document, *, meshed: bool) -> Iterator[Document]:
    """The pod a workload's controller makes, with the sidecar that the mesh adds. Without replicas, none."""
    if workload["kind"] not in {"Deployment", "StatefulSet", "Job"}:
        return
    spec, metadata = _map(workload, "spec"), _map(workload, "metadata")
    if spec.get("replicas", 1) == 0:
        return
    template = _map(spec, "template")
    pod = {**_map(template, "spec")}
    labels = _map(_map(template, "metadata"), "labels")
    if meshed and labels.get("sidecar.istio.io/inject") != "false":
        pod["initContainers"] = [*pod.get("initContainers", []), {**PROXY, "restartPolicy": "Always"}]
    named = {"name": f"{metadata['name']}-0", "namespace": metadata["namespace"]}
    yield {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**_map(template, "metadata"), **named},
        "spec": pod,
    }


def _around(plan: Plan) -> Iterator[Document]:
    """What is there already: the namespace everything is asked in, the mesh's own, and its gateway."""
    yield {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "default", "labels": {"istio-injection": "disabled"}},
    }
    root, gateway = istio.ROOT_NAMESPACE, istio.GATEWAY_NAMESPACE
    if plan.joined:
        root, gateway = plan.joined.root_namespace, plan.joined.gateway_namespace
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio", "namespace": istio.ROOT_NAMESPACE},
        "data": {"mesh": f"rootNamespace: {root}\n"},
    }
    made = {one.name for one in plan.mesh.namespaces} if plan.mesh else set()
    yield from (_namespace(name) for name in sorted({istio.ROOT_NAMESPACE, root, gateway} - made))
    for entry in plan.entries:
        spec = _map(entry.gateway.document(), "spec")
        yield from _gateway(plan, gateway, dict(_map(spec, "selector")))


def _namespace(name: str) -> Document:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _gateway(plan: Plan, namespace: str, labels: Document) -> Iterator[Document]:
    """The pods the gateway's chart makes and their Service, with the ports this plan gives the chart."""
    ports: Json = [_port(80), _port(443)]
    releases = plan.mesh.releases if plan.mesh else ()
    for chart in (release for release in releases if release.name == istio.GATEWAY_RELEASE):
        ports = _map(dict(chart.values), "service")["ports"]
    metadata: Document = {"name": istio.GATEWAY_RELEASE, "namespace": namespace, "labels": labels}
    yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [dict(PROXY)]}}
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"selector": labels, "ports": ports},
    }


def _port(number: int) -> Document:
    return {"name": f"http-{number}", "port": number, "targetPort": number, "protocol": "TCP"}


def _map(value: Document, key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}
