"""The engine's event log of a preview, as the document that `pulumi preview --json` would have written.

With the log, one run of the program gives both: Pulumi's own diff, and what the words are made of.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path


def document(log: Path) -> dict[str, object]:
    """The steps of a log; a line that was cut off, by a run that was, is left out."""
    return {"steps": list(_steps(log))}


def _steps(log: Path) -> Iterator[Mapping[str, object]]:
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        step = event.get("resourcePreEvent", {}).get("metadata") if isinstance(event, dict) else None
        if step:
            yield {
                "op": step["op"],
                "urn": step["urn"],
                "oldState": step.get("old"),
                "newState": step.get("new"),
                "detailedDiff": step.get("detailedDiff"),
                "diffReasons": step.get("diffs"),
                "replaceReasons": step.get("keys"),
            }
