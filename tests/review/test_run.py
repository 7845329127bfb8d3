"""Plans in files: what is kept of a run of the engine, without one."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from components.model.findings import Finding, RefusedError
from ops.errors import UserError
from ops.review import events, run
from ops.review.commands import app
from ops.stack import Previewed
from tests.review import recorded
from tests.review.test_events import log


class Stack:
    """Answers as the engine has, once; and remembers what it was asked."""

    def __init__(self, name: str, said: str = "", errors: str = "") -> None:
        self.name, self.said, self.errors = name, said, errors
        self.asked_for: list[tuple[str, ...]] = []
        self.carried_out: list[Path] = []

    def previewed(self, *arguments: str) -> Previewed:
        self.asked_for.append(arguments)
        if not self.name:
            return Previewed(1, self.said, self.errors, None)
        plan = Path(arguments[arguments.index("--save-plan") + 1])
        plan.write_text("{}")
        written = plan.with_name("events.jsonl")
        log(recorded.document(self.name), written)
        document = events.document(written)
        written.unlink()
        return Previewed(0, self.said, self.errors, document)

    def asked(self, *_arguments: str) -> tuple[str, str]:
        return self.said, self.errors

    def carry_out(self, plan: Path) -> None:
        self.carried_out.append(plan)


def stands(monkeypatch: pytest.MonkeyPatch, stack: Stack) -> Stack:
    monkeypatch.setattr(run, "_stack", lambda _name: stack)
    return stack


def files(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


def test_one_run_gives_words_diff_and_plan(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stack = stands(monkeypatch, Stack("weights", recorded.diff("weights")))
    assert run.preview("dev", tmp_path) == ["customermanagementapi: v2 10 % -> 25 %"]
    assert files(tmp_path) == {"preview.json", "preview.diff", "plan.json"}
    assert (tmp_path / "preview.diff").read_text() == recorded.diff("weights")
    assert len(stack.asked_for) == 1


def test_a_preview_that_fails_leaves_no_plan_to_apply(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "plan.json").write_text("of an earlier run")
    stands(monkeypatch, Stack("protected"))
    assert all("is protected" in line for line in run.preview("dev", tmp_path))
    assert files(tmp_path) == {"preview.json"}


def test_nothing_of_an_earlier_run_is_taken_for_this_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("policy.json", "comment.md", "refresh.json", "pull.md"):
        (tmp_path / name).write_text("of an earlier run, or a person's")
    stands(monkeypatch, Stack("weights", recorded.diff("weights")))
    run.preview("dev", tmp_path)
    assert files(tmp_path) == {"preview.json", "preview.diff", "plan.json", "pull.md"}


def test_a_refused_stack_file_is_a_preview_that_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(_name: str) -> Any:  # noqa: ANN401 - it does not return
        raise RefusedError([Finding("c", "pitstop:namespace", "must be a name", "7")])

    monkeypatch.setattr(run, "_stack", refuse)
    assert run.preview("dev", tmp_path) == ["pitstop:namespace = 7: must be a name"]
    assert json.loads((tmp_path / "preview.json").read_text())["diagnostics"][0]["severity"] == "error"
    done = CliRunner().invoke(app, ["guard", "--stack", "dev", "--folder", str(tmp_path)])
    refused = (2, "dev: the preview failed: pitstop:namespace = 7: must be a name\n")
    assert (done.exit_code, done.stderr) == refused
    # The shell makes the file for what the policies say, and of this stack file they say nothing.
    (tmp_path / "policy.json").touch()
    assert CliRunner().invoke(app, ["comment", "--stack", "dev", "--folder", str(tmp_path)]).exit_code == 0
    comment = (tmp_path / "comment.md").read_text()
    assert "pitstop:namespace = 7: must be a name" in comment
    assert "Not run." in comment
    done = CliRunner().invoke(app, ["guard", "--stack", "dev", "--folder", str(tmp_path)])
    assert (done.exit_code, done.stderr) == refused
    (tmp_path / "policy.json").write_text("{")
    done = CliRunner().invoke(app, ["comment", "--stack", "dev", "--folder", str(tmp_path)])
    assert "policy.json: holds no results of policies" in str(done.exception)


def test_an_engine_that_says_nothing_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stands(monkeypatch, Stack("", errors="warning: x\nerror: no such backend\n"))
    with pytest.raises(UserError, match=r"pulumi preview: did not get to a plan \(error: no such backend\)"):
        run.preview("dev", tmp_path)
    with pytest.raises(UserError, match=r"pulumi refresh: did not get to a plan \(error: no such backend\)"):
        run.refresh("dev", tmp_path)


def test_a_look_at_reality_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stands(monkeypatch, Stack("", json.dumps(recorded.document("nothing"))))
    assert run.refresh("dev", tmp_path) == ["nothing differs"]
    assert files(tmp_path) == {"refresh.json"}


def test_a_plan_is_carried_out_by_its_whole_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stack = stands(monkeypatch, Stack("weights"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"--plan = plan.json: no such file; valid: what"):
        run.apply("dev", Path("plan.json"))
    (tmp_path / "plan.json").write_text("{}")
    run.apply("dev", Path("plan.json"))
    assert stack.carried_out == [tmp_path / "plan.json"]
