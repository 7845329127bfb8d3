"""Writes schema/stack.schema.json from the models: `./pitstop run python -m ops.schema_doc`."""

import json
from pathlib import Path

from components.model.schema import stack_schema
from ops.paths import CHECKOUT

TARGET = CHECKOUT / "schema" / "stack.schema.json"


def text() -> str:
    """The file's content."""
    return json.dumps(stack_schema(), indent=2, ensure_ascii=False) + "\n"


def main(target: Path = TARGET) -> None:
    """Write the file."""
    target.parent.mkdir(exist_ok=True)
    target.write_text(text())


if __name__ == "__main__":
    main()
