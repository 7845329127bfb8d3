"""What an environment is: the typed form of the `pitstop:` keys in its stack file."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from components.model.azure.names import APP, registry_host
from components.model.azure.settings import AksCluster, AzureSettings, Database, InClusterDatabase
from components.model.azure.types import VaultObject, VaultVersion
from components.model.catalogue import CATALOGUE, Kind, PasswordName, ServiceName
from components.model.reserved import reserved
from components.model.traffic import BlueGreen, TrafficPolicy, WeightedSplit, WorkerRelease
from components.model.types import (
    AddonRevision,
    Bytes,
    Count,
    Cpu,
    DnsLabel,
    EnvironmentName,
    HostName,
    ImageDigest,
    ImageReference,
    ImageSource,
    LabelKey,
    LabelValue,
    Model,
    NodePort,
    ObjectName,
    PortNumber,
    Replicas,
    RevisionName,
    ServerName,
    ServiceType,
    VersionName,
    WholePercent,
    addon_minor,
    all_invalid,
    first_version,
    invalid,
    mebibytes,
)


class LocalCluster(Model):
    """The cluster this project brings up itself; its kubeconfig comes from the environment."""

    kind: Literal["local"]


class KubeconfigCluster(Model):
    """A cluster that is there already, named by a context of a kubeconfig."""

    kind: Literal["kubeconfig"]
    path: str = "~/.kube/config"
    context: str


Cluster = Annotated[LocalCluster | KubeconfigCluster | AksCluster, Field(discriminator="kind")]


class GatewayService(Model):
    """How the way in from outside is exposed by the cluster."""

    service: ServiceType = "LoadBalancer"
    node_port: NodePort | None = Field(default=None, alias="nodePort")

    @model_validator(mode="after")
    def _node_port_belongs(self) -> Self:
        if self.node_port is not None and self.service != "NodePort":
            raise invalid(
                f"only a gateway of service NodePort has one and this is {self.service}; remove the key",
                "nodePort",
            )
        return self


class IngressGateway(GatewayService):
    """The gateway of a mesh, which also speaks TLS."""

    tls_node_port: NodePort | None = Field(default=None, alias="tlsNodePort")

    @model_validator(mode="after")
    def _tls_node_port_belongs(self) -> Self:
        if self.tls_node_port is None:
            return self
        if self.service != "NodePort":
            raise invalid(
                f"only a gateway of service NodePort has one and this is {self.service}; remove the key",
                "tlsNodePort",
            )
        if self.tls_node_port == self.node_port:
            raise invalid("must be another than nodePort, e.g. 30443", "tlsNodePort")
        return self


class CniPaths(Model):
    """Where the node's container runtime keeps its network plugins."""

    bin_dir: str = Field(default="/opt/cni/bin", alias="binDir")
    conf_dir: str = Field(default="/etc/cni/net.d", alias="confDir")


class Revision(Model):
    """One control plane of several, by its name; it serves the namespaces labelled with that name."""

    name: RevisionName
    tag: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")  # of its image


class HelmMesh(Model):
    """Istio is installed, and the cluster-wide objects are owned, by this stack.

    Without revisions there is one control plane, changed in place. With two, both run and `live` has the
    pods: it moves in one update, and goes back as fast (a canary upgrade).
    """

    kind: Literal["helm"]
    size: Literal["small", "standard"] = "standard"
    revisions: Annotated[tuple[Revision, ...], Field(strict=False, max_length=2)] = ()
    live: DnsLabel | None = None
    cni: CniPaths = CniPaths()
    gateway: IngressGateway = IngressGateway()

    @model_validator(mode="after")
    def _live_is_there(self) -> Self:
        names = [revision.name for revision in self.revisions]
        if len(set(names)) < len(names):
            raise invalid(f"must differ, and {names[0]} is there twice", "revisions")
        if names and self.live not in names:
            raise invalid(f"must be one of the revisions, e.g. {names[0]}", "live")
        if self.live and not names:
            raise invalid(f"has no revision; add it, e.g. revisions: [{{name: {self.live}}}]", "live")
        return self


class ExistingGateway(Model):
    """The ingress gateway that is there already: the labels of its pods, and where they are."""

    selector: dict[LabelKey, LabelValue] = Field(
        default_factory=lambda: {"istio": "ingressgateway"}, min_length=1
    )
    namespace: DnsLabel = "istio-ingress"


class ExistingMesh(Model):
    """Istio is there already and belongs to someone else; this stack only joins it."""

    kind: Literal["existing"]
    revision: DnsLabel | None = None  # e.g. asm-1-27; without one the namespace asks for injection
    root_namespace: DnsLabel = Field(default="istio-system", alias="rootNamespace")
    gateway: ExistingGateway = ExistingGateway()
    # Without its CNI plugin an init container sets sidecars up, with rights only privileged namespaces grant.
    cni: bool = True


