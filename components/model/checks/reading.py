"""How rules read manifests: what is not there counts as empty, so that a rule can say what is missing."""

from collections.abc import Iterator

from components.model.findings import Finding
from components.model.manifests import Document, Json, Manifest
from components.model.plan import Plan


def broken(code: str, manifest: Manifest, message: str) -> Finding:
    """A finding about one object of a plan."""
    return Finding(code, f"{manifest.kind} {manifest.namespace}/{manifest.name}", message)


def spec(manifest: Manifest) -> Document:
    """What an object asks for."""
    return as_map(manifest.body.get("spec"))


def as_map(value: Json) -> Document:
    """The value, where it is a map."""
    return value if isinstance(value, dict) else {}


def as_list(value: Json) -> list[Json]:
    """The value, where it is a list."""
    return value if isinstance(value, list) else []


def maps(value: Json) -> list[Document]:
    """The maps of a list."""
    return [as_map(item) for item in as_list(value)]


def routes(plan: Plan) -> list[Manifest]:
    """Every VirtualService."""
    return [way.route for way in plan.routes] + [entry.route for entry in plan.entries]


def http(route: Manifest) -> list[Document]:
    """The ordered routes of a VirtualService."""
    return maps(spec(route).get("http"))


def running(plan: Plan) -> Iterator[Manifest]:
    """Everything with a pod template."""
    for keeper in plan.keepers():
        yield keeper.deployment
    for load in plan.workloads:
        yield from load.workloads
    if plan.database:
        yield plan.database.job


def template(workload: Manifest) -> Document:
    """The pod template of a workload."""
    return as_map(spec(workload).get("template"))


def pod_labels(workload: Manifest) -> Document:
    """The labels of a workload's pods."""
    return as_map(as_map(template(workload).get("metadata")).get("labels"))


def containers(workload: Manifest) -> list[Document]:
    """The containers of a workload's pods, the ones that run first included."""
    pod = as_map(template(workload).get("spec"))
    return [*maps(pod.get("initContainers")), *maps(pod.get("containers"))]
