"""The plugin as a process: where it is put, when it refuses to start, and that it ends with its engine."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from localcluster.azure import plugin
from localcluster.azure.plugin import InstalledError, launcher
from localcluster.azure.protocol import provider_pb2
from localcluster.azure.provider import Provider
from ops.paths import CHECKOUT

VERSION = "3.29.0"


def environ(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PITSTOP_REHEARSAL")}
    return {**kept, **more}


def test_the_engine_finds_it_where_it_looks(tmp_path: Path) -> None:
    path = launcher(tmp_path)
    assert path == tmp_path / "plugins" / f"resource-azure-native-v{VERSION}" / "pulumi-resource-azure-native"
    assert path.stat().st_mode & 0o111
    before = path.stat().st_ino
    assert launcher(tmp_path) == path
    assert path.stat().st_ino == before  # what is right is left alone
    path.write_text(path.read_text().replace(str(CHECKOUT), "/another/checkout"))
    launcher(tmp_path)
    assert str(CHECKOUT) in path.read_text()


def test_the_real_provider_is_left_alone(tmp_path: Path) -> None:
    path = launcher(tmp_path)
    path.write_bytes(b"\x7fELF the real one")
    with pytest.raises(InstalledError, match="the real provider is there"):
        launcher(tmp_path)
    assert path.read_bytes() == b"\x7fELF the real one"


def test_it_refuses_to_start_for_no_rehearsal(tmp_path: Path) -> None:
    done = subprocess.run(
        [launcher(tmp_path), "127.0.0.1:9"], env=environ(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("PITSTOP_REHEARSAL: not set; this is the stand-in for azure-native")
    assert "Traceback" not in done.stderr


def test_it_ends_with_the_engine_that_started_it(tmp_path: Path) -> None:
    starter = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([{str(launcher(tmp_path))!r}, '127.0.0.1:9'], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    engine = subprocess.Popen(
        [sys.executable, "-c", starter],
        env=environ(PITSTOP_REHEARSAL=str(tmp_path / "rehearsal")),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert engine.stdout is not None
    provider = psutil.Process(int(engine.stdout.readline()))
    assert provider.is_running()
    engine.send_signal(signal.SIGKILL)
    engine.communicate()
    deadline = time.monotonic() + 20
    while provider.is_running() and provider.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the provider is still there"
        time.sleep(0.1)


def test_starting_imports_neither_sdk() -> None:
    question = (
        "import sys, localcluster.azure.provider\n"
        "print([name for name in ('pulumi', 'pulumi.automation', 'pulumi_azure_native', 'pydantic') "
        "if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", question], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_path_with_spaces_and_quotes_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "CHECKOUT", Path("/a check'out"))
    assert "PYTHONPATH='/a check'\"'\"'out'" in launcher(tmp_path).read_text()


def test_its_configuration_is_checked_and_taken(tmp_path: Path) -> None:
    serving = Provider(tmp_path, "127.0.0.1:9")
    request = provider_pb2.CheckRequest()
    request.news.update({"subscriptionId": "s", "version": VERSION})
    assert list(serving.CheckConfig(request, None).failures) == []
    request.news.update({"subscription": "s"})
    (failure,) = serving.CheckConfig(request, None).failures
    assert failure.reason == "subscription: unknown property; did you mean subscriptionId?"
    configuring = provider_pb2.ConfigureRequest()
    configuring.args.update({"subscriptionId": "s", "tenantId": "t", "location": "westeurope"})
    serving.Configure(configuring, None)
    account = serving.azure.account
    assert (account.subscription, account.tenant, account.location) == ("s", "t", "westeurope")
    inputs, problems = serving.azure.check("network:VirtualNetwork", {"virtualNetworkName": "v"})
    assert inputs["location"] == "westeurope"
    assert len(problems) == 1
