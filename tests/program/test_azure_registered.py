"""What the program registers on a managed cluster that it makes itself, and in which order."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from pulumi.runtime import proto

import components.azure
from components import preflight
from components.model.azure.names import cluster_id
from components.model.plan import Plan
from components.preflight import Facts
from tests.model.azure import FULL, SUBSCRIPTION, TENANT, azure_plan, parts
from tests.model.examples import Node, plan
from tests.program.conftest import (
    EMPTY_CLUSTER,
    SECRETS,
    Recorder,
    execute,
    surround,
)
from tests.program.test_registered import is_secret

KUBECONFIG = {
    "current-context": "aks",
    "contexts": [{"name": "aks", "context": {"cluster": "c", "user": "u"}}],
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:9"}}],
    "users": [{"name": "u", "user": {"exec": {"command": "kubelogin"}}}],
}
Answer = Mapping[str, object] | str  # what Azure answers, or what it refuses with
THERE: Answer = {
    "kubeconfigs": [
        {"name": "clusterUser", "value": base64.b64encode(yaml.safe_dump(KUBECONFIG).encode()).decode()}
    ]
}
ABSENT: Answer = "Code=ResourceNotFound: no such cluster"


class Made(Recorder):
    """An engine whose Azure answers: `first` before anything is made, and then with the cluster."""

    def __init__(self, first: Answer) -> None:
        super().__init__()
        self.answers, self.asked = [first], list[Node]()

    def Invoke(self, request: proto.ResourceInvokeRequest) -> proto.InvokeResponse:  # noqa: N802
        assert request.tok == "azure-native:containerservice:listManagedClusterUserCredentials"
        self.asked.append(MessageToDict(request.args))
        answer = self.answers.pop() if self.answers else THERE
        if isinstance(answer, str):
            return proto.InvokeResponse(failures=[proto.CheckFailure(reason=answer)])
        response = proto.InvokeResponse()
        getattr(response, "return").update(answer)
        return response

    def RegisterResource(  # noqa: N802 - the protocol's name
        self, request: proto.RegisterResourceRequest
    ) -> proto.RegisterResourceResponse:
        """What Azure gives to what it was asked for."""
        answer = super().RegisterResource(request)
        if request.type.startswith("azure-native:"):
            given = {"principalId": f"{request.name}-principal", "clientId": f"{request.name}-client"}
            answer.object.update(given)
            if "identity" in answer.object:
                answer.object["identity"].update(given)
        return answer


def register(folder: Path, monkeypatch: pytest.MonkeyPatch, first: Answer = ABSENT) -> Made:
    monkeypatch.delenv("PITSTOP_KUBECONFIG")
    monkeypatch.setenv("PITSTOP_REHEARSAL", str(folder))
    recorder = Made(first)
    execute(FULL, recorder, monkeypatch)
    return recorder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """What an environment registers of which nothing is there yet; one run for all that only look."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(preflight, "look", unasked)
        folder = tmp_path_factory.mktemp("azure")
        surround(folder, monkeypatch)
        return register(folder, monkeypatch)


def unasked(_plan: Plan, _target: object) -> Facts:
    raise AssertionError("there is no cluster to look at")


def azure(made: Made) -> dict[str, Any]:
    return {one.name: one for one in made.requests if one.type.startswith("azure-native:")}


def test_every_azure_resource_of_the_plan(made: Made) -> None:
    found = azure(made)
    expected = {one.key: f"azure-native:{one.token}" for one in azure_plan().resources}
    assert {name: one.type for name, one in found.items()} == expected


def test_inputs_are_the_plans_own(made: Made) -> None:
    found = azure(made)
    for one in azure_plan().resources:
        text = json.dumps(one.inputs)
        if "${" not in text:
            assert json.loads(json.dumps(found[one.key].inputs)) == json.loads(text), one.key


def test_what_azure_gives_stands_where_its_place_was(made: Made) -> None:
    profile = azure(made)["cluster"].inputs["identityProfile"]["kubeletidentity"]
    assert (profile["clientId"], profile["objectId"]) == ("kubelet-client", "kubelet-principal")
    assert azure(made)["role-kubelet-on-registry"].inputs["principalId"] == "kubelet-principal"
    assert azure(made)["role-grafana-on-metrics"].inputs["principalId"] == "grafana-principal"
    assert "${" not in json.dumps([one.inputs for one in azure(made).values()])


def test_each_waits_for_what_the_plan_says(made: Made) -> None:
    for one in azure_plan().resources:
        waits = {name for _, name in made.depends(one.token.partition(":")[2], one.key)}
        assert set(one.after) <= waits, one.key


