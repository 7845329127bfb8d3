"""The Azure half of a plan: names, order, rights, and what each resource is told."""

import base64
import json
import re

import pytest
import yaml

from components.model import pods, sql
from components.model.azure import identity, names
from components.model.azure.names import FORMS
from components.model.azure.resources import AzureResource
from components.model.catalogue import CATALOGUE
from components.model.checks import plan_for
from components.model.manifests import Document, Json
from components.model.outputs import places
from localcluster.azure.sdk import problems
from tests.model.azure import ADMINS, AKS, COMMIT, FULL, SUBSCRIPTION, azure_plan, inputs, parts, resource
from tests.model.examples import CANARY, OWNER, Node, items, objects, pick, plan, settings

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-pitstop-test"
DOMAIN: Node = {
    "azure.dns": {"zone": "example.org", "resourceGroup": "rg-dns"},
    "ingress.hosts": ["pitstop.example.org", "*.pitstop.example.org", "example.org"],
}
VARIANTS: dict[str, Node] = {
    "full": {},
    "firewall": {"azure.network": {"outbound": {"kind": "userDefinedRouting", "nextHop": "10.9.0.4"}}},
    "private": {"cluster.access": {"kind": "private"}, "azure.monitoring": None, "cluster.addons": {}},
    "external": {"azure.database": {"kind": "external", "host": "sql.example.org", "port": 14330}},
    "serverless": {"azure.database": {"kind": "azureSql", "sku": "GP_S_Gen5_1"}},
    "no overlay": {"cluster.network": {"mode": "subnet"}, "cluster.pools.apps.max": 3},
    "rapid": {"cluster.upgrades": {"channel": "rapid"}},
    "add-on": {"mesh": {"kind": "addon", "revisions": ["asm-1-26", "asm-1-27"], "live": "asm-1-26"}},
    "vault": {"azure.vault": {}, "secrets": {"kind": "vault"}, **DOMAIN},
    "public vault": {
        "azure.vault": {"network": {"kind": "public", "ranges": ["203.0.113.0/24"]}},
        "secrets": {"kind": "vault", "values": "external"},
    },
    "certificate": {"azure.vault": {}, **DOMAIN, "ingress.tls": {"kind": "vault", "certificate": "mine"}},
}


def test_there_is_none_without_a_managed_cluster() -> None:
    assert plan(base=CANARY).azure is None


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_settings_give_the_same_resources(variant: str) -> None:
    assert azure_plan(VARIANTS[variant]) == azure_plan(VARIANTS[variant])


@pytest.mark.parametrize("variant", VARIANTS)
def test_whoever_names_a_thing_comes_after_it(variant: str) -> None:
    """Ids are texts that are known beforehand, so that only `after` keeps the order."""
    found = azure_plan(VARIANTS[variant])
    whose = {identified(one): one.key for one in found.resources}
    before: dict[str, set[str]] = {}
    for one in found.resources:
        named = {place.name for place in places(one.inputs) if place.kind == "azure"}
        before[one.key] = {*one.after, *named}.union(*(before[key] for key in (*one.after, *named)))
        for text in texts(dict(one.inputs)):
            key = whose.get(text, one.key)
            assert key == one.key or key in before[one.key], f"{one.key} names {key} and does not wait"


@pytest.mark.parametrize("variant", VARIANTS)
def test_azure_native_knows_every_input(variant: str) -> None:
    for one in azure_plan(VARIANTS[variant]).resources:
        assert problems(one.token, dict(one.inputs), opaque=later) == [], one.key


def test_an_input_that_azure_native_does_not_know_is_told() -> None:
    vault = inputs(azure_plan(VARIANTS["vault"]), "vault")
    assert problems("keyvault:Vault", {**vault, "vaultname": "x"}, opaque=later)


def later(value: object) -> bool:
    """Whether an input is known only when another resource is there."""
    return isinstance(value, str) and value.startswith("${")


