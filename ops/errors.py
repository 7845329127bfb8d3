"""What a person is told when something is wrong with what they asked for."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

MISTAKE, INTERRUPTED = 2, 130


class UserError(Exception):
    """A mistake or a missing precondition that the person can mend.

    Each thing that is wrong is one line: the key or thing, its value, and what would be valid.
    Commands print them without a traceback and exit 2.
    """

    lines: tuple[str, ...]

    def __init__(self, *messages: str) -> None:
        self.lines = tuple(" ".join(message.split()) for message in messages)
        super().__init__("; ".join(self.lines))


def plainly(run: Callable[[], object]) -> None:
    """Run a command; a mistake is a line on standard error and exit status 2."""
    try:
        try:
            run()
        finally:
            sys.stdout.flush()  # at the interpreter's end nobody could say any more that the disk is full
    except UserError as error:
        from rich.console import Console

        console = Console(stderr=True, highlight=False, soft_wrap=True)
        for line in error.lines:
            console.print(f"pitstop: {line}", style="red", markup=False)
        sys.exit(MISTAKE)
    except KeyboardInterrupt:
        _interrupted()
    except SystemExit as ended:
        if ended.code == INTERRUPTED:  # typer makes an end of an interrupt, and says nothing
            _interrupted()
        raise
    except BrokenPipeError:
        _drop_output()
        sys.exit(1)  # whoever read has seen enough
    except OSError as error:
        _drop_output()
        print(f"pitstop: {_told(error)}", file=sys.stderr)
        sys.exit(MISTAKE)


def _interrupted() -> NoReturn:
    print("pitstop: interrupted; run the same command again to go on", file=sys.stderr)
    sys.exit(INTERRUPTED)


def _told(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename is not None else reason


def _drop_output() -> None:
    """What could not be written is not tried again when the interpreter ends.

    Source: https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
