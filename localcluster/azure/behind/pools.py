"""Node pools as Node objects: what AKS writes on a node, with the zones and the capacity asked for. Pure."""

import hashlib
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from typing import Any

from components.model.versions import KUBERNETES
from localcluster.azure.behind.asked import Pool, Record
from localcluster.azure.behind.sizes import allocatable, size
from localcluster.node.layout import NODE_NAME

Document = dict[str, Any]
"""An object of Kubernetes, as it is sent."""

SPOT_TAINT = "kubernetes.azure.com/scalesetpriority=spot:NoSchedule"
# What kwok takes care of; the real node has no such annotation.
MANAGED = {"kwok.x-k8s.io/node": "fake"}
# Nodes without a machine have addresses that are never routed anywhere (RFC 2544).
FIRST_ADDRESS = IPv4Address("198.18.0.0")
ADDRESSES_OF_A_POOL = 1000
POOLS = 100


def nodes(record: Record, pool: Pool) -> Iterator[Document]:
    """The nodes of a pool that has no machines: spread over its zones in turn."""
    group = record.cluster.node_resource_group
    for number in range(pool.nodes):
        name = node_name(record.identity, pool.name, number)
        zone = (
            pool.availability_zones[number % len(pool.availability_zones)] if pool.availability_zones else "0"
        )
        yield {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "annotations": MANAGED,
                "labels": {**labels(record, pool, zone), **_machine(name)},
            },
            "spec": {
                "providerID": f"azure:///subscriptions/rehearsal/resourceGroups/{group}/virtualMachines/{name}",
                "taints": [taint(text) for text in taints(pool)],
            },
            "status": _status(record, pool, name, number),
        }


def node_name(cluster: str, pool: str, number: int) -> str:
    """As AKS names the machines of a scale set: eight digits of the cluster, and a number in base 36."""
    digits = int(hashlib.sha256(cluster.encode()).hexdigest(), 16) % 10**8
    return f"aks-{pool}-{digits:08}-vmss{_base36(number):0>6}"


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    high, low = divmod(number, 36)
    return (_base36(high) if high else "") + digits[low]


def labels(record: Record, pool: Pool, zone: str) -> dict[str, str]:
    """The labels AKS sets, and the pool's own.

    Source: https://learn.microsoft.com/azure/aks/use-labels and the nodes of a cluster.
    """
    location = record.cluster.location.lower().replace(" ", "")
    place = f"{location}-{zone}" if pool.availability_zones else zone
    spot = {"kubernetes.azure.com/scalesetpriority": "spot"} if _spot(pool) else {}
    return {
        "agentpool": pool.name,
        "kubernetes.azure.com/agentpool": pool.name,
        "kubernetes.azure.com/cluster": record.cluster.node_resource_group,
        "kubernetes.azure.com/mode": pool.mode.lower(),
        "kubernetes.azure.com/os-sku": pool.os_sku,
        "kubernetes.azure.com/role": "agent",
        "node.kubernetes.io/instance-type": pool.vm_size,
        "topology.kubernetes.io/region": location,
        "topology.kubernetes.io/zone": place,
        "topology.disk.csi.azure.com/zone": place if pool.availability_zones else "",
        **spot,
        **pool.node_labels,
    }


def _machine(name: str) -> dict[str, str]:
    """Labels that a kubelet sets by itself."""
    return {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}


def _spot(pool: Pool) -> bool:
    return pool.scale_set_priority == "Spot"


def taints(pool: Pool) -> tuple[str, ...]:
    """`key=value:Effect`, each once; a spot pool has one of its own."""
    return tuple(dict.fromkeys((*pool.node_taints, *((SPOT_TAINT,) if _spot(pool) else ()))))


def taint(text: str) -> dict[str, str]:
    """A taint as Kubernetes wants it."""
    pair, _, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    return {"key": key, "effect": effect} | ({"value": value} if value else {})


def _status(record: Record, pool: Pool, name: str, number: int) -> Document:
    machine, pods = size(pool.vm_size), pool.pods(record.cluster.network_profile)
    thousandths, mebibytes = allocatable(machine, pods)
    rest = {"ephemeral-storage": f"{pool.os_disk_size_gb}Gi", "pods": str(pods)}
    version = pool.orchestrator_version or record.cluster.kubernetes_version or KUBERNETES.removeprefix("v")
    return {
        "addresses": [
            {"type": "InternalIP", "address": str(_address(pool.name, number))},
            {"type": "Hostname", "address": name},
        ],
        "capacity": {"cpu": str(machine.processors), "memory": f"{machine.memory}Mi", **rest},
        "allocatable": {"cpu": f"{thousandths}m", "memory": f"{mebibytes}Mi", **rest},
        "nodeInfo": _node_info(version, pool),
    }


def _node_info(version: str, pool: Pool) -> Mapping[str, str]:
    """Every field is required; those nobody knows are empty. kwok writes them into YAML without quotes."""
    unknown = ("bootID", "kernelVersion", "machineID", "systemUUID", "kubeProxyVersion")
    return {
        "architecture": "amd64",
        "containerRuntimeVersion": "kwok",
        "kubeletVersion": f"v{version}",
        "operatingSystem": "linux",
        "osImage": f"{pool.os_sku}, no machine",
        **dict.fromkeys(unknown, ""),
    }


def _address(pool: str, number: int) -> IPv4Address:
    slot = int(hashlib.sha256(pool.encode()).hexdigest(), 16) % POOLS
    return FIRST_ADDRESS + slot * ADDRESSES_OF_A_POOL + number + 1


def system_node(record: Record, pools: Mapping[str, Pool]) -> Document:
    """The labels of the real node, for server-side apply; in zone 1, or whichever is the first asked for.

    It is the system pool. At the scale of pods it is every user pool too, and the last one's labels win.
    """
    merged: dict[str, str] = {}
    for pool in system_first(pools):
        if pool.mode == "System" or record.scale == "pods":
            merged |= labels(record, pool, min(pool.availability_zones, default="0"))
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE_NAME, "labels": merged},
    }


def system_taints(record: Record, pools: Mapping[str, Pool]) -> tuple[str, ...]:
    """The taints of the real node: the system pool's, unless user pools run there too."""
    if record.scale == "pods":
        return ()
    return tuple(
        dict.fromkeys(text for pool in pools.values() if pool.mode == "System" for text in taints(pool))
    )


def system_first(pools: Mapping[str, Pool]) -> list[Pool]:
    """System pools before the others, each by name."""
    return sorted(pools.values(), key=lambda pool: (pool.mode != "System", pool.name))
