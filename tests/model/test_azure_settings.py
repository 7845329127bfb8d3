"""Azure's own rules: each is one line with the key, the value and what would be valid."""

import pytest

from components.model import explain, stackfile
from components.model.azure.types import local_gibibytes, processors
from tests.model.azure import AKS, FULL, parts
from tests.model.examples import REMOVE, Node, settings
from tests.model.refusing import lines, mended

Case = tuple[Node, str]
SYSTEM = "cluster.system"
APPS = "cluster.pools.apps"
D4 = "Standard_D4ds_v5"
ONE_SERVER = "must be one host, by its name and not its address, e.g. smtp.example.org"

REJECTED: dict[str, Case] = {
    "a version as a number": (
        {"cluster.version": 1.3},
        'pitstop:cluster.version = 1.3: must be in quotes, or 1.30 would be read as 1.3, e.g. "1.34"',
    ),
    "a version with a patch": (
        {"cluster.version": "1.34.2"},
        (
            'pitstop:cluster.version = "1.34.2": must be a minor version of Kubernetes that Azure has, '
            'e.g. "1.34"'
        ),
    ),
    "a version of long ago": (
        {"cluster.version": "1.9"},
        'pitstop:cluster.version = "1.9": must be a minor version of Kubernetes that Azure has, e.g. "1.34"',
    ),
    "a tier nobody sells": (
        {"cluster.tier": "Gold"},
        'pitstop:cluster.tier = "Gold": must be Free or Standard or Premium',
    ),
    "long-term support without its tier": (
        {"cluster.longTerm": True},
        "pitstop:cluster.tier: long-term support comes with the tier Premium; valid: Premium",
    ),
    "cost analysis in the free tier": (
        {"cluster.tier": "Free", "cluster.addons": {"costAnalysis": True}},
        "pitstop:cluster.addons.costAnalysis = true: needs the tier Standard or Premium; valid here: false",
    ),
    "an API server for everybody": (
        {"cluster.access.authorizedRanges": ["0.0.0.0/0"]},
        (
            'pitstop:cluster.access.authorizedRanges[0] = "0.0.0.0/0": lets in the whole internet, '
            "or a large "
            "part of it; name your own, e.g. 203.0.113.0/24"
        ),
    ),
    "an API server for nobody": (
        {"cluster.access.authorizedRanges": []},
        "pitstop:cluster.access.authorizedRanges = []: must not be empty",
    ),
    "a range that is an address": (
        {"cluster.access.authorizedRanges": ["203.0.113.7"]},
        'pitstop:cluster.access.authorizedRanges[0] = "203.0.113.7": must have a length, e.g. 203.0.113.7/32',
    ),
    "a range with host bits": (
        {"cluster.access.authorizedRanges": ["203.0.113.7/24"]},
        (
            'pitstop:cluster.access.authorizedRanges[0] = "203.0.113.7/24": is no range of IPv4 addresses '
            "(203.0.113.7/24 has host bits set), e.g. 10.20.0.0/16"
        ),
    ),
    "more ranges than Azure takes": (
        {"cluster.access.authorizedRanges": [f"203.0.{number}.0/24" for number in range(201)]},
        (
            "pitstop:cluster.access.authorizedRanges = "
            '["203.0.0.0/24", "203.0.1.0/24", "203.0.2.0/24", "203.0.3.0/24", "203.0.4.0/2...: must '
            "have at most 200"
        ),
    ),
    "no administrators": (
        {"cluster.admins": []},
        "pitstop:cluster.admins = []: must not be empty",
    ),
    "administrators by name": (
        {"cluster.admins": ["platform"]},
        (
            'pitstop:cluster.admins[0] = "platform": must be an id of Azure in lower case, '
            "e.g. 9c1f6a0e-5d24-4c1b-8e52-2f7a3b6d9e10"
        ),
    ),
    "a pool's name in capitals": (
        {"cluster.pools": {"Apps": {"vmSize": D4, "max": 3}}},
        (
            'pitstop:cluster.pools.Apps = {"vmSize": "Standard_D4ds_v5", "max": 3}: must be at most '
            "12 lower-case "
            "letters and digits, starting with a letter, e.g. apps"
        ),
    ),
    "a pool's name of thirteen": (
        {"cluster.pools": {"applications1": {"vmSize": D4, "max": 3}}},
        (
            'pitstop:cluster.pools.applications1 = {"vmSize": "Standard_D4ds_v5", "max": 3}: must be '
            "at most 12 "
            "lower-case letters and digits, starting with a letter, e.g. apps"
        ),
    ),
    "a pool called system": (
        {"cluster.pools.system": {"vmSize": D4, "max": 3}},
        (
            'pitstop:cluster.pools.system = {"vmSize": "Standard_D4ds_v5", "max": 3}: is the system '
            "pool's own "
            "name; choose another, e.g. apps"
        ),
    ),
    "no pools": (
        {"cluster.pools": {}},
        "pitstop:cluster.pools = {}: must not be empty",
    ),
    "more at least than at most": (
        {f"{APPS}.min": 7},
        f"pitstop:{APPS}.max = 6: must not be less than min, which is 7",
    ),
    "a system pool with more at least": (
        {f"{SYSTEM}.min": 6},
        f"pitstop:{SYSTEM}.max = 5: must not be less than min, which is 6",
    ),
    "a system pool of none": (
        {f"{SYSTEM}.min": 0},
        f"pitstop:{SYSTEM}.min = 0: must be a whole number from 1 to 1000, e.g. 3",
    ),
    "a system pool of one processor": (
        {f"{SYSTEM}.vmSize": "Standard_D1ds_v5", f"{SYSTEM}.osDisk": {"gibibytes": 30}},
        (
            f'pitstop:{SYSTEM}.vmSize = "Standard_D1ds_v5": a system pool needs two processors or more, '
            "e.g. Standard_D4ds_v5"
        ),
    ),
    "a size nobody sells": (
        {f"{APPS}.vmSize": "large"},
        f'pitstop:{APPS}.vmSize = "large": must be a size of Azure, e.g. Standard_D4ds_v5',
    ),
    "a zone twice": (
        {f"{APPS}.zones": [1, 1]},
        f"pitstop:{APPS}.zones = [1, 1]: each zone stands there once, e.g. [1, 2, 3]",
    ),
    "a zone that is none": (
        {f"{APPS}.zones": [1, 4]},
        f"pitstop:{APPS}.zones[1] = 4: must be 1 or 2 or 3",
    ),
    "an ephemeral disk on a machine without one": (
        {f"{APPS}.vmSize": "Standard_D4s_v5"},
        (
            f'pitstop:{APPS}.vmSize = "Standard_D4s_v5": an ephemeral OS disk lies on the machine\'s '
            "own disk and "
            "this size has none; valid: a size with a d, e.g. Standard_D4ds_v5 (or osDisk: {kind: managed})"
        ),
    ),
    "an ephemeral disk that is too large": (
        {f"{APPS}.osDisk": {"gibibytes": 256}},
        (
            f"pitstop:{APPS}.osDisk.gibibytes = 256: must fit on the machine's own disk, which is 150 "
            "GiB for "
            "Standard_D4ds_v5, e.g. 64"
        ),
    ),
    "a surge of nothing": (
        {f"{APPS}.maxSurge": "0"},
        f'pitstop:{APPS}.maxSurge = "0": must be a number of nodes or a part of them, e.g. 33%',
    ),
    "a taint without an effect": (
        {f"{APPS}.taints": ["dedicated=batch"]},
        (
            f'pitstop:{APPS}.taints[0] = "dedicated=batch": must be key=value:effect, '
            "e.g. dedicated=batch:NoSchedule"
        ),
    ),
    "an overlay without its plugin": (
        {"cluster.network": {"plugin": "none", "dataplane": "azure", "policy": "none"}},
        "pitstop:cluster.network.mode: overlay needs plugin: azure; valid with none: subnet",
    ),
    "cilium without its plugin": (
        {"cluster.network": {"plugin": "none", "mode": "subnet"}},
        "pitstop:cluster.network.dataplane: cilium needs plugin: azure; valid with none: azure",
    ),
    "cilium with another's policies": (
        {"cluster.network": {"policy": "calico"}},
        (
            'pitstop:cluster.network.policy = "calico": the dataplane cilium enforces policies itself; '
            "valid: cilium"
        ),
    ),
    "cilium's policies without cilium": (
        {"cluster.network": {"dataplane": "azure"}},
        "pitstop:cluster.network.policy: needs dataplane: cilium; valid without: azure or calico or none",
    ),
    "DNS outside of the services": (
        {"cluster.network": {"dnsServiceIP": "10.1.0.10"}},
        'pitstop:cluster.network.dnsServiceIP = "10.1.0.10": must be in serviceCidr, e.g. 10.0.0.10',
    ),
    "DNS at the API server's address": (
        {"cluster.network": {"dnsServiceIP": "10.0.0.1"}},
        'pitstop:cluster.network.dnsServiceIP = "10.0.0.1": is the API server\'s own address, e.g. 10.0.0.10',
    ),
    "DNS that is no address": (
        {"cluster.network": {"dnsServiceIP": "ten"}},
        (
            'pitstop:cluster.network.dnsServiceIP = "ten": is no IPv4 address (Expected 4 octets '
            "in 'ten'), "
            "e.g. 10.20.0.4"
        ),
    ),
    "pods among the services": (
        {"cluster.network": {"podCidr": "10.0.128.0/17"}},
        (
            'pitstop:cluster.network.podCidr = "10.0.128.0/17": overlaps serviceCidr, which is 10.0.0.0/16, '
            "e.g. 10.244.0.0/16"
        ),
    ),
    "services without end": (
        {"cluster.network": {"serviceCidr": "10.0.0.0/11", "podCidr": "192.168.0.0/16"}},
        (
            'pitstop:cluster.network.serviceCidr = "10.0.0.0/11": must not be larger than a /12, e.g. '
            "10.0.0.0/16"
        ),
    ),
    "fewer blocks for pods than nodes": (
        {"cluster.network": {"podCidr": "10.244.0.0/21"}},
        (
            'pitstop:cluster.network.podCidr = "10.244.0.0/21": has 8 blocks of 256 addresses, one '
            "for each node, "
            "and there may be 15 nodes while they are upgraded, e.g. 10.244.0.0/16"
        ),
    ),
    "more nodes than a cluster has": (
        {
            "cluster.pools": {f"pool{number}": {"vmSize": D4, "max": 1000} for number in range(5)},
            "cluster.network": {"mode": "subnet"},
        },
        (
            'pitstop:cluster.pools = {"pool0": {"vmSize": "Standard_D4ds_v5", "max": 1000}, "pool1": '
            '{"vmSize": '
            '"S...: may grow to 5005 nodes together, and at most 5000'
        ),
    ),
    "workload identity without an issuer": (
        {"cluster.oidcIssuer": False},
        "pitstop:cluster.oidcIssuer = false: workload identity needs the OIDC issuer; valid: true",
    ),
    "node images by another way": (
        {"cluster.upgrades": {"channel": "node-image", "nodeOs": "SecurityPatch"}},
        (
            'pitstop:cluster.upgrades.nodeOs = "SecurityPatch": the channel node-image upgrades node images; '
            "valid with it: NodeImage"
        ),
    ),
    "a window of an hour": (
        {"cluster.upgrades": {"window": {"hours": 1}}},
        "pitstop:cluster.upgrades.window.hours = 1: must be a whole number from 4 to 24, e.g. 4",
    ),
    "a window's offset in words": (
        {"cluster.upgrades": {"window": {"utcOffset": "CET"}}},
        'pitstop:cluster.upgrades.window.utcOffset = "CET": must be hours and minutes from UTC, e.g. +01:00',
    ),
    "an environment's name that is too long": (
        {"azure.name": "production1"},
        (
            'pitstop:azure.name = "production1": must be at most 10 lower-case letters and digits, '
            "starting with a "
            "letter, e.g. prod"
        ),
    ),
    "a region with spaces": (
        {"azure.location": "West Europe"},
        'pitstop:azure.location = "West Europe": must be a region\'s name without spaces, e.g. westeurope',
    ),
    "a tag Azure refuses": (
        {"azure.tags": {"a/b": "c"}},
        'pitstop:azure.tags.a/b = "c": must be at most 512 characters without < > % & \\ ? /, e.g. owner',
    ),
    "nodes outside of the network": (
        {"azure.network": {"nodes": "10.21.0.0/20"}},
        'pitstop:azure.network.nodes = "10.21.0.0/20": must be in range, which is 10.20.0.0/16',
    ),
    "endpoints among the nodes": (
        {"azure.network": {"endpoints": "10.20.8.0/24"}},
        'pitstop:azure.network.endpoints = "10.20.8.0/24": overlaps nodes, which is 10.20.0.0/20',
    ),
    "endpoints without room": (
        {"azure.network": {"endpoints": "10.20.16.0/30"}},
        (
            'pitstop:azure.network.endpoints = "10.20.16.0/30": a subnet is a /29 at least: Azure takes five '
            "addresses"
        ),
    ),
    "Grafana with nothing to show": (
        {"azure.monitoring": {"prometheus": False, "grafana": True}},
        "pitstop:azure.monitoring.grafana = true: Grafana shows what Prometheus measured; valid here: false",
    ),
    "logs for a week": (
        {"azure.monitoring": {"retentionDays": 7}},
        "pitstop:azure.monitoring.retentionDays = 7: must be a whole number from 30 to 730, e.g. 90",
    ),
    "a small database in several zones": (
        {"azure.database": {"kind": "azureSql", "zoneRedundant": True}},
        "pitstop:azure.database.sku: S0 is in one zone; valid: GP_Gen5_2 (or zoneRedundant: false)",
    ),
    "backups in one zone": (
        {
            "azure.database": {
                "kind": "azureSql",
                "sku": "GP_Gen5_2",
                "zoneRedundant": True,
                "backup": "Geo",
            }
        },
        (
            'pitstop:azure.database.backup = "Geo": a database in several zones has backups there too, '
            "e.g. Zone"
        ),
    ),
    "databases anywhere": (
        {"azure.database": {"kind": "external", "host": "*.example.org"}},
        f'pitstop:azure.database.host = "*.example.org": {ONE_SERVER}',
    ),
    "databases at an address": (
        {"azure.database": {"kind": "external", "host": "10.20.0.4"}},
        f'pitstop:azure.database.host = "10.20.0.4": {ONE_SERVER}',
    ),
    "images of a branch": (
        {"azure.registry": {"builds": {"commit": "main"}}},
        (
            'pitstop:azure.registry.builds.commit = "main": must be the whole id of a commit: '
            "branches and tags "
            "move, and what was built would not tell"
        ),
    ),
    "source from a file": (
        {"azure.registry": {"builds": {"commit": "a" * 40, "repository": "../pitstop"}}},
        (
            'pitstop:azure.registry.builds.repository = "../pitstop": must be the address of a repository, '
            "e.g. https://github.com/EdwinVW/pitstop.git"
        ),
    ),
    "a managed cluster in no subscription": (
        {"azure": REMOVE},
        "pitstop:azure: required where cluster.kind is aks",
    ),
    "images of a registry that is not there": (
        {"images": "own"},
        'pitstop:images = "own": needs azure.registry; valid without: upstream, or a registry',
    ),
}


