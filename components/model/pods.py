"""What runs a service: Deployments and StatefulSets, from a catalogue entry and settings to plain data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from components.model import joining, naming, secrets
from components.model.catalogue import (
    BROKER,
    BROKER_USER,
    MAIL,
    MAIL_HOST,
    MEMORY,
    Kind,
    Secret,
    Service,
    Size,
)
from components.model.manifests import (
    Document,
    Json,
    Manifest,
    SecretTemplate,
    config_map,
    digest,
    labels,
    spread,
)
from components.model.settings import (
    Resources,
    ServiceSettings,
    Settings,
    VersionSettings,
)
from components.model.sql import IN_CLUSTER, SqlServer
from components.model.traffic import OneOnly, PauseOld, ReplaceWorker, ShadowQueue, ShareQueue
from components.model.types import first_version, mebibytes

# Neither root nor 1337, which is the sidecar's own and would let traffic around it.
APP_USER = 10001
PRIVILEGED_PORTS = 1024
PROBE_SECONDS = 2
DRAIN_SECONDS = 3  # callers' proxies learn within this time that an endpoint is going
GRACE_SECONDS = 30
SCRATCH_MEBIBYTES = 128  # what a pod may write outside its data: /tmp and its log
# The client's first eight bytes; a broker that works answers with a frame of type 1. A bare connection would
# prove nothing: the sidecar takes it whether or not there is a broker behind.
AWAIT_BROKER = (
    "until printf 'AMQP\\0\\0\\11\\1' | timeout 3 nc rabbitmq 5672 | head -c 1 | od -An -tx1 | grep -q 01; "
    "do echo waiting for rabbitmq; sleep 2; done"
)
# What waits for the broker before a service starts calls through the sidecar, and a job ends only without it.
# Said to each pod: the add-on of AKS has native sidecars or not by its version and how it came to it.
# Source: https://istio.io/latest/docs/reference/config/annotations/#SidecarNativeSidecar and
# https://learn.microsoft.com/azure/aks/istio-native-sidecar
NATIVE_SIDECAR: Mapping[str, str] = MappingProxyType({"sidecar.istio.io/nativeSidecar": "true"})
SMALL_JOB = Size("10m", "32Mi", "128Mi")
HARDENED: Document = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


@dataclass(frozen=True, slots=True)
class Running:
    """One version of a service as it is to run. `fixed`: under the service's name, never beside another."""

    version: str
    own: VersionSettings
    replicas: int | None  # None: a scaler decides
    fixed: bool = False
    sql: SqlServer = IN_CLUSTER
    mail_host: str = "mailserver"
    queue: str = ""  # another than the service's own
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def scaler(self) -> str:
        """By what its pods are scaled; empty where their number is fixed, or nothing."""
        scaling = None if self.fixed or self.replicas == 0 else self.own.scaling
        return scaling.kind if scaling else ""


def running(service: Service, own: ServiceSettings, server: SqlServer = IN_CLUSTER) -> tuple[Running, ...]:
    """The versions that have a workload, as the service's kind and release strategy say.

    `server` is where their databases are; a shadow may have one of its own.
    """
    return tuple(
        replace(one, sql=server) if one.sql.inside else one for one in _running_versions(service, own)
    )


def _running_versions(service: Service, own: ServiceSettings) -> tuple[Running, ...]:
    release = own.release
    versions = dict(sorted(own.versions.items()))
    # Data belongs to the service: it stays where it is while versions follow one another.
    keeps = service.volume is not None and not isinstance(release, ShareQueue | ShadowQueue)
    if isinstance(release, OneOnly) or service.singleton or keeps:
        only = getattr(release, "live", None) or first_version(versions)
        return (Running(only, versions[only], 1, fixed=True),)
    if isinstance(release, ReplaceWorker):
        versions = {release.live: versions[release.live]}
    if isinstance(release, ShadowQueue):
        live = _running(release.live, versions[release.live])
        shadow = Running(
            release.shadow,
            versions[release.shadow],
            _replicas(versions[release.shadow]),
            sql=SqlServer(release.sql_host) if release.sql_host else IN_CLUSTER,
            mail_host=release.mail_host or "mailserver",
            queue=f"{service.queue}-{release.shadow}",
        )
        return (live, shadow)
    paused = isinstance(release, PauseOld)
    return tuple(
        Running(version, settings, 0)
        if paused and isinstance(release, PauseOld) and version != release.live
        else _running(version, settings)
        for version, settings in versions.items()
    )


