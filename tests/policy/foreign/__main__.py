"""A shop on AKS, written with the SDKs' own classes: the pack has to know the types as everybody uses them.

`pulumi config set careless true` makes it as such programs often are.
"""

import pulumi
import pulumi_azure_native.containerservice as aks
import pulumi_azure_native.keyvault as vaults
import pulumi_azure_native.resources as groups
import pulumi_kubernetes as k8s

CARELESS = pulumi.Config().get_bool("careless") or False
PROTECTED = pulumi.ResourceOptions(protect=not CARELESS)
DIGEST = "sha256:" + "5e" * 32

group = groups.ResourceGroup("shop", location="westeurope", opts=PROTECTED)
pool: aks.ManagedClusterAgentPoolProfileArgsDict = {
    "name": "system",
    "mode": "System",
    "vm_size": "Standard_D4ds_v5",
    "enable_auto_scaling": True,
    "min_count": 1 if CARELESS else 3,
    "max_count": 5,
    "availability_zones": [] if CARELESS else ["1", "2", "3"],
    "node_taints": [] if CARELESS else ["CriticalAddonsOnly=true:NoSchedule"],
    "upgrade_settings": {"max_surge": "33%"},
    "enable_encryption_at_host": True,
    "os_disk_type": "Ephemeral",
}
cluster = aks.ManagedCluster(
    "shop",
    resource_group_name=group.name,
    resource_name_="shop",
    sku={"name": "Base", "tier": "Free" if CARELESS else "Standard"},
    identity={"type": "UserAssigned", "user_assigned_identities": ["/identities/shop"]},
    disable_local_accounts=not CARELESS,
    aad_profile={"managed": True, "enable_azure_rbac": True},
    oidc_issuer_profile={"enabled": True},
    security_profile={
        "workload_identity": {"enabled": True},
        "defender": {"security_monitoring": {"enabled": True}},
    },
    api_server_access_profile={} if CARELESS else {"authorized_ip_ranges": ["203.0.113.0/28"]},
    network_profile={
        "network_plugin": "azure",
        "network_plugin_mode": "overlay",
        "network_policy": "cilium",
        "network_dataplane": "cilium",
    },
    auto_upgrade_profile={"upgrade_channel": "patch", "node_os_upgrade_channel": "NodeImage"},
    addon_profiles={
        "azurepolicy": {"enabled": True},
        "omsagent": {"enabled": True},
        "azureKeyvaultSecretsProvider": {"enabled": True, "config": {"enableSecretRotation": "true"}},
    },
    agent_pool_profiles=[pool],
    opts=PROTECTED,
)
for name in () if CARELESS else ("aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule"):
    aks.MaintenanceConfiguration(
        name, resource_group_name=group.name, resource_name_=cluster.name, config_name=name
    )
vault = vaults.Vault(
    "shop",
    resource_group_name=group.name,
    properties={
        "sku": {"family": "A", "name": "standard"},
        "tenant_id": "0",
        # Nobody knows before an update what comes out of this.
        "enable_purge_protection": cluster.enable_rbac if CARELESS else True,
        "enable_rbac_authorization": True,
        "public_network_access": "Disabled",
    },
    opts=PROTECTED,
)
provider = k8s.Provider("shop", kubeconfig="{}")
here = pulumi.ResourceOptions(provider=provider)
labels = {"app": "web"}
hardened: k8s.core.v1.SecurityContextArgsDict = {
    "allow_privilege_escalation": False,
    "read_only_root_filesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
k8s.apps.v1.Deployment(
    "web",
    metadata={"name": "web", "namespace": "shop"},
    spec={
        "replicas": 1 if CARELESS else 2,
        "selector": {"match_labels": labels},
        "strategy": {"type": "RollingUpdate", "rolling_update": {"max_unavailable": 0}},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "service_account_name": "web",
                "automount_service_account_token": False,
                "termination_grace_period_seconds": 30,
                "security_context": {
                    "run_as_non_root": True,
                    "run_as_user": 10001,
                    "seccomp_profile": {"type": "RuntimeDefault"},
                },
                "topology_spread_constraints": [
                    {"max_skew": 1, "topology_key": key, "label_selector": {"match_labels": labels}}
                    for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
                ],
                "containers": [
                    {
                        "name": "web",
                        "image": "shop.azurecr.io/web" if CARELESS else f"shop.azurecr.io/web:2.1@{DIGEST}",
                        "resources": {
                            "requests": {"cpu": "100m", "memory": "128Mi", "ephemeral-storage": "64Mi"},
                            "limits": {"memory": "256Mi", "ephemeral-storage": "128Mi"},
                        },
                        "security_context": {} if CARELESS else hardened,
                        "env": [{"name": "DB_PASSWORD", "value": "hunter2"}] if CARELESS else [],
                    }
                ],
            },
        },
    },
    opts=here,
)
if not CARELESS:
    k8s.policy.v1.PodDisruptionBudget(
        "web",
        metadata={"name": "web", "namespace": "shop"},
        spec={"min_available": 1, "selector": {"match_labels": labels}},
        opts=here,
    )
    k8s.networking.v1.NetworkPolicy(
        "nothing",
        metadata={"name": "nothing", "namespace": "shop"},
        spec={"pod_selector": {}, "policy_types": ["Ingress", "Egress"]},
        opts=here,
    )
    k8s.networking.v1.NetworkPolicy(
        "names",
        metadata={"name": "names", "namespace": "shop"},
        spec={"pod_selector": {}, "policy_types": ["Egress"], "egress": [{"ports": [{"port": 53}]}]},
        opts=here,
    )
    # The vault is reached from the cluster's network alone.
    k8s.core.v1.Namespace(
        "shop",
        metadata={
            "name": "shop",
            "labels": {
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/enforce-version": "v1.36",
            },
        },
        opts=here,
    )
