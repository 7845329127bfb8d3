"""Rules over pods: how many there may be, what they run, and whether there is room for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from components.model import keeper, pods
from components.model.azure.settings import AksCluster
from components.model.catalogue import CATALOGUE, Size
from components.model.checks.registry import Asked, settings_check
from components.model.explain import key_path
from components.model.findings import Finding
from components.model.manifests import Document
from components.model.pods import Running
from components.model.settings import HelmMesh, KubeconfigCluster, QueueScaling, ServiceSettings, Settings
from components.model.traffic import OneOnly, ShadowQueue, ShareQueue
from components.model.types import mebibytes, millicores

# Contexts of clusters that run in this machine's Docker, which takes images without a registry.
LOADED_CONTEXTS = ("kind-", "k3d-", "docker-desktop")


def _one_alone(name: str, own: ServiceSettings) -> bool:
    """Whether a service must never have two pods."""
    return CATALOGUE[name].singleton or isinstance(own.release, OneOnly)


# --- how many -----------------------------------------------------------------------------------------


@settings_check(
    "scaling-kind",
    "Scaling by something a service has not",
    reason="A scaler without its measure never scales, and what must run alone must not be scaled at all.",
    source="components/model/catalogue.py; https://keda.sh/docs/latest/scalers/rabbitmq-queue/",
)
def scaling_kind(asked: Asked) -> Iterator[Finding]:
    for name, own in sorted(asked.settings.services.items()):
        for version, settings in sorted(own.versions.items()):
            path = key_path(("services", name, "versions", version, "scaling"))
            if settings.scaling is None:
                continue
            if _one_alone(name, own):
                text = f"{name} must never run twice; remove the key, valid: replicas: 1"
                yield Finding("scaling-kind", path, text, settings.scaling.kind)
            elif isinstance(settings.scaling, QueueScaling) and not CATALOGUE[name].queue:
                text = (
                    f"{name} takes nothing from a queue; valid: cpu, e.g. {{kind: cpu, max: {settings.most}}}"
                )
                yield Finding("scaling-kind", f"{path}.kind", text, settings.scaling.kind)


@settings_check(
    "storage-one-pod",
    "Several pods on one volume",
    reason=(
        "A claim is mounted by the pods of one node; a second pod elsewhere would wait for it for ever. "
        "Without a claim, each of several pods would keep a part of what belongs together."
    ),
    source="https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes",
)
def storage_one_pod(asked: Asked) -> Iterator[Finding]:
    ephemeral = asked.settings.storage.kind == "ephemeral"
    for name, own in sorted(asked.settings.services.items()):
        volume = CATALOGUE[name].volume
        if volume is None or _one_alone(name, own):
            continue
        if isinstance(own.release, ShareQueue | ShadowQueue):
            if not ephemeral:  # with a claim for each, what was kept would stay behind with the old one
                text = (
                    f"one volume keeps {volume.holds} and one version can have it; valid: replace, pause or "
                    "one, or storage: {kind: ephemeral}"
                )
                yield Finding(
                    "storage-one-pod", key_path(("services", name, "release", "kind")), text, own.release.kind
                )
            continue
        for version, settings in sorted(own.versions.items()):
            path = key_path(("services", name, "versions", version))
            if settings.scaling:
                text = f"one pod keeps {volume.holds}; remove the key, valid: replicas: 1"
                yield Finding("storage-one-pod", f"{path}.scaling", text, settings.scaling.kind)
            elif settings.replicas > 1:
                text = f"one pod keeps {volume.holds}; valid: 1"
                yield Finding("storage-one-pod", f"{path}.replicas", text, str(settings.replicas))


@settings_check(
    "memory-small",
    "A server with less memory than it needs to take anything",
    reason="SQL Server wants 2 GB for itself; RabbitMQ takes no message above half its limit.",
    source=(
        "https://learn.microsoft.com/sql/linux/sql-server-linux-setup#system; "
        "https://www.rabbitmq.com/docs/memory"
    ),
)
def memory_small(asked: Asked) -> Iterator[Finding]:
    for name, own in sorted(asked.settings.services.items()):
        size = pods.size(CATALOGUE[name], asked.settings)
        for version, settings in sorted(own.versions.items()):
            limit = pods.memory_limit(size, settings.resources)
            if mebibytes(limit) < mebibytes(size.least):
                text = f"needs {size.least}; valid: that or more, e.g. memoryLimit: {size.least}"
                path = key_path(("services", name, "versions", version, "resources", "memoryLimit"))
                yield Finding("memory-small", path, text, limit)


@settings_check(
    "storage-small",
    "Less room for data than a server keeps free",
    reason="Below 128 MiB of free disk RabbitMQ takes no message.",
    source="https://www.rabbitmq.com/docs/disk-alarms",
)
def storage_small(asked: Asked) -> Iterator[Finding]:
    for name, stated in sorted(asked.settings.storage.sizes.items()):
        volume = CATALOGUE[name].volume
        if volume and mebibytes(stated) < mebibytes(volume.least):
            text = f"{name} takes nothing with less than {volume.least}; valid: {volume.least} or more"
            yield Finding("storage-small", key_path(("storage", "sizes", name)), text, stated)


@settings_check(
    "size-unused",
    "A size for data of a service that is not there",
    reason="It would do nothing; the service it was meant for may have another name, or be elsewhere.",
    source="components/model/pods.py",
)
def size_unused(asked: Asked) -> Iterator[Finding]:
    for name, size in sorted(asked.settings.storage.sizes.items()):
        if name not in asked.settings.services:
            path, text = key_path(("storage", "sizes", name)), "is not in this environment; remove the key"
            yield Finding("size-unused", path, text, size)


# --- of what ------------------------------------------------------------------------------------------


@settings_check(
    "image-moves",
    "An image whose content may change under its name",
    reason=(
        "Pods of one version would run different programs, by when their node fetched it; "
        "nothing could be taken back to."
    ),
    source="https://kubernetes.io/docs/concepts/containers/images/",
)
def image_moves(asked: Asked) -> Iterator[Finding]:
    for name, own in sorted(asked.settings.services.items()):
        for version, settings in sorted(own.versions.items()):
            if settings.image and moves(settings.image):
                untagged = settings.image.removesuffix(":latest")
                text = f"may change; valid: a tag other than latest, or a digest, e.g. {untagged}:1.0"
                path = key_path(("services", name, "versions", version, "image"))
                yield Finding("image-moves", path, text, settings.image)


def moves(image: str) -> bool:
    """Whether an image's name says nothing about its content: without tag and digest, or `latest`."""
    if "@sha256:" in image:
        return False
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return not colon or tag == "latest"