def identified(one: AzureResource) -> str:
    """The id a resource will have, for the kinds that others name."""
    types = {
        "network:VirtualNetwork": ("Microsoft.Network/virtualNetworks", "virtualNetworkName"),
        "network:NatGateway": ("Microsoft.Network/natGateways", "natGatewayName"),
        "network:RouteTable": ("Microsoft.Network/routeTables", "routeTableName"),
        "network:PublicIPAddress": ("Microsoft.Network/publicIPAddresses", "publicIpAddressName"),
        "privatedns:PrivateZone": ("Microsoft.Network/privateDnsZones", "privateZoneName"),
        "managedidentity:UserAssignedIdentity": (
            "Microsoft.ManagedIdentity/userAssignedIdentities",
            "resourceName",
        ),
        "containerregistry:Registry": ("Microsoft.ContainerRegistry/registries", "registryName"),
        "operationalinsights:Workspace": ("Microsoft.OperationalInsights/workspaces", "workspaceName"),
        "monitor:AzureMonitorWorkspace": ("Microsoft.Monitor/accounts", "azureMonitorWorkspaceName"),
        "monitor:DataCollectionEndpoint": (
            "Microsoft.Insights/dataCollectionEndpoints",
            "dataCollectionEndpointName",
        ),
        "monitor:DataCollectionRule": ("Microsoft.Insights/dataCollectionRules", "dataCollectionRuleName"),
        "dashboard:Grafana": ("Microsoft.Dashboard/grafana", "workspaceName"),
        "keyvault:Vault": ("Microsoft.KeyVault/vaults", "vaultName"),
        "sql:Server": ("Microsoft.Sql/servers", "serverName"),
        "containerservice:ManagedCluster": ("Microsoft.ContainerService/managedClusters", "resourceName"),
    }
    if one.token.endswith(":Subnet"):
        network = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/{one.inputs['virtualNetworkName']}"
        return f"{network}/subnets/{one.inputs['subnetName']}"
    kind, name = types.get(one.token, ("", ""))
    return f"{GROUP}/providers/{kind}/{one.inputs[name]}" if kind else one.key


def texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return [text for item in items for text in texts(item)]
    return []


def test_every_id_that_is_named_is_of_something_that_is_made() -> None:
    found = azure_plan()
    known = {identified(one) for one in found.resources} | {GROUP}
    for one in found.resources:
        for text in texts(dict(one.inputs)):
            if text.startswith(GROUP):
                assert text in known, f"{one.key} names {text}"


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("name", ["a", "production"])
def test_names_keep_azures_limits(kind: str, name: str) -> None:
    _, azure = parts({"azure.name": name})
    form = FORMS[kind]
    for part in ("control-plane", "prometheus") if "{part}" in form.text else ("",):
        made = names.physical(kind, azure, part)
        assert form.valid.fullmatch(made), made
        assert len(made) <= form.longest


def test_two_subscriptions_do_not_share_a_name_of_the_whole_world() -> None:
    _, one = parts()
    _, other = parts({"azure.subscription": "00000000-0000-4000-8000-000000000001"})
    for kind, form in FORMS.items():
        shared = names.physical(kind, one) == names.physical(kind, other)
        assert shared == ("{suffix}" not in form.text)


def test_the_cluster_is_known_by_its_id_whatever_its_credentials() -> None:
    found = azure_plan()
    assert (
        found.cluster_id == f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/aks-pitstop-test"
    )


def test_nobody_has_an_account_of_the_clusters_own() -> None:
    cluster = inputs(azure_plan(), "cluster")
    assert cluster["disableLocalAccounts"] is True
    assert pick(cluster, "aadProfile", "enableAzureRBAC") is True
    assert pick(cluster, "aadProfile", "adminGroupObjectIDs") == [ADMINS]
    assert "servicePrincipalProfile" not in cluster


def test_the_system_pool_is_the_clusters_and_keeps_others_off() -> None:
    cluster = inputs(azure_plan(), "cluster")
    pools = pick(cluster, "agentPoolProfiles")
    assert isinstance(pools, list)
    assert [pick(pool, "name") for pool in pools] == ["system"]
    assert pick(pools[0], "nodeTaints") == ["CriticalAddonsOnly=true:NoSchedule"]
    assert pick(pools[0], "mode") == "System"


