"""The engine's event log of a preview, as the document that `pulumi preview --json` would have written.

With the log, one run of the program gives both: Pulumi's own diff, and what the words are made of.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path


def document(log: Path) -> dict[str, object]:
    """The steps of a log, and what was said; a line that was cut off, by a run that was, is left out."""
    events = list(_events(log))
    summaries = [found for event in events if (found := _part(event, "summaryEvent"))]
    return {
        "steps": [step for event in events if (step := _step(event))],
        "diagnostics": [said for event in events if (said := _said(event))],
        "changeSummary": summaries[-1].get("resourceChanges") if summaries else {},
    }


def _events(log: Path) -> Iterator[Mapping[str, object]]:
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def _part(event: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = event.get(name)
    return found if isinstance(found, dict) else {}


def _step(event: Mapping[str, object]) -> Mapping[str, object] | None:
    step = _part(_part(event, "resourcePreEvent"), "metadata")
    if not step:
        return None
    return {
        "op": step["op"],
        "urn": step["urn"],
        "oldState": step.get("old"),
        "newState": step.get("new"),
        "detailedDiff": step.get("detailedDiff"),
        "diffReasons": step.get("diffs"),
        "replaceReasons": step.get("keys"),
    }


def _said(event: Mapping[str, object]) -> Mapping[str, object] | None:
    """What the log has besides, of the program's own talk with the engine, is nobody's business."""
    said = _part(event, "diagnosticEvent")
    if said.get("severity") not in ("error", "warning"):
        return None
    return {key: said[key] for key in ("urn", "message", "severity") if key in said}
