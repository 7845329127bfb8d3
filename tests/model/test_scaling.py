"""Budgets where there is something to keep, scalers for what works, and a bound for all of it."""

from collections.abc import Mapping

import pytest

from components.model import pods, scaling
from components.model.catalogue import CATALOGUE
from components.model.manifests import Document, Json, Manifest
from components.model.plan import Plan
from tests.model.examples import WHOLE, Node, items, objects, pick, plan, settings

API = "services.customermanagementapi"
NOTES = "services.notificationservice"
CPU: Node = {"kind": "cpu", "min": 2, "max": 6, "percent": 60}
QUEUE: Node = {"kind": "queue", "min": 1, "max": 4, "length": 7}
WAY: Node = {"kind": "split", "weights": {"v1": 75, "v2": 25}}


def beside(name: str, own: Node) -> list[Manifest]:
    """What stands beside the workloads of a service, whatever other rules say about it."""
    environment = settings({f"services.{name}": own}, WHOLE)
    service = CATALOGUE[name]
    running = pods.running(service, environment.services[name])
    return list(scaling.beside(service, running, environment))


def kinds(made: list[Manifest]) -> list[tuple[str, str]]:
    return [(one.kind, one.name) for one in made]


# --- budgets ------------------------------------------------------------------------------------------


def test_two_pods_are_evicted_one_at_a_time_and_a_single_one_at_any_time() -> None:
    own: Node = {"versions": {"v1": {"replicas": 2}, "v2": {"replicas": 1}}, "traffic": [WAY]}
    (budget,) = beside("customermanagementapi", own)
    assert budget.document() == {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {
            "name": "customermanagementapi-v1",
            "namespace": "pitstop",
            "labels": {
                "app": "customermanagementapi",
                "app.kubernetes.io/part-of": "pitstop",
                "version": "1.0",
            },
        },
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": {"app": "customermanagementapi", "version": "1.0"}},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def guarded(environment: Plan) -> dict[str, set[str]]:
    """For each budget, the workloads whose pods it selects."""
    loads = {**objects(environment, "Deployment"), **objects(environment, "StatefulSet")}
    return {
        name: {
            load
            for load, document in loads.items()
            if as_map(pick(budget, "spec", "selector", "matchLabels")).items()
            <= as_map(pick(document, "spec", "template", "metadata", "labels")).items()
        }
        for name, budget in objects(environment, "PodDisruptionBudget").items()
    }


def as_map(value: Json) -> Document:
    assert isinstance(value, dict)
    return value


def test_a_budget_is_of_one_version_alone() -> None:
    both: Node = {"v1": {"replicas": 2}, "v2": {"replicas": 3}}
    environment = plan({f"{API}.versions": both, "services.webapp.versions": {"v1": {"replicas": 2}}}, WHOLE)
    assert guarded(environment) == {
        name: {name} for name in ("customermanagementapi-v1", "customermanagementapi-v2", "webapp-v1")
    }
    assert guarded(plan(base=WHOLE)) == {}


def test_a_scaler_counts_by_its_fewest_pods() -> None:
    assert kinds(beside("webapp", {"versions": {"v1": {"scaling": {**CPU, "min": 1}}}})) == [
        ("HorizontalPodAutoscaler", "webapp-v1")
    ]
    assert kinds(beside("webapp", {"versions": {"v1": {"scaling": CPU}}})) == [
        ("PodDisruptionBudget", "webapp-v1"),
        ("HorizontalPodAutoscaler", "webapp-v1"),
    ]


# --- by processor time --------------------------------------------------------------------------------


def test_pods_of_a_busy_service_are_counted_by_its_own_container() -> None:
    (_, scaler) = beside("webapp", {"versions": {"v1": {"scaling": CPU}}})
    assert scaler.document()["apiVersion"] == "autoscaling/v2"
    assert scaler.document()["spec"] == {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "webapp-v1"},
        "minReplicas": 2,
        "maxReplicas": 6,
        "metrics": [
            {
                "type": "ContainerResource",
                "containerResource": {
                    "name": "cpu",
                    "container": "webapp",
                    "target": {"type": "Utilization", "averageUtilization": 60},
                },
            }
        ],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": scaling.QUIET_SECONDS}},
    }


def test_a_scaler_finds_its_deployment_and_the_container_it_counts() -> None:
    environment = plan({"services.webapp.versions": {"v1": {"scaling": CPU}}}, WHOLE)
    (scaler,) = objects(environment, "HorizontalPodAutoscaler").values()
    target = pick(scaler, "spec", "scaleTargetRef", "name")
    deployment = objects(environment, "Deployment")[str(target)]
    container = pick(scaler, "spec", "metrics", 0, "containerResource", "container")
    assert [one["name"] for one in items(deployment, "spec", "template", "spec", "containers")] == [container]
    assert "replicas" not in as_map(deployment["spec"])  # two owners of a number would fight