@pytest.mark.parametrize("case", REJECTED)
def test_a_mistake_is_one_line_with_key_value_and_what_is_valid(case: str) -> None:
    changes, line = REJECTED[case]
    assert lines(changes, AKS) == (line,)


# Their examples are of another key, or of a name.
NO_EXAMPLE = {
    "a pool's name in capitals",
    "a pool's name of thirteen",
    "a pool called system",
    "DNS that is no address",
    "a tag Azure refuses",
}


@pytest.mark.parametrize(
    "case", [name for name, (_, line) in REJECTED.items() if "e.g. " in line and name not in NO_EXAMPLE]
)
def test_the_example_would_have_been_right(case: str) -> None:
    changes, line = REJECTED[case]
    mended(changes, line, AKS)


# Where the keys that Azure has, and only it has, stand.
PLACES = {
    "version": "cluster.version",
    "access": "cluster.access",
    "authorizedRanges": "cluster.access.authorizedRanges",
    "admins": "cluster.admins",
    "system": "cluster.system",
    "pools": "cluster.pools",
    "vmSize": f"{APPS}.vmSize",
    "subscription": "azure.subscription",
    "tenant": "azure.tenant",
    "location": "azure.location",
    "outbound": "azure.network.outbound",
    "nextHop": "azure.network.outbound.nextHop",
    "database": "azure.database",
    "commit": "azure.registry.builds.commit",
    "zone": "azure.dns.zone",
    "resourceGroup": "azure.dns.resourceGroup",
    "secrets": "secrets",
    "certificate": "ingress.tls.certificate",
}
WIDE: Node = {
    "azure.network": {"outbound": {"kind": "userDefinedRouting", "nextHop": "10.0.0.4"}},
    "azure.registry": {"builds": {"commit": "a" * 40}},
    "azure.dns": {"zone": "a.org", "resourceGroup": "a"},
    "azure.database": {"kind": "azureSql"},
    "ingress.tls": {"kind": "vault", "certificate": "a"},
}