def test_user_pools_are_resources_of_their_own() -> None:
    found = azure_plan()
    pools = {one.key: dict(one.inputs) for one in found.resources if one.token.endswith(":AgentPool")}
    assert list(pools) == ["pool-apps", "pool-burst"]
    apps, burst = pools["pool-apps"], pools["pool-burst"]
    assert (apps["minCount"], apps["maxCount"], apps["availabilityZones"]) == (1, 6, ["1", "2", "3"])
    assert apps["nodeLabels"] == {"pitstop.dev/pool": "apps"}
    assert apps["upgradeSettings"] == {"maxSurge": "33%"}
    assert (burst["scaleSetPriority"], burst["spotMaxPrice"]) == ("Spot", -1)
    assert burst["nodeTaints"] == ["kubernetes.azure.com/scalesetpriority=spot:NoSchedule"]
    assert {"availabilityZones", "upgradeSettings"}.isdisjoint(burst)


def test_a_count_that_follows_the_need_is_nobodys_to_change_back() -> None:
    found = azure_plan()
    assert resource(found, "cluster").ignore == ("agentPoolProfiles[0].count",)
    assert resource(found, "pool-apps").ignore == ("count",)
    moving = azure_plan(VARIANTS["rapid"])
    assert "kubernetesVersion" in resource(moving, "cluster").ignore
    assert resource(moving, "pool-apps").ignore == ("count", "orchestratorVersion")


def test_a_private_cluster_has_no_public_ranges() -> None:
    public = pick(inputs(azure_plan(), "cluster"), "apiServerAccessProfile")
    private = pick(inputs(azure_plan(VARIANTS["private"]), "cluster"), "apiServerAccessProfile")
    # The nodes' own way out is let in too: Azure knows only its load balancer's address by itself.
    assert pick(public, "authorizedIPRanges") == ["203.0.113.0/24", "${azure:address:ipAddress}/32"]
    balanced = pick(inputs(azure_plan(base=AKS), "cluster"), "apiServerAccessProfile")
    assert pick(balanced, "authorizedIPRanges") == ["203.0.113.0/24"]
    assert isinstance(public, dict)
    assert isinstance(private, dict)
    assert "enablePrivateCluster" not in public
    assert private["enablePrivateCluster"] is True
    assert "authorizedIPRanges" not in private


@pytest.mark.parametrize(
    ("variant", "kind", "on_the_subnet"),
    [
        ("full", "userAssignedNATGateway", {"natGateway"}),
        ("firewall", "userDefinedRouting", {"routeTable"}),
    ],
)
def test_the_way_out_is_on_the_nodes_subnet(variant: str, kind: str, on_the_subnet: set[str]) -> None:
    found = azure_plan(VARIANTS[variant])
    assert pick(inputs(found, "cluster"), "networkProfile", "outboundType") == kind
    nodes = inputs(found, "nodes")
    assert "natGatewayProfile" not in as_map(inputs(found, "cluster"), "networkProfile")
    assert {"natGateway", "routeTable"} & set(nodes) == on_the_subnet
    assert nodes["defaultOutboundAccess"] is False


def test_the_load_balancer_is_the_usual_way_out() -> None:
    profile = pick(inputs(azure_plan(base=AKS), "cluster"), "networkProfile")
    assert pick(profile, "outboundType") == "loadBalancer"
    assert pick(profile, "loadBalancerProfile", "managedOutboundIPs", "count") == 1


def test_rights_are_on_single_things_and_have_names_that_stay() -> None:
    found = azure_plan(VARIANTS["firewall"])
    roles = {one.key: dict(one.inputs) for one in found.resources if one.token.endswith(":RoleAssignment")}
    scopes = {key: str(role["scope"]).rpartition("/")[2] for key, role in roles.items()}
    suffix = names.suffix(parts()[1])
    assert scopes == {
        "role-control-plane-on-nodes": "nodes",
        "role-control-plane-on-kubelet": "id-pitstop-test-kubelet",
        "role-control-plane-on-routes": "rt-pitstop-test",
        "role-kubelet-on-registry": f"crpitstoptest{suffix}",
        "role-user-0": "aks-pitstop-test",
        "role-admin-0": "aks-pitstop-test",
        "role-grafana-on-metrics": "amw-pitstop-test",
        "role-grafana-0": f"graf-test-{suffix}",
    }
    assert all(role["principalType"] in {"ServicePrincipal", "Group"} for role in roles.values())
    named = [str(role["roleAssignmentName"]) for role in roles.values()]
    assert len(set(named)) == len(named)
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name) for name in named)
    assert named == [
        str(dict(one.inputs)["roleAssignmentName"]) for one in found.resources if one.key in roles
    ]


