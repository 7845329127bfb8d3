"""What happens to the cluster in Azure: nodes, versions, access."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from components.model.azure.sizes import vcpus
from components.model.manifests import Document
from ops.review.phrases import count, few, moved, shown, values
from ops.review.preview import Change
from ops.review.reading import at, entries, number, section, text, texts, truth

_POOL_TOLD = frozenset(
    {"count", "minCount", "maxCount", "enableAutoScaling", "vmSize", "orchestratorVersion"}
)


@dataclass(frozen=True, slots=True)
class Pool:
    """How many nodes there are at least and at most, and of which size."""

    least: int = 0
    most: int = 0
    size: str = ""
    version: str = ""

    @classmethod
    def of(cls, document: Document) -> "Pool":
        nodes = number(document, "count") or 0
        scaled = truth(document, "enableAutoScaling")
        least, most = number(document, "minCount"), number(document, "maxCount")
        return cls(
            least=least if scaled and least is not None else nodes,
            most=most if scaled and most is not None else nodes,
            size=text(document, "vmSize"),
            version=text(document, "orchestratorVersion"),
        )

    @property
    def nodes(self) -> str:
        alike = self.least == self.most
        return count(self.most, "node") if alike else f"{self.least} to {self.most} nodes"

    def cores(self) -> tuple[int, int] | None:
        """VCPUs at least and at most; None where the size's name does not say."""
        each = vcpus(self.size) if self.size else 0
        return None if each is None else (self.least * each, self.most * each)


def pool(old: Document, new: Document) -> Iterator[str]:
    """A node pool's change, with what it means in vCPUs."""
    before, after = Pool.of(old), Pool.of(new)
    if not old or not new:
        there = after if new else before
        yield f"{'added' if new else 'removed'}: {there.nodes} of {there.size}{_delta(before, after)}"
        return
    if before.nodes != after.nodes:
        was = before.nodes.removesuffix("s").removesuffix(" node")
        yield f"{was} -> {after.nodes}{_delta(before, after)}"
    if before.size != after.size:
        said = _delta(before, after) if before.nodes == after.nodes else ""
        yield f"{moved('size', before.size, after.size)}{said}"
    if before.version != after.version:
        yield moved("Kubernetes", before.version, after.version)
    rest = ({key: item for key, item in one.items() if key not in _POOL_TOLD} for one in (old, new))
    yield from values(next(rest), next(rest))


def _delta(before: Pool, after: Pool) -> str:
    """`(+8 vCPU)`; with a range the least and the most."""
    old, new = before.cores(), after.cores()
    if old is None or new is None:
        unknown = after.size if new is None else before.size
        return f" (vCPUs of {unknown} unknown)"
    least, most = new[0] - old[0], new[1] - old[1]
    if least == most:
        return f" ({least:+d} vCPU)" if least else ""
    return f" ({least:+d} vCPU at least, {most:+d} at most)"


def agent_pool(change: Change) -> Iterator[str]:
    """A pool of its own; of a new one in its place only what made it necessary is told."""
    if change.kind == "replace":
        yield replaced(change)
    else:
        yield from pool(change.old, change.new)


def replaced(change: Change) -> str:
    """That it is replaced, and by which properties, with what they were and will be."""
    told = [one for one in (_reason(change, reason) for reason in change.reasons) if one]
    return f"replaced, because of {few(told)}" if told else "replaced"


def _reason(change: Change, reason: str) -> str:
    path = [int(step) if step.isdigit() else step for step in re.split(r"[.\[\]]+", reason.strip("]"))]
    old, new = text(change.old, *path), text(change.new, *path)
    return f"{reason} {shown(old)} -> {shown(new)}" if old and new else reason


def cluster(change: Change) -> Iterator[str]:
    """What stands in the cluster itself; its pools are told by `inline_pools`."""
    old, new = change.old, change.new
    if change.kind in ("create", "delete"):
        there = new or old
        yield f"{'created' if new else 'deleted'}: Kubernetes {text(there, 'kubernetesVersion') or 'default'}"
        return
    if change.kind == "replace":
        yield replaced(change)
        return
    if text(old, "kubernetesVersion") != text(new, "kubernetesVersion"):
        yield moved("Kubernetes", text(old, "kubernetesVersion"), text(new, "kubernetesVersion"))
    if (tiers := (text(old, "sku", "tier"), text(new, "sku", "tier")))[0] != tiers[1]:
        yield moved("tier", *tiers)
    revisions = ("serviceMeshProfile", "istio", "revisions")
    if texts(old, *revisions) != texts(new, *revisions):
        yield moved("mesh revision", ", ".join(texts(old, *revisions)), ", ".join(texts(new, *revisions)))
    yield from _access(section(old, "apiServerAccessProfile"), section(new, "apiServerAccessProfile"))
    yield from values(_rest(old), _rest(new))


def _access(old: Document, new: Document) -> Iterator[str]:
    before, after = texts(old, "authorizedIPRanges"), texts(new, "authorizedIPRanges")
    if came := [one for one in after if one not in before]:
        yield f"API server open to {', '.join(came)}"
    if gone := [one for one in before if one not in after]:
        yield f"API server closed to {', '.join(gone)}"
    if before and not after and not truth(new, "enablePrivateCluster"):
        yield "API server open to everybody"
    if truth(old, "enablePrivateCluster") != truth(new, "enablePrivateCluster"):
        yield f"private API server {'on' if truth(new, 'enablePrivateCluster') else 'off'}"


def _rest(document: Document) -> Document:
    told = {"kubernetesVersion", "sku", "agentPoolProfiles", "apiServerAccessProfile"}
    rest = {key: item for key, item in document.items() if key not in told}
    if at(rest, "serviceMeshProfile", "istio", "revisions") is not None:
        mesh = section(rest, "serviceMeshProfile")
        istio = {key: item for key, item in section(mesh, "istio").items() if key != "revisions"}
        rest["serviceMeshProfile"] = {**mesh, "istio": istio}
    return rest


def inline_pools(change: Change) -> Iterator[tuple[str, str]]:
    """The pools that stand in the cluster, each by its name."""
    before, after = (
        {text(one, "name"): one for one in entries(document, "agentPoolProfiles")}
        for document in (change.old, change.new)
    )
    if change.kind == "replace":
        return
    for name in sorted({*before, *after}):
        for said in pool(before.get(name, {}), after.get(name, {})):
            yield name, said
