"""Files the commands are given; what cannot be read is one line."""

import json
from pathlib import Path

from ops.errors import UserError

ANY = "the path of a file"


def text(path: Path, valid: str = ANY) -> str:
    """The content of a file.

    Raises:
        UserError: it cannot be read; says what would be `valid`.
    """
    try:
        return path.read_text(errors="replace")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); valid: {valid}") from None


def text_or_nothing(path: Path) -> str:
    """The same; empty where there is no such file."""
    return text(path) if path.exists() else ""


def decoded(path: Path, valid: str) -> object:
    """The content of a file in JSON.

    Raises:
        UserError: it cannot be read, or is none.
    """
    content = text(path, valid)
    try:
        found: object = json.loads(content)
    except ValueError:
        raise UserError(f"{path}: is not JSON; valid: {valid}") from None
    return found
