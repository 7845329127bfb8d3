"""How many pods: budgets for evictions, scalers, and what an environment may use altogether."""

from collections.abc import Iterator

from components.model import naming
from components.model.catalogue import BROKER, Kind, Secret, Service
from components.model.manifests import Document, Json, Manifest, labels
from components.model.pods import Running
from components.model.settings import CpuScaling, QueueScaling, Settings

QUIET_SECONDS = 300  # fewer pods only after this long without need


def beside(service: Service, versions: tuple[Running, ...], settings: Settings) -> tuple[Manifest, ...]:
    """What stands beside the workloads of a service."""
    return tuple(_beside(service, versions, settings))


def _beside(service: Service, versions: tuple[Running, ...], settings: Settings) -> Iterator[Manifest]:
    for one in versions:
        name = naming.workload(service.name, "" if one.fixed else one.version)
        if one.replicas != 0 and one.own.fewest > 1 and service.kind is not Kind.BACKING:
            yield _budget(service, one, name, settings.namespace)
        if one.fixed or one.replicas == 0:
            continue
        if isinstance(one.own.scaling, CpuScaling):
            yield _by_cpu(service, one.own.scaling, name, settings.namespace)
        elif isinstance(one.own.scaling, QueueScaling):
            yield from _by_queue(service, one, one.own.scaling, settings)


def _budget(service: Service, one: Running, name: str, namespace: str) -> Manifest:
    """One pod at a time may be moved; a single pod has no budget, which would make its node undrainable."""
    own = labels(service.name, one.version)
    spec: Document = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": {"app": own["app"], "version": own["version"]}},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",  # what does not work is in nobody's way
    }
    return Manifest(name, "policy/v1", "PodDisruptionBudget", name, namespace, own, {"spec": spec})


def _by_cpu(service: Service, scaling: CpuScaling, name: str, namespace: str) -> Manifest:
    metric: Json = {
        # The service's own container: a busy sidecar is no reason for more pods of the service.
        "type": "ContainerResource",
        "containerResource": {
            "name": "cpu",
            "container": service.name,
            "target": {"type": "Utilization", "averageUtilization": scaling.percent},
        },
    }
    spec: Document = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicas": scaling.min,
        "maxReplicas": scaling.max,
        "metrics": [metric],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": QUIET_SECONDS}},
    }
    return Manifest(
        name,
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        name,
        namespace,
        labels(service.name),
        {"spec": spec},
    )


def _by_queue(
    service: Service, one: Running, scaling: QueueScaling, settings: Settings
) -> Iterator[Manifest]:
    name, here = naming.workload(service.name, one.version), settings.namespace
    # KEDA takes the user from the pods' own environment, which needs KEDA 2.16.
    # Source: https://keda.sh/docs/2.16/scalers/rabbitmq-queue/
    reference: Document = {"parameter": "password", "name": service.name, "key": Secret.RABBITMQ}
    yield Manifest(
        name,
        "keda.sh/v1alpha1",
        "TriggerAuthentication",
        name,
        here,
        labels(service.name),
        {"spec": {"secretTargetRef": [reference]}},
    )
    trigger: Document = {
        "type": "rabbitmq",
        # The management API counts events that were taken and not finished, which AMQP does not: Pitstop's
        # consumers take everything at once.
        "metadata": {
            "protocol": "http",
            "host": f"http://{naming.host(BROKER.service, here)}:15672/%2F",
            "usernameFromEnv": f"{service.broker}__UserName",
            "mode": "QueueLength",
            "queueName": one.queue or service.queue,
            "value": str(scaling.length),
        },
        "authenticationRef": {"name": name},
    }
    spec: Document = {
        "scaleTargetRef": {"name": name},
        "minReplicaCount": scaling.min,
        "maxReplicaCount": scaling.max,
        "cooldownPeriod": QUIET_SECONDS,
        "fallback": {"failureThreshold": 3, "replicas": scaling.min},
        "triggers": [trigger],
    }
    yield Manifest(name, "keda.sh/v1alpha1", "ScaledObject", name, here, labels(service.name), {"spec": spec})


def quota(settings: Settings) -> tuple[Manifest, ...]:
    """The bound of all pods together, and what a container counts as that asks for nothing."""
    if settings.quota is None:
        return ()
    hard: Document = {
        "requests.cpu": settings.quota.cpu,
        "requests.memory": settings.quota.memory,
        "pods": str(settings.quota.pods),
    }
    default: Document = {"cpu": "10m", "memory": "64Mi"}
    limits: Json = [{"type": "Container", "defaultRequest": default, "default": {"memory": "256Mi"}}]
    return (
        Manifest(
            "environment",
            "v1",
            "ResourceQuota",
            "environment",
            settings.namespace,
            {},
            {"spec": {"hard": hard}},
        ),
        Manifest(
            "environment",
            "v1",
            "LimitRange",
            "environment",
            settings.namespace,
            {},
            {"spec": {"limits": limits}},
        ),
    )
