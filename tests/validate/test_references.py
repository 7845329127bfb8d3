"""What an object names is there."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from components.model.manifests import Document
from tests.validate.environments import ENVIRONMENTS, plan
from tests.validate.references import dangling

Edit = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_everything_named_is_there_once(name: str) -> None:
    assert dangling(plan(name).documents()) == []


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = workload["spec"]["template"]["spec"]
    return found


# For each: kind and name of the object, what is done to it, and what is said.
BROKEN: dict[str, tuple[str, str, Edit, str]] = {
    "an account": (
        "Deployment",
        "webapp-v1",
        lambda one: pod(one).update(serviceAccountName="nobody"),
        "ServiceAccount nobody, which is not there",
    ),
    "a key of a secret": (
        "Secret",
        "notificationservice",
        lambda one: one["stringData"].pop("rabbitmqPassword"),
        "Secret notificationservice, which has no rabbitmqPassword",
    ),
    "a claim": (
        "PersistentVolumeClaim",
        "sqlserver",
        lambda one: one["metadata"].update(name="other"),
        "PersistentVolumeClaim sqlserver, which is not there",
    ),
    "a file": (
        "ConfigMap",
        "rabbitmq",
        lambda one: one["metadata"].update(name="other"),
        "ConfigMap rabbitmq, which is not there",
    ),
    "a volume": ("StatefulSet", "rabbitmq", lambda one: pod(one).update(volumes=[]), "volume data"),
    "the Service of a StatefulSet": (
        "StatefulSet",
        "rabbitmq",
        lambda one: one["spec"].update(serviceName="rabbit"),
        "Service rabbit, which is not there",
    ),
    "what is scaled by processor time": (
        "HorizontalPodAutoscaler",
        "webapp-v1",
        lambda one: one["spec"]["scaleTargetRef"].update(name="webapp"),
        "Deployment webapp, which is not there",
    ),
    "what is scaled by a queue": (
        "ScaledObject",
        "notificationservice-v1",
        lambda one: one["spec"]["scaleTargetRef"].update(name="webapp"),
        "Deployment webapp, which is not there",
    ),
    "who may ask for the queue": (
        "TriggerAuthentication",
        "notificationservice-v1",
        lambda one: one["metadata"].update(name="other"),
        "TriggerAuthentication notificationservice-v1, which is not there",
    ),
    "a gateway": (
        "Gateway",
        "webapp",
        lambda one: one["metadata"].update(name="other"),
        "Gateway webapp, which is not there",
    ),
    "the host of a rule": (
        "DestinationRule",
        "webapp",
        lambda one: one["spec"].update(host="web.pitstop.svc.cluster.local"),
        "Service web, which is not there",
    ),
    "the host of a route": (
        "VirtualService",
        "webapp",
        lambda one: one["spec"]["http"][0]["route"][0]["destination"].update(host="web.pitstop.svc"),
        "Service web, which is not there",
    ),
    "the pods of a Service": (
        "Service",
        "webapp",
        lambda one: one["spec"]["selector"].update(app="web"),
        "selects {'app': 'web'}: no pods",
    ),
    "the pods of a budget": (
        "PodDisruptionBudget",
        "customermanagementapi-v1",
        lambda one: one["spec"]["selector"]["matchLabels"].update(version="9.0"),
        "no pods",
    ),
    "a second object of one name": (
        "Service",
        "webapp",
        lambda one: one["metadata"].update(name="customermanagementapi"),
        "Service pitstop/customermanagementapi is there twice",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_not_there_is_told(case: str) -> None:
    kind, name, edit, said = BROKEN[case]
    documents: list[Document] = copy.deepcopy(list(plan("scaled").documents()))
    found: list[Any] = [one for one in documents if one["kind"] == kind]
    edit(next(one for one in found if one["metadata"]["name"] == name))
    assert any(said in line for line in dangling(documents))


# The same, where a vault has the secrets.
KEPT: dict[str, tuple[str, str, Edit, str]] = {
    "a class of a vault's secrets": (
        "SecretProviderClass",
        "secrets-keeper",
        lambda one: one["metadata"].update(name="other"),
        "SecretProviderClass secrets-keeper, which is not there",
    ),
    "a secret made from a vault": (
        "SecretProviderClass",
        "secrets-keeper",
        lambda one: one["spec"]["secretObjects"][0].update(secretName="other"),
        "Deployment customermanagementapi-v1 names Secret customermanagementapi, which is not there",
    ),
    "a key of a secret made from a vault": (
        "SecretProviderClass",
        "secrets-keeper",
        lambda one: one["spec"]["secretObjects"][0]["data"][0].update(key="other"),
        "names Secret customermanagementapi, which has no rabbitmqPassword",
    ),
    "a key the keeper compares": (
        "Deployment",
        "secrets-keeper",
        lambda one: pod(one)["volumes"][-1]["projected"]["sources"][0]["secret"]["items"][0].update(key="x"),
        "Deployment secrets-keeper names Secret customermanagementapi, which has no x",
    ),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_a_vault_does_not_have_is_told(case: str) -> None:
    kind, name, edit, said = KEPT[case]
    documents = [copy.deepcopy(one) for one in plan("vault").documents()]
    for one in documents:
        if one["kind"] == kind and one["metadata"]["name"] == name:  # type: ignore[index,call-overload]
            edit(one)
    assert any(said in line for line in dangling(documents))