Revisions = Annotated[tuple[AddonRevision, ...], Field(strict=False, min_length=1, max_length=2)]
GatewayKind = Literal["external", "internal"]


class AddonMesh(Model):
    """Istio as the add-on of AKS: Azure installs it, and serves the revisions that are named.

    With two revisions, which must follow one another, `live` has the pods: a canary upgrade.
    Source: https://learn.microsoft.com/azure/aks/istio-upgrade
    """

    kind: Literal["addon"]
    revisions: Revisions
    live: AddonRevision | None = None
    gateways: Annotated[tuple[GatewayKind, ...], Field(strict=False, min_length=1, max_length=2)] = (
        "external",
    )
    access_log: bool = Field(default=False, alias="accessLog")  # of every request, on standard output

    @model_validator(mode="after")
    def _revisions_follow(self) -> Self:
        first, last = self.revisions[0], self.revisions[-1]
        if len(self.revisions) == 2 and addon_minor(last) != addon_minor(first) + 1:
            after = f"asm-1-{addon_minor(first) + 1}"
            raise invalid(f"must be two that follow one another, e.g. [{first}, {after}]", "revisions")
        if self.live not in (None, *self.revisions):
            raise invalid(f"must be one of the revisions, e.g. {first}", "live")
        if self.live is None and len(self.revisions) == 2:
            raise invalid(f"required while there are two revisions, e.g. {first}", "live")
        if len(set(self.gateways)) < len(self.gateways):
            raise invalid(f"must differ, and {self.gateways[0]} is there twice", "gateways")
        return self

    @property
    def carrying(self) -> str:
        """The revision whose sidecars the pods have."""
        return self.live or self.revisions[0]


class NoMesh(Model):
    """No sidecars and no policies: a Service picks one version, and the webapp is exposed by its own."""

    kind: Literal["none"]
    gateway: GatewayService = GatewayService()


Mesh = Annotated[HelmMesh | AddonMesh | ExistingMesh | NoMesh, Field(discriminator="kind")]


class SecretTls(Model):
    """A certificate that is in the cluster already, as a Secret beside the gateway's pods."""

    kind: Literal["secret"]
    name: ObjectName
    redirect: bool = True  # requests over plain HTTP are sent on to HTTPS


class ConfiguredTls(Model):
    """A certificate from the secret values tlsCertificate and tlsKey; a local environment makes them."""

    kind: Literal["values"]
    redirect: bool = True


class VaultTls(Model):
    """A certificate of the environment's key vault, where it is renewed; the gateway follows."""

    kind: Literal["vault"]
    certificate: VaultObject
    redirect: bool = True


Tls = Annotated[SecretTls | ConfiguredTls | VaultTls, Field(discriminator="kind")]


class ConfigurationSecrets(Model):
    """Secret values come from encrypted configuration; a local environment makes what is missing."""

    kind: Literal["configuration"]


class VaultSecrets(Model):
    """Secret values lie in the environment's key vault, and pods get them from there.

    `configuration`: the program puts them there, from encrypted configuration. `external`: somebody else
    does, under the same names, and `versions` says which version of each is in use.
    """

    kind: Literal["vault"]
    values: Literal["configuration", "external"] = "configuration"
    versions: dict[PasswordName, VaultVersion] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _versions_of_others(self) -> Self:
        if self.versions and self.values == "configuration":
            raise invalid("belongs to values: external; remove the key", "versions")
        return self


SecretSource = Annotated[ConfigurationSecrets | VaultSecrets, Field(discriminator="kind")]


class Ingress(Model):
    """What reaches the webapp from outside."""

    hosts: Annotated[tuple[HostName, ...], Field(strict=False, min_length=1)] = ("*",)
    tls: Tls | None = None


class EgressHost(Model):
    """Something outside the mesh that services may call."""

    # A wildcard has no address of its own: only TLS by SNI could follow it, and TCP not at all.
    host: ServerName
    port: PortNumber = 443
    protocol: Literal["HTTP", "HTTPS", "TLS", "TCP"] = "HTTPS"
    callers: Annotated[tuple[ServiceName, ...], Field(strict=False, min_length=1)]


