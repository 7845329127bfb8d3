"""Every object of every fixed environment is one Kubernetes takes, in this release and in the next."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from components.model.manifests import Document
from tests.validate.environments import ENVIRONMENTS, plan
from tests.validate.validators import MINORS, problems

Edit = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_object_is_valid(name: str, minor: str) -> None:
    assert [line for document in plan(name).documents() for line in problems(document, minor)] == []


def test_the_environments_hold_every_kind_the_program_writes() -> None:
    kinds = {document["kind"] for name in ENVIRONMENTS for document in plan(name).documents()}
    assert kinds == {
        "AuthorizationPolicy",
        "ConfigMap",
        "Deployment",
        "DestinationRule",
        "Gateway",
        "HorizontalPodAutoscaler",
        "Job",
        "LimitRange",
        "Namespace",
        "NetworkPolicy",
        "PeerAuthentication",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "ResourceQuota",
        "ScaledObject",
        "Secret",
        "SecretProviderClass",
        "Service",
        "ServiceAccount",
        "ServiceEntry",
        "Sidecar",
        "StatefulSet",
        "TriggerAuthentication",
        "VirtualService",
    }


def container(deployment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


# For each kind, what is done to one of its objects, and what is said about it.
BROKEN: dict[str, tuple[str, str, Edit, str]] = {
    "a misspelt field": (
        "canary",
        "Deployment",
        lambda one: container(one).update(imagePullPolciy="Always"),
        "imagePullPolciy",
    ),
    "a misspelt field of the object": ("canary", "Service", lambda one: one.update(specs={}), "specs"),
    "no selector": ("canary", "Deployment", lambda one: one["spec"].pop("selector"), "selector"),
    "no template": ("canary", "StatefulSet", lambda one: one["spec"].pop("template"), "template"),
    "replicas as text": ("canary", "Deployment", lambda one: one["spec"].update(replicas="2"), "replicas"),
    "a port without a number": ("canary", "Service", lambda one: one["spec"]["ports"][0].pop("port"), "port"),
    "a container without a name": ("canary", "Deployment", lambda one: container(one).pop("name"), "name"),
    "a variable that is a number": (
        "canary",
        "Deployment",
        lambda one: container(one)["env"].append({"name": "A", "value": 1}),
        "value",
    ),
    "labels that are numbers": (
        "canary",
        "Deployment",
        lambda one: one["spec"]["template"]["metadata"]["labels"].update(version=1.0),
        "version",
    ),
    "no scale target": (
        "scaled",
        "HorizontalPodAutoscaler",
        lambda one: one["spec"].pop("scaleTargetRef"),
        "scaleTargetRef",
    ),
    "a network policy's port in a wrong place": (
        "canary",
        "NetworkPolicy",
        lambda one: one["spec"].update(port=1),
        "port",
    ),
    "a quota that is a number of a map": (
        "scaled",
        "ResourceQuota",
        lambda one: one["spec"].update(hard=[1]),
        "hard",
    ),
    "a budget with an unknown field": (
        "breaker",
        "PodDisruptionBudget",
        lambda one: one["spec"].update(maxUnavailabel=1),
        "maxUnavailabel",
    ),
    "a claim without a word Kubernetes knows": (
        "canary",
        "PersistentVolumeClaim",
        lambda one: one["spec"].update(storageClass="fast"),
        "storageClass",
    ),
    "a job that never ends": (
        "canary",
        "Job",
        lambda one: one["spec"].update(activeDeadline=1),
        "activeDeadline",
    ),
    "a secret whose data is a list": (
        "canary",
        "Secret",
        lambda one: one.update(stringData=["a"]),
        "stringData",
    ),
    # What no schema has.
    "a name in capitals": (
        "canary",
        "ServiceAccount",
        lambda one: one["metadata"].update(name="Web"),
        "no name",
    ),
    "a Service that begins with a digit": (
        "canary",
        "Service",
        lambda one: one["metadata"].update(name="1web"),
        "no name",
    ),
    "a label with a space": (
        "canary",
        "Service",
        lambda one: one["metadata"]["labels"].update(app="web app"),
        "no value of a label",
    ),
    "a label whose name is none": (
        "canary",
        "Service",
        lambda one: one["metadata"]["labels"].update({"a b": "c"}),
        "a b is no label",
    ),
    "a selector that misses its pods": (
        "canary",
        "Deployment",
        lambda one: one["spec"]["selector"]["matchLabels"].update(app="other"),
        "does not select",
    ),
    "memory in megs": (
        "canary",
        "Deployment",
        lambda one: container(one)["resources"]["requests"].update(memory="64 megs"),
        "no quantity of memory",
    ),
    "two variables of one name": (
        "canary",
        "Deployment",
        lambda one: container(one)["env"].extend([{"name": "A", "value": "1"}] * 2),
        "A is there twice",
    ),
    "a port's name that is too long": (
        "canary",
        "Service",
        lambda one: one["spec"]["ports"][0].update(name="a-name-that-is-too-long"),
        "is no name",
    ),
}


def first(name: str, kind: str) -> Document:
    return next(document for document in plan(name).documents() if document["kind"] == kind)


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_object_is_refused(case: str, minor: str) -> None:
    name, kind, edit, said = BROKEN[case]
    document = copy.deepcopy(first(name, kind))
    edit(document)
    found = problems(document, minor)
    assert any(said in line for line in found), found
