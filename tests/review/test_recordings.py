"""What is recorded is what the engine says today."""

import json
from pathlib import Path

import pytest

from tests.review import record, recorded
from tests.review.scenarios import SCENARIOS

pytestmark = pytest.mark.tools


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_recorded_preview(name: str, tmp_path: Path) -> None:
    document, diff = record.recording(name, tmp_path)
    assert json.loads(document) == recorded.document(name)
    # The engine's lines come in an order that differs from run to run.
    assert sorted(diff.splitlines()) == sorted(recorded.diff(name).splitlines())


def test_the_recorded_drift(tmp_path: Path) -> None:
    assert json.loads(record.drifted(tmp_path)) == recorded.document("drift")
