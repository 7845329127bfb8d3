"""Long work shows itself: a line when a step ends, and signs of life while it runs."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

HEARTBEAT_SECONDS = 30.0


def elapsed(seconds: float) -> str:
    """Seconds as a person reads them: `8s`, `3m05s`."""
    whole = round(seconds)
    return f"{whole}s" if whole < 60 else f"{whole // 60}m{whole % 60:02d}s"


class Progress:
    """Reports steps on standard error, so that a command's own output stays clean."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self.steps: list[tuple[str, float]] = []

    def note(self, text: str) -> None:
        """One line about what was found or decided."""
        self._console.print(f"  {text}", markup=False, soft_wrap=True)

    @contextmanager
    def step(self, title: str, number: int = 0, total: int = 0) -> Iterator[None]:
        """Time the block and report it; `number` of `total` is shown when both are given."""
        label = f"[{number}/{total}] {title}" if total else title
        started = time.monotonic()
        with self._alive(label, started):
            try:
                yield
            except BaseException:
                self._line("✗", label, started)
                raise
        self.steps.append((title, time.monotonic() - started))
        self._line("✓", label, started)

    def _line(self, mark: str, label: str, started: float) -> None:
        self._console.print(f"{mark} {label}  {elapsed(time.monotonic() - started)}", markup=False)

    @contextmanager
    def _alive(self, label: str, started: float) -> Iterator[None]:
        if self._console.is_terminal and sys.stderr.isatty():
            with (
                self._console.status("", spinner="dots") as status,
                _ticker(
                    1.0,
                    lambda: status.update(
                        f"{label}  {elapsed(time.monotonic() - started)}".replace("[", r"\[")
                    ),
                ),
            ):
                yield
            return
        with _ticker(
            HEARTBEAT_SECONDS,
            lambda: self._console.print(f"… {label}  {elapsed(time.monotonic() - started)}", markup=False),
        ):
            yield


@contextmanager
def _ticker(seconds: float, tick: Callable[[], None]) -> Iterator[None]:
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(seconds):
            tick()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
