"""What a comment and the guard are made from: a folder of files, of which the preview alone must be there."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.model import stackfile
from ops.errors import UserError
from ops.paths import CHECKOUT
from ops.review import files, guard, limits, policy, preview
from ops.review.guard import Verdict
from ops.review.policy import Finding
from ops.review.preview import Preview

PREVIEW, DIFF, POLICY = "preview.json", "preview.diff", "policy.json"
PULL, COMMENT = "pull.md", "comment.md"


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that is known of a change."""

    preview: Preview
    verdict: Verdict
    policy: tuple[Finding, ...] | None
    diff: str

    def broken(self) -> Iterator[str]:
        """The rules that stop it, a line each."""
        for one in self.policy or ():
            if one.stops:
                yield f"{one.code}: {one.what}: {one.told}"


def read(stack: str, folder: Path, base: str = "") -> Material:
    """What is in the folder, judged by the limits of the stack file and of the revision `base`.

    Raises:
        UserError: a file is something else than its name says, or is of another stack.
    """
    found = preview.read(folder / PREVIEW)
    if found.stack and found.stack != stack:
        raise UserError(f"--stack = {stack}: the preview is of {found.stack}; valid: {found.stack}")
    results = folder / POLICY
    pull, diff = (files.text_or_nothing(folder / name) for name in (PULL, DIFF))
    step, stacks = limits.max_step(stack, base), stackfile.environments(CHECKOUT)
    verdict = guard.judge(found, pull.splitlines(), step, stacks)
    return Material(found, verdict, policy.read(results) if results.exists() else None, diff)
