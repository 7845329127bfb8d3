"""Rules every test obeys: a skip is a failure where PITSTOP_NO_SKIPS says so; the environment comes last."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# The same examples every time, so that a failure is the change's; PITSTOP_EXPLORE=1 looks for new ones.
settings.register_profile("steady", derandomize=not os.environ.get("PITSTOP_EXPLORE"))
settings.load_profile("steady")


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
