"""What the inputs of a managed cluster and of its pools ask of the cluster behind them. Pure."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from localcluster.azure.backing import BehindError

Scale = Literal["nodes", "pods"]

CLUSTER = re.compile(r"(?i).*/managedClusters/([^/]+)")
POOL = re.compile(r"(?i)(.*/managedClusters/[^/]+)/agentPools/([^/]+)")
# What a node takes where nothing is said: Azure CNI overlay, and any other plugin.
# Source: https://learn.microsoft.com/azure/aks/quotas-skus-regions
PODS_OF_OVERLAY = 250
PODS_OF_OTHERS = 30
DISK_GIBIBYTES = 128


class Inputs(BaseModel):
    """Azure's own names; what has no consequence here is left out, since the provider has checked it."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class Pool(Inputs):
    """A node pool, inline or a resource of its own."""

    name: Annotated[str, Field(validation_alias=AliasChoices("name", "agentPoolName"))]
    mode: Literal["System", "User", "Gateway"] = "User"
    count: int = 1
    enable_auto_scaling: bool = False
    min_count: int | None = None
    availability_zones: tuple[str, ...] = ()
    vm_size: str = "Standard_D2s_v3"
    node_labels: Mapping[str, str] = {}
    node_taints: tuple[str, ...] = ()
    max_pods: int | None = None
    os_disk_size_gb: Annotated[int, Field(alias="osDiskSizeGB")] = DISK_GIBIBYTES
    os_sku: Annotated[str, Field(alias="osSKU")] = "Ubuntu"
    scale_set_priority: str = "Regular"
    orchestrator_version: str | None = None

    @property
    def nodes(self) -> int:
        """How many nodes there are; nobody scales here, so a pool that would has its smallest count."""
        return self.min_count if self.enable_auto_scaling and self.min_count is not None else self.count

    def pods(self, network: "Network") -> int:
        """How many pods a node takes."""
        usual = PODS_OF_OVERLAY if network.network_plugin_mode == "overlay" else PODS_OF_OTHERS
        return self.max_pods or usual


class Network(Inputs):
    """How pods are connected; here it only decides how many a node takes."""

    network_plugin_mode: str | None = None


class Switch(Inputs):
    """One part of AKS that is on or off."""

    enabled: bool = False


class IngressGateway(Inputs):
    """A gateway of the Istio add-on."""

    enabled: bool = False
    mode: Literal["External", "Internal"]


class Components(Inputs):
    """Parts of the Istio add-on."""

    ingress_gateways: tuple[IngressGateway, ...] = ()
    proxy_redirection_mechanism: Literal["InitContainers", "CNIChaining"] = "InitContainers"


class IstioProfile(Inputs):
    """What the Istio add-on is asked for."""

    revisions: tuple[str, ...] = ()
    components: Components = Components()


class ServiceMesh(Inputs):
    """The mesh add-on."""

    mode: Literal["Istio", "Disabled"] = "Disabled"
    istio: IstioProfile = IstioProfile()


class AutoScaler(Inputs):
    """What scales workloads."""

    keda: Switch = Switch()


class AzureMonitor(Inputs):
    """Managed Prometheus."""

    metrics: Switch = Switch()


class Cluster(Inputs):
    """A managed cluster."""

    location: str
    node_resource_group: str = ""
    kubernetes_version: str | None = None
    agent_pool_profiles: tuple[Pool, ...] = ()
    network_profile: Network = Network()
    service_mesh_profile: ServiceMesh = ServiceMesh()
    addon_profiles: Mapping[str, Switch] = {}
    workload_auto_scaler_profile: AutoScaler = AutoScaler()
    azure_monitor_profile: AzureMonitor = AzureMonitor()

    @property
    def revisions(self) -> tuple[str, ...]:
        """The revisions of the Istio add-on; none where it is off."""
        mesh = self.service_mesh_profile
        return mesh.istio.revisions if mesh.mode == "Istio" else ()

    @property
    def gateways(self) -> tuple[str, ...]:
        """Which gateways of the add-on are on: `external`, `internal`."""
        if not self.revisions:
            return ()
        asked = self.service_mesh_profile.istio.components.ingress_gateways
        return tuple(gateway.mode.lower() for gateway in asked if gateway.enabled)

    @property
    def vault(self) -> bool:
        """Whether the Secrets Store CSI driver is on."""
        return self.addon_profiles.get("azureKeyvaultSecretsProvider", Switch()).enabled


class Record(BaseModel):
    """What is remembered of one cluster between processes. `revisions` are those that may be installed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identity: str
    scale: Scale
    cluster: Cluster
    pools: Mapping[str, Pool] = {}
    revisions: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()


def cluster(inputs: Mapping[str, object]) -> Cluster:
    """Reads a managed cluster's inputs.

    Raises:
        BehindError: something is not as the provider should have let it through.
    """
    try:
        return Cluster.model_validate(inputs)
    except ValidationError as error:
        raise _wrong("ManagedCluster", error) from None


def pool(inputs: Mapping[str, object], identity: str) -> Pool:
    """Reads a pool's inputs; one without a name has that of its id.

    Raises:
        BehindError: something is not as the provider should have let it through.
    """
    try:
        return Pool.model_validate({"name": pool_of(identity), **inputs})
    except ValidationError as error:
        raise _wrong("AgentPool", error) from None


def _wrong(kind: str, error: ValidationError) -> BehindError:
    first = error.errors()[0]
    return BehindError(f"{kind}: {'.'.join(map(str, first['loc']))}: {first['msg']}")


def cluster_of(identity: str) -> str:
    """The id of the cluster an id belongs to, a cluster's own included; ids are the same in any case.

    Raises:
        BehindError: it is no such id.
    """
    found = POOL.fullmatch(identity) or CLUSTER.fullmatch(identity)
    if found is None:
        raise BehindError(f"{identity}: neither a managed cluster's id nor a pool's of one")
    return (found[1] if POOL.fullmatch(identity) else identity).lower()


def pool_of(identity: str) -> str:
    """The pool's name in a pool's id; empty for a cluster's."""
    found = POOL.fullmatch(identity)
    return found[2] if found else ""