def _running(version: str, own: VersionSettings) -> Running:
    return Running(version, own, _replicas(own))


def _replicas(own: VersionSettings) -> int | None:
    return None if own.scaling else own.replicas


def secret(service: Service, settings: Settings) -> SecretTemplate | None:
    """The Secret with the values this service's pods use, each under its own name."""
    names = sorted({*_whole_values(service).values(), *_composed_values(service)})
    if not names:
        return None
    holds = {str(name): str(name) for name in names}
    return SecretTemplate(service.name, service.name, settings.namespace, labels(service.name), holds)


def _whole_values(service: Service) -> dict[str, Secret]:
    """The environment variables that are a secret value."""
    broker = {f"{service.broker}__Password": Secret.RABBITMQ} if service.broker else {}
    return {**service.secret_env, **broker}


def _composed_values(service: Service) -> tuple[Secret, ...]:
    """The secret values that stand in texts; the pod has each in a variable of the value's own name."""
    return (service.login.secret,) if service.login else ()


def _connections(service: Service, one: Running) -> dict[str, str]:
    """The connection strings. Kubernetes puts the variable that holds the password into its place.

    Source: https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """
    if not service.login:
        return {}
    who = f"user id={service.login.name};password=$({service.login.secret})"
    trusted = "encrypt=true" if one.sql.proven else "trustServerCertificate=true"
    return {
        f"ConnectionStrings__{key}": f"server={one.sql.address};database={database.name};{trusted};{who};"
        for key, database in service.connections.items()
    }


def secret_versions(template: SecretTemplate | None, settings: Settings) -> Document:
    """Annotations that change with the values of a Secret, which pods read only when they start."""
    names = template.values_needed() if template else ()
    return {f"{naming.VERSION_ANNOTATION}{name}": secrets.version(settings, name) for name in names}


def from_secret(variable: str, secret_name: str, key: str) -> Document:
    """An environment variable that is a value of a Secret."""
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret_name, "key": key}}}


def files(service: Service, one: Running, settings: Settings) -> tuple[Manifest, ...]:
    """The config map with the service's files, where it has any."""
    texts = {path.rpartition("/")[2]: text for path, text in _texts(service, one, settings).items()}
    return (config_map(service.name, settings.namespace, texts, service.name),) if texts else ()


def _texts(service: Service, one: Running, settings: Settings) -> dict[str, str]:
    return {path: _told(text, service, one, settings) for path, text in service.config.items()}


def _told(text: str, service: Service, one: Running, settings: Settings) -> str:
    """A text that may say how much of its pod's memory a server may take."""
    if MEMORY not in text:
        return text
    limit = memory_limit(size(service, settings), one.own.resources)
    return text.replace(MEMORY, str(int(mebibytes(limit) * service.memory_share)))


def _data_size(service: Service, settings: Settings) -> str:
    """How much a service may keep; empty where it keeps nothing."""
    return settings.storage.sizes.get(service.name, service.volume.size) if service.volume else ""


def _on_node(service: Service, settings: Settings) -> str:
    """How much of it lies on the node, and goes with the pod."""
    return _data_size(service, settings) if settings.storage.kind == "ephemeral" else ""


def claims(service: Service, versions: tuple[Running, ...], settings: Settings) -> tuple[Manifest, ...]:
    """What keeps the service's data, one claim for each workload."""
    if service.volume is None or settings.storage.kind == "ephemeral":
        return ()
    size = _data_size(service, settings)
    spec: Document = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if settings.storage.storage_class:
        spec["storageClassName"] = settings.storage.storage_class
    return tuple(
        Manifest(
            name,
            "v1",
            "PersistentVolumeClaim",
            name,
            settings.namespace,
            labels(service.name),
            {"spec": spec},
        )
        for name in (_name(service, one) for one in versions)
    )


