"""What the inputs of a managed cluster and its pools become: nodes, policies, charts and stand-ins."""

from collections import Counter
from typing import Any

import pytest

from localcluster.azure import behind
from localcluster.azure.backing import BehindError
from localcluster.azure.behind import SCALE_VARIABLE, admission, asked, mesh, played, pools
from localcluster.azure.behind.asked import Record, Scale
from localcluster.azure.behind.sizes import Size, allocatable, size
from localcluster.azure.state import Record as Resource
from localcluster.azure.state import State
from ops.errors import UserError
from tests.rehearsal.cluster import CLUSTER, POOL, cluster, pool


def record(scale: Scale = "nodes", pools: int = 5, **inputs: object) -> Record:
    return Record(
        identity=asked.cluster_of(CLUSTER),
        scale=scale,
        cluster=asked.cluster(cluster(**inputs)),  # type: ignore[arg-type]  # whatever a test gives
        pools={"apps": asked.pool(pool(pools), POOL)},
    )


def nodes(found: Record, **changes: object) -> list[dict[str, Any]]:
    return list(pools.nodes(found, asked.pool(pool(5, **changes), POOL)))


@pytest.mark.parametrize(
    ("name", "processors", "gibibytes"),
    [
        ("Standard_D4ds_v5", 4, 16),
        ("Standard_D8ls_v5", 8, 16),
        ("Standard_E16as_v5", 16, 128),
        ("Standard_F8s_v2", 8, 16),
        ("Standard_F4als_v6", 4, 8),
        ("Standard_F4as_v6", 4, 16),
        ("Standard_B2s", 2, 4),
        ("Standard_B4ls_v2", 4, 8),
        ("Standard_DS3_v2", 4, 14),
        ("Standard_E8-4ds_v5", 4, 64),
        ("Standard_XY12z_v9", 12, 48),
        ("whatever", 2, 8),
    ],
)
def test_a_size_is_known_or_read_from_its_name(name: str, processors: int, gibibytes: int) -> None:
    assert size(name) == Size(processors, gibibytes * 1024)


def test_aks_keeps_a_part_of_each_machine() -> None:
    assert allocatable(Size(4, 16384), 110) == (3860, 16384 - 20 * 110 - 50 - 100)
    assert allocatable(Size(2, 4096), 250) == (1900, 4096 - 1024 - 100)  # never more than a quarter


def test_a_pool_is_spread_over_its_zones() -> None:
    zones = Counter(node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in nodes(record()))
    assert zones == {"westeurope-1": 2, "westeurope-2": 2, "westeurope-3": 1}
    alone = nodes(record(), availabilityZones=[])
    assert {node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in alone} == {"0"}


def test_a_node_says_of_what_size_it_is_and_of_which_pool() -> None:
    node = nodes(record())[0]
    assert node["status"]["capacity"] == {
        "cpu": "4",
        "memory": "16384Mi",
        "ephemeral-storage": "128Gi",
        "pods": "110",
    }
    labels = node["metadata"]["labels"]
    assert labels["kubernetes.azure.com/mode"] == "user"
    assert labels["agentpool"] == labels["kubernetes.azure.com/agentpool"] == "apps"
    assert labels["pitstop.dev/pool"] == "apps"
    assert node["status"]["nodeInfo"]["kubeletVersion"] == "v1.34"


def test_names_and_addresses_differ() -> None:
    made = nodes(record())
    assert len({node["metadata"]["name"] for node in made}) == len(made)
    assert len({node["status"]["addresses"][0]["address"] for node in made}) == len(made)
    assert pools.node_name("c", "apps", 36).endswith("vmss000010")


def test_a_spot_pool_keeps_others_away() -> None:
    assert nodes(record(), scaleSetPriority="Spot")[0]["spec"]["taints"] == [
        {"key": "kubernetes.azure.com/scalesetpriority", "value": "spot", "effect": "NoSchedule"}
    ]
    assert nodes(record())[0]["spec"]["taints"] == []


def test_a_pool_that_scales_by_itself_has_its_smallest_count() -> None:
    assert asked.pool(pool(2, count=7), POOL).nodes == 2
    assert asked.pool(pool(2, count=7, enableAutoScaling=False), POOL).nodes == 7


def test_the_real_node_is_the_system_pool() -> None:
    every = {"system": record().cluster.agent_pool_profiles[0], **record().pools}
    labels = pools.system_node(record(), every)["metadata"]["labels"]
    assert (labels["agentpool"], labels["topology.kubernetes.io/zone"]) == ("system", "westeurope-1")
    assert pools.system_taints(record(), every) == ("CriticalAddonsOnly=true:NoSchedule",)


def test_at_the_scale_of_pods_it_is_every_pool() -> None:
    small = record("pods")
    every = {"system": small.cluster.agent_pool_profiles[0], **small.pools}
    labels = pools.system_node(small, every)["metadata"]["labels"]
    assert (labels["agentpool"], labels["pitstop.dev/pool"]) == ("apps", "apps")
    assert pools.system_taints(small, every) == ()


