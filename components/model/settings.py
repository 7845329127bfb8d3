"""What an environment is: the typed form of the `pitstop:` keys in its stack file."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from components.model.catalogue import CATALOGUE
from components.model.traffic import Traffic
from components.model.types import (
    DnsLabel,
    HostName,
    Model,
    NodePort,
    Replicas,
    ServiceType,
    VersionName,
    invalid,
    suggest,
)


def service_name(value: str) -> str:
    """A service of the catalogue."""
    if value not in CATALOGUE:
        raise invalid(f"unknown service; {suggest(value, tuple(CATALOGUE))}")
    return value


ServiceName = Annotated[str, AfterValidator(service_name)]


class LocalCluster(Model):
    """The cluster this project brings up itself; its kubeconfig comes from the environment."""

    kind: Literal["local"]


class KubeconfigCluster(Model):
    """A cluster that is there already, named by a context of a kubeconfig."""

    kind: Literal["kubeconfig"]
    path: str = "~/.kube/config"
    context: str


Cluster = Annotated[LocalCluster | KubeconfigCluster, Field(discriminator="kind")]


class GatewayService(Model):
    """How the ingress gateway that comes with the mesh is exposed."""

    service: ServiceType = "LoadBalancer"
    node_port: NodePort | None = Field(default=None, alias="nodePort")

    @model_validator(mode="after")
    def _node_port_belongs(self) -> Self:
        if self.node_port is not None and self.service != "NodePort":
            raise invalid(
                f"only a gateway of service NodePort has one and this is {self.service}", "nodePort"
            )
        return self


class CniPaths(Model):
    """Where the node's container runtime keeps its network plugins."""

    bin_dir: str = Field(default="/opt/cni/bin", alias="binDir")
    conf_dir: str = Field(default="/etc/cni/net.d", alias="confDir")


class HelmMesh(Model):
    """Istio is installed, and the cluster-wide objects are owned, by this stack."""

    kind: Literal["helm"]
    size: Literal["small", "standard"] = "standard"
    cni: CniPaths = CniPaths()
    gateway: GatewayService = GatewayService()


class ExistingGateway(Model):
    """The ingress gateway that is there already, by the labels of its pods."""

    selector: dict[str, str] = Field(default_factory=lambda: {"istio": "ingressgateway"}, min_length=1)


class ExistingMesh(Model):
    """Istio is there already and belongs to someone else; this stack only joins it."""

    kind: Literal["existing"]
    revision: DnsLabel | None = None  # e.g. asm-1-27; without one the namespace asks for injection
    root_namespace: DnsLabel = Field(default="istio-system", alias="rootNamespace")
    gateway: ExistingGateway = ExistingGateway()


Mesh = Annotated[HelmMesh | ExistingMesh, Field(discriminator="kind")]


class Ingress(Model):
    """What reaches the webapp from outside."""

    hosts: Annotated[tuple[HostName, ...], Field(strict=False, min_length=1)] = ("*",)


class VersionSettings(Model):
    """One running version of a service."""

    replicas: Replicas = 1


class ServiceSettings(Model):
    """One service: its versions, and who of them gets the requests."""

    versions: dict[VersionName, VersionSettings] = Field(
        default_factory=lambda: {"v1": VersionSettings()}, min_length=1
    )
    traffic: Traffic | None = None

    @model_validator(mode="after")
    def _policy_fits_versions(self) -> Self:
        known = ", ".join(sorted(self.versions))
        if self.traffic is None:
            if len(self.versions) > 1:
                raise invalid(
                    f"required when there are several versions ({known}), e.g. {{kind: bluegreen, live: v1}}",
                    "traffic",
                )
            return self
        for version in self.traffic.shares():
            if version not in self.versions:
                at = ("weights", version) if self.traffic.kind == "split" else ("live",)
                raise invalid(
                    f"{version} has no deployment; the versions are {known}, "
                    f"or add it, e.g. versions: {{{version}: {{}}}}",
                    "traffic",
                    *at,
                )
        return self

    def shares(self) -> dict[str, int]:
        """Percent of the requests for every version, the ones that get none included."""
        asked = self.traffic.shares() if self.traffic else {next(iter(self.versions)): 100}
        return {version: asked.get(version, 0) for version in sorted(self.versions)}


class Settings(Model):
    """A whole environment. Differences between environments are here, never in code."""

    namespace: DnsLabel
    cluster: Cluster
    mesh: Mesh
    images: Literal["standin"] = "standin"
    ingress: Ingress = Ingress()
    services: dict[ServiceName, ServiceSettings] = Field(min_length=1)

    def asked(self) -> dict[str, dict[str, int]]:
        """For each service with more than one version, the share of each in percent."""
        return {
            name: service.shares()
            for name, service in sorted(self.services.items())
            if len(service.versions) > 1
        }
