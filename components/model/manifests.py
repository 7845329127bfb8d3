"""Builders of Kubernetes manifests: from a catalogue entry and settings to plain data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter

from components.model import naming
from components.model.catalogue import Kind, Port, Service
from components.model.types import ServiceType
from components.model.versions import POD_SECURITY

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
Document = dict[str, Json]

# Neither root nor 1337, which is the sidecar's own and would let traffic around it.
APP_USER = 10001
PRIVILEGED_PORTS = 1024
PROBE_SECONDS = 2
DRAIN_SECONDS = 3  # callers' proxies learn within this time that an endpoint is going


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

    @property
    def metadata(self) -> Document:
        """The object's metadata; nothing in it that is not set."""
        metadata: Document = {"name": self.name}
        if self.namespace:
            metadata["namespace"] = self.namespace
        if self.labels:
            metadata["labels"] = dict(sorted(self.labels.items()))
        return metadata

    def document(self) -> Document:
        """A copy of the whole object, as YAML files have it."""
        head: Document = {"apiVersion": self.api_version, "kind": self.kind, "metadata": self.metadata}
        body: Document = json.loads(json.dumps(dict(self.body)))
        return head | body


@dataclass(frozen=True, slots=True)
class SecretTemplate:
    """A Kubernetes Secret whose texts have `{name}` where a secret value belongs."""

    key: str
    name: str
    namespace: str
    labels: Mapping[str, str]
    texts: Mapping[str, str]

    def values_needed(self) -> tuple[str, ...]:
        """The secret values the texts name."""
        named = {part[1] for text in self.texts.values() for part in Formatter().parse(text)}
        return tuple(sorted(name for name in named if name))

    def filled(self, values: Mapping[str, str]) -> dict[str, str]:
        """The Secret's data with the values in place."""
        return {key: text.format_map(values) for key, text in sorted(self.texts.items())}

    def document(self, values: Mapping[str, str]) -> Document:
        """The whole object, with whatever `values` says in place of secrets."""
        manifest = Manifest(self.key, "v1", "Secret", self.name, self.namespace, self.labels)
        return manifest.document() | {"stringData": dict(self.filled(values))}


def labels(service: str, version: str = "") -> dict[str, str]:
    """The labels the mesh and its dashboards group by."""
    common = {"app": service, "app.kubernetes.io/part-of": "pitstop"}
    return common | ({"version": naming.version_label(version)} if version else {})


def namespace(name: str, key: str, extra: Mapping[str, str], pod_security: str = "restricted") -> Manifest:
    """A namespace that admits only pods of the given Pod Security level."""
    prefix = "pod-security.kubernetes.io"
    security = {f"{prefix}/enforce": pod_security, f"{prefix}/enforce-version": POD_SECURITY}
    return Manifest(key, "v1", "Namespace", name, labels={**extra, **security})


def service_account(service: Service, namespace_name: str) -> Manifest:
    """An identity of its own, which the mesh turns into a certificate; nothing in the pod needs its token."""
    return Manifest(
        service.name,
        "v1",
        "ServiceAccount",
        service.name,
        namespace_name,
        labels(service.name),
        {"automountServiceAccountToken": False},
    )


def service_object(service: Service, namespace_name: str, kind: ServiceType = "ClusterIP") -> Manifest:
    """The Service of all versions: which of them answers is the mesh's decision, so only `app` selects."""
    spec: Document = {
        "type": kind,
        "selector": {"app": service.name},
        "ports": [_service_port(port) for port in service.ports],
    }
    return Manifest(
        service.name, "v1", "Service", service.name, namespace_name, labels(service.name), {"spec": spec}
    )


def _service_port(port: Port) -> Document:
    return {
        "name": port.name,
        "port": port.number,
        "targetPort": port.target,
        "protocol": "TCP",
        # Without this the mesh may take a port for plain TCP, and weights would silently not apply.
        "appProtocol": port.protocol,
    }