def test_roles_are_azures_own() -> None:
    assert all(re.fullmatch(r"[0-9a-f-]{36}", role) for role in identity.ROLES.values())
    assert len(set(identity.ROLES.values())) == len(identity.ROLES)


def test_nobody_has_a_password_of_the_registry() -> None:
    registry = inputs(azure_plan(), "registry")
    assert (registry["adminUserEnabled"], registry["anonymousPullEnabled"]) == (False, False)
    assert registry["zoneRedundancy"] == "Enabled"
    assert "zoneRedundancy" not in inputs(azure_plan({"azure.registry.sku": "Basic"}), "registry")


def test_what_cannot_be_made_again_is_protected() -> None:
    kept = {one.key for one in azure_plan().resources if one.protect}
    assert {"group", "cluster", "registry", "logs", "metrics", "sql", "sql-Invoicing"} <= kept
    assert not [one.key for one in azure_plan(base=AKS).resources if one.protect]


def test_windows_have_the_names_azure_looks_for() -> None:
    found = azure_plan({"cluster.upgrades": {"window": {"day": "Monday", "hour": 3, "weeks": 2}}})
    windows = [dict(one.inputs) for one in found.resources if one.token.endswith("MaintenanceConfiguration")]
    assert [one["configName"] for one in windows] == [
        "aksManagedAutoUpgradeSchedule",
        "aksManagedNodeOSUpgradeSchedule",
    ]
    assert pick(windows[0], "maintenanceWindow", "startTime") == "03:00"
    assert pick(windows[0], "maintenanceWindow", "schedule", "weekly") == {
        "dayOfWeek": "Monday",
        "intervalWeeks": 2,
    }


def test_addons_are_what_was_asked_for() -> None:
    cluster, bare = inputs(azure_plan(), "cluster"), inputs(azure_plan(base=AKS), "cluster")
    assert set(as_map(cluster, "addonProfiles")) == {
        "azurepolicy",
        "omsagent",
        "azureKeyvaultSecretsProvider",
    }
    assert set(as_map(bare, "addonProfiles")) == {"azurepolicy"}
    config = as_map(cluster, "addonProfiles", "azureKeyvaultSecretsProvider", "config")
    assert config == {"enableSecretRotation": "true", "rotationPollInterval": "5m"}
    assert pick(cluster, "securityProfile", "defender", "securityMonitoring", "enabled") is True
    assert "defender" not in as_map(bare, "securityProfile")
    assert pick(cluster, "workloadAutoScalerProfile", "keda", "enabled") is True


def as_map(value: Document, *path: str) -> Document:
    found = pick(value, *path)
    assert isinstance(found, dict)
    return found


def test_the_add_on_of_the_mesh_is_the_clusters() -> None:
    profile = pick(inputs(azure_plan(VARIANTS["add-on"]), "cluster"), "serviceMeshProfile")
    assert pick(profile, "istio", "revisions") == ["asm-1-26", "asm-1-27"]
    assert "serviceMeshProfile" not in inputs(azure_plan(), "cluster")


def test_nothing_is_measured_where_nothing_is_asked() -> None:
    found = azure_plan(VARIANTS["private"])
    assert not [one.key for one in found.resources if one.part == "monitoring"]
    assert pick(inputs(found, "cluster"), "azureMonitorProfile", "metrics", "enabled") is False


def test_databases_are_made_beforehand_and_have_no_public_address() -> None:
    found = azure_plan()
    server = inputs(found, "sql")
    assert (server["publicNetworkAccess"], server["minimalTlsVersion"]) == ("Disabled", "1.2")
    assert server["administratorLoginPassword"] == "${secret:sqlPassword}"
    assert [one.key for one in found.resources if one.token.endswith(":Database")] == [
        f"sql-{name}"
        for name in (
            "CustomerManagement",
            "Invoicing",
            "Notification",
            "VehicleManagement",
            "WorkshopManagement",
            "WorkshopManagementEventStore",
        )
    ]
    assert found.secrets_needed() == ("sqlPassword",)