@pytest.mark.parametrize("key", PLACES)
def test_what_is_proposed_for_a_missing_key_would_be_right(key: str) -> None:
    text = stackfile.decoded(explain.EXAMPLES[key])
    settings(WIDE | {PLACES[key]: text}, AKS)
    if key in {"outbound", "database", "secrets"}:  # these may be left out, and say their kind where not
        line = f"pitstop:{PLACES[key]}.kind: required, e.g. {explain.EXAMPLES[key]}"
        assert lines(WIDE | {PLACES[key]: {}}, AKS) == (line,)
    else:
        line = f"pitstop:{PLACES[key]}: required, e.g. {explain.EXAMPLES[key]}"
        assert lines(WIDE | {PLACES[key]: REMOVE}, AKS) == (line,)


def test_azure_belongs_to_a_managed_cluster() -> None:
    line = "is what is around a managed cluster, and cluster.kind is local; remove the key"
    found = lines({"cluster": {"kind": "local"}}, AKS)
    assert len(found) == 1
    assert found[0].startswith('pitstop:azure = {"subscription": ')
    assert found[0].endswith(line)


def test_what_a_bare_cluster_is() -> None:
    cluster, azure = parts(base=AKS)
    assert (cluster.tier, cluster.oidc_issuer, cluster.workload_identity) == ("Standard", True, True)
    assert (cluster.network.mode, cluster.network.dataplane, cluster.network.policy) == (
        "overlay",
        "cilium",
        "cilium",
    )
    assert (cluster.upgrades.channel, cluster.upgrades.node_os) == ("patch", "NodeImage")
    assert {pool.zones for pool in cluster.all_pools.values()} == {(1, 2, 3)}
    assert (azure.network.outbound.kind, azure.database.kind, azure.protect) == (
        "loadBalancer",
        "inCluster",
        False,
    )