class Storage(Model):
    """Where data lies that must outlive a pod."""

    kind: Literal["claims", "ephemeral"] = "claims"
    # Without one, the cluster's default.
    storage_class: ObjectName | None = Field(default=None, alias="class")
    retain: bool = False  # claims outlive the stack
    sizes: dict[ServiceName, Bytes] = Field(default_factory=dict)

    @field_validator("sizes")
    @classmethod
    def _of_what_keeps_data(cls, sizes: dict[str, str]) -> dict[str, str]:
        for name in sizes:
            if CATALOGUE[name].volume is None:
                keep = ", ".join(sorted(s.name for s in CATALOGUE.values() if s.volume))
                raise invalid(f"{name} keeps no data; valid: {keep}", name)
        return sizes


class Quota(Model):
    """What all pods of the environment may ask for together."""

    cpu: Cpu
    memory: Bytes
    pods: Count


class Guardrails(Model):
    """What an environment does not allow, whatever a service asks for."""

    production: bool = False  # there is real data in it
    faults: bool = True
    # Tries that one request of a user may become on its way through the call chain.
    retry_budget: Count = Field(default=20, alias="retryBudget")
    max_weight_step: WholePercent = Field(default=100, alias="maxWeightStep")


class CpuScaling(Model):
    """More pods while they are busy (HorizontalPodAutoscaler); needs the cluster's metrics API."""

    kind: Literal["cpu"]
    min: Replicas = 2
    max: Replicas
    percent: WholePercent = 70  # of the processor time asked for

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.min > self.max:
            raise invalid(f"must not be less than min, which is {self.min}", "max")
        return self


class QueueScaling(Model):
    """More pods while events wait in the queue (KEDA's ScaledObject); needs KEDA, 2.16 or newer."""

    kind: Literal["queue"]
    min: Replicas = 1
    max: Replicas
    length: Count = 5  # events for each pod, the ones it has taken and not finished included

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.min > self.max:
            raise invalid(f"must not be less than min, which is {self.min}", "max")
        return self


Scaling = Annotated[CpuScaling | QueueScaling, Field(discriminator="kind")]


class Resources(Model):
    """What one pod asks for, and its limit of memory. There is no CPU limit: it would only add latency."""

    cpu: Cpu | None = None
    memory: Bytes | None = None
    memory_limit: Bytes | None = Field(default=None, alias="memoryLimit")

    @model_validator(mode="after")
    def _limit_holds_request(self) -> Self:
        if self.memory and self.memory_limit and mebibytes(self.memory_limit) < mebibytes(self.memory):
            raise invalid(f"must not be less than memory, which is {self.memory}", "memoryLimit")
        return self


MOST_FAULTS = 4
SECRET_WORDS = re.compile("password|pwd|secret|token")
# How many tokens, and not which.
COUNTS = re.compile("(max|min)_*(input|output|prompt|completion|new)?_*tokens|tokens_*(per|limit|count)")
SECRET_TEXT = re.compile(r"(password|pwd|\bpass)\s*=", re.IGNORECASE)  # as in a connection string


class VersionSettings(Model):
    """One version of a service."""

    replicas: Replicas = 1
    image: ImageReference | None = None  # instead of the environment's
    settings: dict[EnvironmentName, str] = Field(default_factory=dict)
    resources: Resources = Resources()
    scaling: Scaling | None = None

    @field_validator("settings")
    @classmethod
    def _no_secrets(cls, settings: dict[str, str]) -> dict[str, str]:
        for name, text in settings.items():
            if why := reserved(name):
                raise invalid(why, name)
            if SECRET_WORDS.search(COUNTS.sub("", name.lower())) or SECRET_TEXT.search(text):
                raise invalid(
                    "would show a secret in the stack file and in the pod; secret values come from "
                    "pulumi config set --secret",
                    name,
                )
        return settings

    @model_validator(mode="after")
    def _one_owner_of_replicas(self) -> Self:
        if self.scaling is not None and "replicas" in self.model_fields_set:
            raise invalid("scaling decides how many pods there are; remove replicas or scaling", "replicas")
        return self

    @property
    def fewest(self) -> int:
        """The pods that are there at least."""
        return self.scaling.min if self.scaling else self.replicas

    @property
    def most(self) -> int:
        """The pods that are there at most."""
        return self.scaling.max if self.scaling else self.replicas


