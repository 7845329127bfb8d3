"""An address of the ingress gateway that stays, and the names that lead to it."""

from collections.abc import Iterator

from components.model.azure import identity, names, network
from components.model.azure.identity import CONTROL_PLANE
from components.model.azure.resources import AzureResource, tags
from components.model.azure.settings import AzureSettings, DnsZone
from components.model.manifests import Document
from components.model.settings import Settings

PART = "dns"
KEY = "gateway-address"
NAME = "gatewayAddress"  # in components.model.azure.names
TTL_SECONDS = 300


def resources(settings: Settings) -> Iterator[AzureResource]:
    """The address, the right to use it, and a record for each host; nothing without a zone."""
    azure = settings.azure
    if azure is None or azure.dns is None:
        return
    address = network.public_address(azure, NAME)
    yield AzureResource(KEY, "network:PublicIPAddress", PART, address, protect=azure.protect)
    # The cluster looks for the address in its group.
    # Source: https://learn.microsoft.com/azure/aks/static-ip
    yield identity.assigned(
        azure,
        "control-plane-on-addresses",
        "Network Contributor",
        (CONTROL_PLANE, names.group_id(azure)),
        (CONTROL_PLANE, KEY),
    )
    for host in settings.ingress.hosts:
        yield _record(azure, azure.dns, host)


def gateway_annotations(settings: Settings) -> dict[str, str]:
    """What has the cluster give the gateway's Service that address.

    Source: https://cloud-provider-azure.sigs.k8s.io/topics/loadbalancer/#loadbalancer-annotations
    """
    azure = settings.azure
    if azure is None or azure.dns is None:
        return {}
    prefix = "service.beta.kubernetes.io/azure"
    return {
        f"{prefix}-load-balancer-resource-group": names.physical("group", azure),
        f"{prefix}-pip-name": names.physical(NAME, azure),
    }


def relative(host: str, zone: str) -> str | None:
    """A host as a record of the zone; None where it is none of its names."""
    if host == zone:
        return "@"
    return host.removesuffix(f".{zone}") if host.endswith(f".{zone}") else None


def _record(azure: AzureSettings, zone: DnsZone, host: str) -> AzureResource:
    inputs: Document = {
        "resourceGroupName": zone.resource_group,
        "zoneName": zone.zone,
        "relativeRecordSetName": relative(host, zone.zone),
        "recordType": "A",
        "ttl": TTL_SECONDS,
        # It follows the address, and goes when that goes.
        "targetResource": {"id": network.public_address_id(azure, NAME)},
        "metadata": tags(azure),
    }
    return AzureResource(f"dns-{host.replace('*', 'any')}", "dns:RecordSet", PART, inputs, (KEY,))