@pytest.mark.parametrize(
    ("sku", "expected"),
    [
        ("Basic", {"name": "Basic", "tier": "Basic"}),
        ("S1", {"name": "S1", "tier": "Standard"}),
        ("GP_Gen5_2", {"name": "GP_Gen5", "tier": "GeneralPurpose", "family": "Gen5", "capacity": 2}),
        ("GP_S_Gen5_1", {"name": "GP_S_Gen5", "tier": "GeneralPurpose", "family": "Gen5", "capacity": 1}),
    ],
)
def test_a_size_of_a_database_in_azures_words(sku: str, expected: Document) -> None:
    found = azure_plan({"azure.database": {"kind": "azureSql", "sku": sku}})
    assert inputs(found, "sql-Invoicing")["sku"] == expected


def test_an_external_server_is_nobodys_resource() -> None:
    found = azure_plan(VARIANTS["external"])
    assert not [one.key for one in found.resources if one.part == "database"]


def test_images_are_built_from_one_commit_in_one_run() -> None:
    run = inputs(azure_plan(), "build")
    request = as_map(run, "runRequest")
    assert request["sourceLocation"] == f"https://github.com/EdwinVW/pitstop.git#{COMMIT}:src"
    steps = yaml.safe_load(base64.b64decode(str(request["encodedTaskContent"])))["steps"]
    assert [step["id"] for step in steps][:3] == ["sdk", "runtime", "aspnet"]
    pulled = {
        image.rpartition("/")[2]
        for kind in ("Deployment",)
        for workload in objects(plan(base=FULL), kind).values()
        for image in [str(pick(workload, "spec", "template", "spec", "containers", 0, "image"))]
        if ".azurecr.io/pitstop/" in image
    }
    assert {tag.rpartition("/")[2] for tag in steps[-1]["push"]} == pulled
    assert f"webapp:1.0-{COMMIT[:12]}" in pulled
    assert f"customermanagementapi:2.0-{COMMIT[:12]}" in pulled


def test_another_commit_for_a_version_is_another_run() -> None:
    later = "b" * 40
    found = azure_plan({"azure.registry.builds.versions": {"v2": later}})
    runs = [one for one in found.resources if one.token.endswith(":TaskRun")]
    assert [one.key for one in runs] == ["build", "build-1"]
    contents = [
        base64.b64decode(str(pick(dict(one.inputs), "runRequest", "encodedTaskContent"))).decode()
        for one in runs
    ]
    assert "customermanagementapi:2.0" not in contents[0]
    assert contents[1].count("build: -t $Registry") == 1
    assert f"customermanagementapi:2.0-{later[:12]}" in contents[1]


def test_a_run_is_repeated_only_when_it_does_something_else() -> None:
    tag = "forceUpdateTag"
    assert inputs(azure_plan(), "build")[tag] == inputs(azure_plan({"azure.tags": {"a": "b"}}), "build")[tag]
    other = azure_plan({"azure.registry.builds.commit": "c" * 40})
    assert inputs(azure_plan(), "build")[tag] != inputs(other, "build")[tag]


def test_nothing_waits_for_what_it_does_not_need() -> None:
    found = azure_plan()
    assert found.before_objects == ("cluster", "role-admin-0")
    assert found.before_mesh == ("pool-apps", "pool-burst")
    assert {"build", "role-kubelet-on-registry", "sql-Invoicing", "sql-zone-group"} <= set(found.before_pods)
    assert {"grafana", "diagnostics", "window-AutoUpgrade"}.isdisjoint(
        {*found.before_objects, *found.before_mesh, *found.before_pods}
    )


def test_no_secret_value_is_in_the_inputs() -> None:
    words = json.dumps([dict(one.inputs) for one in azure_plan().resources]).lower()
    assert words.count("password") == 2  # the property and the place of its value
    assert "secret:sqlpassword" in words


