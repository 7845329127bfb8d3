"""What a stack file may say, and the line a person reads when it says something else."""

import pytest

from components.model.explain import parse
from components.model.findings import RefusedError
from ops.errors import UserError
from tests.model.examples import REMOVE, raw, settings

API = "services.customermanagementapi"
KEY = f"pitstop:{API}"

REJECTED: dict[str, tuple[dict[str, object], str]] = {
    "unknown key": (
        {"namespac": "x"},
        (
            'pitstop:namespac = "x": unknown key; did you mean namespace? '
            "valid: namespace, cluster, mesh, images, ingress, services"
        ),
    ),
    "unknown key of a service": (
        {f"{API}.trafic": {}},
        f"{KEY}.trafic = {{}}: unknown key; did you mean traffic? valid: versions, traffic",
    ),
    "unknown key of a policy": (
        {f"{API}.traffic[0].mirror": 1},
        f"{KEY}.traffic[0].mirror = 1: unknown key; valid: kind, weights",
    ),
    "weight of 101": (
        {f"{API}.traffic[0].weights.v1": 101},
        f"{KEY}.traffic[0].weights.v1 = 101: must be a whole number from 0 to 100, e.g. 75",
    ),
    "weight below 0": (
        {f"{API}.traffic[0].weights.v1": -1},
        f"{KEY}.traffic[0].weights.v1 = -1: must be a whole number from 0 to 100, e.g. 75",
    ),
    "weight with a fraction": (
        {f"{API}.traffic[0].weights.v1": 74.5},
        f"{KEY}.traffic[0].weights.v1 = 74.5: must be a whole number from 0 to 100, e.g. 75",
    ),
    "weight as text": (
        {f"{API}.traffic[0].weights.v1": "75"},
        f'{KEY}.traffic[0].weights.v1 = "75": must be a whole number from 0 to 100, e.g. 75',
    ),
    "weight that is a truth": (
        {f"{API}.traffic[0].weights": {"v1": True, "v2": 99}},
        f"{KEY}.traffic[0].weights.v1 = true: must be a whole number from 0 to 100, e.g. 75",
    ),
    "weights that sum to 90": (
        {f"{API}.traffic[0].weights.v2": 15},
        f'{KEY}.traffic[0].weights = {{"v1": 75, "v2": 15}}: the sum is 90 and must be 100, e.g. v1: 75, v2: 25',
    ),
    "weights that sum to 190": (
        {f"{API}.traffic[0].weights": {"v1": 95, "v2": 95}},
        f'{KEY}.traffic[0].weights = {{"v1": 95, "v2": 95}}: the sum is 190 and must be 100, e.g. v1: 95, v2: 5',
    ),
    "no weights": (
        {f"{API}.traffic[0].weights": {}},
        f"{KEY}.traffic[0].weights = {{}}: the sum is 0 and must be 100, e.g. v1: 100",
    ),
    "a version with no deployment": (
        {f"{API}.traffic[0].weights": {"v1": 75, "v3": 25}},
        (
            f"{KEY}.traffic[0].weights.v3 = 25: v3 has no deployment; the versions are v1, v2, "
            "or add it, e.g. versions: {v3: {}}"
        ),
    ),
    "a live version with no deployment": (
        {f"{API}.traffic": [{"kind": "bluegreen", "live": "v9"}]},
        (
            f'{KEY}.traffic[0].live = "v9": v9 has no deployment; the versions are v1, v2, '
            "or add it, e.g. versions: {v9: {}}"
        ),
    ),
    "several versions and no policy": (
        {f"{API}.traffic": REMOVE},
        (
            f"{KEY}.traffic: required when there are several versions (v1, v2), "
            "e.g. {kind: bluegreen, live: v1}"
        ),
    ),
    "unknown policy": (
        {f"{API}.traffic[0].kind": "canary"},
        f"{KEY}.traffic[0].kind = canary: must be split or bluegreen",
    ),
    "policy without a kind": (
        {f"{API}.traffic[0].kind": REMOVE},
        f"{KEY}.traffic[0].kind: required, e.g. {{kind: split, weights: {{v1: 75, v2: 25}}}}",
    ),
    "unknown service": (
        {"services.webap": {}},
        (
            "pitstop:services.webap = {}: unknown service; did you mean webapp? valid: webapp, "
            "customermanagementapi, vehiclemanagementapi, workshopmanagementapi, "
            "workshopmanagementeventhandler, notificationservice, invoiceservice, auditlogservice, "
            "timeservice, sqlserver, rabbitmq, mailserver, logserver"
        ),
    ),
    "a service that is a number": ({"services.webapp": 3}, "pitstop:services.webapp = 3: must be a map"),
    "a version by its tag": (
        {"services.webapp": {"versions": {"2.0": {}}}},
        "pitstop:services.webapp.versions.2.0 = {}: must be v and a number, e.g. v1",
    ),
    "no version": (
        {"services.webapp.versions": {}},
        "pitstop:services.webapp.versions = {}: must not be empty",
    ),
    "no replica": (
        {"services.webapp.versions": {"v1": {"replicas": 0}}},
        "pitstop:services.webapp.versions.v1.replicas = 0: must be a whole number from 1 to 50, e.g. 2",
    ),
    "no services": ({"services": REMOVE}, "pitstop:services: required, e.g. {webapp: {}}"),
    "a bad namespace": (
        {"namespace": "Pit Stop"},
        (
            "pitstop:namespace = \"Pit Stop\": must be at most 63 lower-case letters, digits and '-', "
            "starting with a letter, e.g. pitstop"
        ),
    ),
    "unknown kind of cluster": (
        {"cluster.kind": "docker"},
        "pitstop:cluster.kind = docker: must be local or kubeconfig",
    ),
    "a kubeconfig without a context": (
        {"cluster.kind": "kubeconfig"},
        "pitstop:cluster.context: required, e.g. kind-pitstop",
    ),
    "unknown images": ({"images": "upstream"}, 'pitstop:images = "upstream": must be standin'),
    "a node port for a load balancer": (
        {"mesh.gateway.service": "LoadBalancer"},
        (
            "pitstop:mesh.gateway.nodePort = 30080: only a gateway of service NodePort has one and "
            "this is LoadBalancer"
        ),
    ),
    "a node port out of range": (
        {"mesh.gateway.nodePort": 80},
        "pitstop:mesh.gateway.nodePort = 80: must be a whole number from 30000 to 32767, e.g. 30080",
    ),
    "a host that is none": (
        {"ingress.hosts": ["*", "a..b"]},
        (
            'pitstop:ingress.hosts.1 = "a..b": must be a DNS name, *.name, or * for every host, '
            "e.g. pitstop.example.org"
        ),
    ),
    "hosts that are no list": ({"ingress.hosts": "*"}, 'pitstop:ingress.hosts = "*": must be a list'),
}


