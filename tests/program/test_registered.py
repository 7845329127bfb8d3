"""What the program registers, with which options."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pulumi.runtime import rpc

from components.preflight import Facts
from tests.model.examples import Node, plan, raw
from tests.program.conftest import Recorder, Run

NATIVE = {
    "Deployment": "kubernetes:apps/v1:Deployment",
    "Namespace": "kubernetes:core/v1:Namespace",
    "Secret": "kubernetes:core/v1:Secret",
    "Service": "kubernetes:core/v1:Service",
    "ServiceAccount": "kubernetes:core/v1:ServiceAccount",
}


def is_secret(value: object) -> bool:
    return isinstance(value, dict) and value.get(rpc._special_sig_key) == rpc._special_secret_sig


def test_every_object_of_the_plan_and_nothing_else(run: Run, canary: Node) -> None:
    recorder = run(canary)
    expected = {(one.kind, one.key) for one in plan().objects()}
    expected |= {("Secret", load.service.name) for load in plan().workloads if load.secret}
    mesh = plan().mesh
    assert mesh is not None
    expected |= {("Release", release.name) for release in mesh.releases}
    assert {(one.kind, one.name) for one in recorder.requests if one.custom} == expected | {
        ("kubernetes", "cluster")
    }


def test_objects_carry_what_the_plan_says(run: Run, canary: Node) -> None:
    recorder = run(canary)
    for manifest in plan().objects():
        request = recorder.of(manifest.kind)[manifest.key]
        document = {key: value for key, value in manifest.document().items() if value is not None}
        assert json.loads(json.dumps(request.inputs)) == json.loads(json.dumps(document)), manifest.key


def test_native_kinds_are_typed_resources(run: Run, canary: Node) -> None:
    recorder = run(canary)
    for kind, token in NATIVE.items():
        assert {one.type for one in recorder.of(kind).values()} == {token}
    assert {one.type for one in recorder.of("VirtualService").values()} == {
        "kubernetes:networking.istio.io/v1:VirtualService"
    }


def test_everything_goes_through_the_one_provider(run: Run, canary: Node) -> None:
    recorder = run(canary)
    providers = {one.provider for one in recorder.requests if one.custom and one.name != "cluster"}
    assert len(providers) == 1
    assert "pulumi:providers:kubernetes::cluster" in providers.pop()


def test_the_kubeconfig_is_secret_and_the_identity_is_stable(run: Run, canary: Node) -> None:
    inputs = run(canary).of("kubernetes")["cluster"].inputs
    assert is_secret(inputs["kubeconfig"])
    assert inputs["clusterIdentifier"] == "local"


def test_secret_values_are_secret_and_nowhere_else(run: Run, canary: Node) -> None:
    recorder = run(canary)
    for request in recorder.of("Secret").values():
        assert is_secret(request.inputs["stringData"])
    others = [one.inputs for one in recorder.requests if one.kind not in {"Secret", "kubernetes"}]
    text = json.dumps(others)
    for value in ("Sq1-value", "Rb1-value", "k8s-token"):
        assert value not in text
        assert base64.b64encode(value.encode()).decode() not in text


def test_the_charts_are_those_the_environment_names(run: Run, canary: Node, environ: Path) -> None:
    releases = run(canary).of("Release")
    assert releases["istiod"].inputs["chart"] == str(environ / "charts" / "istiod")
    assert releases["istiod"].inputs["namespace"] == "istio-system"
    assert releases["istiod"].inputs["name"] == "istiod"


def test_a_release_is_all_or_nothing(run: Run, canary: Node) -> None:
    # An interrupted one would be half there, and the next update would find nothing to do.
    for release in run(canary).of("Release").values():
        assert release.inputs["atomic"] is True
        assert release.inputs["compat"] == "true"


def depends(recorder: Recorder, kind: str, name: str) -> set[tuple[str, str]]:
    found = recorder.of(kind)[name].dependencies
    return {(urn.split("::")[-2].rsplit(":", 1)[-1], urn.split("::")[-1]) for urn in found}


def test_pods_wait_for_the_mesh_and_for_what_they_cannot_start_without(run: Run, canary: Node) -> None:
    recorder = run(canary)
    for version in ("v1", "v2"):
        waits = depends(recorder, "Deployment", f"customermanagementapi-{version}")
        assert {
            ("Release", "istiod"),
            ("Release", "istio-cni"),
            ("Namespace", "environment"),
            ("ServiceAccount", "customermanagementapi"),
            ("Secret", "customermanagementapi"),
            ("Deployment", "sqlserver-v1"),
            ("Deployment", "rabbitmq-v1"),
        } <= waits
    assert not [one for one in depends(recorder, "Deployment", "webapp-v1") if one[0] == "Deployment"]


def test_a_route_waits_for_its_subsets_and_for_ready_pods_of_each(run: Run, canary: Node) -> None:
    waits = depends(run(canary), "VirtualService", "customermanagementapi")
    assert {
        ("DestinationRule", "customermanagementapi"),
        ("Deployment", "customermanagementapi-v1"),
        ("Deployment", "customermanagementapi-v2"),
        ("Release", "istiod"),
        ("Namespace", "environment"),
    } <= waits


@pytest.mark.parametrize("kind", ["DestinationRule", "VirtualService", "Gateway", "PeerAuthentication"])
def test_istio_objects_are_removed_before_istio(run: Run, canary: Node, kind: str) -> None:
    recorder = run(canary)
    for name in recorder.of(kind):
        assert {("Release", "istio-base"), ("Release", "istiod")} <= depends(recorder, kind, name)


def test_parts_belong_to_components(run: Run, canary: Node) -> None:
    recorder = run(canary)
    parents = {
        (one.kind, one.name): one.parent.split("::")[-2].rsplit("$", 1)[-1]
        for one in recorder.requests
        if one.parent
    }
    assert parents["Deployment", "webapp-v1"] == "pitstop:workloads:Workload"
    assert parents["VirtualService", "webapp"] == "pitstop:routing:Routing"
    assert parents["Gateway", "webapp"] == "pitstop:routing:Entry"
    assert parents["Release", "istiod"] == "pitstop:mesh:Mesh"


def test_a_mesh_that_is_there_already_is_not_installed(run: Run, facts: Callable[[Facts], None]) -> None:
    facts(Facts(owners={"istio-system": ""}, istio=True, control_planes=("istio-system",)))
    recorder = run(raw({"mesh": {"kind": "existing"}}))
    assert recorder.of("Release") == {}
    assert set(recorder.of("Namespace")) == {"environment"}
    assert set(recorder.of("PeerAuthentication")) == {"environment"}


def test_moving_weights_changes_the_one_route(run: Run, canary: Node) -> None:
    before = {(one.kind, one.name): one.inputs for one in run(canary).requests}
    weights = "services.customermanagementapi.traffic[0].weights"
    recorder = run(raw({weights: {"v1": 40, "v2": 60}}))
    after = {(one.kind, one.name): one.inputs for one in recorder.requests[len(before) :]}
    assert {key for key in before if before[key] != after[key]} == {
        ("VirtualService", "customermanagementapi")
    }
