"""Whether the plan of main is the plan that was reviewed."""

import json
from collections.abc import Iterator, Sequence

from ops.review import words
from ops.review.markdown import bullets, plain
from ops.review.phrases import differing, few
from ops.review.preview import Change, Preview


def differences(reviewed: Preview, now: Preview) -> list[str]:
    """What one plan would do and the other would not, as lines; empty where they are the same.

    Two plans are the same when they do the same things to the same resources, from the same inputs to the
    same inputs: the environment may have moved between review and merge, and so may main.
    """
    before, after = ({one.urn: one for one in plan.changes} for plan in (reviewed, now))
    found = [f"reviewed, and not done any more: {_told(before[urn])}" for urn in before if urn not in after]
    found += [f"done now, and never reviewed: {_told(after[urn])}" for urn in after if urn not in before]
    for urn in before.keys() & after.keys():
        found += _moved(before[urn], after[urn])
    return sorted(found) + sorted({*now.errors} - {*reviewed.errors})


def unlike(found: Sequence[str]) -> str:
    """The differences as Markdown, for whoever approves."""
    return f"\n#### Not the plan that was reviewed\n\n{bullets([plain(line) for line in found])}\n"


def _told(change: Change) -> str:
    said = words.lines(Preview("", (change,), (), (), 0))
    return f"{change.kind} {change.short} {change.name}{f' ({said[0]})' if said else ''}"


def _moved(reviewed: Change, now: Change) -> Iterator[str]:
    name = f"{now.short} {now.name}"
    if reviewed.kind != now.kind:
        yield f"{name}: {reviewed.kind} was reviewed, and it is {now.kind} now"
    if _dump(reviewed.old) != _dump(now.old):
        places = few(differing(reviewed.old, now.old)) or "what is hidden"
        yield f"{name}: the environment has moved since the review, at {places}"
    if _dump(reviewed.new) != _dump(now.new):
        places = few(differing(reviewed.new, now.new)) or "what is hidden"
        yield f"{name}: other values than reviewed, at {places}"


def _dump(value: object) -> str:
    return json.dumps(value, sort_keys=True)
