"""The resource group, the virtual network with its subnets, and the way out."""

from collections.abc import Iterator
from dataclasses import dataclass

from components.model.azure import names
from components.model.azure.resources import AzureResource, placed, tags
from components.model.azure.settings import AzureSettings, NatOutbound, PublicVault, RoutedOutbound
from components.model.manifests import Document, Json

PART = "network"


def group(azure: AzureSettings) -> AzureResource:
    """What everything of the environment is in."""
    return AzureResource("group", "resources:ResourceGroup", PART, placed(azure), protect=azure.protect)


def resources(azure: AzureSettings) -> Iterator[AzureResource]:
    """The network, in the order it is made. Subnets of one network are changed one after another."""
    yield from _outbound(azure)
    yield AzureResource(
        "network",
        "network:VirtualNetwork",
        PART,
        {
            **placed(azure),
            "virtualNetworkName": names.physical("network", azure),
            "addressSpace": {"addressPrefixes": [azure.network.range]},
        },
    )
    out = azure.network.outbound
    nodes: Document = {}
    before = ["network"]
    if isinstance(out, NatOutbound):
        nodes["natGateway"] = {"id": _id(azure, "natGateways", "outbound")}
        before.append("outbound")
    if azure.vault and isinstance(azure.vault.network, PublicVault):
        nodes["serviceEndpoints"] = [{"service": "Microsoft.KeyVault"}]
    if isinstance(out, RoutedOutbound):
        nodes["routeTable"] = {"id": _id(azure, "routeTables", "routes")}
        before.append("routes")
    yield _subnet(azure, "nodes", azure.network.nodes, nodes, before)
    endpoints: Document = {"privateEndpointNetworkPolicies": "Enabled"}
    yield _subnet(azure, "endpoints", azure.network.endpoints, endpoints, ["network", "nodes"])


def subnet_id(azure: AzureSettings, name: str) -> str:
    """The id of a subnet, known before it is there."""
    return f"{_id(azure, 'virtualNetworks', 'network')}/subnets/{name}"


def network_id(azure: AzureSettings) -> str:
    """The id of the virtual network."""
    return _id(azure, "virtualNetworks", "network")


def _id(azure: AzureSettings, kind: str, name: str) -> str:
    return names.resource_id(azure, f"Microsoft.Network/{kind}", names.physical(name, azure))


def _subnet(
    azure: AzureSettings, name: str, addresses: str, more: Document, before: list[str]
) -> AzureResource:
    inputs: Document = {
        "resourceGroupName": names.physical("group", azure),
        "virtualNetworkName": names.physical("network", azure),
        "subnetName": name,
        "addressPrefix": addresses,
        # Nothing gets out by an address nobody asked for.
        "defaultOutboundAccess": False,
        **more,
    }
    return AzureResource(name, "network:Subnet", PART, inputs, tuple(before))


def _outbound(azure: AzureSettings) -> Iterator[AzureResource]:
    out = azure.network.outbound
    if isinstance(out, NatOutbound):
        yield AzureResource("address", "network:PublicIPAddress", PART, public_address(azure, "address"))
        gateway: Document = {
            **placed(azure),
            "natGatewayName": names.physical("outbound", azure),
            "sku": {"name": "Standard"},
            "idleTimeoutInMinutes": out.idle_minutes,
            "publicIpAddresses": [{"id": public_address_id(azure, "address")}],
        }
        yield AzureResource("outbound", "network:NatGateway", PART, gateway, ("address",))
    if isinstance(out, RoutedOutbound):
        everything: Json = {
            "name": "everything",
            "addressPrefix": "0.0.0.0/0",
            "nextHopType": "VirtualAppliance",
            "nextHopIpAddress": out.next_hop,
        }
        routes: Document = {
            **placed(azure),
            "routeTableName": names.physical("routes", azure),
            "disableBgpRoutePropagation": True,
            "routes": [everything],
        }
        yield AzureResource("routes", "network:RouteTable", PART, routes)


def public_address(azure: AzureSettings, name: str) -> Document:
    """An address that stays while the resource does; `name` is the kind of its physical name."""
    return {
        **placed(azure),
        "publicIpAddressName": names.physical(name, azure),
        "sku": {"name": "Standard", "tier": "Regional"},
        "publicIPAllocationMethod": "Static",
        "publicIPAddressVersion": "IPv4",
    }


def public_address_id(azure: AzureSettings, name: str) -> str:
    """The id of a public address."""
    return _id(azure, "publicIPAddresses", name)


def route_table_id(azure: AzureSettings) -> str:
    """The id of the table that leads everything to the firewall."""
    return _id(azure, "routeTables", "routes")


@dataclass(frozen=True, slots=True)
class PrivateService:
    """What gets an address in the network: its id, which part of it, and the zone of its names."""

    id: str
    group: str
    zone: str


def private_endpoint(
    azure: AzureSettings, part: str, key: str, service: PrivateService
) -> Iterator[AzureResource]:
    """An address in the network for what has this key, under the name clients use."""
    name = names.physical("privateEndpoint", azure, key)
    connection: Json = {"name": key, "groupIds": [service.group], "privateLinkServiceId": service.id}
    endpoint: Document = {
        **placed(azure),
        "privateEndpointName": name,
        "subnet": {"id": subnet_id(azure, "endpoints")},
        "privateLinkServiceConnections": [connection],
    }
    yield AzureResource(f"{key}-endpoint", "network:PrivateEndpoint", part, endpoint, ("endpoints", key))
    yield from private_zone(azure, part, key, service.zone)
    group: Document = {
        "resourceGroupName": names.physical("group", azure),
        "privateEndpointName": name,
        "privateDnsZoneGroupName": "default",
        "privateDnsZoneConfigs": [{"name": key, "privateDnsZoneId": zone_id(azure, service.zone)}],
    }
    after = (f"{key}-endpoint", f"{key}-zone")
    yield AzureResource(f"{key}-zone-group", "network:PrivateDnsZoneGroup", part, group, after)


def zone_id(azure: AzureSettings, zone: str) -> str:
    """The id of a private zone of this environment."""
    return names.resource_id(azure, "Microsoft.Network/privateDnsZones", zone)


def private_zone(azure: AzureSettings, part: str, key: str, zone: str) -> Iterator[AzureResource]:
    """A zone in which the network finds private endpoints under their public names."""
    common: Document = {
        "resourceGroupName": names.physical("group", azure),
        "location": "global",
        "tags": tags(azure),
        "privateZoneName": zone,
    }
    yield AzureResource(f"{key}-zone", "privatedns:PrivateZone", part, common)
    link: Document = {
        **common,
        "virtualNetworkLinkName": names.physical("network", azure),
        "virtualNetwork": {"id": network_id(azure)},
        "registrationEnabled": False,
    }
    after = ("network", f"{key}-zone")
    yield AzureResource(f"{key}-zone-link", "privatedns:VirtualNetworkLink", part, link, after)
