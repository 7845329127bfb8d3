"""What Azure refuses because of what else exists, and what a change of a property means."""

import threading
from pathlib import Path

import pytest

from localcluster.azure.errors import AzureError
from localcluster.azure.state import inventory, purge
from localcluster.azure.values import UNKNOWN
from tests.rehearsal.sky import (
    CLUSTER,
    CREDENTIAL,
    GROUP,
    GUID,
    IDENTITY,
    INPUTS,
    NETWORK,
    POOL,
    ROLE,
    ROOT,
    SUBNET,
    VAULT,
    Sky,
    refused,
)

# --- what must be there ---------------------------------------------------------------------------------


def test_what_a_resource_is_in_must_be_there(tmp_path: Path) -> None:
    cloud = Sky(tmp_path)
    refused("ResourceGroupNotFound", cloud.make, NETWORK)
    cloud.make(GROUP)
    refused("ParentResourceNotFound", cloud.make, SUBNET)
    cloud.make(NETWORK)
    cloud.make(SUBNET)
    assert len(cloud.there()) == 3


def test_ids_know_no_case(cloud: Sky) -> None:
    cloud.make(NETWORK, resourceGroupName="RG")
    refused("Conflict", cloud.make, NETWORK)
    assert cloud.make(SUBNET, virtualNetworkName="V").endswith("/virtualNetworks/V/subnets/n")


def test_what_a_resource_refers_to_must_be_there(cloud: Sky) -> None:
    pools = [{"name": "system", "vnetSubnetID": f"{ROOT}/Microsoft.Network/virtualNetworks/v/subnets/n"}]
    refused("ResourceNotFound", cloud.make, CLUSTER, agentPoolProfiles=pools)
    assert CLUSTER not in inventory(cloud.folder).values()
    cloud.make(NETWORK)
    cloud.make(SUBNET)
    cloud.make(CLUSTER, agentPoolProfiles=pools)
    missing = f"{ROOT}/Microsoft.ManagedIdentity/userAssignedIdentities/missing"
    identity = {"type": "UserAssigned", "userAssignedIdentities": [missing]}
    refused("ResourceNotFound", cloud.change, CLUSTER, cloud.there()[1], identity=identity)


def test_a_subnet_that_is_a_part_of_its_network_is_there(cloud: Sky) -> None:
    cloud.make(NETWORK, subnets=[{"name": "inline", "addressPrefix": "10.0.0.0/16"}])
    subnet = f"{ROOT}/Microsoft.Network/virtualNetworks/v/subnets/inline"
    cloud.make(CLUSTER, agentPoolProfiles=[{"name": "system", "vnetSubnetID": subnet}])


def test_what_exists_is_not_made_again(cloud: Sky) -> None:
    assert "cannot create already existing resource" in refused("Conflict", cloud.make, GROUP)


def test_a_role_is_assigned_once(cloud: Sky) -> None:
    role = {
        "principalId": "p",
        "roleDefinitionId": "/r",
        "scope": "/subscriptions/s",
        "resourceGroupName": None,
    }
    cloud.make(ROLE, roleAssignmentName=f"{GUID}1", **role)
    refused("RoleAssignmentExists", cloud.make, ROLE, roleAssignmentName=f"{GUID}2", **role)
    cloud.make(ROLE, roleAssignmentName=f"{GUID}2", **{**role, "principalId": "q"})


def test_what_a_role_assignment_is_for_stays(cloud: Sky) -> None:
    role: dict[str, object] = {
        "roleAssignmentName": f"{GUID}1",
        "principalId": "p",
        "scope": "/subscriptions/s",
    }
    assigned = cloud.make(ROLE, roleDefinitionId="/r", **role)
    refused("RoleAssignmentUpdateNotPermitted", cloud.change, ROLE, assigned, roleDefinitionId="/q", **role)
    cloud.change(ROLE, assigned, roleDefinitionId="/r", description="why", **role)