@settings_check(
    "images-local",
    "Stand-in images where nobody can load them",
    reason="They are assembled on this machine and in no registry; a cluster elsewhere could not fetch them.",
    source="ops/clusters.py",
)
def images_local(asked: Asked) -> Iterator[Finding]:
    cluster = asked.settings.cluster
    if asked.settings.images == "standin" and isinstance(cluster, AksCluster):
        text = "no managed cluster can load them; valid: upstream, own or a registry, e.g. upstream"
        yield Finding("images-local", key_path(("images",)), text, asked.settings.images)
    if (
        asked.settings.images == "standin"
        and isinstance(cluster, KubeconfigCluster)
        and not cluster.context.startswith(LOADED_CONTEXTS)
    ):
        able = ", ".join(f"{one}*" if one.endswith("-") else one for one in LOADED_CONTEXTS)
        text = (
            f"only contexts {able} can load them and this is {cluster.context}; "
            "valid: upstream or a registry, e.g. ghcr.io/acme/pitstop"
        )
        yield Finding("images-local", key_path(("images",)), text, asked.settings.images)


# --- and whether there is room ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Room:
    """What pods ask for together: thousandths of a processor, 2**20 bytes, and how many they are."""

    cpu: int = 0
    memory: int = 0
    pods: int = 0

    def plus(self, other: "Room", times: int = 1) -> "Room":
        """Both together, the other so many times."""
        return Room(
            self.cpu + other.cpu * times, self.memory + other.memory * times, self.pods + other.pods * times
        )


# What the mesh asks for beside each pod: Istio's own default, and what a small mesh of ours says.
SIDECAR, SMALL_SIDECAR = Room(100, 128), Room(10, 64)


@settings_check(
    "quota-small",
    "A quota the environment does not fit into",
    reason=(
        "A pod beyond the quota is not made, and the update waits for it. Counted are all pods at their "
        "most, with sidecars, and one more: an update starts a new pod before it ends the old one."
    ),
    source="https://kubernetes.io/docs/concepts/policy/resource-quotas/",
)
def quota_small(asked: Asked) -> Iterator[Finding]:
    quota = asked.settings.quota
    if quota is None:
        return
    room = needed(asked.settings)
    for key, stated, have, need, unit in (
        ("cpu", quota.cpu, millicores(quota.cpu), room.cpu, "m"),
        ("memory", quota.memory, mebibytes(quota.memory), room.memory, "Mi"),
        ("pods", str(quota.pods), quota.pods, room.pods, ""),
    ):
        if have < need:
            least = f"{need}{unit}"
            text = f"an update of this environment needs {least}; valid: at least that, e.g. {key}: {least}"
            yield Finding("quota-small", key_path(("quota", key)), text, stated)


def needed(settings: Settings) -> Room:
    """The room for every pod, one that replaces another, and the one that prepares databases."""
    all_pods, largest = Room(), Room()
    for name, own in settings.services.items():
        service = CATALOGUE[name]
        for one in pods.running(service, own):
            asks = _pod(pods.size(service, settings), one, settings)
            all_pods = all_pods.plus(asks, one.own.most if one.replicas is None else one.replicas)
            if not one.fixed and not service.volume:
                largest = Room(max(largest.cpu, asks.cpu), max(largest.memory, asks.memory), 1)
    if any(CATALOGUE[name].login for name in settings.services):
        all_pods = all_pods.plus(_pod(pods.SMALL_JOB, None, settings))
    if "environment" in keeper.accounts(settings):
        room = Room(millicores(keeper.SIZE.cpu), mebibytes(keeper.SIZE.memory), 1)
        all_pods = all_pods.plus(room, keeper.REPLICAS + 1)
    return all_pods.plus(largest)


def _pod(size: Size, one: Running | None, settings: Settings) -> Room:
    requests = cast(Document, pods.resources(size, one.own.resources if one else None)["requests"])
    asked = Room(millicores(str(requests["cpu"])), mebibytes(str(requests["memory"])), 1)
    small = isinstance(settings.mesh, HelmMesh) and settings.mesh.size == "small"
    return asked.plus(SMALL_SIDECAR if small else SIDECAR, int(settings.meshed))
