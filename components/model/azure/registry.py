"""The environment's own container registry."""

from collections.abc import Iterator

from components.model.azure import names
from components.model.azure.identity import KUBELET, assigned
from components.model.azure.resources import AzureResource, placed
from components.model.azure.settings import AzureSettings
from components.model.manifests import Document

PART = "registry"


def resources(azure: AzureSettings) -> Iterator[AzureResource]:
    """The registry, and the right of nodes to pull. Nobody has a password, and nobody pulls unknown."""
    if azure.registry is None:
        return
    premium = azure.registry.sku == "Premium"
    inputs: Document = {
        **placed(azure),
        "registryName": names.physical("registry", azure),
        "sku": {"name": azure.registry.sku},
        "adminUserEnabled": False,
        "anonymousPullEnabled": False,
        **({"zoneRedundancy": "Enabled"} if premium else {}),
    }
    yield AzureResource("registry", "containerregistry:Registry", PART, inputs, protect=azure.protect)
    yield assigned(azure, "kubelet-on-registry", "AcrPull", (KUBELET, registry_id(azure)), ("registry",))


def registry_id(azure: AzureSettings) -> str:
    """The id of the registry."""
    return names.resource_id(
        azure, "Microsoft.ContainerRegistry/registries", names.physical("registry", azure)
    )
