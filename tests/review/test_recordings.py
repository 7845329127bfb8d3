"""What is recorded means what the engine says today."""

import json
from pathlib import Path

import pytest

from ops.review import drift, guard, words
from ops.review.preview import Preview, understood
from tests.review import record, recorded

pytestmark = pytest.mark.tools
# The others have no step of the engine that these have not.
EACH_STEP = ("weights", "removed", "protected", "refused", "pool", "cluster")


def meaning(preview: Preview) -> dict[str, object]:
    """Everything about a preview but the inputs that stay as they are, which are the plan's business."""
    return {
        "words": words.lines(preview),
        "verdict": guard.judge(preview),
        "errors": preview.errors,
        "changes": sorted((one.kind, one.urn, one.paths, one.reasons) for one in preview.changes),
    }


@pytest.mark.parametrize("name", EACH_STEP)
def test_a_recorded_preview(name: str, tmp_path: Path) -> None:
    document, diff = record.recording(name, tmp_path)
    assert meaning(understood(json.loads(document))) == meaning(recorded.preview(name))
    # Neither words nor order of the engine's own diff are ours, but that it is one.
    assert diff.startswith("Previewing update (dev):")
    assert recorded.diff(name).startswith("Previewing update (dev):")


def test_the_recorded_drift(tmp_path: Path) -> None:
    now = understood(json.loads(record.drifted(tmp_path)))
    assert drift.findings(now) == drift.findings(recorded.preview("drift"))
    assert drift.findings(now)
