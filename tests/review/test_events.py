"""The engine's event log says what `pulumi preview --json` says."""

import json
from pathlib import Path
from typing import Any

import pytest

from ops.review import events
from ops.review.guard import judge
from ops.review.preview import understood
from ops.review.words import lines
from tests.review import recorded


def log(document: Any, path: Path) -> Path:  # noqa: ANN401 - a JSON document
    """The events of a recorded preview, among what else a log has; cut off at its end."""
    metadata = [
        {
            **{key: step[key] for key in ("op", "urn", "detailedDiff") if key in step},
            "old": step.get("oldState"),
            "new": step.get("newState"),
            "keys": step.get("replaceReasons"),
            "diffs": step.get("diffReasons"),
        }
        for step in document["steps"]
    ]
    written: list[dict[str, object]] = [{"preludeEvent": {"config": {}}}]
    written.append({"diagnosticEvent": {"prefix": "debug: ", "message": "talk", "severity": "debug"}})
    written += [{"resourcePreEvent": {"metadata": one}} for one in metadata]
    written += [{"resOutputsEvent": {"metadata": one}} for one in metadata]
    written += [{"diagnosticEvent": {"prefix": "error: ", **one}} for one in document["diagnostics"]]
    written += [{"summaryEvent": {"resourceChanges": document["changeSummary"]}}, {"cancelEvent": {}}]
    path.write_text("\n".join([*(json.dumps(one) for one in written), '{"resourcePreEvent": {"metad']))
    return path


@pytest.mark.parametrize("name", ["weights", "volume", "protected", "refused", "removed", "pool"])
def test_a_log_and_a_document_say_the_same(name: str, tmp_path: Path) -> None:
    seen = understood(events.document(log(recorded.document(name), tmp_path / "events.jsonl")))
    other = recorded.preview(name)
    assert lines(seen) == lines(other)
    assert judge(seen) == judge(other)
    assert (seen.errors, seen.warnings, seen.unchanged) == (other.errors, other.warnings, other.unchanged)


def test_a_run_that_was_cut_off_at_once_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text('{"preludeEvent": {}}\nnot JSON\n[1]\n')
    assert events.document(file) == {"steps": [], "diagnostics": [], "changeSummary": {}}
