"""What the engine said once, for tests that need no engine."""

import json
from collections.abc import Mapping
from pathlib import Path

from ops.review.preview import Preview, read, understood

FIXTURES = Path(__file__).parent / "fixtures"


def preview(name: str) -> Preview:
    return read(FIXTURES / f"{name}.json")


def diff(name: str) -> str:
    return (FIXTURES / f"{name}.diff").read_text()


def document(name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((FIXTURES / f"{name}.json").read_text())
    return found


def step(
    kind: str,
    token: str,
    name: str,
    old: Mapping[str, object] | None,
    new: Mapping[str, object] | None,
    **more: object,
) -> dict[str, object]:
    """One step as the engine writes it."""

    def state(inputs: Mapping[str, object] | None) -> dict[str, object] | None:
        return None if inputs is None else {"type": token, "custom": True, "inputs": dict(inputs)}

    urn = f"urn:pulumi:dev::pitstop::{token}::{name}"
    return {"op": kind, "urn": urn, "oldState": state(old), "newState": state(new), **more}


def of(*steps: dict[str, object]) -> Preview:
    return understood({"steps": list(steps)})
