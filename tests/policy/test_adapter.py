"""The rules as Pulumi's policies, asked as the engine asks."""

import json
from collections.abc import Mapping
from typing import Any, cast

import pytest
from google.protobuf import json_format, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime import proto
from pulumi_policy.policy import EnforcementLevel, _PolicyAnalyzerServicer

from policy.rulebook import adapter
from policy.rulebook.judging import configured, judge, rules
from policy.rulebook.reading import SENTINELS
from tests.policy.breaks import BREAKS, V1, Break
from tests.policy.test_exceptions import GOOD
from tests.policy.test_rules import TODAY
from tests.policy.world import CONFIG, Node, Stack, changed, resources, world

WORLD = world()
UNKNOWN = min(SENTINELS)
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "hunter2"}


def struct(value: Node) -> struct_pb2.Struct:
    return json_format.ParseDict(value, struct_pb2.Struct())


class Engine:
    """Asks a pack as the engine does: what it is told first, then each resource, then all of them."""

    def __init__(self, config: Mapping[str, object]) -> None:
        self.run = adapter.Run(TODAY)
        policies = adapter.policies(self.run)
        servicer = _PolicyAnalyzerServicer(adapter.NAME, "1.0.0", policies, EnforcementLevel.MANDATORY)
        self.pack = cast(Any, servicer)  # typed in part
        levels = {one.name: one.enforcementLevel for one in self.pack.GetAnalyzerInfo(None, None).policies}
        stated = {name: config.get(name, {}) for name in levels}
        request = proto.ConfigureAnalyzerRequest()
        for name, own in stated.items():
            assert isinstance(own, dict)
            request.policyConfig[name].properties.CopyFrom(struct(own))
            request.policyConfig[name].enforcementLevel = levels[name]
        self.pack.Configure(request, None)

    def preview(self, stack: Stack) -> list[proto.AnalyzeDiagnostic]:
        """Everything that is said."""
        said: list[proto.AnalyzeDiagnostic] = []
        whole = proto.AnalyzeStackRequest()
        for one in stack.values():
            options = proto.AnalyzerResourceOptions(protect=one.protect)
            inputs = struct(one.inputs)
            request = proto.AnalyzeRequest(
                type=one.type, name=one.name, urn=one.urn, properties=inputs, options=options
            )
            for found in self.pack.Analyze(request, None).diagnostics:
                found.urn = one.urn  # the engine knows which one it asked about
                said.append(found)
            # What a cluster would answer is not what the program asked for.
            defaulted = {**one.inputs, "status": {"replicas": 0}}
            whole.resources.append(
                proto.AnalyzerResource(
                    type=one.type,
                    name=one.name,
                    urn=one.urn,
                    properties=struct(defaulted),
                    options=options,
                    dependencies=[stack[name].urn for name in one.after if name in stack],
                )
            )
        return [*said, *self.pack.AnalyzeStack(whole, None).diagnostics]


def told(stack: Stack, config: Mapping[str, object]) -> set[tuple[str, str, str]]:
    """What the pack says: rule, resource and what."""
    return {
        (one.policyName, one.urn, one.message.partition("\n")[2]) for one in Engine(config).preview(stack)
    }


def test_the_world_passes() -> None:
    assert told(WORLD, CONFIG) == set()


@pytest.mark.parametrize("change", BREAKS[::4], ids=lambda change: change.name)
def test_it_says_what_is_found_without_it(change: Break) -> None:
    stack = change.of(WORLD)
    expected = {
        (one.code, one.resource.urn if one.resource else "", str(one.violation))
        for one in judge(resources(stack), configured(CONFIG, TODAY))
    }
    assert told(stack, CONFIG) == expected
    assert expected


def test_every_rule_is_a_policy_with_all_that_is_known_of_it() -> None:
    info = {one.name: one for one in Engine({}).pack.GetAnalyzerInfo(None, None).policies}
    assert set(info) == {"pack", *(rule.code for rule in rules()), "X1", "X2"}
    for rule in rules():
        own = info[rule.code]
        assert own.description == rule.title
        assert own.remediation_steps == rule.remedy
        assert own.url == rule.source
        assert own.enforcementLevel == proto.MANDATORY
        assert set(own.configSchema.properties.keys()) == {one.name for one in rule.settings}


def test_an_unknown_value_fails_and_is_not_only_mentioned() -> None:
    stack = changed(WORLD, "Vault/shop", "properties.enablePurgeProtection", UNKNOWN)
    (one,) = Engine(CONFIG).preview(stack)
    assert one.policyName == "A13"
    assert one.enforcementLevel == proto.MANDATORY
    assert "cannot be judged: properties.enablePurgeProtection is unknown" in one.message


def test_or_is_only_mentioned_where_the_pack_is_told_so() -> None:
    stack = changed(WORLD, "Vault/shop", "properties.enablePurgeProtection", UNKNOWN)
    pack = {"environment": "prod", "unknowns": "advise"}
    (one,) = Engine({**CONFIG, "pack": pack}).preview(stack)
    assert one.enforcementLevel == proto.ADVISORY
    assert "can't run policy 'A13'" in one.message


def test_an_unknown_value_in_a_stack_rule() -> None:
    stack = changed(WORLD, V1, "spec.replicas", UNKNOWN)
    found = {(one.policyName, one.enforcementLevel) for one in Engine(CONFIG).preview(stack)}
    assert ("W6", proto.MANDATORY) in found
    assert {level for _, level in found} == {proto.MANDATORY}


def test_exceptions_hold_and_are_asked_for() -> None:
    stack = changed(WORLD, V1, "spec.template.spec.automountServiceAccountToken", True)
    needed: dict[str, object] = {**GOOD, "expires": "2999-01-01"}
    unneeded = {**needed, "rule": "W4"}
    expired = {**needed, "rule": "W2", "expires": "2020-01-01"}
    pack = {"environment": "prod", "exceptions": [needed, unneeded, expired]}
    found = Engine({**CONFIG, "pack": pack}).preview(stack)
    assert sorted((one.policyName, one.enforcementLevel) for one in found) == [
        ("X1", proto.MANDATORY),
        ("X2", proto.ADVISORY),
    ]


def test_a_configuration_that_is_not_valid_fails() -> None:
    found = told(WORLD, {**CONFIG, "A1": {"minimum": 0}})
    assert {code for code, _, _ in found} == {"A1"}
    assert all("A1.minimum = 0" in text for _, _, text in found)
    wrong = told(WORLD, {**CONFIG, "pack": {"environment": "test"}})
    assert {code for code, _, _ in wrong} == {"pack"}


def test_secret_values_are_not_repeated() -> None:
    secret = {"name": "Mail__Password", "value": SECRET}
    stack = changed(WORLD, V1, "spec.template.spec.containers[0].env[0]", secret)
    (one,) = Engine(CONFIG).preview(stack)
    assert one.policyName == "W11"
    assert "hunter2" not in json.dumps(json_format.MessageToDict(one))
