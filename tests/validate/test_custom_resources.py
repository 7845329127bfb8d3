"""Custom resources hold nothing but fields that their CRDs know: a cluster would drop the rest."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from components.model.manifests import Document
from tests.validate.environments import plan
from tests.validate.validators import problems, strict

Edit = Callable[[dict[str, Any]], object]


def route(service: dict[str, Any]) -> dict[str, Any]:
    """The first route of a VirtualService."""
    found: dict[str, Any] = service["spec"]["http"][0]
    return found


BROKEN: dict[str, tuple[str, str, Edit, str]] = {
    "a misspelt weight": (
        "canary",
        "VirtualService",
        lambda one: route(one)["route"][0].update(wieght=1),
        "wieght",
    ),
    "a weight that is text": (
        "canary",
        "VirtualService",
        lambda one: route(one)["route"][0].update(weight="75"),
        "weight",
    ),
    "a retry's field of another API": (
        "patience",
        "VirtualService",
        lambda one: route(one)["retries"].update(numRetries=2),
        "numRetries",
    ),
    "a fault without its percentage's form": (
        "faults",
        "VirtualService",
        lambda one: route(one).update(fault={"abort": {"percentage": 25, "httpStatus": 503}}),
        "percentage",
    ),
    "two forms of one match": (
        "routes",
        "VirtualService",
        lambda one: route(one)["match"][0].update(uri={"exact": "/a", "prefix": "/b"}),
        "uri",
    ),
    "a destination without a host": (
        "canary",
        "VirtualService",
        lambda one: route(one)["route"][0]["destination"].pop("host"),
        "host",
    ),
    "a subset without a name": (
        "canary",
        "DestinationRule",
        lambda one: one["spec"]["subsets"][0].pop("name"),
        "name",
    ),
    "outlier detection in snake case": (
        "breaker",
        "DestinationRule",
        lambda one: one["spec"]["trafficPolicy"]["outlierDetection"].update(base_ejection_time="30s"),
        "base_ejection_time",
    ),
    "two ways to hash": (
        "affinity-by-header",
        "DestinationRule",
        lambda one: one["spec"]["trafficPolicy"]["loadBalancer"]["consistentHash"].update(useSourceIp=True),
        "consistentHash",
    ),
    "a gateway without servers' hosts": (
        "canary",
        "Gateway",
        lambda one: one["spec"]["servers"][0].pop("hosts"),
        "hosts",
    ),
    "an unknown TLS mode": (
        "certificate-of-its-own",
        "Gateway",
        lambda one: one["spec"]["servers"][0]["tls"].update(mode="EASY"),
        "mode",
    ),
    "an unknown mTLS mode": (
        "canary",
        "PeerAuthentication",
        lambda one: one["spec"]["mtls"].update(mode="ON"),
        "mode",
    ),
    "an action nobody knows": (
        "canary",
        "AuthorizationPolicy",
        lambda one: one["spec"].update(action="PERMIT"),
        "action",
    ),
    "a rule's source at the wrong level": (
        "canary",
        "AuthorizationPolicy",
        lambda one: one["spec"].update(rules=[{"principals": ["a"]}]),
        "principals",
    ),
    "a sidecar's hosts as text": (
        "canary",
        "Sidecar",
        lambda one: one["spec"]["egress"][0].update(hosts="./*"),
        "hosts",
    ),
    "an unknown location": (
        "egress",
        "ServiceEntry",
        lambda one: one["spec"].update(location="OUTSIDE"),
        "location",
    ),
    "no spec": ("canary", "VirtualService", lambda one: one.pop("spec"), "spec"),
    "a label of Istio's object that is none": (
        "canary",
        "VirtualService",
        lambda one: one["metadata"]["labels"].update(app="a b"),
        "no value of a label",
    ),
    "a trigger's number that is no text": (
        "scaled",
        "ScaledObject",
        lambda one: one["spec"]["triggers"][0]["metadata"].update(value=5),
        "value",
    ),
    "a scaled object without a target": (
        "scaled",
        "ScaledObject",
        lambda one: one["spec"].pop("scaleTargetRef"),
        "scaleTargetRef",
    ),
    "a misspelt field of a scaled object": (
        "scaled",
        "ScaledObject",
        lambda one: one["spec"].update(maxReplicas=5),
        "maxReplicas",
    ),
    "a vault's parameter that is no text": (
        "vault",
        "SecretProviderClass",
        lambda one: one["spec"]["parameters"].update(usePodIdentity=False),
        "usePodIdentity",
    ),
    "a vault's secret of no type": (
        "vault",
        "SecretProviderClass",
        lambda one: one["spec"]["secretObjects"][0].pop("type"),
        "type",
    ),
    "a misspelt field of a vault's secret": (
        "vault",
        "SecretProviderClass",
        lambda one: one["spec"]["secretObjects"][0].update(secretname="x"),
        "secretname",
    ),
    "a reference to no key": (
        "scaled",
        "TriggerAuthentication",
        lambda one: one["spec"]["secretTargetRef"][0].pop("key"),
        "key",
    ),
}


def matching(name: str, kind: str) -> list[Document]:
    return [document for document in plan(name).documents() if document["kind"] == kind]


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_object_is_refused(case: str) -> None:
    name, kind, edit, said = BROKEN[case]
    judged = 0
    for document in matching(name, kind):
        changed = copy.deepcopy(document)
        try:
            edit(changed)
        except KeyError:
            continue  # another object of the kind has what is broken here
        judged += 1
        found = problems(changed)
        assert any(said in line for line in found), found
    assert judged


def test_a_field_a_schema_does_not_list_is_refused_at_every_depth() -> None:
    text = {"type": "string"}
    inner = {"type": "object", "properties": {"a": text}}
    schema = {
        "type": "object",
        "properties": {"list": {"type": "array", "items": inner}, "map": {"additionalProperties": inner}},
        "oneOf": [{"required": ["list"]}, {"properties": {"map": {"type": "object"}}}],
    }
    made = strict(schema)
    assert made["additionalProperties"] is False
    assert made["properties"]["list"]["items"]["additionalProperties"] is False
    assert made["properties"]["map"]["additionalProperties"]["additionalProperties"] is False
    assert made["oneOf"] == schema["oneOf"]  # each lists only what it is about


def test_a_field_of_any_form_stays_one() -> None:
    free = {"type": "object", "properties": {"a": {}}, "x-kubernetes-preserve-unknown-fields": True}
    assert "additionalProperties" not in strict(free)
    assert strict({"type": "string", "nullable": True}) == {"anyOf": [{"type": "string"}, {"type": "null"}]}
