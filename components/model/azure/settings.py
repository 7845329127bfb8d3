"""Azure as the stack file states it: the managed cluster, and what is around it.

Azure's own rules are here, so that a stack file that passes is one Azure takes: each says which rule was
broken, and its source is beside it.
"""

import ipaddress
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from components.model.azure.types import (
    Address,
    Addresses,
    Days,
    DiskSize,
    GitCommit,
    GitFolder,
    GitRepository,
    Guid,
    Hour,
    Hours,
    IdleMinutes,
    Location,
    MinorVersion,
    Nodes,
    OwnRange,
    Pods,
    PoolName,
    Range,
    ResourceGroupName,
    ShortName,
    SoftDeleteDays,
    SomeNodes,
    Surge,
    TagName,
    TagValue,
    Taint,
    UtcOffset,
    VmSize,
    Weeks,
    Zone,
    local_gibibytes,
    network,
    processors,
)
from components.model.types import (
    Duration,
    HostName,
    LabelKey,
    LabelValue,
    Model,
    PortNumber,
    ServerName,
    VersionName,
    all_invalid,
    invalid,
)

SYSTEM_POOL = "system"
# Source: https://learn.microsoft.com/azure/aks/quotas-skus-regions
MOST_NODES_OF_A_CLUSTER = 5000
MOST_RANGES = 200  # that may reach the API server
OS_DISK_GIBIBYTES = 64
# Source: https://learn.microsoft.com/azure/virtual-network/virtual-networks-faq
SMALLEST_SUBNET = 29
TAKEN_ADDRESSES = 5  # of every subnet, by Azure itself

Wrong = tuple[str, tuple[str | int, ...]]  # a message, and the keys that lead to what it is about


class OsDisk(Model):
    """Where a node's own disk lies: on the machine itself (fast, gone with it), or a disk of Azure's."""

    kind: Literal["ephemeral", "managed"] = "ephemeral"
    gibibytes: DiskSize = OS_DISK_GIBIBYTES


