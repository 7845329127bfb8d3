"""Files the commands are given; what cannot be read is one line."""

from pathlib import Path

from ops.errors import UserError


def text(path: Path | None) -> str:
    """The content of a file; empty without one.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return path.read_text(errors="replace") if path else ""
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); valid: the path of a file") from None
