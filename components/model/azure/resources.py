"""One Azure resource as data."""

from collections.abc import Mapping
from dataclasses import dataclass

from components.model.azure import names
from components.model.azure.settings import AzureSettings
from components.model.manifests import Document, Json


@dataclass(frozen=True, slots=True)
class AzureResource:
    """A resource of the azure-native provider.

    Its inputs are the provider's own, in camelCase, with places (`components.model.outputs`) for the outputs
    of others and for secret values; a place is also what makes it wait for the other.
    """

    key: str  # logical name, and what places call it
    token: str  # type token without the package, e.g. containerservice:ManagedCluster
    part: str  # the component it belongs to: network, registry, monitoring, vault, database, cluster
    inputs: Mapping[str, Json]
    after: tuple[str, ...] = ()  # keys of what must be there first though no input says so
    protect: bool = False  # refused by `pulumi destroy` and by a replacement until that is taken off
    retain: bool = False  # stays when the stack goes
    ignore: tuple[str, ...] = ()  # properties Azure changes by itself, e.g. an autoscaled count
    secret_outputs: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()  # outputs that tell nothing, though they lie in something secret


def placed(azure: AzureSettings) -> Document:
    """Where a resource is and what is written on it."""
    return {
        "resourceGroupName": names.physical("group", azure),
        "location": azure.location,
        "tags": tags(azure),
    }


def tags(azure: AzureSettings) -> Document:
    """What is written on everything that can be written on."""
    return dict(sorted({"application": names.APP, "environment": azure.name, **azure.tags}.items()))
