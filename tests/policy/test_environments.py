"""Every environment of our own: what it registers passes, and whatever is broken in it is seen."""

import json
from functools import cache
from pathlib import Path

import pytest

from components.model import stackfile
from components.model.access import edges, scaled_by_queue
from components.model.catalogue import CATALOGUE
from components.model.explain import PROJECT
from components.model.istio import GATEWAY_NAMESPACE, GATEWAY_RELEASE
from ops import policy, recording
from ops.paths import CHECKOUT
from policy.rulebook.judging import Configuration, Finding, judge, rules
from policy.rulebook.registry import Resource
from tests.policy.mutations import GONE, MUTATIONS, Mutation
from tests.policy.test_rules import TODAY

ENVIRONMENTS = sorted(path.name.split(".")[1] for path in CHECKOUT.glob("Pulumi.*.yaml"))
ENOUGH = 3  # resources of a kind that are broken in the same way


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
    own = settings.namespace
    expected = {f"{own}/{one.caller} -> {own}/{one.service}:{one.port.target}" for one in edges(settings)}
    expected.add(
        f"{GATEWAY_NAMESPACE}/{GATEWAY_RELEASE} -> {own}/webapp:{CATALOGUE['webapp'].ports[0].target}"
    )
    if scaled_by_queue(settings):
        expected.add(f"* -> {own}/rabbitmq:15672")
    content = json.loads((CHECKOUT / "policy" / f"{environment}.json").read_text())
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


def test_every_rule_is_seen_to_fire_in_some_environment() -> None:
    fired = {
        mutation.rule
        for mutation in MUTATIONS
        for environment in ENVIRONMENTS
        if any(mutation.rule in codes for _, codes in broken(environment, mutation))
    }
    assert {one.code for one in rules()} - fired == set()


def test_a_file_for_every_environment(tmp_path: Path) -> None:
    assert {path.stem for path in (CHECKOUT / "policy").glob("*.json")} == set(ENVIRONMENTS)
    assert policy.configuration_of(str(tmp_path / "another")).pack.environment == "prod"