# --- by queue -----------------------------------------------------------------------------------------


def test_a_worker_is_scaled_by_the_events_that_wait() -> None:
    authentication, scaler = beside("notificationservice", {"versions": {"v1": {"scaling": QUEUE}}})
    assert authentication.document() == {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "TriggerAuthentication",
        "metadata": {
            "name": "notificationservice-v1",
            "namespace": "pitstop",
            "labels": {"app": "notificationservice", "app.kubernetes.io/part-of": "pitstop"},
        },
        "spec": {
            "secretTargetRef": [
                {"parameter": "password", "name": "notificationservice", "key": "rabbitmqPassword"}
            ]
        },
    }
    assert scaler.document()["kind"] == "ScaledObject"
    assert scaler.document()["spec"] == {
        "scaleTargetRef": {"name": "notificationservice-v1"},
        "minReplicaCount": 1,
        "maxReplicaCount": 4,
        "cooldownPeriod": scaling.QUIET_SECONDS,
        "fallback": {"failureThreshold": 3, "replicas": 1},
        "triggers": [
            {
                "type": "rabbitmq",
                "metadata": {
                    "protocol": "http",
                    "host": "http://rabbitmq.pitstop.svc.cluster.local:15672/%2F",
                    "usernameFromEnv": "RabbitMQHandler__UserName",
                    "mode": "QueueLength",
                    "queueName": "Notifications",
                    "value": "7",
                },
                "authenticationRef": {"name": "notificationservice-v1"},
            }
        ],
    }


def test_a_scaler_finds_the_key_of_the_secret_it_names() -> None:
    environment = plan({f"{NOTES}.versions": {"v1": {"scaling": QUEUE}}}, WHOLE)
    (authentication,) = objects(environment, "TriggerAuthentication").values()
    reference = items(authentication, "spec", "secretTargetRef")[0]
    (secret,) = [one for one in environment.secrets() if one.name == reference["name"]]
    assert reference["key"] in secret.holds
    # The user's name is read from the first container of the pods that are scaled.
    deployment = objects(environment, "Deployment")[str(pick(authentication, "metadata", "name"))]
    (container,) = items(deployment, "spec", "template", "spec", "containers")
    assert "RabbitMQHandler__UserName" in {one["name"] for one in items(container, "env") if "value" in one}


def test_a_shadow_is_scaled_by_its_own_queue() -> None:
    made = beside(
        "notificationservice",
        {
            "versions": {"v1": {"scaling": QUEUE}, "v2": {"scaling": QUEUE}},
            "release": {"kind": "shadow", "live": "v1", "shadow": "v2"},
        },
    )
    queues = {
        one.name: pick(one.document(), "spec", "triggers", 0, "metadata", "queueName")
        for one in made
        if one.kind == "ScaledObject"
    }
    assert queues == {
        "notificationservice-v1": "Notifications",
        "notificationservice-v2": "Notifications-v2",
    }


BOTH: Node = {"v1": {"scaling": QUEUE}, "v2": {"scaling": {**QUEUE, "min": 2}}}


@pytest.mark.parametrize(
    ("release", "scaled"),
    [
        ({"kind": "pause", "live": "v1"}, ["v1"]),
        ({"kind": "pause", "live": "v2"}, ["v2"]),
        ({"kind": "replace", "live": "v1"}, ["v1"]),
        ({"kind": "share"}, ["v1", "v2"]),
        ({"kind": "one", "live": "v1"}, []),
    ],
)
def test_a_paused_version_and_one_that_runs_alone_are_not_scaled(release: Node, scaled: list[str]) -> None:
    made = beside("notificationservice", {"versions": BOTH, "release": release})
    names = [f"notificationservice-{version}" for version in scaled]
    assert [one.name for one in made if one.kind == "ScaledObject"] == names
    budgets = [one.name for one in made if one.kind == "PodDisruptionBudget"]
    assert budgets == [name for name in names if name.endswith("v2")]


# --- altogether ---------------------------------------------------------------------------------------


def test_without_a_quota_there_is_none() -> None:
    assert scaling.quota(settings()) == ()


def test_a_quota_is_a_bound_and_a_share_for_who_asks_for_nothing() -> None:
    asked: Mapping[str, object] = {"quota": {"cpu": 4, "memory": "8Gi", "pods": 60}}
    bound, share = scaling.quota(settings(asked))
    assert (bound.kind, bound.document()["spec"]) == (
        "ResourceQuota",
        {"hard": {"requests.cpu": "4", "requests.memory": "8Gi", "pods": "60"}},
    )
    assert (share.kind, share.document()["spec"]) == (
        "LimitRange",
        {
            "limits": [
                {
                    "type": "Container",
                    "defaultRequest": {"cpu": "10m", "memory": "64Mi"},
                    "default": {"memory": "256Mi"},
                }
            ]
        },
    )
    assert plan(asked).quota == (bound, share)
