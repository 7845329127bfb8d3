"""The one comment of a stack on a pull request."""

from collections.abc import Iterable
from dataclasses import dataclass

from ops.review import guard, markdown, picture, words
from ops.review.markdown import bullets, code, plain, table
from ops.review.phrases import count
from ops.review.policy import Finding
from ops.review.preview import Preview

# GitHub's limit is in characters; counted in bytes, so that it holds however they are counted.
# Source: https://github.com/orgs/community/discussions/27190
LIMIT = 65_536
ROWS = 40  # of the table of policies
NO_DIFF = "Pulumi's own diff is left out: the comment would be longer than GitHub takes."


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a comment is made from. `policy` is None where no pack was run."""

    stack: str
    preview: Preview
    verdict: guard.Verdict
    policy: tuple[Finding, ...] | None = None
    diff: str = ""
    rehearsal: bool = False
    commit: str = ""


def marker(stack: str) -> str:
    """The hidden first line by which the comment of a stack is found again."""
    return f"<!-- pitstop-review: {stack} -->"


def comment(facts: Facts) -> str:
    """Markdown that fits into a comment: what does not fit is cut, the diff first, and says so."""
    top = [marker(facts.stack), _heading(facts), *_refused(facts)]
    middle = [] if facts.preview.errors else [_changes(facts)]
    policies, last = _policies(facts), _counts(facts)
    drawings, diff = _drawings(facts), facts.diff if facts.preview.changes else ""
    for parts in ([*top, *middle, *policies, *drawings], [*top, *middle, *policies]):
        room = LIMIT - _size([*parts, last])
        if room >= (_size([NO_DIFF]) if diff.strip() else 0):
            return _joined([*parts, *_fold(diff, room), last])
    return _cut(_joined([*top, *middle, *policies, last]))


def _heading(facts: Facts) -> str:
    what = "Rehearsal" if facts.rehearsal else "Preview"
    lines = [f"### {what} of `{facts.stack}`"]
    if facts.rehearsal:
        lines.append(
            "Without credentials: the plan starts from nothing, and a stand-in answered for Azure. "
            "What would change in the running environment is previewed on a branch of this repository."
        )
    return "\n\n".join(lines)


def _refused(facts: Facts) -> Iterable[str]:
    """What would be lost, on top and in bold; then all else that keeps the plan from being carried out."""
    losses = [f"**{plain(guard.told(one))}**" for one in guard.endangered(facts.preview)]
    if losses:
        yield bullets(losses)
    if facts.preview.errors:
        yield "#### This stack cannot be previewed"
        yield bullets([plain(line) for line in facts.preview.errors])
    others = _ways_out(facts)
    if others:
        yield "#### Refused by the guard"
        yield bullets([plain(line) for line in others])
    if facts.verdict.allowed:
        yield "#### Allowed by this pull request"
        yield bullets([plain(line) for line in facts.verdict.allowed])


def _ways_out(facts: Facts) -> list[str]:
    """Every reason of the guard; of a loss that stands in bold above only what would allow it."""
    lost = {guard.told(one): f"{one.short} {one.name}" for one in guard.endangered(facts.preview)}
    lines = (line for line in facts.verdict.refused if not line.startswith(guard.FAILED))
    parts = (line.partition(guard.WAY_OUT) for line in lines)
    return [f"{lost.get(said, said)}{way}{rest}" for said, way, rest in parts]


def _changes(facts: Facts) -> str:
    said = words.lines(facts.preview)
    if not said:
        return "#### Nothing changes" if not facts.preview.changes else "#### Nothing of note changes"
    subjects = [line.partition(": ") for line in said]
    return "\n\n".join(
        ["#### What changes", bullets([f"`{whose}`: {plain(what)}" for whose, _, what in subjects])]
    )


def _policies(facts: Facts) -> list[str]:
    if facts.policy is None:
        return ["#### Policies", "Not run."]
    if not facts.policy:
        return ["#### Policies", "Every rule holds."]
    rows = [[plain(one.code), one.standing, plain(one.what), plain(one.told)] for one in facts.policy]
    told = [table(["rule", "", "resource", "what"], rows[:ROWS])]
    if len(rows) > ROWS:
        told.append(f"{count(len(rows) - ROWS, 'more row')} in the log of the run.")
    stopping = sum(one.stops for one in facts.policy)
    said = f"{stopping} of {count(len(rows), 'finding')} stop this" if stopping else "nothing stops this"
    return [f"#### Policies: {said}", *told]


def _drawings(facts: Facts) -> list[str]:
    found = [] if facts.preview.errors else picture.pictures(facts.preview)
    if not found:
        return []
    drawn = [f"`{service}`\n\n{code(chart, 'mermaid')}" for service, chart in found[: picture.MOST]]
    if len(found) > picture.MOST:
        drawn.append(f"{count(len(found) - picture.MOST, 'more service')} without a picture.")
    return ["#### Requests before and after", *drawn]


def _fold(diff: str, room: int) -> Iterable[str]:
    """The engine's own diff, as much of it as there is room for."""
    if not diff.strip():
        return
    diff = markdown.diff(diff).strip()
    lines = diff.splitlines()
    whole = _folded(f"Pulumi's own diff ({count(len(lines), 'line')})", diff)
    if _size([whole]) <= room:
        yield whole
        return
    kept = len(lines)
    while kept:
        title = f"Pulumi's own diff (the first {kept} of {len(lines)} lines: GitHub takes no longer comment)"
        shortened = _folded(title, "\n".join(lines[:kept]))
        over = _size([shortened]) - room
        if over <= 0:
            yield shortened
            return
        # Lines are cut by what they are long, not one by one: there may be tens of thousands.
        while over > 0 and kept:
            kept -= 1
            over -= len(lines[kept].encode()) + 1
    yield NO_DIFF


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{code(text, 'diff')}\n\n</details>"


def _counts(facts: Facts) -> str:
    if facts.preview.errors:  # how far the engine came says nothing
        return f"<sub>of {facts.commit[:12]}</sub>" if facts.commit else ""
    kinds = [one.kind for one in facts.preview.custom()]
    found = [f"{kinds.count(kind)} {words.PAST[kind]}" for kind in words.PAST if kind in kinds]
    told = ", ".join([*found, f"{facts.preview.unchanged} unchanged"])
    return f"<sub>{told}{f'; of {facts.commit[:12]}' if facts.commit else ''}</sub>"


def _size(parts: Iterable[str]) -> int:
    return sum(len(part.encode()) + 2 for part in parts)


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(filter(None, parts)) + "\n"


def _cut(text: str) -> str:
    """The first lines that fit: for the thousands of lines no change of one person has."""
    note = "\n\nThe rest is left out: GitHub takes no longer comment.\n"
    kept = text.encode()[: LIMIT - len(note)].decode(errors="ignore")
    return kept[: kept.rfind("\n")] + note
