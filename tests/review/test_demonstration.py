"""Pull requests in a repository of their own, by the real engine: each comment, and how each command ends."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.review.demonstration import CASES, PAGE, Repository, Shown, page

pytestmark = pytest.mark.tools

STATUS = {"weights": 0, "pool": 0, "cluster": 2, "allowed": 0, "policy": 2, "broken": 2, "fork": 0}
SAYS = {
    "weights": "- `customermanagementapi`: v2 25 % -> 40 %",
    "pool": "- `node pool apps`: 1 to 3 -> 3 to 5 nodes (+8 vCPU)",
    "cluster": "- **replaces ManagedCluster cluster because of networkProfile.podCidr",
    "allowed": "#### Allowed by this pull request",
    "policy": "| M2-graph | **stops** |",
    "broken": "the sum is 95 and must be 100",
    "fork": "### Rehearsal of `dev`",
}


@pytest.fixture(scope="module")
def outcomes() -> Iterator[list[tuple[str, str, Shown]]]:
    with tempfile.TemporaryDirectory() as folder:
        repository = Repository(Path(folder))
        shown = [(case.title, case.text, repository.review(name)) for name, case in CASES.items()]
        yield [*shown, repository.drift_case()]


def test_each_pull_request_is_told_what_one_would_want(outcomes: list[tuple[str, str, Shown]]) -> None:
    for name, (_, _, shown) in zip(CASES, outcomes, strict=False):
        assert shown.status == STATUS[name], (name, shown.errors)
        assert SAYS[name] in shown.comment, name
        assert "Traceback" not in shown.comment + shown.errors


def test_a_drifted_environment_is_told(outcomes: list[tuple[str, str, Shown]]) -> None:
    *_, (_, _, shown) = outcomes
    assert shown.status == 2
    assert "node pool apps: 1 to 3 -> 1 to 9 nodes (+0 vCPU at least, +24 at most)" in shown.errors


def test_the_page_shows_what_they_were_told(outcomes: list[tuple[str, str, Shown]]) -> None:
    """But for how many resources there are, and for the order in which the engine comes to them."""

    def told(text: str) -> str:
        text = re.sub(r"```diff\n.*?```", "", text, flags=re.DOTALL)
        return re.sub(r"\d+ (unchanged|created|more lines|lines\))", r"N \1", text)

    now = page(lambda: iter(outcomes), PAGE.read_text())
    assert told(now) == told(PAGE.read_text()), (
        "make it anew: ./pitstop run python -m tests.review.demonstration"
    )