def workload(service: Service, one: Running, settings: Settings) -> Manifest:
    """One version of a service. The version is part of the selector: two versions never adopt pods.

    What must never run twice has one workload whatever its version, which ends the old pod first.
    """
    own = labels(service.name, one.version)
    selector: Document = {"app": own["app"]} if one.fixed else {"app": own["app"], "version": own["version"]}
    stateful = service.kind is Kind.BACKING and service.volume is not None
    spec: Document = {} if one.replicas is None else {"replicas": one.replicas}
    spec |= {"selector": {"matchLabels": selector}}
    if stateful:
        spec["serviceName"] = service.name  # the pod's name stays the same, and the broker's data goes by it
    else:
        spec["strategy"] = _strategy(service, one)
    spec["template"] = {
        "metadata": {
            "labels": dict(sorted({**own, naming.IDENTITY_LABEL: service.name}.items())),
            "annotations": _annotations(service, one, settings),
        },
        "spec": _pod(service, one, settings),
    }
    name = _name(service, one)
    kind = "StatefulSet" if stateful else "Deployment"
    return Manifest(name, "apps/v1", kind, name, settings.namespace, own, {"spec": spec})


def _name(service: Service, one: Running) -> str:
    return naming.workload(service.name, "" if one.fixed else one.version)


def _strategy(service: Service, one: Running) -> Document:
    if one.fixed or service.volume:  # a volume of one node cannot follow two pods
        return {"type": "Recreate"}
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def _annotations(service: Service, one: Running, settings: Settings) -> Document:
    mesh = joining.joining(settings)
    found: Document = {**proxy_annotations(settings.namespace), **NATIVE_SIDECAR} if mesh else {}
    if mesh and mesh.revision:
        # Sidecars are chosen when a pod starts: another revision starts the pods anew.
        found["pitstop.dev/revision"] = mesh.revision
    if service.config:  # a change of its files starts the pods anew
        found["pitstop.dev/config"] = digest(*_texts(service, one, settings).values())
    return found | secret_versions(secret(service, settings), settings)


def proxy_annotations(namespace_name: str) -> dict[str, str]:
    """Makes a sidecar count the requests it sends, for each version of each service of the namespace.

    An annotation and no mesh-wide setting: it works the same where the mesh belongs to someone else.
    """
    host = rf"[^|]+\.{namespace_name}\.svc\.cluster\.local"
    pattern = rf"cluster\.outbound\|[0-9]+\|[^|]*\|{host}.*upstream_rq_.*"
    config = {"proxyStatsMatcher": {"inclusionRegexps": [pattern]}}
    return {"proxy.istio.io/config": json.dumps(config)}  # JSON is YAML


def _pod(service: Service, one: Running, settings: Settings) -> Document:
    pod: Document = {
        "serviceAccountName": service.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": security(any(port.target < PRIVILEGED_PORTS for port in service.ports)),
        "containers": [_container(service, one, settings)],
        "volumes": _volumes(service, one, settings),
    }
    if BROKER in service.needs:
        pod["initContainers"] = [_await_broker(settings)]
    if one.own.fewest > 1:
        pod["topologySpreadConstraints"] = spread(
            {"app": service.name, "version": naming.version_label(one.version)}
        )
    return pod