def test_credentials_of_an_identity_are_written_one_at_a_time(cloud: Sky) -> None:
    cloud.make(IDENTITY)
    codes: list[str] = []

    def write(name: str) -> None:
        try:
            cloud.make(CREDENTIAL, resourceName="me", federatedIdentityCredentialResourceName=name,
                       audiences=["a"], issuer="i", subject="s")  # fmt: skip
        except AzureError as error:
            codes.append(error.code)

    threads = [threading.Thread(target=write, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == ["ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity"]
    write("c")
    assert len(codes) == 1


# --- what may not go ------------------------------------------------------------------------------------


def test_a_subnet_in_use_stays(cloud: Sky) -> None:
    network = cloud.make(NETWORK)
    subnet = cloud.make(SUBNET)
    cluster = cloud.make(CLUSTER, agentPoolProfiles=[{"name": "system", "vnetSubnetID": subnet.upper()}])
    assert cluster in refused("InUseSubnetCannotBeDeleted", cloud.remove, SUBNET, subnet)
    refused("InUseSubnetCannotBeDeleted", cloud.remove, NETWORK, network)
    refused("InUsePrefixCannotBeDeleted", cloud.change, SUBNET, subnet, addressPrefix="10.1.0.0/16")
    cloud.remove(CLUSTER, cluster)
    cloud.change(SUBNET, subnet, addressPrefix="10.1.0.0/16")
    cloud.remove(NETWORK, network)
    assert cloud.there() == ["/subscriptions/s/resourceGroups/rg"]


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("NatGateway", {"natGatewayName": "x"}),
        ("NetworkSecurityGroup", {"networkSecurityGroupName": "x"}),
        ("RouteTable", {"routeTableName": "x"}),
    ],
)
def test_what_a_subnet_uses_stays(cloud: Sky, name: str, inputs: dict[str, object]) -> None:
    token = f"network:{name}"
    used = cloud.make(token, **inputs)
    cloud.make(NETWORK)
    subnet = cloud.make(SUBNET, **{name[0].lower() + name[1:]: {"id": used}})
    refused(f"InUse{name}CannotBeDeleted", cloud.remove, token, used)
    cloud.remove(SUBNET, subnet)
    cloud.remove(token, used)


def test_a_zone_with_links_stays(cloud: Sky) -> None:
    network = cloud.make(NETWORK)
    zone = cloud.make("privatedns:PrivateZone", privateZoneName="example.org")
    link = cloud.make("privatedns:VirtualNetworkLink", privateZoneName="example.org",
                      virtualNetworkLinkName="l", virtualNetwork={"id": network})  # fmt: skip
    refused("CannotDeleteResource", cloud.remove, "privatedns:PrivateZone", zone)
    cloud.remove("privatedns:VirtualNetworkLink", link)
    cloud.remove("privatedns:PrivateZone", zone)


def test_what_is_locked_stays(cloud: Sky) -> None:
    group = cloud.there()[0]
    identity = cloud.make(IDENTITY)
    scoped = {"scope": identity, "lockName": "l", "level": "CanNotDelete", "resourceGroupName": None}
    lock = cloud.make("authorization:ManagementLockByScope", **scoped)
    refused("ScopeLocked", cloud.remove, IDENTITY, identity)
    refused("ScopeLocked", cloud.remove, GROUP, group)
    other = cloud.make(IDENTITY, resourceName="other")
    cloud.remove(IDENTITY, other)
    cloud.remove("authorization:ManagementLockByScope", lock)
    cloud.remove(IDENTITY, identity)


def test_a_group_takes_everything_in_it_along(cloud: Sky) -> None:
    cloud.make(NETWORK)
    cloud.make(SUBNET)
    cloud.make(CLUSTER)
    cloud.make(POOL)
    cloud.remove(GROUP, cloud.there()[0])
    assert cloud.there() == []
    cloud.remove(GROUP, "/subscriptions/s/resourceGroups/rg")  # gone already


def test_the_name_of_a_deleted_vault_is_taken(cloud: Sky) -> None:
    vault = cloud.make(VAULT)
    cloud.remove(VAULT, vault)
    assert "deleted state" in refused("ConflictError", cloud.make, VAULT)
    properties = dict(INPUTS[VAULT]["properties"])  # type: ignore[call-overload]  # a mapping
    cloud.make(VAULT, properties={**properties, "createMode": "recover"})
    cloud.remove(VAULT, vault)
    purge(cloud.folder, "vault-a")
    cloud.make(VAULT, properties={**properties, "enablePurgeProtection": True})
    refused("BadRequest", cloud.change, VAULT, vault)
    cloud.remove(GROUP, "/subscriptions/s/resourceGroups/rg")
    with pytest.raises(LookupError, match="purge protection"):
        purge(cloud.folder, "vault-a")


