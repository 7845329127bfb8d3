"""Runs the engine for a review, with what `make env` gives a shell, and keeps what it says in files."""

import json
from pathlib import Path

from components.model.findings import RefusedError
from localcluster.tools import toolbox
from ops.environment import Environment, begin
from ops.errors import UserError
from ops.progress import Progress
from ops.review import drift, words
from ops.review.material import COMMENT, DIFF, POLICY, PREVIEW
from ops.review.preview import understood
from ops.stack import Stack

PLAN, REFRESH = "plan.json", "refresh.json"


def preview(name: str, folder: Path) -> list[str]:
    """Writes what an update would do, and tells it in words.

    Raises:
        UserError: the engine says nothing that could be read.
    """
    _empty(folder)
    try:
        stack = _stack(name)
    except RefusedError as refused:
        said = {"diagnostics": [{"severity": "error", "message": line} for line in refused.lines]}
        (folder / PREVIEW).write_text(json.dumps(said))
        return list(refused.lines)
    plan = folder / PLAN
    # One run of the program gives the diff, the plan, and by its log what words are made of.
    made = stack.previewed("--diff", "--save-plan", str(plan))
    if made.document is None:
        raise _silent("preview", made.said, made.errors)
    (folder / PREVIEW).write_text(json.dumps(made.document))
    seen = understood(made.document, PREVIEW)
    if seen.errors:
        plan.unlink(missing_ok=True)
        return list(seen.errors)
    (folder / DIFF).write_text(made.said)
    return words.lines(seen) or ["nothing changes"]


def refresh(name: str, folder: Path) -> list[str]:
    """Writes how reality differs from what the last update left, and tells it in words.

    Raises:
        UserError: the stack file is refused, or the engine says nothing that could be read.
    """
    _empty(folder)
    document = _answer(*_stack(name).asked("refresh", "--preview-only", "--json"))
    (folder / REFRESH).write_text(json.dumps(document))
    return drift.findings(understood(document, REFRESH)) or ["nothing differs"]


def apply(name: str, plan: Path) -> None:
    """Carries out a plan.

    Raises:
        UserError: there is none, or the engine refuses it.
    """
    if not plan.is_file():
        raise UserError(f"--plan = {plan}: no such file; valid: what `./pitstop review plan` writes")
    _stack(name).carry_out(plan.resolve())


def _stack(name: str) -> Stack:
    environment, progress = Environment.read(name), Progress()
    begin(environment, progress)
    stack = environment.stack(toolbox.ensure(("engine",), progress), progress)
    stack.ensure()
    return stack


def _empty(folder: Path) -> None:
    """What an earlier run wrote, or was made of it, must not be taken for this one's; pull.md is not ours."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (PREVIEW, DIFF, PLAN, REFRESH, POLICY, COMMENT):
        (folder / name).unlink(missing_ok=True)


def _answer(said: str, errors: str) -> object:
    try:
        return json.loads(said)
    except ValueError:
        raise _silent("refresh", said, errors) from None


def _silent(command: str, said: str, errors: str) -> UserError:
    last = (errors or said or "it says nothing").strip().splitlines()[-1]
    return UserError(f"pulumi {command}: did not get to a plan ({last})")
