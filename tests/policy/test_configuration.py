"""What a pack is told is checked before anything is judged."""

import json
from pathlib import Path

import pytest

from ops import policy
from ops.errors import UserError
from policy.rulebook.judging import ConfigurationError, configured, judge, rules
from policy.rulebook.registry import Level
from tests.policy.test_rules import TODAY
from tests.policy.world import Node, changed, resources, world


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"W99": {}}, "W99: no such rule; valid: all, pack, A1, A2, A3"),
        ({"A1": "sometimes"}, 'A1 = "sometimes": no such level; valid: mandatory, advisory, disabled'),
        ({"A1": {"enforcementLevel": 3}}, "A1 = 3: no such level"),
        ({"A1": {"zones": 3}}, "A1.zones: no such key; valid: enforcementLevel, minimum"),
        ({"A1": {"minimum": 0}}, "A1.minimum = 0: Input should be greater than or equal to 1"),
        ({"A1": {"minimum": "many"}}, "A1.minimum = 'many': Input should be a valid integer"),
        (
            {"W1": {"level": "privileged"}},
            "W1.level = 'privileged': Input should be 'restricted' or 'baseline'",
        ),
        ({"M2-graph": {"edges": ["a -> b"]}}, "M2-graph.edges"),
        ({"pack": {"environment": "test"}}, "pack.environment = \"test\": Input should be 'prod' or 'dev'"),
        ({"pack": {"unknown": "refuse"}}, "pack.unknown"),
        ({"pack": []}, "pack = []"),
    ],
)
def test_a_mistake_is_told_with_its_key(content: Node, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        configured(content, TODAY)
    (line,) = str(raised.value).splitlines()
    assert line.startswith(said)


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as raised:
        configured({"W99": {}, "A1": {"minimum": 0}, "all": "never"}, TODAY)
    assert len(str(raised.value).splitlines()) == 3


def test_numbers_come_from_the_engine_as_fractions() -> None:
    assert configured({"A1": {"minimum": 2.0}}, TODAY).told["A1"].number("minimum") == 2


def test_levels_are_the_rules_own_then_everybodys_then_one_rules() -> None:
    told = configured({"all": "advisory", "A2": {"enforcementLevel": "disabled"}, "A3": "mandatory"}, TODAY)
    assert [told.level(code) for code in ("A1", "A2", "A3")] == [
        Level.ADVISORY,
        Level.DISABLED,
        Level.MANDATORY,
    ]


def test_a_rule_that_is_off_says_nothing() -> None:
    stack = changed(world(), "ManagedCluster/shop", "disableLocalAccounts", False)
    assert [one.code for one in judge(resources(stack), configured({}, TODAY)) if one.stops] == ["A3"]
    assert judge(resources(stack), configured({"A3": "disabled"}, TODAY)) == ()
    (one,) = judge(resources(stack), configured({"A3": "advisory"}, TODAY))
    assert not one.stops


def test_development_asks_for_less() -> None:
    stack = changed(world(), "ManagedCluster/shop", "sku.tier", "Free")
    assert judge(resources(stack), configured({"pack": {"environment": "dev"}}, TODAY)) == ()
    assert judge(resources(stack), configured({"pack": {"environment": "prod"}}, TODAY)) != ()


def test_a_file_that_is_wrong_is_one_line(tmp_path: Path) -> None:
    for text, said in (
        ("{", "wrong.json: not JSON"),
        ("[]", "wrong.json: no map of rules"),
        (json.dumps({"A1": {"minimum": 0}}), "wrong.json: A1.minimum = 0"),
    ):
        path = tmp_path / "wrong.json"
        path.write_text(text)
        with pytest.raises(UserError) as raised:
            policy.read(path)
        assert str(raised.value).startswith(said)


def test_what_is_said_of_a_rule_is_complete() -> None:
    for rule in rules():
        assert rule.title[0].isupper()
        assert rule.remedy.endswith(".")
        assert rule.source.startswith("https://")
        assert rule.kinds
        for one in rule.settings:
            assert one.read(one.prod) == one.prod
            assert one.read(one.dev) == one.dev
            assert "default" not in one.schema()
    assert len({rule.code for rule in rules()}) == len(rules())