class Pool(Model):
    """Machines of one size. Their number follows the need, between `min` and `max`."""

    vm_size: VmSize = Field(alias="vmSize")
    max: SomeNodes
    zones: Annotated[tuple[Zone, ...], Field(strict=False)] = (1, 2, 3)
    os_disk: OsDisk = Field(default=OsDisk(), alias="osDisk")
    max_surge: Surge = Field(default="33%", alias="maxSurge")
    max_pods: Pods = Field(default=110, alias="maxPods")

    @field_validator("zones")
    @classmethod
    def _once(cls, zones: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(zones)) < len(zones):
            raise invalid("each zone stands there once, e.g. [1, 2, 3]")
        return tuple(sorted(zones))

    @model_validator(mode="after")
    def _disk_fits(self) -> Self:
        """The disk must fit the machine's own.

        Source: https://learn.microsoft.com/azure/aks/concepts-storage#ephemeral-os-disk
        """
        if self.os_disk.kind != "ephemeral":
            return self
        room = local_gibibytes(self.vm_size)
        if not room:
            raise invalid(
                "an ephemeral OS disk lies on the machine's own disk and this size has none; valid: a size "
                "with a d, e.g. Standard_D4ds_v5 (or osDisk: {kind: managed})",
                "vmSize",
            )
        if self.os_disk.gibibytes > room:
            raise invalid(
                f"must fit on the machine's own disk, which is {room} GiB for {self.vm_size}, e.g. "
                f"{min(room, OS_DISK_GIBIBYTES)}",
                "osDisk",
                "gibibytes",
            )
        return self

    @property
    def surge(self) -> int:
        """How many nodes more there are at most during an upgrade."""
        if not self.max_surge.endswith("%"):
            return int(self.max_surge)
        return -(-self.max * int(self.max_surge[:-1]) // 100)


class SystemPool(Pool):
    """The pool of the cluster's own pods; nothing of ours runs there."""

    min: SomeNodes = 3

    @model_validator(mode="after")
    def _range(self) -> Self:
        _min_not_above_max(self.min, self.max)
        # Source: https://learn.microsoft.com/azure/aks/use-system-pools#system-and-user-node-pools
        if processors(self.vm_size) < 2:
            raise invalid("a system pool needs two processors or more, e.g. Standard_D4ds_v5", "vmSize")
        return self


class UserPool(Pool):
    """A pool for what is deployed. `spot`: Azure may take its machines away at any time."""

    min: Nodes = 0
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    taints: Annotated[tuple[Taint, ...], Field(strict=False)] = ()
    spot: bool = False

    @model_validator(mode="after")
    def _range(self) -> Self:
        _min_not_above_max(self.min, self.max)
        return self


def _min_not_above_max(low: int, high: int) -> None:
    if low > high:
        raise invalid(f"must not be less than min, which is {low}", "max")


class PrivateAccess(Model):
    """The API server has an address inside the virtual network only."""

    kind: Literal["private"]
    public_name: bool = Field(default=False, alias="publicName")  # the private address in public DNS


class PublicAccess(Model):
    """The API server is reached from these addresses and from no others."""

    kind: Literal["public"]
    authorized_ranges: Annotated[
        tuple[OwnRange, ...], Field(strict=False, min_length=1, max_length=MOST_RANGES)
    ] = Field(alias="authorizedRanges")


Access = Annotated[PrivateAccess | PublicAccess, Field(discriminator="kind")]


class ClusterNetwork(Model):
    """How pods are connected, and the addresses only the cluster knows."""

    plugin: Literal["azure", "none"] = "azure"
    mode: Literal["overlay", "subnet"] = "overlay"
    dataplane: Literal["cilium", "azure"] = "cilium"
    policy: Literal["cilium", "azure", "calico", "none"] = "cilium"
    pod_cidr: Range = Field(default="10.244.0.0/16", alias="podCidr")
    service_cidr: Range = Field(default="10.0.0.0/16", alias="serviceCidr")
    dns_service_ip: Address = Field(default="10.0.0.10", alias="dnsServiceIP")

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        wrong = [*self._choices(), *self._addresses()]
        if wrong:
            raise all_invalid(wrong)
        return self

    def _choices(self) -> Iterator[Wrong]:
        """What one choice asks of another.

        Sources: https://learn.microsoft.com/azure/aks/azure-cni-overlay and
        https://learn.microsoft.com/azure/aks/azure-cni-powered-by-cilium
        """
        if self.plugin != "azure" and self.mode == "overlay":
            yield "overlay needs plugin: azure; valid with none: subnet", ("mode",)
        if self.plugin != "azure" and self.dataplane == "cilium":
            yield "cilium needs plugin: azure; valid with none: azure", ("dataplane",)
        if self.dataplane == "cilium" and self.policy != "cilium":
            yield "the dataplane cilium enforces policies itself; valid: cilium", ("policy",)
        if self.dataplane != "cilium" and self.policy == "cilium":
            yield "needs dataplane: cilium; valid without: azure or calico or none", ("policy",)

    def _addresses(self) -> Iterator[Wrong]:
        services = network(self.service_cidr)
        address = ipaddress.IPv4Address(self.dns_service_ip)
        example = services[min(10, services.num_addresses - 1)]
        if services.prefixlen < 12:  # Source: https://learn.microsoft.com/azure/aks/azure-cni-overlay
            yield "must not be larger than a /12, e.g. 10.0.0.0/16", ("serviceCidr",)
        if address not in services:
            yield f"must be in serviceCidr, e.g. {example}", ("dnsServiceIP",)
        elif address == services[1]:
            yield f"is the API server's own address, e.g. {example}", ("dnsServiceIP",)
        if services.overlaps(network(self.pod_cidr)):
            yield f"overlaps serviceCidr, which is {services}, e.g. 10.244.0.0/16", ("podCidr",)


class Window(Model):
    """When Azure may change the cluster: a weekday, an hour, and for how long."""

    day: Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"] = "Sunday"
    hour: Hour = 2
    hours: Hours = 4
    utc_offset: UtcOffset = Field(default="+00:00", alias="utcOffset")
    weeks: Weeks = 1  # between two of them


class Upgrades(Model):
    """What Azure upgrades by itself: Kubernetes by `channel`, the nodes' system by `nodeOs`."""

    channel: Literal["none", "patch", "stable", "rapid", "node-image"] = "patch"
    node_os: Literal["None", "Unmanaged", "SecurityPatch", "NodeImage"] = Field(
        default="NodeImage", alias="nodeOs"
    )
    window: Window = Window()

    @model_validator(mode="after")
    def _channels(self) -> Self:
        # Source: https://learn.microsoft.com/azure/aks/auto-upgrade-cluster
        if self.channel == "node-image" and self.node_os != "NodeImage":
            raise invalid("the channel node-image upgrades node images; valid with it: NodeImage", "nodeOs")
        return self

    @property
    def by_azure(self) -> bool:
        """Whether Azure moves to other minor versions by itself: then the stated one is where it began."""
        return self.channel in {"stable", "rapid"}


class VaultAddon(Model):
    """Secrets of a key vault as files (the Secrets Store CSI driver), looked up again every `rotation`."""

    rotation: Duration = "2m"


class Addons(Model):
    """What Azure runs in the cluster beside it."""

    defender: bool = False
    policy: bool = False
    keda: bool = False
    container_insights: bool = Field(default=False, alias="containerInsights")
    vault: VaultAddon | None = None
    image_cleaner: bool = Field(default=True, alias="imageCleaner")
    cost_analysis: bool = Field(default=False, alias="costAnalysis")


class AksCluster(Model):
    """A managed cluster that this stack makes; `azure` says what is around it.

    Accounts of the cluster's own are always off: people and pipelines come by Entra.
    """

    kind: Literal["aks"]
    version: MinorVersion
    tier: Literal["Free", "Standard", "Premium"] = "Standard"
    long_term: bool = Field(default=False, alias="longTerm")
    access: Access
    admins: Annotated[tuple[Guid, ...], Field(strict=False, min_length=1)]
    network: ClusterNetwork = ClusterNetwork()
    system: SystemPool
    pools: dict[PoolName, UserPool] = Field(min_length=1)
    upgrades: Upgrades = Upgrades()
    addons: Addons = Addons()
    oidc_issuer: bool = Field(default=True, alias="oidcIssuer")
    workload_identity: bool = Field(default=True, alias="workloadIdentity")
    encryption_at_host: bool = Field(default=True, alias="encryptionAtHost")

    @field_validator("pools")
    @classmethod
    def _names(cls, pools: dict[str, UserPool]) -> dict[str, UserPool]:
        if SYSTEM_POOL in pools:
            raise invalid("is the system pool's own name; choose another, e.g. apps", SYSTEM_POOL)
        return dict(sorted(pools.items()))

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        wrong = [*self._choices(), *self._room()]
        if wrong:
            raise all_invalid(wrong)
        return self

    def _choices(self) -> Iterator[Wrong]:
        if self.workload_identity and not self.oidc_issuer:
            # Source: https://learn.microsoft.com/azure/aks/workload-identity-overview
            yield "workload identity needs the OIDC issuer; valid: true", ("oidcIssuer",)
        if self.long_term and self.tier != "Premium":
            # Source: https://learn.microsoft.com/azure/aks/long-term-support
            yield "long-term support comes with the tier Premium; valid: Premium", ("tier",)
        if self.addons.cost_analysis and self.tier == "Free":
            # Source: https://learn.microsoft.com/azure/aks/cost-analysis
            yield "needs the tier Standard or Premium; valid here: false", ("addons", "costAnalysis")

    def _room(self) -> Iterator[Wrong]:
        if self.nodes > MOST_NODES_OF_A_CLUSTER:
            yield (
                f"may grow to {self.nodes} nodes together, and at most {MOST_NODES_OF_A_CLUSTER}",
                ("pools",),
            )
        if self.network.mode == "overlay" and self.pod_blocks < self.nodes_with_surge:
            # Each node takes a /24. Source: https://learn.microsoft.com/azure/aks/azure-cni-overlay
            room = (
                f"has {self.pod_blocks} blocks of 256 addresses, one for each node, and there may be "
                f"{self.nodes_with_surge} nodes while they are upgraded, e.g. 10.244.0.0/16"
            )
            yield room, ("network", "podCidr")

    @property
    def all_pools(self) -> dict[str, Pool]:
        """Every pool by its name, the system pool first."""
        return {SYSTEM_POOL: self.system, **self.pools}

    @property
    def nodes(self) -> int:
        """The nodes there are at most."""
        return sum(pool.max for pool in self.all_pools.values())

    @property
    def nodes_with_surge(self) -> int:
        """The nodes there are at most while every pool is upgraded."""
        return self.nodes + sum(pool.surge for pool in self.all_pools.values())

    @property
    def pod_blocks(self) -> int:
        """How many nodes' pods the overlay has addresses for."""
        return int(2 ** max(0, 24 - network(self.network.pod_cidr).prefixlen))


class LoadBalancerOutbound(Model):
    """Out through the cluster's load balancer, with this many addresses."""

    kind: Literal["loadBalancer"]
    addresses: Addresses = 1


class NatOutbound(Model):
    """Out through a NAT gateway of the environment's own: one address that stays, and many connections."""

    kind: Literal["natGateway"]
    idle_minutes: IdleMinutes = Field(default=4, alias="idleMinutes")


class RoutedOutbound(Model):
    """Out through a firewall that is there already; nothing leaves another way."""

    kind: Literal["userDefinedRouting"]
    next_hop: Address = Field(alias="nextHop")


Outbound = Annotated[LoadBalancerOutbound | NatOutbound | RoutedOutbound, Field(discriminator="kind")]


class VirtualNetwork(Model):
    """The environment's network: a part of it for nodes, a part for private endpoints."""

    range: Range = "10.20.0.0/16"
    nodes: Range = "10.20.0.0/20"
    endpoints: Range = "10.20.16.0/24"
    outbound: Outbound = LoadBalancerOutbound(kind="loadBalancer")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        wrong = [*self._parts()]
        if wrong:
            raise all_invalid(wrong)
        return self

    def _parts(self) -> Iterator[Wrong]:
        whole, nodes, endpoints = network(self.range), network(self.nodes), network(self.endpoints)
        for name, part in (("nodes", nodes), ("endpoints", endpoints)):
            if not part.subnet_of(whole):
                yield f"must be in range, which is {whole}", (name,)
            elif part.prefixlen > SMALLEST_SUBNET:
                yield f"a subnet is a /{SMALLEST_SUBNET} at least: Azure takes five addresses", (name,)
        if nodes.overlaps(endpoints):
            yield f"overlaps nodes, which is {nodes}", ("endpoints",)


class Builds(Model):
    """Images built in the registry from Pitstop's source, at a commit; a version may have one of its own."""

    repository: GitRepository = "https://github.com/EdwinVW/pitstop.git"
    commit: GitCommit
    folder: GitFolder = "src"
    versions: dict[VersionName, GitCommit] = Field(default_factory=dict)

    def of(self, version: str) -> str:
        """The commit of a version."""
        return self.versions.get(version, self.commit)


class Registry(Model):
    """A container registry of the environment's own; its nodes pull from it, nobody without an account."""

    sku: Literal["Basic", "Standard", "Premium"] = "Standard"
    builds: Builds | None = None


class Monitoring(Model):
    """Where logs and measurements go."""

    retention_days: Days = Field(default=30, alias="retentionDays")
    prometheus: bool = True
    grafana: bool = False
    application_insights: bool = Field(default=False, alias="applicationInsights")

    @model_validator(mode="after")
    def _grafana_reads(self) -> Self:
        if self.grafana and not self.prometheus:
            raise invalid("Grafana shows what Prometheus measured; valid here: false", "grafana")
        return self


class InClusterDatabase(Model):
    """SQL Server in the cluster: Developer edition, which no real data may be in."""

    kind: Literal["inCluster"]


class AzureSqlDatabase(Model):
    """Azure SQL, reached by a private endpoint only."""

    kind: Literal["azureSql"]
    sku: Literal["Basic", "S0", "S1", "S2", "S3", "GP_S_Gen5_1", "GP_S_Gen5_2", "GP_Gen5_2", "GP_Gen5_4"] = (
        "S0"
    )
    zone_redundant: bool = Field(default=False, alias="zoneRedundant")
    backup: Literal["Local", "Zone", "Geo", "GeoZone"] = "Local"

    @model_validator(mode="after")
    def _zones(self) -> Self:
        # Source: https://learn.microsoft.com/azure/azure-sql/database/high-availability-sla
        if self.zone_redundant and not self.sku.startswith("GP_"):
            raise invalid(f"{self.sku} is in one zone; valid: GP_Gen5_2 (or zoneRedundant: false)", "sku")
        # Source: https://learn.microsoft.com/azure/azure-sql/database/automated-backups-overview
        if self.zone_redundant and not self.backup.endswith("Zone"):
            raise invalid("a database in several zones has backups there too, e.g. Zone", "backup")
        return self


class ExternalDatabase(Model):
    """A SQL Server that is there already; its administrator prepares databases and logins once."""

    kind: Literal["external"]
    host: ServerName
    port: PortNumber = 1433
    administrator: Annotated[str, Field(min_length=1, max_length=128)] = "sa"


Database = Annotated[InClusterDatabase | AzureSqlDatabase | ExternalDatabase, Field(discriminator="kind")]


class PrivateVault(Model):
    """The vault has an address inside the virtual network only."""

    kind: Literal["private"]


class PublicVault(Model):
    """The vault is reached from the nodes and from these addresses, and from no others."""

    kind: Literal["public"]
    ranges: Annotated[tuple[OwnRange, ...], Field(strict=False, max_length=MOST_RANGES)] = ()


VaultNetwork = Annotated[PrivateVault | PublicVault, Field(discriminator="kind")]


class Vault(Model):
    """A key vault of the environment's own. Roles say who reads what is in it; nothing in it is lost at once.

    Source: https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview
    """

    sku: Literal["standard", "premium"] = "standard"
    network: VaultNetwork = PrivateVault(kind="private")
    soft_delete_days: SoftDeleteDays = Field(default=90, alias="softDeleteDays")
    purge_protection: bool = Field(default=True, alias="purgeProtection")


class DnsZone(Model):
    """A zone of Azure DNS that is there already, in which the environment's names are written."""

    zone: HostName
    resource_group: ResourceGroupName = Field(alias="resourceGroup")


class AzureSettings(Model):
    """What is around a managed cluster; `name` is a part of every physical name, which all change with it."""

    subscription: Guid
    tenant: Guid
    location: Location
    name: ShortName
    tags: dict[TagName, TagValue] = Field(default_factory=dict, max_length=50)
    network: VirtualNetwork = VirtualNetwork()
    registry: Registry | None = None
    monitoring: Monitoring | None = Monitoring()
    database: Database = InClusterDatabase(kind="inCluster")
    vault: Vault | None = None
    dns: DnsZone | None = None
    protect: bool = False
