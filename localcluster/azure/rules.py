"""What Azure refuses because of what else exists: missing parents, things in use, names that are taken.

Codes and messages follow Azure's; a message is not compared with anything, so its words are our own.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from localcluster.azure import differ, kinds, paths
from localcluster.azure.errors import AzureError
from localcluster.azure.state import Record, State

VAULT = "keyvault:Vault"
CLUSTER = "containerservice:ManagedCluster"
ROLE = "authorization:RoleAssignment"
SUBNET = "network:Subnet"
_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+(/providers/[^/]+(/[^/]+/[^/]+)+)?", re.IGNORECASE
)


def creating(state: State, token: str, identity: str, inputs: Mapping[str, object]) -> None:
    """Raises what Azure answers to a creation that cannot be.

    Raises:
        AzureError: the group, what it is in, or something it refers to is missing; or the name is taken.
    """
    standing(state, identity)
    _referred(state, identity, inputs)
    if token == VAULT:
        _free(state, kinds.name_of(identity), inputs)
    if token == ROLE:
        _one_of_a_kind(state, inputs)


def updating(state: State, record: Record, inputs: Mapping[str, object]) -> None:
    """Raises what Azure answers to a change that cannot be.

    Raises:
        AzureError: a property cannot change, or cannot change now.
    """
    _referred(state, record.identity, inputs)
    for path in differ.refused(record.token, record.inputs, inputs):
        role = record.token == ROLE
        code = "RoleAssignmentUpdateNotPermitted" if role else "PropertyChangeNotAllowed"
        raise AzureError(400, code, f"Changing property 'properties.{path}' is not allowed.")
    if record.token == VAULT and _switched_off(record, inputs, "properties.enablePurgeProtection"):
        # Source: https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview#purge-protection
        raise AzureError(
            400,
            "BadRequest",
            "The property 'enablePurgeProtection' cannot be set to false: purge protection is irreversible.",
        )
    if record.token == CLUSTER:
        _cluster(record, inputs)
    if record.token == SUBNET and _moved(record, inputs) and (user := _user(state, record)):
        # Source: https://learn.microsoft.com/azure/virtual-network/virtual-network-manage-subnet
        raise AzureError(
            400,
            "InUsePrefixCannotBeDeleted",
            f"The prefix of subnet {kinds.name_of(record.identity)} is in use by {user} and cannot change.",
        )


def deleting(state: State, record: Record) -> None:
    """Raises what Azure answers to a deletion that cannot be.

    Raises:
        AzureError: it is locked, in use, or holds what has to go first.
    """
    for lock in state.resources.values():
        if not lock.token.startswith("authorization:ManagementLock") or lock is record:
            continue
        scope, own = kinds.parent(lock.identity).lower() + "/", record.identity.lower() + "/"
        if own.startswith(scope) or scope.startswith(own):
            # Source: https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources
            message = f"The scope {record.identity} cannot be deleted: {lock.identity} locks it."
            raise AzureError(409, "ScopeLocked", message)
    _unused(state, record)


def standing(state: State, identity: str) -> None:
    """What a resource is in must exist.

    Raises:
        AzureError: it does not.
    """
    group = re.match(r"/subscriptions/[^/]+/resourceGroups/([^/]+)/", identity, re.IGNORECASE)
    if group and state.get(group[0].rstrip("/")) is None:
        raise AzureError(404, "ResourceGroupNotFound", f"Resource group '{group[1]}' could not be found.")
    above = kinds.parent(identity)
    while above.endswith("/default"):
        above = kinds.parent(above)
    if "/providers/" in above and state.get(above) is None and not _inside(state, above):
        raise AzureError(
            404,
            "ParentResourceNotFound",
            f"Can not perform requested operation on nested resource. Parent resource '{above}' not found.",
        )


def _referred(state: State, identity: str, inputs: Mapping[str, object]) -> None:
    """What a resource refers to must exist, if it is of a kind and in a group we know."""
    for reference in _references(inputs):
        group = re.match(r"/subscriptions/[^/]+/resourceGroups/[^/]+", reference, re.IGNORECASE)
        if group is None or state.get(group[0]) is None or _type_of(reference) not in _TYPES:
            continue
        if state.get(reference) is None and not _inside(state, reference):
            # Source: https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-not-found
            raise AzureError(
                404,
                "InvalidResourceReference" if "/Microsoft.Network/" in identity else "ResourceNotFound",
                f"Resource {reference} referenced by resource {identity} was not found.",
            )


def _references(value: object) -> Iterator[str]:
    if isinstance(value, str) and _ID.fullmatch(value):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _references(name)
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _type_of(identity: str) -> str:
    provider, *steps = identity.rpartition("/providers/")[2].split("/")
    return "/".join([provider, *steps[::2]]).lower()


_TYPES = frozenset(kind.type.lower() for kind in kinds.KINDS.values())


def _inside(state: State, identity: str) -> bool:
    """Whether something exists as a part of what it is in: subnets of a network, pools of a cluster."""
    above = state.get(kinds.parent(identity))
    if above is None:
        return False
    lists = [value for value in above.inputs.values() if isinstance(value, list)]
    names = [one.get("name") for items in lists for one in items if isinstance(one, Mapping)]
    return kinds.name_of(identity).lower() in [str(name).lower() for name in names]


def _free(state: State, vault: str, inputs: Mapping[str, object]) -> None:
    """The name of a deleted vault is taken until it is purged, or the vault is asked back.

    Source: https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview
    """
    if paths.at(dict(inputs), "properties.createMode") == "recover":
        state.deleted.pop(vault.lower(), None)
    elif vault.lower() in state.deleted:
        raise AzureError(
            409,
            "ConflictError",
            f"A vault with the same name already exists in deleted state ({vault}). "
            "You need to either recover or purge existing key vault.",
        )


def _one_of_a_kind(state: State, inputs: Mapping[str, object]) -> None:
    what = ("principalId", "roleDefinitionId", "scope")
    for other in state.resources.values():
        if other.token == ROLE and all(
            str(other.inputs.get(one)).lower() == str(inputs.get(one)).lower() for one in what
        ):
            # Source: https://learn.microsoft.com/azure/role-based-access-control/troubleshooting
            raise AzureError(409, "RoleAssignmentExists", "The role assignment already exists.")


def _cluster(record: Record, inputs: Mapping[str, object]) -> None:
    if _switched_off(record, inputs, "oidcIssuerProfile.enabled"):
        # Source: https://learn.microsoft.com/azure/aks/use-oidc-issuer
        raise AzureError(400, "BadRequest", "The OIDC issuer of a cluster cannot be disabled once enabled.")
    old, new = _minor(record.inputs.get("kubernetesVersion")), _minor(inputs.get("kubernetesVersion"))
    if old is not None and new is not None and not old <= new <= old + 1:
        # Source: https://learn.microsoft.com/azure/aks/upgrade-aks-cluster
        raise AzureError(
            400,
            "OperationNotAllowed",
            f"Upgrading Kubernetes version 1.{old} to 1.{new} is not allowed: "
            "minor versions go up one at a time, and never down.",
        )


def _minor(version: object) -> int | None:
    found = re.match(r"1\.(\d+)", str(version))
    return int(found[1]) if found else None


def _switched_off(record: Record, inputs: Mapping[str, object], path: str) -> bool:
    return paths.at(record.inputs, path) is True and paths.at(dict(inputs), path) is not True


def _moved(record: Record, inputs: Mapping[str, object]) -> bool:
    return any(record.inputs.get(one) != inputs.get(one) for one in ("addressPrefix", "addressPrefixes"))


def _user(state: State, record: Record, *kinds_of_users: str) -> str:
    """Something that refers to a resource and is not a part of it; empty, if nothing does."""
    wanted, below = record.identity.lower(), f"{record.identity.lower()}/"
    for key, other in sorted(state.resources.items()):
        if key.startswith(below) or (kinds_of_users and not other.token.startswith(kinds_of_users)):
            continue
        if any(one.lower() == wanted for one in _references(other.inputs)):
            return other.identity
    return ""


# What sits in a subnet; a database's rule or a vault's firewall only names it.
_IN_SUBNETS = ("containerservice:", "network:PrivateEndpoint", "network:NetworkInterface", "compute:")


def _subnet(state: State, record: Record) -> None:
    if user := _user(state, record, *_IN_SUBNETS):
        # Source: https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-subnet-in-use
        name = kinds.name_of(record.identity)
        raise AzureError(
            400, "InUseSubnetCannotBeDeleted", f"Subnet {name} is in use by {user} and cannot be deleted."
        )


def _network(state: State, record: Record) -> None:
    for part in state.below(record.identity):
        if part.token == SUBNET:
            _subnet(state, part)


def _used(code: str) -> Callable[[State, Record], None]:
    def check(state: State, record: Record) -> None:
        if user := _user(state, record, "network:"):
            raise AzureError(400, code, f"{record.identity} is in use by {user} and cannot be deleted.")

    return check


def _nested(what: str) -> Callable[[State, Record], None]:
    def check(state: State, record: Record) -> None:
        for part in state.below(record.identity):
            if part.token == what:
                # Source: https://learn.microsoft.com/azure/dns/private-dns-virtual-network-links
                raise AzureError(
                    409,
                    "CannotDeleteResource",
                    "Can not delete resource before nested resources are deleted: "
                    f"{kinds.name_of(part.identity)}.",
                )

    return check


# Source of the codes: https://github.com/stackshy/cloudemu/pull/967 (what Azure answers, by its SDK's tests)
_WHEN_DELETED: Mapping[str, Callable[[State, Record], None]] = MappingProxyType(
    {
        "network:NatGateway": _used("InUseNatGatewayCannotBeDeleted"),
        "network:NetworkSecurityGroup": _used("InUseNetworkSecurityGroupCannotBeDeleted"),
        "network:PublicIPAddress": _used("PublicIPAddressCannotBeDeleted"),
        "network:RouteTable": _used("InUseRouteTableCannotBeDeleted"),
        "network:Subnet": _subnet,
        "network:VirtualNetwork": _network,
        "privatedns:PrivateZone": _nested("privatedns:VirtualNetworkLink"),
    }
)


def _unused(state: State, record: Record) -> None:
    if check := _WHEN_DELETED.get(record.token):
        check(state, record)
