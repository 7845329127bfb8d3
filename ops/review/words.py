"""A plan in words: one line for each cluster, node pool and service."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from components.model.manifests import Document
from ops.review import azure, mesh, pods
from ops.review.phrases import count
from ops.review.preview import PROVIDERS, Change, Preview, understood
from ops.review.reading import section, text

Phrases = Callable[[Change], Iterator[str]]

# What is told in words of its own; the rest is counted by kind.
KUBERNETES: Mapping[str, Phrases] = {
    "VirtualService": mesh.virtual_service,
    "DestinationRule": mesh.destination_rule,
    "AuthorizationPolicy": mesh.authorization,
    "Namespace": mesh.namespace,
    "Release": mesh.release,
    "Deployment": pods.workload,
    "StatefulSet": pods.workload,
    "DaemonSet": pods.workload,
    "Job": pods.workload,
    "HorizontalPodAutoscaler": pods.scaler,
    "ScaledObject": pods.scaler,
    "PersistentVolumeClaim": pods.volume,
    "Service": pods.service,
}
_ORDER = {kind: number for number, kind in enumerate(KUBERNETES)}
PAST = {
    "create": "created",
    "update": "changed",
    "delete": "removed",
    "replace": "replaced",
    "import": "adopted",
}
ENVIRONMENT, MESH = "environment", "mesh"


@dataclass(frozen=True, slots=True)
class Said:
    """Something that is told about a subject; `rank` puts clusters before services."""

    rank: int
    subject: str
    phrase: str


def summary(preview: Mapping[str, object]) -> list[str]:
    """The lines for the decoded document of `pulumi preview --json`.

    Raises:
        UserError: it is something else.
    """
    return lines(understood(preview))


def lines(preview: Preview) -> list[str]:
    """`subject: phrase; phrase` for each subject: clusters, pools, what is not of one service, services."""
    # By kind and then by name: the engine's own order differs from run to run.
    ordered = sorted(preview.changes, key=lambda one: (_ORDER.get(one.short, len(_ORDER)), one.urn))
    told = list(dict.fromkeys(said for change in ordered for said in _said(change)))
    told += _counted(_beside_new_workloads(preview.custom()))
    by_subject: dict[tuple[int, str], list[str]] = {}
    for one in told:
        by_subject.setdefault((one.rank, one.subject), []).append(one.phrase)
    return [f"{whose}: {'; '.join(_once(phrases))}" for (_, whose), phrases in sorted(by_subject.items())]


def _beside_new_workloads(changes: Sequence[Change]) -> list[Change]:
    """Without what every new service brings: its Service, its account, its rules."""
    new = {
        subject(one) for one in changes if one.kind == "create" and KUBERNETES.get(one.short) is pods.workload
    }
    return [one for one in changes if one.kind != "create" or subject(one) not in new]


def _once(phrases: Iterable[str]) -> list[str]:
    """What holds inside the mesh and from outside alike is told once."""
    found = list(dict.fromkeys(phrases))
    return [one for one in found if one.removeprefix(mesh.OUTSIDE) not in found or mesh.OUTSIDE not in one]


def subject(change: Change) -> tuple[int, str]:
    """Whom a resource belongs to, by the labels everybody gives it."""
    if change.type.startswith("azure-native:"):
        name = azure_name(change)
        ranks = {"ManagedCluster": (0, f"cluster {name}"), "AgentPool": (1, f"node pool {name}")}
        return ranks.get(change.short, (2, "Azure"))
    if not change.type.startswith("kubernetes:"):
        return 2, change.type.partition(":")[0]
    if change.short == "Release":
        return 3, MESH
    labels = section(change.new or change.old, "metadata", "labels")
    service = text(labels, "app") or text(labels, "app.kubernetes.io/name")
    return (5, service) if service else (4, ENVIRONMENT)


def azure_name(change: Change) -> str:
    """The name in Azure where it is given, else the logical one."""
    inputs: Document = change.new or change.old
    return text(inputs, "agentPoolName") or text(inputs, "resourceName") or change.name


def _said(change: Change) -> Iterator[Said]:
    rank, whose = subject(change)
    if change.type.startswith(PROVIDERS):
        if change.kind in ("replace", "delete"):
            package = change.type.removeprefix(PROVIDERS)
            yield Said(0, f"provider {change.name}", f"{PAST[change.kind]}, and all it made ({package})")
        return
    if not change.custom:
        return
    if change.type.startswith("azure-native:") and change.short == "ManagedCluster":
        yield from (Said(rank, whose, phrase) for phrase in azure.cluster(change))
        for pool, phrase in azure.inline_pools(change):
            yield Said(1, f"node pool {pool}", phrase)
    elif change.type.startswith("azure-native:") and change.short == "AgentPool":
        yield from (Said(rank, whose, phrase) for phrase in azure.agent_pool(change))
    elif change.type.startswith("kubernetes:") and change.short in KUBERNETES:
        yield from (Said(rank, whose, phrase) for phrase in KUBERNETES[change.short](change))


def _counted(changes: Iterable[Change]) -> Iterator[Said]:
    """Everything that has no words of its own, by kind and by what happens to it."""
    found = Counter((*subject(one), one.kind, one.short) for one in changes if not any(_said(one)))
    for (rank, whose, kind, short), number in sorted(found.items()):
        yield Said(rank, whose, f"{count(number, short)} {PAST[kind]}")
