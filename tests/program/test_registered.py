"""What the program registers, with which options."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest
from pulumi.runtime import rpc

from components.model import outputs
from components.model.plan import Plan
from components.model.secrets import version_of
from components.preflight import Facts
from tests.model.examples import OWNER, WHOLE, Node, plan, raw
from tests.program.conftest import SECRETS, Recorder, Run

NATIVE = {
    "ConfigMap": "kubernetes:core/v1:ConfigMap",
    "Deployment": "kubernetes:apps/v1:Deployment",
    "Job": "kubernetes:batch/v1:Job",
    "Namespace": "kubernetes:core/v1:Namespace",
    "NetworkPolicy": "kubernetes:networking.k8s.io/v1:NetworkPolicy",
    "PersistentVolumeClaim": "kubernetes:core/v1:PersistentVolumeClaim",
    "Secret": "kubernetes:core/v1:Secret",
    "Service": "kubernetes:core/v1:Service",
    "ServiceAccount": "kubernetes:core/v1:ServiceAccount",
    "StatefulSet": "kubernetes:apps/v1:StatefulSet",
}

VERSIONS = {name: version_of(value, OWNER, name) for name, value in SECRETS.items()}


def job_of(environment: Plan) -> str:
    """The logical name of the job that prepares the databases."""
    assert environment.database is not None
    return environment.database.job.key


def is_secret(value: object) -> bool:
    return isinstance(value, dict) and value.get(rpc._special_sig_key) == rpc._special_secret_sig


def test_every_object_of_the_plan_and_nothing_else(standard: Recorder) -> None:
    expected = {(one.kind, one.key) for one in plan().objects()}
    expected |= {("Secret", one.key) for one in plan().secrets()}
    mesh = plan().mesh
    assert mesh is not None
    expected |= {("Release", release.name) for release in mesh.releases}
    assert {(one.kind, one.name) for one in standard.requests if one.custom} == expected | {
        ("kubernetes", "cluster")
    }


def test_objects_carry_what_the_plan_says(standard: Recorder) -> None:
    for manifest in plan().objects():
        request = standard.of(manifest.kind)[manifest.key]
        versions = {place: VERSIONS[place.name] for place in outputs.places(manifest.body)}
        document = outputs.filled(manifest.document(), versions)
        assert json.loads(json.dumps(request.inputs)) == json.loads(json.dumps(document)), manifest.key


def test_native_kinds_are_typed_resources(standard: Recorder) -> None:
    for kind, token in NATIVE.items():
        assert {one.type for one in standard.of(kind).values()} == {token}
    assert {one.type for one in standard.of("VirtualService").values()} == {
        "kubernetes:networking.istio.io/v1:VirtualService"
    }


def test_everything_goes_through_the_one_provider(standard: Recorder) -> None:
    providers = {one.provider for one in standard.requests if one.custom and one.name != "cluster"}
    assert len(providers) == 1
    assert "pulumi:providers:kubernetes::cluster" in providers.pop()


def test_the_kubeconfig_is_secret_and_the_identity_is_stable(standard: Recorder) -> None:
    inputs = standard.of("kubernetes")["cluster"].inputs
    assert is_secret(inputs["kubeconfig"])
    assert inputs["clusterIdentifier"] == "local"


def test_secret_values_are_secret_and_nowhere_else(standard: Recorder) -> None:
    for request in standard.of("Secret").values():
        assert is_secret(request.inputs["stringData"])
    others = [one.inputs for one in standard.requests if one.kind not in {"Secret", "kubernetes"}]
    text = json.dumps(others)
    for value in (*SECRETS.values(), "k8s-token"):
        assert value not in text
        assert base64.b64encode(value.encode()).decode() not in text


def test_the_charts_are_those_the_environment_names(run: Run, canary: Node, environ: Path) -> None:
    releases = run(canary).of("Release")
    assert releases["istiod"].inputs["chart"] == str(environ / "charts" / "istiod")
    assert releases["istiod"].inputs["namespace"] == "istio-system"
    assert releases["istiod"].inputs["name"] == "istiod"


def test_a_release_is_all_or_nothing(standard: Recorder) -> None:
    # An interrupted one would be half there, and the next update would find nothing to do.
    for release in standard.of("Release").values():
        assert release.inputs["atomic"] is True
        assert release.inputs["compat"] == "true"


def test_pods_wait_for_the_mesh_and_for_what_they_cannot_start_without(standard: Recorder) -> None:
    for version in ("v1", "v2"):
        waits = standard.depends("Deployment", f"customermanagementapi-{version}")
        assert {
            ("Release", "istiod"),
            ("Release", "istio-cni"),
            ("Namespace", "environment"),
            ("ServiceAccount", "customermanagementapi"),
            ("Secret", "customermanagementapi"),
            ("StatefulSet", "sqlserver"),
            ("StatefulSet", "rabbitmq"),
            ("Job", job_of(plan())),
        } <= waits
    pods = {"Deployment", "StatefulSet", "Job"}
    assert not [one for one in standard.waits("Deployment", "webapp-v1") if one[0] in pods]


def test_a_route_waits_for_its_subsets_and_for_ready_pods_of_each(standard: Recorder) -> None:
    waits = standard.depends("VirtualService", "customermanagementapi")
    assert {
        ("DestinationRule", "customermanagementapi"),
        ("Deployment", "customermanagementapi-v1"),
        ("Deployment", "customermanagementapi-v2"),
        ("Release", "istiod"),
        ("Namespace", "environment"),
    } <= waits


@pytest.mark.parametrize("kind", ["DestinationRule", "VirtualService", "Gateway", "PeerAuthentication"])
def test_istio_objects_are_removed_before_istio(standard: Recorder, kind: str) -> None:
    for name in standard.of(kind):
        assert {("Release", "istio-base"), ("Release", "istiod")} <= standard.depends(kind, name)


def test_parts_belong_to_components(standard: Recorder) -> None:
    parents = {
        (one.kind, one.name): one.parent.split("::")[-2].rsplit("$", 1)[-1]
        for one in standard.requests
        if one.parent
    }
    assert parents["Deployment", "webapp-v1"] == "pitstop:workloads:Workload"
    assert parents["VirtualService", "webapp"] == "pitstop:routing:Routing"
    assert parents["Gateway", "webapp"] == "pitstop:routing:Entry"
    assert parents["Release", "istiod"] == "pitstop:mesh:Mesh"


def test_the_database_is_prepared_between_its_server_and_its_clients(standard: Recorder) -> None:
    (job,) = standard.of("Job")
    waits = standard.depends("Job", job)
    assert {
        ("StatefulSet", "sqlserver"),
        ("ConfigMap", "database-init"),
        ("Secret", "database-init"),
        ("ServiceAccount", "database-init"),
        ("Namespace", "environment"),
    } <= waits
    assert ("StatefulSet", "rabbitmq") not in waits  # it may start meanwhile
    clients = {
        name
        for kind in ("Deployment", "StatefulSet")
        for name in standard.of(kind)
        if ("Job", job) in standard.depends(kind, name)
    }
    assert clients == {"customermanagementapi-v1", "customermanagementapi-v2"}


def test_workers_start_after_the_broker_and_what_else_they_need(whole: Recorder) -> None:
    broker, server = ("StatefulSet", "rabbitmq"), ("StatefulSet", "sqlserver")
    mail, job = ("Deployment", "mailserver"), ("Job", job_of(plan(base=WHOLE)))
    expected = {
        "auditlogservice": {broker},
        "timeservice": {broker},
        "notificationservice-v1": {broker, server, mail, job},
        "invoiceservice-v1": {broker, server, mail, job},
        "workshopmanagementeventhandler-v1": {broker, server, job},
        "vehiclemanagementapi-v1": {broker, server, job},
        "mailserver": set(),
        "webapp-v1": set(),
    }
    started = {"Deployment", "StatefulSet", "Job"}
    for name, needed in expected.items():
        assert {one for one in whole.depends("Deployment", name) if one[0] in started} == needed


def test_the_namespace_and_every_rule_of_access_come_before_the_first_pod(whole: Recorder) -> None:
    rules = {(one.kind, one.key) for one in (*plan(base=WHOLE).access.objects(), *plan(base=WHOLE).quota)}
    assert len(rules) > 20
    for kind in ("Deployment", "StatefulSet", "Job"):
        for name in whole.of(kind):
            assert whole.waits(kind, name) >= rules | {("Namespace", "environment")}


def test_what_refuses_the_rest_waits_for_everything_that_lets_through(whole: Recorder) -> None:
    access = plan(base=WHOLE).access
    allowed = {(one.kind, one.key) for one in access.allow}
    denied = {(one.kind, one.key) for one in access.deny}
    for kind, name in denied:
        assert whole.depends(kind, name) >= allowed
    for kind, name in allowed:
        assert not whole.waits(kind, name) & denied


def test_a_quota_is_there_before_it_could_be_exceeded(run: Run) -> None:
    recorder = run(raw({"quota": {"cpu": 8, "memory": "16Gi", "pods": 60}}))
    for kind in ("ResourceQuota", "LimitRange"):
        assert ("Namespace", "environment") in recorder.depends(kind, "environment")
        assert (kind, "environment") in recorder.depends("Deployment", "webapp-v1")


@pytest.mark.parametrize("retain", [False, True])
def test_only_claims_outlive_the_stack_and_only_when_asked(run: Run, retain: bool) -> None:
    recorder = run(raw({"storage": {"retain": retain}}))
    kept = {(one.kind, one.name) for one in recorder.requests if one.retained}
    claims = {("PersistentVolumeClaim", name) for name in ("rabbitmq", "sqlserver")}
    assert kept == (claims if retain else set())
    for _, name in claims:
        assert ("PersistentVolumeClaim", name) in recorder.depends("StatefulSet", name)


def test_a_certificate_is_in_the_gateways_namespace_before_the_gateway_asks_for_it(run: Run) -> None:
    recorder = run(raw({"ingress.tls": {"kind": "values"}}))
    secret = recorder.of("Secret")["webapp-certificate"]
    assert secret.inputs["metadata"] == {
        "name": "pitstop-certificate",
        "namespace": "istio-ingress",
        "labels": {"app": "webapp", "app.kubernetes.io/part-of": "pitstop"},
    }
    assert secret.inputs["type"] == "kubernetes.io/tls"
    assert is_secret(secret.inputs["stringData"])
    assert SECRETS["tlsKey"] in str(secret.inputs["stringData"])
    # Its namespace is the mesh's.
    assert ("Release", "istio-ingressgateway") in recorder.depends("Secret", "webapp-certificate")
    assert ("Secret", "webapp-certificate") in recorder.depends("Gateway", "webapp")


def test_scalers_and_budgets_come_after_what_they_are_for(run: Run) -> None:
    scaled: Node = {"v1": {"scaling": {"kind": "cpu", "max": 3}}}
    recorder = run(raw({"services.webapp.versions": scaled}))
    for kind in ("HorizontalPodAutoscaler", "PodDisruptionBudget"):
        assert ("Deployment", "webapp-v1") in recorder.depends(kind, "webapp-v1")


def test_without_a_mesh_nothing_of_one_is_registered(run: Run) -> None:
    blue: list[Node] = [{"kind": "bluegreen", "live": "v1"}]
    recorder = run(raw({"mesh": {"kind": "none"}, "services.customermanagementapi.traffic": blue}))
    assert not [one for one in recorder.requests if "istio" in one.type or "mesh" in one.type]
    assert recorder.of("Deployment")
    assert {"default-deny", "webapp"} <= set(recorder.of("NetworkPolicy"))


def test_outputs_tell_what_a_person_asks_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    told: Node = {}

    def export(name: str, value: pulumi.Input[object]) -> None:
        pulumi.Output.from_input(value).apply(lambda known: told.__setitem__(name, known))

    monkeypatch.setattr(pulumi, "export", export)
    run(raw())
    assert told == {
        "namespace": "pitstop",
        "cluster": "local",
        "asked": {"customermanagementapi": {"v1": 75, "v2": 25}},
        "versions": plan().versions(),
        "entries": {"webapp": {"hosts": ["*"]}},
    }


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
