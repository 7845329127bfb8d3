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
    unjudged: bool = False  # the pack was asked, and came to no result

    def broken(self) -> Iterator[str]:
        """The rules that stop it, a line each; and that none were asked, where nothing else stops it."""
        if self.unjudged and not self.preview.errors:
            yield "policies: gave no results; `./pitstop policy` says why"
        for one in self.policy or ():
            if one.stops:
                yield f"{one.code}: {one.what}: {one.told}"


def read(stack: str, folder: Path, base: str = "") -> Material:
    """What is in the folder, judged by the limits of the stack file and of the revision `base`.

    A stack file that is refused leaves no results: the shell made their file, and nothing is in it.

    Raises:
        UserError: a file is something else than its name says, or is of another stack.
    """
    found = preview.read(folder / PREVIEW)
    if found.stack and found.stack != stack:
        raise UserError(f"--stack = {stack}: the preview is of {found.stack}; valid: {found.stack}")
    results = folder / POLICY
    pull, diff, judged = (files.text_or_nothing(folder / name) for name in (PULL, DIFF, POLICY))
    step, stacks = limits.max_step(stack, base), stackfile.environments(CHECKOUT)
    verdict = guard.judge(found, pull.splitlines(), step, stacks)
    findings = policy.read(results) if judged.strip() else None
    return Material(found, verdict, findings, diff, unjudged=results.exists() and findings is None)
