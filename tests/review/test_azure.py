"""Clusters and node pools in words."""

import pytest

from components.model.azure.sizes import vcpus
from ops.review.words import lines
from tests.review.recorded import of, step

CLUSTER, POOL = "azure-native:containerservice:ManagedCluster", "azure-native:containerservice:AgentPool"
USER: dict[str, object] = {"agentPoolName": "user", "count": 3, "vmSize": "Standard_D4s_v5", "mode": "User"}
SCALED = {**USER, "enableAutoScaling": True, "minCount": 3, "maxCount": 6}
AKS: dict[str, object] = {
    "resourceName": "pitstop-dev",
    "kubernetesVersion": "1.33",
    "sku": {"name": "Base", "tier": "Free"},
    "serviceMeshProfile": {"mode": "Istio", "istio": {"revisions": ["asm-1-27"]}},
    "apiServerAccessProfile": {"authorizedIPRanges": ["192.0.2.0/24"]},
    "agentPoolProfiles": [{"name": "system", "count": 3, "vmSize": "Standard_D2ds_v5"}],
}


@pytest.mark.parametrize(
    ("size", "number"),
    [
        ("Standard_D4s_v5", 4),
        ("Standard_D16ads_v5", 16),
        ("Standard_E4-2s_v5", 2),
        ("Standard_B2ms", 2),
        ("Standard_DS3_v2", 4),
        ("Standard_D14_v2", 16),
        ("Standard_NC24ads_A100_v4", 24),
        ("Standard_M416ms_v2", 416),
        ("Standard_L8s_v3", 8),
        ("huge", None),
        ("Standard_", None),
    ],
)
def test_vcpus_by_name(size: str, number: int | None) -> None:
    assert vcpus(size) == number


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"count": 5}, "3 -> 5 nodes (+8 vCPU)"),
        ({"count": 1}, "3 -> 1 node (-8 vCPU)"),
        ({"vmSize": "Standard_D8s_v5"}, "size Standard_D4s_v5 -> Standard_D8s_v5 (+12 vCPU)"),
        ({"count": 4, "vmSize": "odd"}, "3 -> 4 nodes (vCPUs of odd unknown); size Standard_D4s_v5 -> odd"),
        (SCALED, "3 -> 3 to 6 nodes (+0 vCPU at least, +12 at most); mode User"),
        ({"orchestratorVersion": "1.34"}, "Kubernetes 1.34 on"),
        ({"nodeTaints": ["a=b:NoSchedule"]}, "nodeTaints[0] a=b:NoSchedule set"),
    ],
)
def test_a_node_pool(change: dict[str, object], words: str) -> None:
    told = lines(of(step("update", POOL, "user", USER, {**USER, **change})))
    assert told == [f"node pool user: {words.removesuffix('; mode User')}"]


def test_a_node_pool_that_comes_and_goes() -> None:
    assert lines(of(step("create", POOL, "batch", None, {**SCALED, "agentPoolName": "batch"}))) == [
        "node pool batch: added: 3 to 6 nodes of Standard_D4s_v5 (+12 vCPU at least, +24 at most)"
    ]
    assert lines(of(step("delete", POOL, "user", USER, None))) == [
        "node pool user: removed: 3 nodes of Standard_D4s_v5 (-12 vCPU)"
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kubernetesVersion": "1.34"}, "cluster pitstop-dev: Kubernetes 1.33 -> 1.34"),
        ({"sku": {"name": "Base", "tier": "Standard"}}, "cluster pitstop-dev: tier Free -> Standard"),
        (
            {"serviceMeshProfile": {"mode": "Istio", "istio": {"revisions": ["asm-1-27", "asm-1-28"]}}},
            "cluster pitstop-dev: mesh revision asm-1-27 -> asm-1-27, asm-1-28",
        ),
        (
            {"apiServerAccessProfile": {"authorizedIPRanges": ["198.51.100.7/32"]}},
            "cluster pitstop-dev: API server open to 198.51.100.7/32; API server closed to 192.0.2.0/24",
        ),
        (
            {"apiServerAccessProfile": {}},
            "cluster pitstop-dev: API server closed to 192.0.2.0/24; API server open to everybody",
        ),
        (
            {"apiServerAccessProfile": {"enablePrivateCluster": True}},
            "cluster pitstop-dev: API server closed to 192.0.2.0/24; private API server on",
        ),
        (
            {"agentPoolProfiles": [{"name": "system", "count": 5, "vmSize": "Standard_D2ds_v5"}]},
            "node pool system: 3 -> 5 nodes (+4 vCPU)",
        ),
        ({"disableLocalAccounts": True}, "cluster pitstop-dev: disableLocalAccounts on set"),
    ],
)
def test_a_cluster(change: dict[str, object], words: str) -> None:
    assert lines(of(step("update", CLUSTER, "cluster", AKS, {**AKS, **change}))) == [words]


def test_what_has_no_words_of_its_own_is_counted() -> None:
    token = "azure-native:authorization:RoleAssignment"  # noqa: S105 - a type token
    told = lines(of(*(step("create", token, name, None, {}) for name in ("pull", "push"))))
    assert told == ["Azure: 2 RoleAssignments created"]
