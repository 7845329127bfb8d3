"""From settings to every Azure resource of an environment, in an order in which they can be made."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from components.model import istio
from components.model.azure import cluster, identity, names, network, registry, vault
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
    before_objects: tuple[str, ...]  # keys of what must be there before anything is asked of the cluster

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
        before_objects=tuple(one.key for one in made if _first(one)),
    )


def _resources(settings: Settings, own: AksCluster, azure: AzureSettings) -> Iterator[AzureResource]:
    yield network.group(azure)
    yield from network.resources(azure)
    yield from identity.resources(azure)
    yield from registry.resources(azure)
    yield from vault.resources(settings)
    yield from cluster.resources(own, azure, mesh_profile(settings))
    yield from identity.people(own, azure)


def _first(one: AzureResource) -> bool:
    """Whether objects wait for it: pods need nodes and images, and who asks must have been let in."""
    kind = one.token.partition(":")[2]
    return kind in {"ManagedCluster", "AgentPool", "TaskRun"} or (
        kind == "RoleAssignment" and one.part in {"identity", "registry"}
    )


def _in_group(one: AzureResource) -> AzureResource:
    """Everything is in the resource group, and says so by a name that is known before it is there."""
    return one if one.key == "group" or "group" in one.after else replace(one, after=("group", *one.after))


def mesh_profile(settings: Settings) -> Document | None:
    """The profile of the Istio add-on; None where the mesh is another."""
    return istio.addon_profile(settings.mesh) if isinstance(settings.mesh, AddonMesh) else None
