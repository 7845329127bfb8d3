"""Places in a document, as Pulumi writes them: `networkProfile.podCidr`, `agentPoolProfiles[0].count`."""

import re
from collections.abc import Sequence

Step = str | int
Path = tuple[Step, ...]

_STEP = re.compile(r'\.?([^.\[\]"]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]')


def parse(text: str) -> Path:
    """The steps of a path.

    Raises:
        ValueError: it is none.
    """
    steps: list[Step] = []
    position = 0
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            raise ValueError(f"{text}: not a path, e.g. agentPoolProfiles[0].count")
        name, index, quoted = found.groups()
        steps.append(int(index) if index is not None else name if name is not None else quoted)
        position = found.end()
    return tuple(steps)


def text(path: Sequence[Step]) -> str:
    """A path as Pulumi writes it."""
    written = ""
    for step in path:
        if isinstance(step, int):
            written += f"[{step}]"
        elif re.fullmatch(r'[^.\[\]"]+', step):
            written += f".{step}" if written else step
        else:
            escaped = step.replace('"', '\\"')
            written += f'["{escaped}"]'
    return written


def pattern(path: Sequence[Step]) -> str:
    """A path whose indices are left open: `agentPoolProfiles[].count`."""
    return re.sub(r"\[\d+\]", "[]", text(path))


def at(document: object, path: str | Path) -> object:
    """The value there; nothing, where a step leads nowhere."""
    for step in parse(path) if isinstance(path, str) else path:
        inside = isinstance(document, list) and isinstance(step, int) and step < len(document)
        if inside or (isinstance(document, dict) and step in document):
            document = document[step]  # type: ignore[index]  # the step fits what it leads into
        else:
            return None
    return document


def put(document: object, path: Path, value: object) -> bool:
    """Write a value there, making objects on the way; None removes. Says whether there was a way."""
    *way, last = path
    for step in way:
        if isinstance(document, dict) and isinstance(step, str):
            document = document.setdefault(step, {})
        elif isinstance(document, list) and isinstance(step, int) and step < len(document):
            document = document[step]
        else:
            return False
    if isinstance(document, dict) and value is None:
        document.pop(last, None)
    elif isinstance(document, dict) or (
        isinstance(document, list) and isinstance(last, int) and last < len(document)
    ):
        document[last] = value  # type: ignore[index]  # the step fits what it leads into
    else:
        return False
    return True
