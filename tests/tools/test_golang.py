import threading
import time
from pathlib import Path

import psutil
import pytest

from localcluster.tools.golang import (
    Cancelled,
    Counts,
    Go,
    Order,
    find_go,
    first_error,
    go_environ,
    run_build,
)
from ops.errors import UserError
from tests.tools.conftest import Machine, says


def test_go_is_found_on_path(machine: Machine) -> None:
    assert find_go(machine.environ, machine.cache).program == machine.bin / "go"


@pytest.mark.parametrize("version", ["go1.20.14", "go1.9", "go0.1"])
def test_too_old_a_go_is_one_line(machine: Machine, version: str) -> None:
    says(machine.bin / "go", f"go version {version} linux/amd64")
    with pytest.raises(UserError) as caught:
        find_go(machine.environ, machine.cache)
    assert str(caught.value) == (
        f"go: {machine.bin}/go is {version} linux/amd64; Go 1.21 or newer is needed, e.g. from https://go.dev/dl/"
    )


@pytest.mark.parametrize("version", ["go1.21.0", "go1.26.8", "go2.0"])
def test_new_enough(machine: Machine, version: str) -> None:
    says(machine.bin / "go", f"go version {version} linux/amd64")
    find_go(machine.environ, machine.cache)


def test_something_else_called_go(machine: Machine) -> None:
    says(machine.bin / "go", "")
    with pytest.raises(UserError, match="does not tell its version"):
        find_go(machine.environ, machine.cache)


def test_no_go_is_one_line(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localcluster.tools.golang.USUAL_PLACE", Path("/nowhere/go"))
    with pytest.raises(UserError, match=r"^go: not found on PATH; Go 1\.21 or newer builds the tools"):
        find_go({"PATH": str(machine.home)}, machine.cache)


def test_what_would_change_a_build_is_replaced_and_proxies_are_kept(tmp_path: Path) -> None:
    mine = {
        "GOFLAGS": "-mod=vendor",
        "GOOS": "plan9",
        "GOWORK": "/x",
        "GOPROXY": "https://proxy",
        "CGO_ENABLED": "1",
    }
    made = go_environ(mine, tmp_path)
    assert made["GOFLAGS"] == "-mod=readonly"
    assert made["GOWORK"] == "off"
    assert made["CGO_ENABLED"] == "0"
    assert made["GOPROXY"] == "https://proxy"
    assert "GOOS" not in made
    assert made["GOCACHE"] == str(tmp_path / "go" / "build")
    assert 0 < int(made["GOMEMLIMIT"]) < psutil.virtual_memory().total
    assert go_environ({"GOGC": "50"}, tmp_path)["GOGC"] == "50"


def test_first_error() -> None:
    lines = ["go: downloading a v1", "k8s.io/api/core/v1", "# k8s.io/api", "x.go:1:1: undefined: y", "more"]
    assert first_error(lines) == "x.go:1:1: undefined: y"
    assert first_error([]) == "no message"


def test_counts() -> None:
    counts = Counts()
    for line in ("go: downloading example.org/a v1.0.0", "example.org/a/b", "# example.org", "some prose"):
        counts.take(line)
    assert str(counts) == "1 modules downloaded, 1 packages compiled, now example.org/a/b"


def order(tmp_path: Path) -> Order:
    (tmp_path / "out").mkdir(exist_ok=True)
    return Order(arguments=("-o", f"{tmp_path}/out/", "./x"), directory=tmp_path, log=tmp_path / "log")


def go_with(machine: Machine, **settings: str) -> Go:
    return find_go(machine.environ | settings, machine.cache)


def test_a_build_runs_and_is_logged(machine: Machine, tmp_path: Path) -> None:
    run_build(go_with(machine), order(tmp_path), tick=lambda _: None)
    assert (tmp_path / "out" / "x").exists()
    assert "example.org/one/package" in (tmp_path / "log").read_text()


def test_a_failed_build_is_one_line_with_its_first_complaint(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        run_build(go_with(machine, FAKE_GO_FAIL="1"), order(tmp_path), tick=lambda _: None)
    assert str(caught.value) == (
        f"go build failed (status 1): one.go:1:1: undefined: everything; whole log: {tmp_path}/log"
    )


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def pids(machine: Machine) -> list[int]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        file = machine.bin / "pids"
        if file.exists() and len(file.read_text().split()) == 2:
            return [int(pid) for pid in file.read_text().split()]
        time.sleep(0.02)
    raise AssertionError("the build did not start")


def gone(numbers: list[int]) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not any(alive(pid) for pid in numbers):
            return True
        time.sleep(0.02)
    return False


def test_a_cancelled_build_leaves_no_compiler(machine: Machine, tmp_path: Path) -> None:
    cancel = threading.Event()
    outcome: list[BaseException] = []

    def build() -> None:
        try:
            run_build(
                go_with(machine, FAKE_GO_SLEEP="1"),
                order(tmp_path),
                tick=lambda _: None,
                cancel=cancel,
            )
        except Cancelled as reason:
            outcome.append(reason)

    builder = threading.Thread(target=build)
    builder.start()
    running = pids(machine)
    cancel.set()
    builder.join(10)
    assert not builder.is_alive()
    assert len(outcome) == 1
    assert gone(running)


def test_an_exception_while_waiting_leaves_no_compiler(machine: Machine, tmp_path: Path) -> None:
    def interrupt(_: Counts) -> None:
        pids(machine)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_build(go_with(machine, FAKE_GO_SLEEP="1"), order(tmp_path), tick=interrupt)
    assert gone(pids(machine))
