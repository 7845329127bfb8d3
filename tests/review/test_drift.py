"""Whether an environment is as it was left, and the issue that says so."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.review import drift
from ops.review.commands import app
from tests.review import recorded
from tests.review.recorded import of, step

POOL = "azure-native:containerservice:AgentPool"
FOUND = [
    "Registry registry: is gone",
    "RoleAssignment role-kubelet-on-registry: is gone",
    "node pool apps: 1 to 3 -> 1 to 7 nodes (+0 vCPU at least, +16 at most)",
]


def test_what_somebody_else_did() -> None:
    assert drift.findings(recorded.preview("drift")) == FOUND


def test_nothing_is_said_of_an_environment_as_it_was_left() -> None:
    assert drift.findings(recorded.preview("nothing")) == []
    assert drift.issue("dev", []) == ""


def test_what_differs_in_outputs_alone_is_told() -> None:
    change = step("update", POOL, "user", {"count": 3}, {"count": 3}, diffReasons=["powerState.code"])
    assert drift.findings(of(change)) == ["AgentPool user: powerState.code differ in what it reports"]


def test_the_issue_says_what_and_what_to_do() -> None:
    text = drift.issue("dev", FOUND, "https://example.org/run/1")
    assert text.startswith("<!-- pitstop-drift: dev -->\n\n`dev` was changed by something else")
    for line in FOUND:
        assert f"- {line}" in text
    assert "`make up ENV=dev`" in text
    assert "Found by https://example.org/run/1." in text


@pytest.mark.parametrize(
    ("name", "status", "says"),
    [
        ("nothing", 0, "dev: as its last update left it ("),
        ("drift", 2, "dev: Registry registry: is gone"),
        ("protected", 2, "dev: cannot be looked at: "),
    ],
)
def test_the_command(name: str, status: int, says: str) -> None:
    file = recorded.FIXTURES / f"{name}.json"
    done = CliRunner().invoke(app, ["drift", "--stack", "dev", "--refresh", str(file)])
    assert done.exit_code == status, done.output
    assert says in (done.stderr if status else done.stdout)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["drift", "--stack", "dev", "--refresh", str(tmp_path / "none.json")])
    assert "cannot be read (No such file or directory); valid: what `pulumi preview" in str(done.exception)