def test_the_provider_is_held_to_the_subscription(made: Made) -> None:
    provider = made.of("azure-native")["azure"]
    assert provider.inputs["subscriptionId"] == SUBSCRIPTION
    assert provider.inputs["tenantId"] == TENANT
    used = {one.provider for one in azure(made).values()}
    assert len(used) == 1
    assert "pulumi:providers:azure-native::azure" in used.pop()


def test_parts_are_components(made: Made) -> None:
    parents = {name: one.parent.rpartition("::")[2] for name, one in azure(made).items()}
    assert parents == {one.key: one.part for one in azure_plan().resources}


def test_credentials_are_secret_and_never_the_clusters_identity(made: Made) -> None:
    provider = made.of("kubernetes")["cluster"]
    assert is_secret(provider.inputs["kubeconfig"])
    assert provider.inputs["clusterIdentifier"] == cluster_id(parts()[1])
    assert ("ManagedCluster", "cluster") in made.depends("kubernetes", "cluster")
    args = {"format": "exec", "resourceGroupName": "rg-pitstop-test", "resourceName": "aks-pitstop-test"}
    assert made.asked == [args, args]


def test_the_administrators_password_is_a_secret_of_azures_too(made: Made) -> None:
    assert is_secret(azure(made)["sql"].inputs["administratorLoginPassword"])
    others = [one.inputs for one in made.requests if one.kind not in {"Secret", "Server", "kubernetes"}]
    assert SECRETS["sqlPassword"] not in json.dumps(others)


def test_pods_wait_for_nodes_images_and_databases(made: Made) -> None:
    waits = made.waits("Deployment", "customermanagementapi-v1")
    assert {
        ("AgentPool", "pool-apps"),
        ("TaskRun", "build"),
        ("Database", "sql-CustomerManagement"),
        ("Job", "database-init"),
    } <= waits
    assert ("AgentPool", "pool-apps") in made.waits("Release", "istiod")
    assert ("TaskRun", "build") not in made.waits("Release", "istiod")
    assert ("Grafana", "grafana") not in waits


def test_every_kubernetes_object_is_registered_too(made: Made) -> None:
    expected = {(one.kind, one.key) for one in plan(base=FULL).objects()}
    assert expected <= {(one.kind, one.name) for one in made.requests}


def test_a_person_can_find_the_cluster() -> None:
    assert plan(base=FULL).whereabouts() == {"group": "rg-pitstop-test", "managedCluster": "aks-pitstop-test"}
    assert plan().whereabouts() == {}


def test_a_cluster_that_runs_is_looked_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def look(_plan: Plan, target: Any) -> Facts:  # noqa: ANN401 - whatever the program hands over
        looked.append(target.server)
        return EMPTY_CLUSTER

    monkeypatch.setattr(preflight, "look", look)
    register(tmp_path, monkeypatch, THERE)
    assert looked == ["https://127.0.0.1:9"]


def test_a_cluster_of_somebody_else_stops_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = Facts(owners={"pitstop": "another"}, istio=False, control_planes=())
    monkeypatch.setattr(preflight, "look", lambda _plan, _target: theirs)
    monkeypatch.delenv("PITSTOP_KUBECONFIG")
    monkeypatch.setenv("PITSTOP_REHEARSAL", str(tmp_path))
    recorder = Made(THERE)
    with pytest.raises(pulumi.RunError, match="belongs to another"):
        execute(FULL, recorder, monkeypatch)
    assert {one.name for one in recorder.beyond_the_stack()} == {"azure"}  # the provider alone


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "the cluster gives no kubeconfig"),
        ({"kubeconfigs": [{"name": "a", "value": "%%%"}]}, "cannot be read"),
        ("Code=AuthorizationFailed: no", r"Azure says: .*AuthorizationFailed"),
    ],
)
def test_no_way_in_is_one_line(
    answer: Answer, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(pulumi.RunError, match=words) as refused:
        register(tmp_path, monkeypatch, answer)
    assert "\n" not in str(refused.value)


def test_a_login_is_needed_outside_of_a_rehearsal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    recorder = Made(ABSENT)
    with pytest.raises(pulumi.RunError, match=r"az is not installed.*az login --tenant"):
        execute(FULL, recorder, monkeypatch)
    assert not recorder.beyond_the_stack()


def test_a_preview_knows_of_a_map_no_more_than_was_put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    assert components.azure._below("principalId", {"type": "SystemAssigned"}) is pulumi.UNKNOWN
    assert components.azure._below("type", {"type": "SystemAssigned"}) == "SystemAssigned"
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: False)
    with pytest.raises(KeyError):
        components.azure._below("principalId", {"type": "SystemAssigned"})
