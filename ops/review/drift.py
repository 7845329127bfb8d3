"""Whether an environment is still as it was left, by `pulumi refresh --preview-only --json`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ops.review import words
from ops.review.markdown import bullets, plain
from ops.review.phrases import few
from ops.review.preview import Change, Preview


def marker(stack: str) -> str:
    """The hidden first line by which the issue of a stack is found again."""
    return f"<!-- pitstop-drift: {stack} -->"


def title(stack: str) -> str:
    return f"Drift: {stack} is not as its last update left it"


def findings(preview: Preview) -> list[str]:
    """What is different in reality, as lines; empty where nothing is.

    A refresh says what the state would learn: a `delete` is something that is gone, an `update` something
    that somebody else changed.
    """
    gone = sorted(f"{one.short} {one.name}: is gone" for one in preview.custom() if one.kind == "delete")
    changed = tuple(one for one in preview.changes if one.kind != "delete" and not _same_inputs(one))
    return [*gone, *words.lines(replace(preview, changes=changed)), *_untold(preview)]


def _untold(preview: Preview) -> Iterator[str]:
    """What differs in nothing the program asks for, and still is not as it was."""
    for one in preview.custom():
        if _same_inputs(one):
            yield f"{one.short} {one.name}: {few(one.paths) or 'its outputs'} differ in what it reports"


def _same_inputs(change: Change) -> bool:
    return change.kind == "update" and change.old == change.new


def issue(stack: str, found: Sequence[str], run: str = "") -> str:
    """The text of the issue; empty where nothing drifted."""
    if not found:
        return ""
    link = f"\n\nFound by {run}." if run else ""
    return (
        f"{marker(stack)}\n\n"
        f"`{stack}` was changed by something else than an update of the stack:\n\n"
        f"{bullets([plain(line) for line in found])}\n\n"
        "Either take it into the stack file by a pull request, or have the next update undo it: "
        f"`make up ENV={stack}`. The issue is closed when nothing differs any more.{link}\n"
    )
