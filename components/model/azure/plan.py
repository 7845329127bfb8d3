"""From settings to every Azure resource of an environment, in an order in which they can be made."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from components.model import istio
from components.model.azure import (
    address,
    builds,
    cluster,
    database,
    identity,
    monitoring,
    names,
    network,
    registry,
    vault,
)
from components.model.azure.resources import AzureResource
from components.model.azure.settings import AksCluster, AzureSettings
from components.model.manifests import Document
from components.model.outputs import Place, places
from components.model.settings import AddonMesh, Settings


@dataclass(frozen=True, slots=True)
class AzurePlan:
    """The Azure half of a plan, and what the rest has to know of it."""

    resources: tuple[AzureResource, ...]
    subscription: str
    tenant: str
    location: str
    group: str  # the resource group's name
    cluster: str  # the managed cluster's name
    cluster_id: str  # which is also what tells one cluster from another, whatever its credentials
    cluster_key: str  # the cluster's logical name
    # Keys of what must be there before anything is asked of the cluster, before the control plane of a mesh
    # starts on its nodes, and before pods start.
    before_objects: tuple[str, ...]
    before_mesh: tuple[str, ...]
    before_pods: tuple[str, ...]

    def places(self) -> tuple[Place, ...]:
        """Every place in the inputs, each once."""
        return tuple(sorted({place for one in self.resources for place in places(one.inputs)}))

    def secrets_needed(self) -> tuple[str, ...]:
        """The secret values the inputs name."""
        return tuple(sorted({place.name for place in self.places() if place.kind == "secret"}))


def azure_plan(settings: Settings) -> AzurePlan | None:
    """The Azure resources of an environment; None where it has no managed cluster of its own."""
    own, azure = settings.cluster, settings.azure
    if not isinstance(own, AksCluster) or azure is None:
        return None
    made = tuple(_in_group(one) for one in _resources(settings, own, azure))
    return AzurePlan(
        resources=made,
        subscription=azure.subscription,
        tenant=azure.tenant,
        location=azure.location,
        group=names.physical("group", azure),
        cluster=names.physical("cluster", azure),
        cluster_id=names.cluster_id(azure),
        cluster_key=cluster.KEY,
        before_objects=_keys(made, "ManagedCluster", *_PEOPLE),
        before_mesh=_keys(made, "AgentPool", *_GATEWAY),
        before_pods=_keys(made, "AgentPool", *_PODS),
    )


def _resources(settings: Settings, own: AksCluster, azure: AzureSettings) -> Iterator[AzureResource]:
    yield network.group(azure)
    yield from network.resources(azure)
    yield from identity.resources(azure)
    yield from registry.resources(azure)
    yield from builds.resources(settings, azure)
    yield from vault.resources(settings)
    yield from monitoring.before_cluster(azure)
    yield from database.resources(settings, own, azure)
    yield from cluster.resources(own, azure, mesh_profile(settings), monitoring.logs_id(azure))
    yield from identity.people(own, azure)
    yield from vault.after_cluster(settings)
    yield from address.resources(settings)
    yield from monitoring.after_cluster(own, azure)


# The kinds, or the keys, that others wait for: who asks must have been let in, images must be there and the
# nodes allowed to pull them, and databases under the name that pods look for.
_PEOPLE = ("role-admin-",)
_PODS = (
    "TaskRun",
    "role-kubelet-on-registry",
    "Database",
    "sql-zone-group",
    "sql-zone-link",
    "vault",
    "role-vault",
)
_GATEWAY = ("gateway-address", "role-control-plane-on-addresses")


def _keys(made: tuple[AzureResource, ...], *of: str) -> tuple[str, ...]:
    return tuple(one.key for one in made if one.token.partition(":")[2] in of or one.key.startswith(of))


def _in_group(one: AzureResource) -> AzureResource:
    """Everything is in the resource group, and says so by a name that is known before it is there."""
    return one if one.key == "group" or "group" in one.after else replace(one, after=("group", *one.after))


def mesh_profile(settings: Settings) -> Document | None:
    """The profile of the Istio add-on; None where the mesh is another."""
    return istio.addon_profile(settings.mesh) if isinstance(settings.mesh, AddonMesh) else None