@pytest.mark.parametrize("case", REJECTED)
def test_a_mistake_is_one_line_with_key_value_and_what_is_valid(case: str) -> None:
    changes, line = REJECTED[case]
    with pytest.raises(RefusedError) as refused:
        settings(changes)
    assert refused.value.lines == (line,)


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(RefusedError) as refused:
        settings({"images": "upstream", f"{API}.traffic[0].weights.v1": 101, "namespace": "-"})
    assert [line.split(" = ")[0] for line in refused.value.lines] == [
        "pitstop:namespace",
        "pitstop:images",
        f"{KEY}.traffic[0].weights.v1",
    ]


def test_commands_see_a_refusal_as_a_mistake_of_their_user() -> None:
    with pytest.raises(UserError, match=r"pitstop:namespace.*; pitstop:images"):
        settings({"images": "upstream", "namespace": "-"})


def test_a_long_value_is_cut() -> None:
    with pytest.raises(RefusedError) as refused:
        settings({"namespace": "a" * 300})
    assert len(refused.value.lines[0]) < 250


def test_nothing_at_all() -> None:
    with pytest.raises(RefusedError) as refused:
        parse({})
    assert refused.value.lines == (
        "pitstop:namespace: required, e.g. pitstop",
        "pitstop:cluster: required, e.g. {kind: local}",
        "pitstop:mesh: required, e.g. {kind: helm}",
        "pitstop:services: required, e.g. {webapp: {}}",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cluster": {"kind": "kubeconfig", "context": "kind-x"}},
        {"cluster": {"kind": "kubeconfig", "path": "~/.kube/other", "context": "kind-x"}},
        {"mesh": {"kind": "existing", "revision": "asm-1-27", "rootNamespace": "aks-istio-system"}},
        {"mesh": {"kind": "helm"}},
        {"ingress": REMOVE},
        {"ingress.hosts": ["pitstop.example.org", "*.example.com"]},
        {f"{API}.traffic": [{"kind": "bluegreen", "live": "v2"}]},
        {f"{API}.traffic[0].weights": {"v1": 100}},
        {"services.webapp.versions": {"v1": {"replicas": 3}}},
    ],
)
def test_accepted(changes: dict[str, object]) -> None:
    assert settings(changes) == parse(raw(changes))


def test_a_version_without_a_weight_gets_nothing_but_is_named() -> None:
    own = settings({f"{API}.traffic[0].weights": {"v2": 100}}).services["customermanagementapi"]
    assert own.shares() == {"v1": 0, "v2": 100}


def test_only_services_with_several_versions_have_something_to_measure() -> None:
    assert settings().asked() == {"customermanagementapi": {"v1": 75, "v2": 25}}


def test_settings_cannot_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings().namespace = "other"  # type: ignore[misc]
