"""Rules every test obeys: a skip is a failure where PITSTOP_NO_SKIPS says so; the environment comes last."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from ops.loopback import without_a_proxy

# The same examples every time, so that a failure is the change's; PITSTOP_EXPLORE=1 looks for new ones.
settings.register_profile("steady", derandomize=not os.environ.get("PITSTOP_EXPLORE"), deadline=None)
settings.load_profile("steady")

# What a shell does to a run in its background, and tests interrupt what they started.
signal.signal(signal.SIGINT, signal.default_int_handler)
without_a_proxy(os.environ)  # servers of tests are here

PLUGINS = Path.home() / ".pulumi" / "plugins"
SLOW = ("cluster", "node", "tools", "rehearsal")


@pytest.fixture(autouse=True)
def _nobodys_own_plugins(request: pytest.FixtureRequest) -> Iterator[None]:
    """An everyday test that put a stand-in there would have the slow ones after it run with that."""
    if any(request.node.get_closest_marker(mark) for mark in SLOW):
        yield
        return
    before = _plugins()
    yield
    assert _plugins() == before, f"{PLUGINS} has been changed"


def _plugins() -> list[tuple[str, str]]:
    return sorted((str(one), str(one.resolve())) for one in PLUGINS.glob("*/pulumi-*"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The checkout's environment, once it is up, stays until the end: an eighth of two cores, and its memory.
    items.sort(key=lambda item: item.get_closest_marker("cluster") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not os.environ.get("PITSTOP_NO_SKIPS"):
        return
    if reporter.stats.get("skipped") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
