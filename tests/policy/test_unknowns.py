"""A value that only an update will tell: whoever needs it says so, and nobody else is disturbed."""

import pytest

from policy.rulebook.judging import configured, judge
from policy.rulebook.reading import SENTINELS, Unknown, UnknownReadError, at, plain
from policy.rulebook.registry import Level
from tests.policy.breaks import BREAKS, Break
from tests.policy.test_rules import TODAY
from tests.policy.world import CONFIG, One, changed, resources, world

WORLD = world()
UNKNOWN = min(SENTINELS)
# What is added or taken away has no value that could be unknown.
STATED = [change for change in BREAKS if change.path and not isinstance(change.value, One)]


@pytest.mark.parametrize("change", STATED, ids=lambda change: change.name)
def test_what_could_be_wrong_and_is_unknown_is_not_passed(change: Break) -> None:
    found = judge(resources(changed(WORLD, change.key, change.path, UNKNOWN)), configured(CONFIG, TODAY))
    blind = {one.code: one for one in found if one.unknown}
    assert change.rule in blind, [str(one.violation) for one in found]
    one = blind[change.rule]
    path = change.path.replace('"', "")
    assert str(one.violation) == f"{path}: cannot be judged: {path} is unknown"
    assert one.stops
    assert one.resource is not None
    assert one.resource.urn == WORLD[change.key].urn  # of a whole stack's rule, too
    assert [one for one in found if not one.unknown] == []


@pytest.mark.parametrize("sentinel", sorted(SENTINELS))
def test_what_no_rule_needs_may_be_unknown(sentinel: str) -> None:
    stack = changed(WORLD, "ManagedCluster/shop", "location", sentinel)
    stack = changed(stack, "ManagedCluster/shop", "dnsPrefix", sentinel)
    stack = changed(stack, "Deployment/web-v1", 'metadata.annotations."checksum"', sentinel)
    stack = changed(stack, "ManagedCluster/shop", "identity.userAssignedIdentities[0]", sentinel)
    assert judge(resources(stack), configured(CONFIG, TODAY)) == ()


def test_unknowns_may_be_advice() -> None:
    stack = changed(WORLD, "Vault/shop", "properties.enablePurgeProtection", UNKNOWN)
    pack = {"environment": "prod", "unknowns": "advise"}
    (found,) = judge(resources(stack), configured({**CONFIG, "pack": pack}, TODAY))
    assert found.unknown
    assert found.level is Level.ADVISORY
    assert not found.stops


def test_an_unknown_value_cannot_be_used_by_accident() -> None:
    unknown = plain({"a": {"b": UNKNOWN}})
    with pytest.raises(UnknownReadError) as raised:
        at(unknown, "a", "b", "c")
    assert raised.value.path == "a.b"
    value = Unknown("a.b")
    uses = (bool, str, len, list, hash, lambda one: one == "x", lambda one: one < 1, lambda one: "x" in one)
    for use in uses:
        with pytest.raises(UnknownReadError):
            use(value)
