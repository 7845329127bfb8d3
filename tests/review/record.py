"""Writes the recorded previews anew: `./pitstop run python -m tests.review.record [NAME ...]`."""

import json
import sys
import tempfile
from pathlib import Path

from localcluster.azure.state import drift, inventory, vanish
from tests.review.engine import Engine, reduced
from tests.review.scenarios import SCENARIOS, dev, text

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


def drifted(folder: Path) -> str:
    """What a look at dev says after somebody scaled a pool and removed the registry in the portal."""
    engine, file = Engine(folder), folder / "dev.yaml"
    file.write_text(text({}, dev()))
    engine.up(file)
    made = {one.rpartition("/")[2]: one for one in inventory(engine.cloud)}
    drift(engine.cloud, made["apps"], {"maxCount": 7})
    vanish(engine.cloud, next(one for one in made.values() if "/registries/" in one))
    return json.dumps(reduced(engine.refresh(file)), indent=1, sort_keys=True) + "\n"


def main() -> None:
    for name in sys.argv[1:] or (*SCENARIOS, "drift"):
        with tempfile.TemporaryDirectory() as folder:
            if name == "drift":
                (FIXTURES / "drift.json").write_text(drifted(Path(folder)))
                continue
            document, diff = recording(name, Path(folder))
        (FIXTURES / f"{name}.json").write_text(document)
        (FIXTURES / f"{name}.diff").write_text(diff)


if __name__ == "__main__":
    main()
