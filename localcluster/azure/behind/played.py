"""What only AKS brings, and what stands in its place: the objects, and a list for a person to read. Pure."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from localcluster.azure.behind.asked import Record, Scale
from localcluster.azure.behind.pools import Document
from localcluster.node.layout import KUBERNETES_VERSION

FIELD_MANAGER = "pitstop-rehearsal"
DRIVER = "secrets-store.csi.k8s.io"
OWNER = {"pitstop.dev/rehearsal": "standin"}
OPEN: Document = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
# The classes that every cluster of AKS has, and whether claims that name none get it.
# Source: https://learn.microsoft.com/azure/aks/concepts-storage#storage-classes
STORAGE_CLASSES: Mapping[str, tuple[str, bool]] = {
    "default": ("disk.csi.azure.com", True),
    "managed-csi": ("disk.csi.azure.com", False),
    "managed-csi-premium": ("disk.csi.azure.com", False),
    "azurefile-csi": ("file.csi.azure.com", False),
}


class StandIn(NamedTuple):
    """One part of AKS that a rehearsal plays."""

    name: str
    what: str


def standins(record: Record | None = None, *, scale: Scale | None = None) -> tuple[StandIn, ...]:
    """What is played, for a person to read; of one cluster, or of any at this scale where none is given."""
    return tuple(_standins(record, record.scale if record else scale))


def _standins(record: Record | None, scale: Scale | None) -> Iterator[StandIn]:
    yield StandIn(
        "control plane",
        f"one node on this machine with Kubernetes {KUBERNETES_VERSION.removeprefix('v')}, "
        "whatever version is asked for; it is the whole system pool",
    )
    if scale in {"nodes", None}:
        yield StandIn(
            "user pools",
            "kwok nodes with the zones, sizes, labels and taints asked for; pods there are said to be ready "
            "and run nothing; a pool that scales by itself has its smallest count",
        )
    if scale in {"pods", None}:
        yield StandIn(
            "user pools, reduced scale",
            "labels on the one real node, without taints: pods run, with stand-ins for their images and "
            "small requests, on as many processors as this machine has",
        )
    yield StandIn(
        "Istio by Helm",
        "control plane and gateways run on the real node, with this project's build in place of any other",
    )
    if record is None or record.cluster.revisions:
        yield StandIn(
            "Istio add-on",
            "this project's build under the add-on's names, one build for all revisions; not Azure's",
        )
    yield StandIn("load balancer", "addresses of 203.0.113.0/24 that lead nowhere outside the node")
    yield StandIn("managed-csi and the other classes", "folders of the node, one for each claim")
    if record is None or record.cluster.vault:
        yield StandIn(
            "Secrets Store CSI driver",
            "a driver of this project's, with the values of the rehearsal's vaults; no identity is checked",
        )
    if record is None or record.cluster.workload_auto_scaler_profile.keda.enabled:
        yield StandIn("KEDA", "its kinds are accepted and nothing is scaled")
    if record is None or record.cluster.azure_monitor_profile.metrics.enabled:
        yield StandIn("Azure Monitor", "PodMonitor and ServiceMonitor are accepted and nothing is scraped")


def wanted(record: Record) -> list[Document]:
    """The objects of what is on."""
    cluster = record.cluster
    made = [_storage_class(name, *how) for name, how in STORAGE_CLASSES.items()]
    if cluster.vault:
        made += _secrets_store()
    if cluster.workload_auto_scaler_profile.keda.enabled:
        made += _keda()
    if cluster.azure_monitor_profile.metrics.enabled:
        made += _monitors()
    return made


def unwanted(record: Record) -> list[Document]:
    """The objects of what is off, which may be there from before."""
    there = {_identity(document) for document in wanted(record)}
    every = [*_secrets_store(), *_keda(), *_monitors()]
    return [document for document in every if _identity(document) not in there]


def _identity(document: Document) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def _storage_class(name: str, provisioner: str, default: bool) -> Document:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": name,
            "annotations": {"storageclass.kubernetes.io/is-default-class": str(default).lower()},
        },
        "provisioner": provisioner,
        "reclaimPolicy": "Delete",
        "allowVolumeExpansion": True,
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _secrets_store() -> list[Document]:
    driver: Document = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": DRIVER},
        "spec": {
            "podInfoOnMount": True,
            "attachRequired": False,
            "volumeLifecycleModes": ["Ephemeral"],
            "requiresRepublish": True,  # that is how new values reach files that are mounted already
        },
    }
    return [driver, crd("secrets-store.csi.x-k8s.io", "v1", "SecretProviderClass", "secretproviderclasses")]


def _keda() -> list[Document]:
    kinds = {"ScaledObject": "scaledobjects", "ScaledJob": "scaledjobs"}
    kinds |= {"TriggerAuthentication": "triggerauthentications"}
    made = [crd("keda.sh", "v1alpha1", kind, plural) for kind, plural in kinds.items()]
    everywhere = crd("keda.sh", "v1alpha1", "ClusterTriggerAuthentication", "clustertriggerauthentications")
    everywhere["spec"]["scope"] = "Cluster"
    return [*made, everywhere]


def _monitors() -> list[Document]:
    kinds = {"PodMonitor": "podmonitors", "ServiceMonitor": "servicemonitors"}
    return [crd("azmonitoring.coreos.com", "v1", kind, plural) for kind, plural in kinds.items()]


def crd(group: str, version: str, kind: str, plural: str) -> Document:
    """A kind that takes any spec: what may stand in it is judged elsewhere, by the makers' schema."""
    schema: Document = {"type": "object", "properties": {"spec": OPEN, "status": OPEN}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "labels": OWNER},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
            ],
        },
    }