def security(privileged_ports: bool = False) -> Document:
    """Pod Security `restricted`, and no user anybody else has."""
    found: Document = {
        "runAsNonRoot": True,
        "runAsUser": APP_USER,
        "runAsGroup": APP_USER,
        "fsGroup": APP_USER,
        # Once is enough: the broker wants its cookie for its owner alone, and a large volume takes long.
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if privileged_ports:
        # One of the sysctls every Pod Security level allows: it concerns the pod's own network only.
        found["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    return found


def _await_broker(settings: Settings) -> Document:
    return {
        "name": "await-rabbitmq",
        "image": settings.pinned(naming.waiting_image(settings.image_source)),
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", AWAIT_BROKER],
        "resources": resources(Size("10m", "16Mi", "32Mi")),
        "securityContext": HARDENED,
    }


def _volumes(service: Service, one: Running, settings: Settings) -> list[Json]:
    found: list[Json] = [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}]
    if service.volume:
        size = _on_node(service, settings)
        kept: Document = {"persistentVolumeClaim": {"claimName": _name(service, one)}}
        found.append({"name": "data", **({"emptyDir": {"sizeLimit": size}} if size else kept)})
    if service.config:
        found.append({"name": "config", "configMap": {"name": service.name}})
    return found


def _mounts(service: Service) -> list[Json]:
    found: list[Json] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - a path in the pod
    if service.volume:
        found.append({"name": "data", "mountPath": service.volume.path})
    if service.config:
        folder = next(iter(service.config)).rpartition("/")[0]
        found.append({"name": "config", "mountPath": folder, "readOnly": True})
    return found


def _container(service: Service, one: Running, settings: Settings) -> Document:
    hardened = {**HARDENED, "readOnlyRootFilesystem": not service.writes_anywhere}
    source = naming.image(
        service.name, one.version, settings.image_source, service.image, settings.built_from(one.version)
    )
    container: Document = {
        "name": service.name,
        "image": settings.pinned(one.own.image or source),
        "imagePullPolicy": "IfNotPresent",
        "env": _env(service, one, settings),
        "resources": resources(size(service, settings), one.own.resources, _on_node(service, settings)),
        "securityContext": hardened,
        "volumeMounts": _mounts(service),
    }
    if service.ports:
        container["ports"] = [
            {"name": port.name, "containerPort": port.target, "protocol": "TCP"} for port in service.ports
        ]
        container |= _probes(service)
    # A worker has no probe: it opens no port and writes no sign of life, so none could fail.
    if service.kind is Kind.HTTP:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}}
    if service.started:
        container["lifecycle"] = {"postStart": {"exec": {"command": ["sh", "-c", service.started]}}}
    return container


def _env(service: Service, one: Running, settings: Settings) -> list[Json]:
    plain = {name: _told(text, service, one, settings) for name, text in service.env.items()}
    if service.broker:
        plain |= {f"{service.broker}__Host": BROKER.service, f"{service.broker}__UserName": BROKER_USER}
    if one.queue:
        plain[f"{service.broker}__Queue"] = one.queue
    if MAIL in service.needs:
        plain[MAIL_HOST] = one.mail_host
    # .NET minds no case: the same key in another spelling would leave it to chance which of the two counts.
    stated = {name.lower() for name in one.own.settings}
    plain = {name: text for name, text in plain.items() if name.lower() not in stated}
    # Kubernetes would take a dollar sign in a setting for the start of a variable.
    plain |= {name: text.replace("$", "$$") for name, text in one.own.settings.items()}
    plain |= _connections(service, one)
    found: dict[str, Json] = {name: {"name": name, "value": text} for name, text in plain.items()}
    for name, value in _whole_values(service).items():
        found[name] = from_secret(name, service.name, value)
    # Only what stands before a text can be put into it.
    first: list[Json] = [from_secret(name, service.name, name) for name in _composed_values(service)]
    return [*first, *(found[name] for name in sorted(found))]


def size(service: Service, settings: Settings) -> Size:
    """What a pod of the service asks for where nobody says otherwise."""
    return service.standin_size if settings.images == "standin" else service.size


def resources(asked: Size, own: Resources | None = None, on_node: str = "") -> Document:
    """Requests and limits; `on_node` is what of the data lies on the node itself.

    A limit that was not stated keeps its distance to the request, and a request that was not stated
    gives way to the limit: Kubernetes refuses one above it.
    """
    cpu, memory, limit = asked.cpu, asked.memory, memory_limit(asked, own)
    if own:
        cpu, memory = own.cpu or cpu, own.memory or min(memory, limit, key=mebibytes)
    # The node counts an emptyDir as the pod's own, and evicts the pod above its limit.
    written = SCRATCH_MEBIBYTES + (mebibytes(on_node) if on_node else 0)
    return {
        "requests": {"cpu": cpu, "memory": memory, "ephemeral-storage": "16Mi"},
        "limits": {"memory": limit, "ephemeral-storage": f"{written}Mi"},
    }


def memory_limit(asked: Size, own: Resources | None = None) -> str:
    """Above how much memory a container is ended."""
    if own is None:
        return asked.limit
    return own.memory_limit or (_twice(own.memory) if own.memory else asked.limit)


def _twice(memory: str) -> str:
    return f"{int(memory[:-2]) * 2}{memory[-2:]}"


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