class ServiceSettings(Model):
    """One service: its versions, and who of them gets the requests or the events."""

    versions: dict[VersionName, VersionSettings] = Field(
        default_factory=lambda: {"v1": VersionSettings()}, min_length=1
    )
    traffic: Annotated[tuple[TrafficPolicy, ...], Field(strict=False)] = ()
    release: WorkerRelease | None = None

    @field_validator("traffic")
    @classmethod
    def _few_faults(cls, traffic: tuple[TrafficPolicy, ...]) -> tuple[TrafficPolicy, ...]:
        # Each fault may split every route in two: with many there would be thousands of routes.
        faults = [number for number, policy in enumerate(traffic) if policy.kind == "fault"]
        if len(faults) > MOST_FAULTS:
            raise invalid(f"must be one of at most {MOST_FAULTS} faults of a service; remove it", faults[-1])
        return traffic

    @model_validator(mode="after")
    def _policies_name_versions(self) -> Self:
        known = ", ".join(sorted(self.versions))
        hint = "or add it, e.g. versions: {{{0}: {{}}}}"
        unknown = [
            (f"{version} has no deployment; the versions are {known}, {hint.format(version)}", at)
            for at, version in self._named()
            if version not in self.versions
        ]
        if unknown:
            raise all_invalid(unknown)
        return self

    def _named(self) -> list[tuple[tuple[str | int, ...], str]]:
        """Every version a policy names, with the keys that lead there."""
        named: list[tuple[tuple[str | int, ...], str]] = []
        for number, policy in enumerate(self.traffic):
            if isinstance(policy, WeightedSplit):
                named += [(("traffic", number, "weights", version), version) for version in policy.weights]
            elif isinstance(policy, BlueGreen):
                named.append((("traffic", number, "live"), policy.live))
            elif policy.kind in ("route", "lane", "mirror"):
                named.append((("traffic", number, "to"), policy.to))
        for key in ("live", "shadow"):
            version = getattr(self.release, key, None)
            if version is not None:
                named.append((("release", key), version))
        return named

    @property
    def split(self) -> WeightedSplit | BlueGreen | None:
        """The policy that says who gets what no other policy sends elsewhere."""
        return next((one for one in self.traffic if isinstance(one, WeightedSplit | BlueGreen)), None)

    def shares(self) -> dict[str, int]:
        """Percent of the requests for every version, the ones that get none included."""
        asked = self.split.shares() if self.split else {first_version(self.versions): 100}
        return {version: asked.get(version, 0) for version in sorted(self.versions)}


class Settings(Model):
    """A whole environment. Differences between environments are here, never in code."""

    namespace: DnsLabel
    cluster: Cluster
    azure: AzureSettings | None = None
    mesh: Mesh
    images: ImageSource = "standin"
    pins: dict[ImageReference, ImageDigest] = Field(default_factory=dict)
    secrets: SecretSource = ConfigurationSecrets(kind="configuration")
    ingress: Ingress = Ingress()
    egress: Annotated[tuple[EgressHost, ...], Field(strict=False)] = ()
    storage: Storage = Storage()
    quota: Quota | None = None
    guardrails: Guardrails = Guardrails()
    services: dict[ServiceName, ServiceSettings] = Field(min_length=1)

    @field_validator("pins")
    @classmethod
    def _of_tags(cls, pins: dict[str, str]) -> dict[str, str]:
        for image in pins:
            if "@" in image:
                raise invalid("has a digest already, and a tag alone can be pinned; remove the key", image)
        return pins

    @model_validator(mode="after")
    def _around_a_managed_cluster(self) -> Self:
        if isinstance(self.cluster, AksCluster) and self.azure is None:
            raise invalid("required where cluster.kind is aks", "azure")
        if self.azure is not None and not isinstance(self.cluster, AksCluster):
            kind = self.cluster.kind
            text = f"is what is around a managed cluster, and cluster.kind is {kind}; remove the key"
            raise invalid(text, "azure")
        if self.images == "own" and (self.azure is None or self.azure.registry is None):
            raise invalid("needs azure.registry; valid without: upstream, or a registry", "images")
        return self

    @property
    def database(self) -> Database:
        """Where the databases are."""
        return self.azure.database if self.azure else InClusterDatabase(kind="inCluster")

    def built_from(self, version: str) -> str:
        """The commit that a version's images are built from; empty where this environment builds none."""
        registry = self.azure.registry if self.azure and self.images == "own" else None
        return registry.builds.of(version) if registry and registry.builds else ""

    @property
    def image_source(self) -> str:
        """Where images come from; a registry of the environment's own by its address."""
        if self.images == "own" and self.azure:
            return f"{registry_host(self.azure)}/{APP}"
        return self.images

    @property
    def meshed(self) -> bool:
        """Whether pods have sidecars."""
        return not isinstance(self.mesh, NoMesh)

    def pinned(self, image: str) -> str:
        """An image by its digest, where that is known: a tag may be moved, a digest may not."""
        digest = self.pins.get(image)
        return f"{image}@{digest}" if digest else image

    def asked(self) -> dict[str, dict[str, int]]:
        """For each HTTP service with more than one version, the share of each in percent."""
        return {
            name: service.shares()
            for name, service in sorted(self.services.items())
            if len(service.versions) > 1 and CATALOGUE[name].kind is Kind.HTTP
        }
