"""The key vault of an environment."""

from components.model.azure.resources import AzureResource
from components.model.settings import Settings


def resources(settings: Settings) -> tuple[AzureResource, ...]:
    """What keeps secret values, where they come from a vault."""
    del settings
    return ()
