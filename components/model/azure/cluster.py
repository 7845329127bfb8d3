"""The managed cluster: its system pool in it, every other pool a resource of its own."""

from collections.abc import Iterator, Mapping

from components.model.azure import identity, names, network
from components.model.azure.identity import CONTROL_PLANE, KUBELET, identity_id
from components.model.azure.resources import AzureResource, placed, tags
from components.model.azure.settings import (
    SYSTEM_POOL,
    AksCluster,
    AzureSettings,
    LoadBalancerOutbound,
    NatOutbound,
    Pool,
    PrivateAccess,
    PublicAccess,
    UserPool,
)
from components.model.manifests import Document, Json
from components.model.outputs import output

PART = "cluster"
KEY = "cluster"
OUTBOUND = {
    "loadBalancer": "loadBalancer",
    "natGateway": "userAssignedNATGateway",
    "userDefinedRouting": "userDefinedRouting",
}
SYSTEM_TAINT = "CriticalAddonsOnly=true:NoSchedule"
SPOT_TAINT = "kubernetes.azure.com/scalesetpriority=spot:NoSchedule"
POOL_LABEL = "pitstop.dev/pool"
# The names Azure looks for; any other is a window for nothing.
# Source: https://learn.microsoft.com/azure/aks/planned-maintenance
SCHEDULES = ("aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule")


def resources(
    cluster: AksCluster, azure: AzureSettings, mesh: Document | None = None, logs: str = ""
) -> Iterator[AzureResource]:
    """The cluster, its user pools, and when Azure may change them.

    `mesh` is the profile of the Istio add-on, `logs` the id of the workspace that logs go to.
    """
    inputs: Document = {
        **placed(azure),
        "resourceName": names.physical("cluster", azure),
        "nodeResourceGroup": names.physical("nodeGroup", azure),
        "nodeResourceGroupProfile": {"restrictionLevel": "ReadOnly"},
        "dnsPrefix": names.physical("dnsPrefix", azure),
        "kubernetesVersion": cluster.version,
        "sku": {"name": "Base", "tier": cluster.tier},
        "supportPlan": "AKSLongTermSupport" if cluster.long_term else "KubernetesOfficial",
        **_access(cluster, azure),
        **_identities(azure),
        "networkProfile": _network(cluster, azure),
        "agentPoolProfiles": [_system(cluster, azure)],
        "autoUpgradeProfile": {
            "upgradeChannel": cluster.upgrades.channel,
            "nodeOSUpgradeChannel": cluster.upgrades.node_os,
        },
        **_addons(cluster, azure, logs),
        **({"serviceMeshProfile": mesh} if mesh else {}),
    }
    versions = _moved_by_azure(cluster, "kubernetesVersion", "agentPoolProfiles[0].orchestratorVersion")
    yield AzureResource(
        KEY,
        "containerservice:ManagedCluster",
        PART,
        inputs,
        after=("nodes", *identity.before_cluster(azure), *(("logs",) if logs else ())),
        protect=azure.protect,
        ignore=("agentPoolProfiles[0].count", *versions),
    )
    for name, pool in cluster.pools.items():
        yield _user_pool(name, pool, cluster, azure)
    yield from _windows(cluster, azure)


def _access(cluster: AksCluster, azure: AzureSettings) -> Document:
    """Who reaches the API server, and as whom. Nobody has an account of the cluster's own."""
    profile: Document = {"disableRunCommand": True}
    if isinstance(cluster.access, PublicAccess):
        ranges: list[Json] = [*cluster.access.authorized_ranges]
        if isinstance(azure.network.outbound, NatOutbound):
            # Nodes come by this address; Azure lets in only its own load balancer's by itself.
            # Source: https://learn.microsoft.com/azure/aks/api-server-authorized-ip-ranges
            ranges.append(f"{output('address', 'ipAddress')}/32")
        profile["authorizedIPRanges"] = ranges
    if isinstance(cluster.access, PrivateAccess):
        profile |= {
            "enablePrivateCluster": True,
            "enablePrivateClusterPublicFQDN": cluster.access.public_name,
            "privateDNSZone": "system",
        }
    return {
        "apiServerAccessProfile": profile,
        "disableLocalAccounts": True,
        "enableRBAC": True,
        "aadProfile": {
            "managed": True,
            "enableAzureRBAC": True,
            "tenantID": azure.tenant,
            "adminGroupObjectIDs": list(cluster.admins),
        },
    }


def _identities(azure: AzureSettings) -> Document:
    return {
        "identity": {
            "type": "UserAssigned",
            "userAssignedIdentities": [identity_id(azure, CONTROL_PLANE)],
        },
        "identityProfile": {
            "kubeletidentity": {
                "resourceId": identity_id(azure, KUBELET),
                "clientId": output(KUBELET, "clientId"),
                "objectId": output(KUBELET, "principalId"),
            }
        },
    }


def _network(cluster: AksCluster, azure: AzureSettings) -> Document:
    own, out = cluster.network, azure.network.outbound
    profile: Document = {
        "networkPlugin": own.plugin,
        "serviceCidr": own.service_cidr,
        "dnsServiceIP": own.dns_service_ip,
        "loadBalancerSku": "standard",
        "outboundType": OUTBOUND[out.kind],
    }
    if own.plugin == "azure":
        profile["networkDataplane"] = own.dataplane
    if own.mode == "overlay":
        profile |= {"networkPluginMode": "overlay", "podCidr": own.pod_cidr}
    if own.policy != "none":
        profile["networkPolicy"] = own.policy
    if isinstance(out, LoadBalancerOutbound):
        profile["loadBalancerProfile"] = {"managedOutboundIPs": {"count": out.addresses}}
    return profile


