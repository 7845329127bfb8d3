"""Builders of Kubernetes manifests: from a catalogue entry and settings to plain data."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from components.model import naming
from components.model.catalogue import Port, Service
from components.model.settings import GatewayService
from components.model.versions import POD_SECURITY

# Pulumi would hold a Service until pods answer behind it, and its slot with it: the pods are waited for
# themselves, and on two cores eight such Services had the whole update stand still.
# Source: https://www.pulumi.com/registry/packages/kubernetes/api-docs/core/v1/service/
AT_ONCE = {"pulumi.com/skipAwait": "true"}

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
Document = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Manifest:
    """One Kubernetes object. `key` is its logical name; everything below kind and name is in `body`."""

    key: str
    api_version: str
    kind: str
    name: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Json] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def metadata(self) -> Document:
        """The object's metadata; nothing in it that is not set."""
        metadata: Document = {"name": self.name}
        if self.namespace:
            metadata["namespace"] = self.namespace
        if self.labels:
            metadata["labels"] = dict(sorted(self.labels.items()))
        if self.annotations:
            metadata["annotations"] = dict(sorted(self.annotations.items()))
        return metadata

    def document(self) -> Document:
        """A copy of the whole object, as YAML files have it."""
        head: Document = {"apiVersion": self.api_version, "kind": self.kind, "metadata": self.metadata}
        body: Document = json.loads(json.dumps(dict(self.body)))
        return head | body


@dataclass(frozen=True, slots=True)
class SecretTemplate:
    """A Kubernetes Secret. Under each of its keys stands one secret value as it is, whatever it comes from.

    Texts that have a value in them, such as connection strings, are put together in the pod that needs them.
    """

    key: str
    name: str
    namespace: str
    labels: Mapping[str, str]
    holds: Mapping[str, str]  # for each key, the name of the secret value
    type: str = "Opaque"

    def values_needed(self) -> tuple[str, ...]:
        """The secret values it holds."""
        return tuple(sorted(set(self.holds.values())))

    def filled(self, values: Mapping[str, str]) -> dict[str, str]:
        """The Secret's data with the values in place."""
        return {key: values[name] for key, name in sorted(self.holds.items())}

    def document(self, values: Mapping[str, str]) -> Document:
        """The whole object, with whatever `values` says in place of secrets."""
        manifest = Manifest(self.key, "v1", "Secret", self.name, self.namespace, self.labels)
        return manifest.document() | {"type": self.type, "stringData": dict(self.filled(values))}


def labels(service: str, version: str = "") -> dict[str, str]:
    """The labels the mesh and its dashboards group by."""
    common = {"app": service, "app.kubernetes.io/part-of": "pitstop"}
    return common | ({"version": naming.version_label(version)} if version else {})


def namespace(
    name: str, key: str, extra: Mapping[str, str], pod_security: str = "restricted", wanted: str = ""
) -> Manifest:
    """A namespace that admits only pods of the given Pod Security level, and warns below `wanted`."""
    prefix = "pod-security.kubernetes.io"
    levels = {"enforce": pod_security}
    if wanted not in ("", pod_security):
        levels |= {"audit": wanted, "warn": wanted}
    security = {f"{prefix}/{mode}": level for mode, level in levels.items()}
    security |= {f"{prefix}/{mode}-version": POD_SECURITY for mode in levels}
    return Manifest(key, "v1", "Namespace", name, labels={**extra, **security})


def service_account(name: str, namespace_name: str) -> Manifest:
    """An identity of its own, which the mesh turns into a certificate; nothing in the pod needs its token."""
    body: Document = {"automountServiceAccountToken": False}
    return Manifest(name, "v1", "ServiceAccount", name, namespace_name, labels(name), body)


def service_object(
    service: Service, namespace_name: str, exposed: GatewayService | None = None, only: str = ""
) -> Manifest:
    """The Service of all versions: which of them answers is the mesh's decision, so only `app` selects.

    Without a mesh, `only` is the one version that answers, and `exposed` how the cluster lets others in.
    """
    selector: Document = {"app": service.name}
    if only:
        selector["version"] = naming.version_label(only)
    ports: list[Json] = [_service_port(port) for port in service.ports]
    if exposed and exposed.node_port and isinstance(ports[0], dict):
        ports[0]["nodePort"] = exposed.node_port
    spec: Document = {
        "type": exposed.service if exposed else "ClusterIP",
        "selector": selector,
        "ports": ports,
    }
    here, named = service.name, labels(service.name)
    waits = {} if exposed else AT_ONCE
    return Manifest(here, "v1", "Service", here, namespace_name, named, {"spec": spec}, waits)


def _service_port(port: Port) -> Document:
    return {
        "name": port.name,
        "port": port.number,
        "targetPort": port.target,
        "protocol": "TCP",
        # Without this the mesh may take a port for plain TCP, and weights would silently not apply.
        "appProtocol": port.protocol,
    }


def config_map(key: str, namespace_name: str, texts: Mapping[str, str], service: str) -> Manifest:
    """Files a pod reads, none of them secret."""
    data: Document = dict(sorted(texts.items()))
    return Manifest(key, "v1", "ConfigMap", key, namespace_name, labels(service), {"data": data})


def digest(*texts: str) -> str:
    """A short name for some content, the same for the same content."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:8]


def spread(labels_of_pods: Mapping[str, str]) -> list[Json]:
    """Pods with these labels in as many zones, and on as many nodes, as there are."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(labels_of_pods)},
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]
