"""Every environment of our own: what it registers passes, and whatever is broken in it is seen."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from components.model import stackfile
from components.model.access import edges, scaled_by_queue
from components.model.catalogue import CATALOGUE
from components.model.explain import PROJECT
from components.model.joining import joining
from ops import policy, recording
from ops.paths import CHECKOUT
from policy.rulebook.judging import Configuration, Finding, judge, rules
from policy.rulebook.kinds import PODS
from policy.rulebook.registry import Resource
from tests.policy.mutations import GONE, MUTATIONS, Mutation
from tests.policy.test_rules import TODAY

ENVIRONMENTS = sorted(path.name.split(".")[1] for path in CHECKOUT.glob("Pulumi.*.yaml"))
ENOUGH = 2  # resources of a kind that are broken in the same way


@cache
def registered(environment: str) -> tuple[Resource, ...]:
    return tuple(map(policy.resource, recording.record(environment)))


@cache
def configuration(environment: str) -> Configuration:
    return policy.configuration_of(environment, TODAY)


@cache
def found(environment: str) -> tuple[Finding, ...]:
    return judge(registered(environment), configuration(environment))


def told(one: Finding) -> tuple[str, str, str]:
    return one.code, one.resource.urn if one.resource else "", str(one.violation)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_passes(environment: str) -> None:
    assert [told(one) for one in found(environment) if one.exemption is None] == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_call_graph_is_the_catalogues(environment: str) -> None:
    settings = stackfile.load(stackfile.path_of(environment, CHECKOUT))
    own, mesh = settings.namespace, joining(settings)
    assert mesh is not None
    expected = {f"{own}/{one.caller} -> {own}/{one.service}:{one.port.target}" for one in edges(settings)}
    content = json.loads((CHECKOUT / "policy" / f"{environment}.json").read_text())
    (entry,) = (one for one in content["M2-graph"]["edges"] if one.startswith(f"{mesh.gateway_namespace}/"))
    assert entry.endswith(f" -> {own}/webapp:{CATALOGUE['webapp'].ports[0].target}")
    expected.add(entry)
    if scaled_by_queue(settings):
        expected.add(f"* -> {own}/rabbitmq:15672")
    assert set(content["M2-graph"]["edges"]) == expected


@cache
def broken(environment: str, mutation: Mutation) -> tuple[tuple[str, frozenset[str]], ...]:
    """Each resource that was broken, and the rules that say something new."""
    before = {told(one) for one in found(environment)}
    whole = registered(environment)
    seen = []
    for number, resource in enumerate(whole):
        own = resource.type.startswith(PROJECT)  # a component, which may be called as what it holds
        if own or resource.type.rpartition(":")[2] != mutation.kind or not mutation.fits(resource):
            continue
        changed = () if mutation.value is GONE else (mutation.of(resource),)
        if changed == (None,):
            continue
        after = (*whole[:number], *(one for one in changed if one), *whole[number + 1 :])
        new = judge(after, configuration(environment))
        seen.append((resource.name, frozenset(one.code for one in new if told(one) not in before)))
        if len(seen) == ENOUGH:
            break
    return tuple(seen)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_what_is_broken_is_seen_by_its_rule_and_no_other(environment: str, mutation: Mutation) -> None:
    allowed = mutation.production and configuration(environment).pack.environment == "dev"
    for name, codes in broken(environment, mutation):
        if allowed:
            assert codes == set(), name
        else:
            assert codes - set(mutation.may) == {mutation.rule, *mutation.also} - set(mutation.may), name
            assert codes


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_mesh_without_a_mode_is_seen(environment: str) -> None:
    # One for the mesh and one for the namespace: either would do.
    left = [one for one in registered(environment) if one.type.rpartition(":")[2] != "PeerAuthentication"]
    new = judge(left, configuration(environment))
    assert "M1-mesh" in {one.code for one in new if told(one) not in {*map(told, found(environment))}}


def test_an_image_without_its_digest_is_seen_in_production() -> None:
    digest = f"@sha256:{'5e' * 32}"
    pinned = [with_images(one, lambda image: image.partition("@")[0] + digest) for one in registered("prod")]
    assert "S2" not in {one.code for one in judge(pinned, configuration("prod"))}
    for number, one in enumerate(pinned):
        if one.kind in PODS:
            bare = with_images(one, lambda image: image.partition("@")[0])
            seen = judge([*pinned[:number], bare, *pinned[number + 1 :]], configuration("prod"))
            assert {told.resource for told in seen if told.code == "S2"} == {bare}


def with_images(resource: Resource, image: Callable[[str], str]) -> Resource:
    """Other images for every container."""

    def other(value: object) -> object:
        if isinstance(value, Mapping):
            return {key: image(str(one)) if key == "image" else other(one) for key, one in value.items()}
        return [other(one) for one in value] if isinstance(value, list) else value

    inputs = other(resource.inputs) if resource.kind in PODS else resource.inputs
    assert isinstance(inputs, Mapping)
    return replace(resource, inputs=inputs)


def test_every_rule_is_seen_to_fire_in_some_environment() -> None:
    # Two have a test of their own: no single change of an environment breaks them.
    own = {"M1-mesh", "S2"}
    fired = {
        mutation.rule
        for mutation in MUTATIONS
        for environment in ENVIRONMENTS
        if any(mutation.rule in codes for _, codes in broken(environment, mutation))
    }
    assert {one.code for one in rules()} - fired == own


def test_a_file_for_every_environment(tmp_path: Path) -> None:
    assert {path.stem for path in (CHECKOUT / "policy").glob("*.json")} == set(ENVIRONMENTS)
    assert policy.configuration_of(str(tmp_path / "another")).pack.environment == "prod"
