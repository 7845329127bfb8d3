"""Rules over Azure's part of an environment: what no key can tell by itself, and what Azure says too late."""

from collections.abc import Iterator

from components.model import access
from components.model.azure.settings import (
    TAKEN_ADDRESSES,
    AksCluster,
    AzureSettings,
    InClusterDatabase,
)
from components.model.azure.types import network
from components.model.catalogue import SQL
from components.model.checks.registry import Asked, plan_check, settings_check
from components.model.explain import key_path
from components.model.findings import Finding
from components.model.istio import ADDON_GATEWAY_NAMESPACE, ADDON_NAMESPACE
from components.model.outputs import places
from components.model.plan import Plan
from components.model.settings import AddonMesh


def _made(asked: Asked) -> Iterator[tuple[AksCluster, AzureSettings]]:
    """The managed cluster of an environment and what is around it, where there is one."""
    cluster, azure = asked.settings.cluster, asked.settings.azure
    if isinstance(cluster, AksCluster) and azure is not None:
        yield cluster, azure


# --- room and addresses -------------------------------------------------------------------------------


@settings_check(
    "subnet-small",
    "A subnet with fewer addresses than nodes",
    reason="An upgrade adds nodes before it takes others away; without an address it stands still.",
    source="https://learn.microsoft.com/azure/aks/azure-cni-overlay#ip-address-planning",
)
def subnet_small(asked: Asked) -> Iterator[Finding]:
    for cluster, azure in _made(asked):
        pods = 0 if cluster.network.mode == "overlay" else 1
        each = {name: 1 + pods * pool.max_pods for name, pool in cluster.all_pools.items()}
        needed = sum((pool.max + pool.surge) * each[name] for name, pool in cluster.all_pools.items())
        room = network(azure.network.nodes).num_addresses - TAKEN_ADDRESSES
        if needed > room:
            length = 32 - (needed + TAKEN_ADDRESSES - 1).bit_length()
            text = (
                f"has {room} addresses, and the pools may need {needed} while they are upgraded; valid: a "
                f"/{length} or larger, or smaller pools"
            )
            yield Finding("subnet-small", key_path(("azure", "network", "nodes")), text, azure.network.nodes)


@settings_check(
    "address-overlap",
    "Addresses that are there twice",
    reason="A packet for an address of the network would go to a pod or a service of the cluster instead.",
    source="https://learn.microsoft.com/azure/aks/azure-cni-overlay#ip-address-planning",
)
def address_overlap(asked: Asked) -> Iterator[Finding]:
    for cluster, azure in _made(asked):
        whole = network(azure.network.range)
        own = {"serviceCidr": cluster.network.service_cidr}
        if cluster.network.mode == "overlay":
            own["podCidr"] = cluster.network.pod_cidr
        for key, value in sorted(own.items()):
            if network(value).overlaps(whole):
                text = f"overlaps azure.network.range, which is {whole}; valid: another private range"
                yield Finding("address-overlap", key_path(("cluster", "network", key)), text, value)


@settings_check(
    "no-pool",
    "No pool on which the services may run",
    reason="Our pods tolerate no taint: on pools that all have one, each would wait for a node for ever.",
    source="https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/",
)
def no_pool(asked: Asked) -> Iterator[Finding]:
    for cluster, _ in _made(asked):
        if not any(_open(pool.taints, spot=pool.spot) for pool in cluster.pools.values()):
            text = (
                "every pool has a taint (spot machines have one of Azure's); valid: one pool with neither, "
                "e.g. apps: {vmSize: Standard_D4ds_v5, max: 3}"
            )
            yield Finding("no-pool", key_path(("cluster", "pools")), text, ", ".join(cluster.pools))


def _open(taints: tuple[str, ...], *, spot: bool) -> bool:
    return not spot and all(taint.endswith(":PreferNoSchedule") for taint in taints)


# --- what one part asks of another --------------------------------------------------------------------


@settings_check(
    "logs-nowhere",
    "Logs with no place to go",
    reason="Container Insights and Defender write to a Log Analytics workspace, which monitoring makes.",
    source="https://learn.microsoft.com/azure/azure-monitor/containers/container-insights-overview",
)
def logs_nowhere(asked: Asked) -> Iterator[Finding]:
    for cluster, azure in _made(asked):
        for key, on in (
            ("containerInsights", cluster.addons.container_insights),
            ("defender", cluster.addons.defender),
        ):
            if on and azure.monitoring is None:
                path = key_path(("cluster", "addons", key))
                yield Finding("logs-nowhere", path, "needs azure.monitoring; valid without: false", "true")