# --- what may not change --------------------------------------------------------------------------------


def test_what_azure_does_not_let_change(cloud: Sky) -> None:
    cloud.make(CLUSTER)
    pool = cloud.make(POOL)
    refused("PropertyChangeNotAllowed", cloud.change, POOL, pool, availabilityZones=["1", "2"])
    refused("PropertyChangeNotAllowed", cloud.change, POOL, pool, availabilityZones=["2"])
    cloud.change(POOL, pool, count=5)


@pytest.mark.parametrize(
    ("version", "fine"), [("1.33", True), ("1.32.5", True), ("1.34", False), ("1.31", False)]
)
def test_versions_go_up_one_at_a_time(cloud: Sky, version: str, fine: bool) -> None:
    cluster = cloud.make(CLUSTER)
    if fine:
        cloud.change(CLUSTER, cluster, kubernetesVersion=version)
    else:
        refused("OperationNotAllowed", cloud.change, CLUSTER, cluster, kubernetesVersion=version)


def test_the_issuer_of_a_cluster_stays(cloud: Sky) -> None:
    cluster = cloud.make(CLUSTER, oidcIssuerProfile={"enabled": True})
    refused("BadRequest", cloud.change, CLUSTER, cluster)
    cloud.change(CLUSTER, cluster, oidcIssuerProfile={"enabled": True})


def network(**profile: object) -> dict[str, object]:
    return {"networkProfile": profile}


def linux(name: str) -> dict[str, object]:
    return {"linuxProfile": {"adminUsername": name}}


def differences(cloud: Sky, token: str, old: dict[str, object], new: dict[str, object]) -> list[str]:
    found = cloud.azure.diff(token, cloud.inputs(token, **old), cloud.inputs(token, **new), {})
    return [f"{change.how} {'.'.join(map(str, change.path))}{' !' * change.replaces}" for change in found]


@pytest.mark.parametrize(
    ("token", "old", "new", "found"),
    [
        (CLUSTER, {"tags": {"a": "1"}}, {"tags": {"a": "2", "b": "1"}}, ["update tags.a", "add tags.b"]),
        (CLUSTER, {"location": "West Europe"}, {"location": "westeurope"}, []),
        (CLUSTER, {"location": "westeurope"}, {"location": "northeurope"}, ["update location !"]),
        (CLUSTER, {}, {"resourceName": "other"}, ["update resourceName !"]),
        (CLUSTER, network(podCidr="a"), network(podCidr="b"), ["update networkProfile.podCidr !"]),
        (CLUSTER, network(ipFamilies=["IPv4"]), network(), ["delete networkProfile.ipFamilies"]),
        (CLUSTER, linux("a"), linux("b"), ["update linuxProfile.adminUsername !"]),
        (POOL, {}, {"vmSize": "D4"}, ["update vmSize !"]),
        (POOL, {"count": 3.0}, {"count": 3}, []),
        (POOL, {"count": 1}, {"count": True}, ["update count"]),
        (POOL, {"nodeTaints": ["a", "b"]}, {"nodeTaints": ["a"]}, ["delete nodeTaints.1"]),
        (SUBNET, {}, {"addressPrefix": "10.1.0.0/16"}, ["update addressPrefix"]),
        (ROLE, {"principalId": "a"}, {"principalId": UNKNOWN}, ["update principalId !"]),
        ("dns:RecordSet", {"recordType": "A"}, {"recordType": "AAAA"}, ["update recordType !"]),
    ],
)  # fmt: skip
def test_what_a_change_means(
    cloud: Sky, token: str, old: dict[str, object], new: dict[str, object], found: list[str]
) -> None:
    assert differences(cloud, token, old, new) == found


def test_giving_the_value_azure_chose_replaces_nothing(cloud: Sky) -> None:
    old, new = {"resourceName": "a"}, {"resourceName": "a", "nodeResourceGroup": "MC"}
    (change,) = cloud.azure.diff(CLUSTER, old, new, {"nodeResourceGroup": "MC"})
    assert not change.replaces
    (change,) = cloud.azure.diff(CLUSTER, old, new, {"nodeResourceGroup": "MC_2"})
    assert change.replaces
