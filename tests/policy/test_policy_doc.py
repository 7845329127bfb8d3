"""docs/policy.md says what the rules say, and what it shows is valid."""

import json
import re
from datetime import date

from ops.policy_doc import EXCEPTIONS, GROUPS, INTRO, PAGE, page
from policy.rulebook.exceptions import read
from policy.rulebook.judging import codes, configured, rules


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run ./pitstop run python -m ops.policy_doc"


def test_every_rule_has_a_heading_and_every_letter_a_group() -> None:
    assert sorted(re.findall(r"^### (.+)$", page(), re.MULTILINE)) == sorted(codes())
    assert {one.code[0] for one in rules()} == set(GROUPS)


def test_the_configuration_it_shows_is_valid() -> None:
    (shown,) = re.findall(r"^    \{\n.*?^    \}\n", INTRO, re.MULTILINE | re.DOTALL)
    assert configured(json.loads(shown), date(2026, 1, 1)).told["A1"].number("minimum") == 2


def test_the_exception_it_shows_is_valid() -> None:
    (shown,) = (line for line in EXCEPTIONS.splitlines() if line.startswith("    {"))
    assert read([json.loads(shown)], codes(), date(2026, 1, 1)).wrong == ()
