"""Writes the recorded previews anew: `./pitstop run python -m tests.review.record [NAME ...]`."""

import json
import sys
import tempfile
from pathlib import Path

from tests.review.engine import Engine, reduced
from tests.review.scenarios import SCENARIOS, text

FIXTURES = Path(__file__).parent / "fixtures"


def recording(name: str, folder: Path) -> tuple[str, str]:
    """What the engine says about a scenario: the preview's document, and its own diff."""
    scenario = SCENARIOS[name]
    engine = Engine(folder, protect=scenario.protect)
    before, after = folder / "before.yaml", folder / "after.yaml"
    before.write_text(text(scenario.before, scenario.base))
    after.write_text(text(scenario.after, scenario.base))
    engine.up(before)
    return json.dumps(reduced(engine.preview(after)), indent=1, sort_keys=True) + "\n", engine.diff(after)


def main() -> None:
    for name in sys.argv[1:] or SCENARIOS:
        with tempfile.TemporaryDirectory() as folder:
            document, diff = recording(name, Path(folder))
        (FIXTURES / f"{name}.json").write_text(document)
        (FIXTURES / f"{name}.diff").write_text(diff)


if __name__ == "__main__":
    main()