@settings_check(
    "addon-cluster",
    "The add-on of a cluster that this stack does not make",
    reason="The add-on is a part of the managed cluster itself: nobody else can switch it on.",
    source="https://learn.microsoft.com/azure/aks/istio-deploy-addon",
)
def addon_cluster(asked: Asked) -> Iterator[Finding]:
    mesh, cluster = asked.settings.mesh, asked.settings.cluster
    if isinstance(mesh, AddonMesh) and not isinstance(cluster, AksCluster):
        there = (
            f"kind: existing, revision: {mesh.carrying}, rootNamespace: {ADDON_NAMESPACE}, "
            f"gateway: {{namespace: {ADDON_GATEWAY_NAMESPACE}, "
            "selector: {istio: aks-istio-ingressgateway-external}}, cni: false"
        )
        text = (
            f"the add-on belongs to a cluster of kind aks, and this is {cluster.kind}; valid where somebody "
            f"else has switched it on: {{{there}}}"
        )
        yield Finding("addon-cluster", key_path(("mesh", "kind")), text, mesh.kind)


@settings_check(
    "keda-addon",
    "Scaling by queues in a cluster that has no KEDA",
    reason="The cluster is made by this stack, so nobody else can have installed it: nothing would scale.",
    source="https://learn.microsoft.com/azure/aks/keda-about",
)
def keda_addon(asked: Asked) -> Iterator[Finding]:
    for cluster, _ in _made(asked):
        if access.scaled_by_queue(asked.settings) and not cluster.addons.keda:
            text = "a service is scaled by its queue, which KEDA does; valid: true"
            yield Finding("keda-addon", key_path(("cluster", "addons", "keda")), text, "false")


@settings_check(
    "builds-unused",
    "Images that are built and that nothing pulls",
    reason="The registry would build for minutes, and pods run other images.",
    source="components/model/azure/builds.py",
)
def builds_unused(asked: Asked) -> Iterator[Finding]:
    for _, azure in _made(asked):
        if azure.registry and azure.registry.builds and asked.settings.images != "own":
            text = f"images come from {asked.settings.images}; valid: images: own, or no builds"
            yield Finding("builds-unused", key_path(("azure", "registry", "builds")), text)


# --- databases ----------------------------------------------------------------------------------------


@settings_check(
    "database-twice",
    "A SQL Server in the cluster that nobody would call",
    reason="With the databases elsewhere it would take memory and a disk for nothing.",
    source="components/model/sql.py",
)
def database_twice(asked: Asked) -> Iterator[Finding]:
    elsewhere = asked.settings.database
    if not isinstance(elsewhere, InClusterDatabase) and SQL.service in asked.settings.services:
        text = f"azure.database is {elsewhere.kind}, and services call that; remove the key"
        yield Finding("database-twice", key_path(("services", SQL.service)), text)


@settings_check(
    "developer-edition",
    "Real data in SQL Server's Developer edition",
    reason="Its licence is for development and tests only, and nobody backs it up.",
    source="https://learn.microsoft.com/sql/sql-server/editions-and-components-of-sql-server-2022",
)
def developer_edition(asked: Asked) -> Iterator[Finding]:
    if asked.settings.guardrails.production and SQL.service in asked.settings.services:
        text = "Developer edition, and guardrails.production is true; valid: azure.database: {kind: azureSql}"
        if asked.settings.azure is None or isinstance(asked.settings.database, InClusterDatabase):
            yield Finding("developer-edition", key_path(("services", SQL.service)), text)


@settings_check(
    "unprotected",
    "Real data that one command removes",
    reason="What is protected, destroy and replacements refuse until somebody takes the protection off.",
    source="https://www.pulumi.com/docs/iac/concepts/options/protect/",
)
def unprotected(asked: Asked) -> Iterator[Finding]:
    for _, azure in _made(asked):
        if asked.settings.guardrails.production and not azure.protect:
            text = "guardrails.production is true; valid: true"
            yield Finding("unprotected", key_path(("azure", "protect")), text, "false")


# --- the plan -----------------------------------------------------------------------------------------


@plan_check(
    "azure-order",
    "An Azure resource before what it names",
    reason="It would be made first and fail, or be registered with nothing where a value belongs.",
    source="components/azure.py",
)
def azure_order(plan: Plan) -> Iterator[Finding]:
    there: set[str] = set()
    for one in plan.azure.resources if plan.azure else ():
        named = {place.name for place in places(one.inputs) if place.kind == "azure"}
        for missing in sorted({*named, *one.after} - there):
            yield Finding("azure-order", f"{one.token} {one.key}", f"comes before {missing}")
        there.add(one.key)


@plan_check(
    "azure-place",
    "A text that waits for what nobody makes",
    reason="The place would stay in the text, and the object be made with it.",
    source="components/model/outputs.py",
)
def azure_place(plan: Plan) -> Iterator[Finding]:
    made = {one.key for one in plan.azure.resources} if plan.azure else set()
    for place in plan.places():
        if place.kind == "azure" and place.name not in made:
            yield Finding("azure-place", str(place), "names no Azure resource of this plan")