# --- databases that are elsewhere, seen from the cluster ----------------------------------------------


def test_services_call_a_server_elsewhere() -> None:
    made = plan_for(settings(base=FULL), OWNER)
    host = f"sql-pitstop-test-{names.suffix(parts()[1])}.database.windows.net"
    assert "sqlserver" not in {load.service.name for load in made.workloads}
    text = json.dumps(objects(made, "Deployment")["invoiceservice-v1"])
    assert f"server={host};database=Invoicing;encrypt=true;" in text
    assert host in json.dumps([one.document() for one in made.objects() if one.kind == "ServiceEntry"])


@pytest.mark.parametrize(("variant", "port"), [("full", 1433), ("external", 14330)])
def test_only_who_has_a_database_gets_out_to_it(variant: str, port: int) -> None:
    policies = objects(plan(VARIANTS[variant], FULL), "NetworkPolicy")
    anywhere: Document = {"ports": [{"port": port, "protocol": "TCP"}]}
    out = {name for name, policy in policies.items() if anywhere in egress(policy)}
    clients = {"customermanagementapi", "vehiclemanagementapi", "workshopmanagementapi"}
    clients |= {"workshopmanagementeventhandler", "notificationservice", "invoiceservice"}
    assert out == clients | {"database-init"}


def egress(policy: Document) -> list[Json]:
    spec = as_map(policy, "spec")
    return items(spec, "egress") if "egress" in spec else []  # type: ignore[return-value]


def test_azure_sql_is_prepared_database_by_database() -> None:
    made = plan(base=FULL).database
    assert made is not None
    pod = pick(made.job.document(), "spec", "template", "spec")
    steps = [*items(pod, "initContainers"), *items(pod, "containers")]
    databases = [arguments(step)[arguments(step).index("-d") + 1] for step in steps]
    assert databases[0] == "master"
    assert len(set(databases)) == 7
    assert all("-C" not in arguments(step) for step in steps)
    files = pick(made.script.document(), "data")
    assert isinstance(files, dict)
    assert "USE [" not in json.dumps(files)
    assert "CREATE DATABASE" not in json.dumps(files)
    assert "EXEC (N'CREATE LOGIN [customers] WITH PASSWORD = ''$(sqlCustomersPassword)''');" in str(
        files["master.sql"]
    )
    assert "ALTER ROLE [db_ddladmin] ADD MEMBER [invoices];" in str(files["Invoicing.sql"])
    assert "[customers]" not in str(files["Invoicing.sql"])


def arguments(container: Document) -> list[Json]:
    found = pick(container, "args")
    assert isinstance(found, list)
    return found


def test_an_external_server_is_reached_without_a_mesh_too() -> None:
    alone: Node = {
        **VARIANTS["external"],
        "mesh": {"kind": "none"},
        "services.customermanagementapi.traffic": [{"kind": "bluegreen", "live": "v1"}],
    }
    rules = objects(plan(alone, FULL), "NetworkPolicy")["customermanagementapi"]
    assert {"ports": [{"port": 14330, "protocol": "TCP"}]} in items(rules, "spec", "egress")


def test_an_external_server_is_prepared_as_the_one_inside() -> None:
    made = plan(VARIANTS["external"], FULL).database
    assert made is not None
    args = arguments(items(made.job.document(), "spec", "template", "spec", "containers")[0])
    assert args[args.index("-S") + 1] == "sql.example.org,14330"
    assert "init.sql" in json.dumps(made.script.document())


def test_a_shadow_keeps_its_own_server() -> None:
    shadow: Node = {
        "versions": {"v1": {}, "v2": {}},
        "release": {
            "kind": "shadow",
            "live": "v1",
            "shadow": "v2",
            "sqlHost": "shadow-sql",
            "mailHost": "shadow-mail",
        },
    }
    made = settings({"services.invoiceservice": shadow}, FULL)
    own = made.services["invoiceservice"]
    live, copy = pods.running(CATALOGUE["invoiceservice"], own, sql.server(made))
    assert (live.sql.host, live.sql.proven) == (sql.server(made).host, True)
    assert (copy.sql.host, copy.sql.proven) == ("shadow-sql", False)
