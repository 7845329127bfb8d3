"""Two environments are told apart key by key, and only where they differ."""

from components.model.explain import parse
from ops.differences import Difference, differences
from tests.model.examples import CANARY, Node, raw


def between(left: Node, right: Node) -> list[Difference]:
    return [*differences(parse(raw(left, CANARY)), parse(raw(right, CANARY)))]


def test_the_same_environment_does_not_differ() -> None:
    assert between({}, {}) == []


def test_one_key_is_one_row() -> None:
    changed: Node = {"namespace": "other"}
    assert between({}, changed) == [Difference("namespace", "pitstop", "other")]
    assert between(changed, {}) == [Difference("namespace", "other", "pitstop")]


def test_a_default_that_is_written_out_does_not_differ() -> None:
    assert between({}, {"guardrails": {"retryBudget": 20}}) == []
    assert between({}, {"guardrails": {"retryBudget": 5}}) == [
        Difference("guardrails.retryBudget", "20", "5")
    ]


def test_maps_are_compared_by_key_whatever_their_kind() -> None:
    kind, path, context = between({}, {"cluster": {"kind": "kubeconfig", "context": "aks"}})
    assert kind == Difference("cluster.kind", "local", "kubeconfig")
    assert (path.path, path.left) == ("cluster.path", "")
    assert context == Difference("cluster.context", "", "aks")
    weights = "services.customermanagementapi.traffic"
    rows = between({}, {weights: [{"kind": "split", "weights": {"v1": 90, "v2": 10}}]})
    assert [one.path for one in rows] == [f"{weights}[0].weights.v1", f"{weights}[0].weights.v2"]


def test_what_one_side_lacks_is_empty() -> None:
    (row,) = between({}, {"quota": {"cpu": "4", "memory": "8Gi", "pods": 40}})
    assert (row.path, row.left) == ("quota", "")
    assert '"pods": 40' in row.right
