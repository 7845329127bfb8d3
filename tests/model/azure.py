"""Environments on a managed cluster, to try things on."""

from components.model.azure.plan import AzurePlan
from components.model.azure.resources import AzureResource
from components.model.azure.settings import AksCluster, AzureSettings
from components.model.manifests import Document
from tests.model.examples import REMOVE, WHOLE, Node, plan, raw, settings

SUBSCRIPTION = "9c1f6a0e-5d24-4c1b-8e52-2f7a3b6d9e10"
TENANT = "2f0d6c55-8a1b-4c7e-9f64-7f1d3c2b5a90"
ADMINS = "5b0c1c0e-3d1e-4a53-9f3c-0d3c5f2f7a11"
COMMIT = "c1991d9818f74164e23557a784b152210486bbb9"

CLUSTER: Node = {
    "kind": "aks",
    "version": "1.34",
    "access": {"kind": "public", "authorizedRanges": ["203.0.113.0/24"]},
    "admins": [ADMINS],
    "system": {"vmSize": "Standard_D4ds_v5", "min": 3, "max": 5},
    "pools": {"apps": {"vmSize": "Standard_D4ds_v5", "min": 1, "max": 6}},
}
AZURE: Node = {
    "subscription": SUBSCRIPTION,
    "tenant": TENANT,
    "location": "westeurope",
    "name": "test",
}
AKS: Node = WHOLE | {"cluster": CLUSTER, "azure": AZURE, "images": "upstream", "mesh": {"kind": "helm"}}
# Everything there is: databases outside, images built, every add-on, both kinds of pool.
FULL: Node = raw(
    {
        "cluster.addons": {
            "defender": True,
            "policy": True,
            "keda": True,
            "containerInsights": True,
            "costAnalysis": True,
            "vault": {"rotation": "5m"},
        },
        "cluster.pools.burst": {"vmSize": "Standard_D8ds_v5", "max": 4, "spot": True, "zones": []},
        "azure.tags": {"owner": "platform"},
        "azure.network": {"outbound": {"kind": "natGateway"}},
        "azure.registry": {"sku": "Premium", "builds": {"commit": COMMIT}},
        "azure.monitoring": {"grafana": True, "applicationInsights": True},
        "azure.database": {"kind": "azureSql", "sku": "GP_Gen5_2", "zoneRedundant": True, "backup": "Zone"},
        "azure.protect": True,
        "images": "own",
        "guardrails": {"production": True},
        "services.sqlserver": REMOVE,
    },
    AKS,
)


def azure_plan(changes: Node | None = None, base: Node = FULL) -> AzurePlan:
    """The Azure half of the changed environment's checked plan."""
    found = plan(changes, base).azure
    assert found is not None
    return found


def resource(found: AzurePlan, key: str) -> AzureResource:
    """The resource with a key."""
    return next(one for one in found.resources if one.key == key)


def inputs(found: AzurePlan, key: str) -> Document:
    """The inputs of the resource with a key."""
    return dict(resource(found, key).inputs)


def parts(changes: Node | None = None, base: Node = FULL) -> tuple[AksCluster, AzureSettings]:
    """The typed settings of the changed environment."""
    made = settings(changes, base)
    assert isinstance(made.cluster, AksCluster)
    assert made.azure is not None
    return made.cluster, made.azure
