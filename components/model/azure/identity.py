"""Who may do what in Azure: an identity for the control plane, one for the nodes, and no more than they need.

Role definitions: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
"""

from collections.abc import Iterator

from components.model.azure import names, network
from components.model.azure.resources import AzureResource, placed
from components.model.azure.settings import AksCluster, AzureSettings, RoutedOutbound
from components.model.manifests import Document
from components.model.outputs import output

PART = "identity"
ROLES = {
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "Azure Kubernetes Service Cluster User Role": "4abbcc35-e782-43d8-92c5-2d3f1bd2253f",
    "Azure Kubernetes Service RBAC Cluster Admin": "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b",
    "Grafana Admin": "22926164-76b3-42b3-bc55-97df8dab3e41",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Managed Identity Operator": "f1a07417-d97a-45cb-824c-7a7467783830",
    "Monitoring Data Reader": "b0d8363b-8ddd-447d-831f-62ca05bff136",
    "Network Contributor": "4d97b98b-1d4f-4787-a291-c67834d212e7",
}
CONTROL_PLANE, KUBELET = "control-plane", "kubelet"


def resources(azure: AzureSettings) -> Iterator[AzureResource]:
    """The two identities, and what the control plane must be allowed before there is a cluster."""
    for name in (CONTROL_PLANE, KUBELET):
        inputs: Document = {**placed(azure), "resourceName": names.physical("identity", azure, name)}
        yield AzureResource(name, "managedidentity:UserAssignedIdentity", PART, inputs)
    yield assigned(
        azure,
        "control-plane-on-nodes",
        "Network Contributor",
        (CONTROL_PLANE, network.subnet_id(azure, "nodes")),
        ("nodes",),
    )
    yield assigned(
        azure,
        "control-plane-on-kubelet",
        "Managed Identity Operator",
        (CONTROL_PLANE, identity_id(azure, KUBELET)),
        (KUBELET,),
    )
    if isinstance(azure.network.outbound, RoutedOutbound):
        yield assigned(
            azure,
            "control-plane-on-routes",
            "Network Contributor",
            (CONTROL_PLANE, network.route_table_id(azure)),
            ("routes",),
        )


def people(cluster: AksCluster, azure: AzureSettings) -> Iterator[AzureResource]:
    """What the groups of administrators may do: get the cluster's address, and everything in it."""
    for number, group in enumerate(cluster.admins):
        for key, role in (
            ("user", "Azure Kubernetes Service Cluster User Role"),
            ("admin", "Azure Kubernetes Service RBAC Cluster Admin"),
        ):
            yield granted(azure, f"{key}-{number}", role, (group, names.cluster_id(azure)), ("cluster",))


def before_cluster(azure: AzureSettings) -> tuple[str, ...]:
    """The keys of what the control plane is allowed, which must be there when it starts."""
    return tuple(one.key for one in resources(azure))


def identity_id(azure: AzureSettings, name: str) -> str:
    """The id of an identity of this environment."""
    kind = "Microsoft.ManagedIdentity/userAssignedIdentities"
    return names.resource_id(azure, kind, names.physical("identity", azure, name))


def assigned(
    azure: AzureSettings,
    key: str,
    role: str,
    who_where: tuple[str, str],
    after: tuple[str, ...] = (),
    path: str = "principalId",
) -> AzureResource:
    """A role for the identity with a key, on one thing and nothing wider; `path` leads to its principal."""
    who, where = who_where
    return _assignment(azure, key, role, (output(who, path), "ServicePrincipal", where, who), after)


def granted(
    azure: AzureSettings, key: str, role: str, who_where: tuple[str, str], after: tuple[str, ...] = ()
) -> AzureResource:
    """A role for an Entra group."""
    who, where = who_where
    return _assignment(azure, key, role, (who, "Group", where, who), after)


def _assignment(
    azure: AzureSettings, key: str, role: str, what: tuple[str, str, str, str], after: tuple[str, ...]
) -> AzureResource:
    principal, kind, where, who = what
    inputs: Document = {
        "roleAssignmentName": names.assignment(azure, who, role, where),
        "roleDefinitionId": names.role_id(azure, ROLES[role]),
        "principalId": principal,
        # Said, or Azure looks the principal up and may not find one that was made a moment ago.
        "principalType": kind,
        "scope": where,
        "description": role,
    }
    return AzureResource(f"role-{key}", "authorization:RoleAssignment", PART, inputs, after)