def secret(service: Service, namespace_name: str) -> SecretTemplate | None:
    """The Secret with the texts this service alone may read."""
    if not service.secret_env:
        return None
    return SecretTemplate(
        service.name, service.name, namespace_name, labels(service.name), dict(service.secret_env)
    )


def deployment(service: Service, version: str, replicas: int, namespace_name: str) -> Manifest:
    """One version of a service. The version is part of the selector: two versions never adopt pods."""
    own = labels(service.name, version)
    strategy: Document = {"type": "Recreate"}
    if not service.singleton:
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    spec: Document = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": own["app"], "version": own["version"]}},
        "strategy": strategy,
        "template": {
            "metadata": {
                "labels": dict(sorted(own.items())),
                "annotations": dict(proxy_annotations(namespace_name)),
            },
            "spec": _pod(service, version),
        },
    }
    name = naming.deployment(service.name, version)
    return Manifest(name, "apps/v1", "Deployment", name, namespace_name, own, {"spec": spec})


def proxy_annotations(namespace_name: str) -> dict[str, str]:
    """Makes a sidecar count the requests it sends, for each version of each service of the namespace.

    An annotation and no mesh-wide setting: it works the same where the mesh belongs to someone else.
    """
    host = rf"[^|]+\.{namespace_name}\.svc\.cluster\.local"
    pattern = rf"cluster\.outbound\|[0-9]+\|[^|]*\|{host}.*upstream_rq_.*"
    config = {"proxyStatsMatcher": {"inclusionRegexps": [pattern]}}
    return {"proxy.istio.io/config": json.dumps(config)}  # JSON is YAML


def _pod(service: Service, version: str) -> Document:
    security: Document = {
        "runAsNonRoot": True,
        "runAsUser": APP_USER,
        "runAsGroup": APP_USER,
        "fsGroup": APP_USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if any(port.target < PRIVILEGED_PORTS for port in service.ports):
        # One of the sysctls every Pod Security level allows: it concerns the pod's own network only.
        security["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    return {
        "serviceAccountName": service.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": security,
        "containers": [_container(service, version)],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
    }


def _container(service: Service, version: str) -> Document:
    container: Document = {
        "name": service.name,
        "image": naming.image(service.name, version),
        "imagePullPolicy": "IfNotPresent",
        "env": _env(service),
        "resources": _resources(service),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - a path in the pod
    }
    if service.ports:
        container["ports"] = [
            {"name": port.name, "containerPort": port.target, "protocol": "TCP"} for port in service.ports
        ]
        container |= _probes(service)
    if service.kind is Kind.HTTP:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}}
    return container


def _env(service: Service) -> list[Json]:
    plain: dict[str, Json] = {name: {"name": name, "value": text} for name, text in service.env.items()}
    for name in service.secret_env:
        plain[name] = {
            "name": name,
            "valueFrom": {"secretKeyRef": {"name": service.name, "key": name}},
        }
    return [plain[name] for name in sorted(plain)]


def _resources(service: Service) -> Document:
    size = int(service.memory.removesuffix("Mi"))
    return {
        "requests": {"cpu": service.cpu, "memory": service.memory, "ephemeral-storage": "16Mi"},
        "limits": {"memory": f"{size * 4}Mi", "ephemeral-storage": "128Mi"},
    }


def _probes(service: Service) -> Document:
    """Start and life are judged by the open port, readiness by the health path where it can be trusted.

    A health path asks for databases: as a liveness probe it would restart every API when SQL is away.
    """
    port: Json = service.ports[0].name
    opened: Document = {"tcpSocket": {"port": port}}
    ready: Document = {"httpGet": {"path": service.health, "port": port}} if service.health else opened
    return {
        "startupProbe": {
            **opened,
            "periodSeconds": PROBE_SECONDS,
            "failureThreshold": service.start_seconds // PROBE_SECONDS,
        },
        "readinessProbe": {**ready, "periodSeconds": 5, "timeoutSeconds": 3, "failureThreshold": 2},
        "livenessProbe": {**opened, "periodSeconds": 10, "timeoutSeconds": 3, "failureThreshold": 3},
    }