@pytest.mark.parametrize(
    ("identity", "cluster_id", "pool_name"),
    [
        (CLUSTER, CLUSTER.lower(), ""),
        (POOL, CLUSTER.lower(), "apps"),
        (POOL.upper(), CLUSTER.lower(), "APPS"),
    ],
)
def test_ids_are_read_in_any_case(identity: str, cluster_id: str, pool_name: str) -> None:
    assert (asked.cluster_of(identity), asked.pool_of(identity)) == (cluster_id, pool_name)


def test_another_id_is_refused() -> None:
    with pytest.raises(BehindError, match="neither a managed cluster's id nor a pool's"):
        asked.cluster_of("/subscriptions/s/resourceGroups/rg")


def test_inputs_that_cannot_be_are_refused() -> None:
    with pytest.raises(BehindError, match=r"AgentPool: mode: Input should be 'System', 'User' or 'Gateway'"):
        asked.pool(pool(1, mode="Master"), POOL)
    with pytest.raises(BehindError, match=r"ManagedCluster: location: Field required"):
        asked.cluster({})


def test_the_add_on_is_read_only_where_it_is_on() -> None:
    on = asked.cluster(cluster(["asm-1-27"], ["External", "Internal"]))
    assert (on.revisions, on.gateways) == (("asm-1-27",), ("external", "internal"))
    disabled = {"mode": "Disabled", "istio": {"revisions": ["asm-1-27"]}}
    off = asked.cluster(cluster(serviceMeshProfile=disabled))
    assert (off.revisions, off.gateways) == ((), ())


def test_what_is_on_has_a_stand_in_and_what_is_off_goes() -> None:
    def names(documents: list[dict[str, Any]]) -> set[str]:
        return {document["metadata"]["name"] for document in documents}

    on, off = record(), record(addonProfiles={}, workloadAutoScalerProfile={}, azureMonitorProfile={})
    kinds = {
        "secrets-store.csi.k8s.io",
        "secretproviderclasses.secrets-store.csi.x-k8s.io",
        "scaledobjects.keda.sh",
        "triggerauthentications.keda.sh",
        "podmonitors.azmonitoring.coreos.com",
    }
    assert kinds <= names(played.wanted(on))
    assert played.unwanted(on) == []
    assert not kinds & names(played.wanted(off))
    assert kinds <= names(played.unwanted(off))
    assert {"managed-csi", "default"} <= names(played.wanted(off))


def test_a_person_is_told_what_is_played() -> None:
    told = {one.name for one in played.standins(record())}
    assert {"user pools", "Secrets Store CSI driver", "KEDA"} <= told
    assert "user pools, reduced scale" not in told
    assert "Istio add-on" not in told
    assert {one.name for one in played.standins()} > told
    assert "user pools, reduced scale" in {one.name for one in played.standins(scale="pods")}


def test_both_revisions_of_a_gateway_are_behind_one_service() -> None:
    (service,) = mesh.services(("external",))
    for revision in ("asm-1-27", "asm-1-28"):
        chart = mesh.gateway("external", revision)
        assert chart.values["labels"] == service["spec"]["selector"]  # type: ignore[index,call-overload]
        assert chart.name == f"aks-istio-ingressgateway-external-{revision}"
    assert mesh.gateway("internal", "asm-1-27").values["labels"] != service["spec"]["selector"]  # type: ignore[index,call-overload]


def test_pods_are_changed_in_the_meshs_namespaces_alone() -> None:
    for policy in policies("nodes").values():
        (selector,) = policy["spec"]["matchConstraints"]["namespaceSelector"]["matchExpressions"]
        assert selector["operator"] == "In"
        assert set(selector["values"]) <= set(admission.MESH)
    whole = policies("pods")["pitstop-images"]["spec"]
    (selector,) = whole["matchConstraints"]["namespaceSelector"]["matchExpressions"]
    assert (selector["operator"], selector["values"]) == ("NotIn", ["kube-system"])


def policies(scale: Scale) -> dict[str, dict[str, Any]]:
    made = admission.policies(record(scale))
    return {one["metadata"]["name"]: one for one in made if one["kind"] == "MutatingAdmissionPolicy"}


def test_public_addresses_are_found_by_name() -> None:
    def made(name: str, token: str, **outputs: object) -> Resource:
        return Resource(f"/x/{name}", token, {}, dict(outputs))

    state = State()
    state.put(made("gateway", "network:PublicIPAddress", ipAddress="20.1.2.3"))
    state.put(made("nothing-yet", "network:PublicIPAddress"))
    state.put(made("other", "network:VirtualNetwork", ipAddress="20.1.2.4"))
    assert behind.addresses(state) == {"gateway": "20.1.2.3"}


def test_the_scale_is_one_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SCALE_VARIABLE, raising=False)
    assert behind.scale() == "nodes"
    monkeypatch.setenv(SCALE_VARIABLE, "pods")
    assert behind.scale() == "pods"
    monkeypatch.setenv(SCALE_VARIABLE, "full")
    with pytest.raises(UserError, match=rf"{SCALE_VARIABLE} = full: valid: nodes, pods"):
        behind.scale()
