"""Writes the recorded previews anew: `./pitstop run python -m tests.review.record`."""

import json
import tempfile
from pathlib import Path

from tests.review.engine import Engine, reduced
from tests.review.scenarios import SCENARIOS

FIXTURES = Path(__file__).parent / "fixtures"


def recording(name: str, folder: Path) -> tuple[str, str]:
    """What the engine says about a scenario: the preview's document, and its own diff."""
    before, after = SCENARIOS[name]
    engine = Engine(folder)
    engine.up(before())
    asked = after()
    return json.dumps(reduced(engine.preview(asked)), indent=1) + "\n", engine.diff(asked)


def main() -> None:
    for name in SCENARIOS:
        with tempfile.TemporaryDirectory() as folder:
            document, diff = recording(name, Path(folder))
        (FIXTURES / f"{name}.json").write_text(document)
        (FIXTURES / f"{name}.diff").write_text(diff)


if __name__ == "__main__":
    main()
