"""The comment of a pull request."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from ops.errors import UserError
from ops.review import guard, policy
from ops.review.comment import LIMIT, NO_DIFF, Facts, comment
from ops.review.markdown import code, diff, plain
from tests.review import recorded
from tests.review.recorded import of, step

FINDING = {
    "code": "W3",
    "severity": "mandatory",
    "resource": "kubernetes:apps/v1:Deployment::webapp-v1",
    "message": "image has no digest",
    "todo": "make pin",
}
ROUTE = "kubernetes:networking.istio.io/v1:VirtualService"


def facts(name: str, **more: object) -> Facts:
    preview = recorded.preview(name)
    found = Facts("dev", preview, guard.judge(preview), diff=recorded.diff(name))
    return replace(found, **more)  # type: ignore[arg-type]  # each test names a field and its value


def test_what_changes_comes_first_and_pulumis_own_diff_is_folded() -> None:
    text = comment(facts("weights"))
    assert text.startswith("<!-- pitstop-review: dev -->\n")
    assert "- `customermanagementapi`: v2 10 % -> 25 %" in text
    assert text.index("What changes") < text.index("```mermaid") < text.index("<details>")
    assert 'before-callers -->|"10 %"| before-1' in text
    assert 'after-callers -->|"25 %"| after-1' in text
    assert "!                                 ~ weight: 10 => 25" in text
    assert "<sub>1 changed, 44 unchanged</sub>" in text


def test_losses_are_on_top_and_in_bold() -> None:
    text = comment(facts("volume"))
    bold = "- **replaces PersistentVolumeClaim sqlserver because of spec.storageClassName: the data of the"
    assert bold in text
    assert text.index(bold) < text.index("Refused by the guard") < text.index("What changes")


def test_a_broken_stack_file_is_one_line_and_no_traceback() -> None:
    text = comment(facts("refused"))
    assert "#### This stack cannot be previewed" in text
    assert (
        '- pitstop:services.customermanagementapi.traffic\\[0\\].weights = {"v1": 65, "v2": 25}: '
        "the sum is 90 and must be 100, e.g. v1: 65, v2: 35" in text
    )
    assert "What changes" not in text
    assert "<details>" not in text
    assert "unchanged" not in text
    assert "Traceback" not in text
    assert "unhandled error" not in text


def test_a_rehearsal_says_that_it_is_one() -> None:
    assert "### Rehearsal of `dev`" in comment(facts("weights", rehearsal=True))
    assert "Rehearsal" not in comment(facts("weights"))


def test_a_copy_of_requests_is_a_dotted_line() -> None:
    text = comment(facts("dark"))
    assert 'before-callers -.->|"copy of 100 % GET"| before-1' in text
    assert "-.->" not in text.partition("subgraph after")[2]


def test_policies_are_a_table_and_what_stops_comes_first(tmp_path: Path) -> None:
    accepted = {"owner": "team", "reason": "small", "expires": "2027-01-01"}
    findings = [
        {**FINDING, "code": "W9", "severity": "advisory", "exception": accepted},
        {**FINDING, "code": "W4", "severity": "advisory"},
        FINDING,
    ]
    (tmp_path / "policy.json").write_text(json.dumps(findings))
    results = policy.read(tmp_path / "policy.json")
    text = comment(facts("weights", policy=results))
    assert "#### Policies: 1 of 3 findings stop this" in text
    rows = [line for line in text.splitlines() if line.startswith("| W")]
    assert rows == [
        "| W3 | **stops** | Deployment webapp-v1 | image has no digest. make pin |",
        "| W4 | advisory | Deployment webapp-v1 | image has no digest. make pin |",
        "| W9 | accepted until 2027-01-01 by team | Deployment webapp-v1 | image has no digest. small |",
    ]
    assert "#### Policies: nothing stops this" in comment(facts("weights", policy=results[1:]))
    assert "Every rule holds." in comment(facts("weights", policy=()))
    assert "Not run." in comment(facts("weights"))


@pytest.mark.parametrize("content", ["", "{}", "[1]", '[{"code": 1}]'])
def test_something_else_than_results_is_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "policy.json"
    file.write_text(content)
    with pytest.raises(UserError, match=r"holds no results of policies; valid: what `make -s policy"):
        policy.read(file)


@pytest.mark.parametrize("lines", [10, 3_000, 100_000])
def test_a_comment_is_never_longer_than_github_takes(lines: int) -> None:
    diff = "\n".join(f"    ~ line {number} \N{LOCK} of a long diff" for number in range(lines))
    text = comment(facts("weights", diff=diff))
    assert len(text.encode()) <= LIMIT
    assert "- `customermanagementapi`: v2 10 % -> 25 %" in text
    assert ("GitHub takes no longer comment" in text) is (lines > 10)
    if lines > 10:
        kept = sum(line.startswith("!   ~ line") for line in text.splitlines())
        assert f"the first {kept} of {lines} lines" in text
        assert len(text.encode()) > LIMIT - 2_000  # no more is cut than must be


def test_a_line_longer_than_a_comment_leaves_no_diff() -> None:
    text = comment(facts("weights", diff="x" * LIMIT))
    assert NO_DIFF in text
    assert len(text.encode()) <= LIMIT


def test_thousands_of_changes_are_cut_and_say_so() -> None:
    preview = of(
        *(
            step("create", ROUTE, f"s{number}", None, {"metadata": {"labels": {"app": f"service-{number}"}}})
            for number in range(5_000)
        )
    )
    text = comment(Facts("dev", preview, guard.judge(preview), diff="+ a\n" * 1_000))
    assert len(text.encode()) <= LIMIT
    assert "GitHub takes no longer comment" in text
    losses = of(
        *(step("delete", "kubernetes:core/v1:Namespace", f"n{one}", {}, None) for one in range(5_000))
    )
    text = comment(Facts("dev", losses, guard.judge(losses)))
    assert len(text.encode()) <= LIMIT
    assert "- **deletes Namespace n0: everything in the namespace would be lost**" in text
    assert text.endswith("The rest is left out: GitHub takes no longer comment.\n")


HOSTILE = '</details><img src=x> @everyone [link](https://x.example) `code` **bold** | cell\n# head --> " end'


def test_what_a_pull_request_names_is_text_and_no_markup() -> None:
    header: dict[str, object] = {"x-beta": {"exact": HOSTILE}}
    spec: dict[str, object] = {
        "hosts": ["a"],
        "http": [
            {"match": [{"headers": header}], "route": [{"destination": {"host": "a", "subset": HOSTILE}}]},
            {"route": [{"destination": {"host": "a", "subset": "v1"}}]},
        ],
    }
    plainly: dict[str, object] = {
        "hosts": ["a"],
        "http": [{"route": [{"destination": {"host": "a", "subset": "v1"}}]}],
    }
    preview = of(step("update", ROUTE, "a", {"spec": plainly}, {"spec": spec}))
    text = comment(Facts("dev", preview, guard.judge(preview), diff=f"```\n{HOSTILE}\n````\n"))
    said = text.partition("<details>")[0]
    assert "<img" not in said
    assert "@everyone" not in said
    assert not re.search(r"(?<!\\)\]\(", said)
    assert "**bold**" not in said
    drawing = said.partition("```mermaid")[2].partition("```")[0]
    assert drawing
    for line in drawing.splitlines():
        assert line.count('"') in (0, 2)
    # Inside the fold the block is fenced by more backticks than stand in it.
    assert "`````diff" in text


def test_signs_of_life_are_not_part_of_a_diff() -> None:
    assert (
        diff("@ previewing update....\n    [provider=x]\n    ~ a: 1 => 2\n   b\n") == "!   ~ a: 1 => 2\n   b"
    )


def test_plain_and_code() -> None:
    assert plain("a <b> & *c* @d\ne") == "a &lt;b> &amp; \\*c\\* @\u200bd e"
    assert code("```") == "````\n```\n````"
    assert json.loads(json.dumps(plain(""))) == ""
