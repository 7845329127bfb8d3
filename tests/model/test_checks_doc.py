"""docs/checks.md says what the rules say, and every code of a finding has its place there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.model.checks import PLANS, SETTINGS
from components.model.findings import Finding
from ops.checks_doc import ELSEWHERE, PAGE, Rule, page
from ops.paths import CHECKOUT

CHECKS: list[Rule] = [*SETTINGS, *PLANS]


def headings(text: str) -> list[str]:
    return re.findall(r"^### (.+)$", text, re.MULTILINE)


def codes(path: Path) -> Iterator[str]:
    """The codes of findings that are made in a file, where they stand as a text."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            first = node.args[0]
            if node.func.id in {"Finding", "broken"} and isinstance(first, ast.Constant):
                yield str(first.value)


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run ./pitstop run python -m ops.checks_doc"


def test_a_code_is_one_rule() -> None:
    found = [check.code for check in CHECKS]
    assert len(found) == len(set(found))
    assert not set(found) & set(ELSEWHERE)


def test_every_code_in_the_program_has_one_heading() -> None:
    made = {code for path in (CHECKOUT / "components").rglob("*.py") for code in codes(path)}
    assert {"singleton", "edge-rules", "unknown-key", "host-taken"} <= made
    assert made <= set(headings(page()))
    assert sorted(headings(page())) == sorted([check.code for check in CHECKS] + list(ELSEWHERE))


@pytest.mark.parametrize("code", [check.code for check in CHECKS])
def test_a_code_is_an_anchor(code: str) -> None:
    # GitHub makes an anchor of a heading: in lower case, spaces become hyphens, the rest goes.
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", code)
    assert Finding(code, "", "").reference == f"{PAGE.relative_to(CHECKOUT)}#{code}"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.code))
def test_a_rule_gives_its_reason_and_a_source_that_is_there(check: Rule) -> None:
    assert check.reason.endswith(".")
    assert not check.title.endswith(".")
    for source in check.source.split("; "):
        assert source.startswith("https://") or (CHECKOUT / source).is_file(), source


def test_a_rule_only_makes_findings_of_its_own_code() -> None:
    for path in (CHECKOUT / "components/model/checks").glob("*.py"):
        for function in (one for one in ast.parse(path.read_text()).body if isinstance(one, ast.FunctionDef)):
            decorated = [
                ast.unparse(one.args[0]).strip("'")
                for one in function.decorator_list
                if isinstance(one, ast.Call)
            ]
            inside = set(re.findall(r"(?:Finding|broken)\(\s*'([a-z-]+)'", ast.unparse(function)))
            assert not decorated or inside <= set(decorated), function.name