def _system(cluster: AksCluster, azure: AzureSettings) -> Document:
    return {
        "name": SYSTEM_POOL,
        "mode": "System",
        "type": "VirtualMachineScaleSets",
        "minCount": cluster.system.min,
        "count": cluster.system.min,
        "nodeTaints": [SYSTEM_TAINT],
        "tags": tags(azure),
        **_pool(cluster.system, cluster, azure),
    }


def _pool(pool: Pool, cluster: AksCluster, azure: AzureSettings) -> Document:
    """What pools of either kind have in common."""
    return {
        "vmSize": pool.vm_size,
        "osType": "Linux",
        "osSKU": "AzureLinux",
        "osDiskType": pool.os_disk.kind.capitalize(),
        "osDiskSizeGB": pool.os_disk.gibibytes,
        "enableAutoScaling": True,
        "maxCount": pool.max,
        "maxPods": pool.max_pods,
        "vnetSubnetID": network.subnet_id(azure, "nodes"),
        "enableEncryptionAtHost": cluster.encryption_at_host,
        "enableNodePublicIP": False,
        "orchestratorVersion": cluster.version,
        "upgradeSettings": {"maxSurge": pool.max_surge},
        **({"availabilityZones": [str(zone) for zone in pool.zones]} if pool.zones else {}),
    }


def _moved_by_azure(cluster: AksCluster, *versions: str) -> tuple[str, ...]:
    """Of these properties, those that Azure's own upgrades change."""
    return versions if cluster.upgrades.by_azure else ()


def _user_pool(name: str, pool: UserPool, cluster: AksCluster, azure: AzureSettings) -> AzureResource:
    labels: Mapping[str, str] = {POOL_LABEL: name, **pool.labels}
    taints: list[Json] = [*pool.taints, *((SPOT_TAINT,) if pool.spot else ())]
    inputs: Document = {
        "resourceGroupName": names.physical("group", azure),
        "resourceName": names.physical("cluster", azure),
        "agentPoolName": name,
        "mode": "User",
        "type": "VirtualMachineScaleSets",
        "minCount": pool.min,
        "count": pool.min,
        "nodeLabels": dict(sorted(labels.items())),
        "tags": tags(azure),
        **_pool(pool, cluster, azure),
    }
    if taints:
        inputs["nodeTaints"] = taints
    if pool.spot:
        # Spot machines are not replaced by surging ones: they may not be had.
        inputs |= {"scaleSetPriority": "Spot", "scaleSetEvictionPolicy": "Delete", "spotMaxPrice": -1}
        del inputs["upgradeSettings"]
    return AzureResource(
        f"pool-{name}",
        "containerservice:AgentPool",
        PART,
        inputs,
        after=(KEY,),
        ignore=("count", *_moved_by_azure(cluster, "orchestratorVersion")),
    )


def _windows(cluster: AksCluster, azure: AzureSettings) -> Iterator[AzureResource]:
    window = cluster.upgrades.window
    before = KEY
    for name in SCHEDULES:
        weekly: Json = {"weekly": {"dayOfWeek": window.day, "intervalWeeks": window.weeks}}
        inputs: Document = {
            "resourceGroupName": names.physical("group", azure),
            "resourceName": names.physical("cluster", azure),
            "configName": name,
            "maintenanceWindow": {
                "schedule": weekly,
                "durationHours": window.hours,
                "startTime": f"{window.hour:02}:00",
                "utcOffset": window.utc_offset,
            },
        }
        key = name.removeprefix("aksManaged").removesuffix("Schedule")
        before, after = f"window-{key}", before
        yield AzureResource(before, "containerservice:MaintenanceConfiguration", PART, inputs, (after,))


def _addons(cluster: AksCluster, azure: AzureSettings, logs: str) -> Document:
    own = cluster.addons
    profiles: Document = {"azurepolicy": {"enabled": own.policy}}
    if own.container_insights and logs:
        config: Json = {"logAnalyticsWorkspaceResourceID": logs, "useAADAuth": "true"}
        profiles["omsagent"] = {"enabled": True, "config": config}
    if own.vault:
        rotation: Json = {"enableSecretRotation": "true", "rotationPollInterval": own.vault.rotation}
        profiles["azureKeyvaultSecretsProvider"] = {"enabled": True, "config": rotation}
    security: Document = {
        "workloadIdentity": {"enabled": cluster.workload_identity},
        "imageCleaner": {"enabled": own.image_cleaner, "intervalHours": 168},
    }
    if own.defender and logs:
        security["defender"] = {
            "logAnalyticsWorkspaceResourceId": logs,
            "securityMonitoring": {"enabled": True},
        }
    prometheus = azure.monitoring is not None and azure.monitoring.prometheus
    return {
        "addonProfiles": profiles,
        "securityProfile": security,
        "oidcIssuerProfile": {"enabled": cluster.oidc_issuer},
        "azureMonitorProfile": {"metrics": {"enabled": prometheus}},
        "metricsProfile": {"costAnalysis": {"enabled": own.cost_analysis}},
        "workloadAutoScalerProfile": {"keda": {"enabled": own.keda}},
        "storageProfile": {
            "diskCSIDriver": {"enabled": True},
            "fileCSIDriver": {"enabled": False},
            "snapshotController": {"enabled": True},
        },
    }