def test_pools_and_zones_have_one_order() -> None:
    changes: Node = {"cluster.pools.a": {"vmSize": D4, "max": 1, "zones": [3, 1]}}
    cluster, _ = parts(changes, AKS)
    assert list(cluster.pools) == ["a", "apps"]
    assert cluster.pools["a"].zones == (1, 3)


@pytest.mark.parametrize(
    ("size", "cpus", "disk"),
    [
        ("Standard_D4ds_v5", 4, 150),
        ("Standard_D4s_v5", 4, 0),
        ("Standard_E8-4ads_v5", 8, 300),
        ("Standard_NC24ads_A100_v4", 24, 900),
        ("Standard_D16pds_v6", 16, 600),
    ],
)
def test_a_size_tells_processors_and_its_own_disk(size: str, cpus: int, disk: int) -> None:
    settings({f"{APPS}.vmSize": size, f"{APPS}.osDisk": {"kind": "managed"}}, AKS)
    assert (processors(size), local_gibibytes(size)) == (cpus, disk)


@pytest.mark.parametrize(
    ("surge", "most", "more"), [("33%", 6, 2), ("1", 6, 1), ("100%", 6, 6), ("5%", 10, 1)]
)
def test_a_surge_is_rounded_up(surge: str, most: int, more: int) -> None:
    cluster, _ = parts({f"{APPS}.maxSurge": surge, f"{APPS}.max": most}, AKS)
    assert cluster.pools["apps"].surge == more


def test_everything_can_be_said_at_once() -> None:
    made = settings(base=FULL)
    assert made.azure is not None
    assert made.azure.registry is not None
    assert made.database.kind == "azureSql"
    assert made.image_source.endswith(".azurecr.io/pitstop")
    assert made.built_from("v1") == made.built_from("v2") == made.azure.registry.builds.commit  # type: ignore[union-attr]
