"""What a person is told when something is wrong with what they asked for."""

import sys
from collections.abc import Callable


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
        run()
    except UserError as error:
        from rich.console import Console

        console = Console(stderr=True, highlight=False, soft_wrap=True)
        for line in error.lines:
            console.print(f"pitstop: {line}", style="red", markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        print("pitstop: interrupted; run the same command again to go on", file=sys.stderr)
        sys.exit(130)
