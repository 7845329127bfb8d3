import socket
from collections.abc import Iterator

import pytest

from localcluster.node import ports
from ops.errors import UserError


@pytest.fixture(autouse=True)
def nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PITSTOP_API_PORT", raising=False)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def chosen(remembered: int | None, preferred: int) -> int:
    with ports.listen("PITSTOP_API_PORT", remembered, preferred) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        return int(listener.getsockname()[1])


def test_the_remembered_port_is_kept_then_the_preferred_then_any(taken: int) -> None:
    remembered, preferred = free(), free()
    assert chosen(remembered, preferred) == remembered
    assert chosen(None, preferred) == preferred
    assert chosen(taken, preferred) == preferred
    assert chosen(taken, taken) not in {0, taken}


def test_a_port_asked_for_is_used_whatever_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free()
    monkeypatch.setenv("PITSTOP_API_PORT", str(port))
    assert chosen(free(), free()) == port


def test_a_port_that_was_asked_for_is_looked_at_before_anything_ends(
    monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    ports.require(ports.HTTP_VARIABLE, set())
    monkeypatch.setenv("PITSTOP_HTTP_PORT", str(taken))
    ports.require(ports.HTTP_VARIABLE, {taken})
    with pytest.raises(UserError, match=f"^PITSTOP_HTTP_PORT={taken}: 127.0.0.1:{taken} is taken"):
        ports.require(ports.HTTP_VARIABLE, {1})
    monkeypatch.setenv("PITSTOP_HTTP_PORT", "none")
    with pytest.raises(UserError, match=r"^PITSTOP_HTTP_PORT=none: a port is a number"):
        ports.require(ports.HTTP_VARIABLE, set())


def test_a_port_asked_for_that_is_taken_is_refused(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    monkeypatch.setenv("PITSTOP_API_PORT", str(taken))
    with pytest.raises(UserError, match=f"PITSTOP_API_PORT={taken}: 127.0.0.1:{taken} is taken"):
        ports.listen("PITSTOP_API_PORT", None, free())


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "80.5"])
def test_what_is_no_port_is_named_with_an_example(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PITSTOP_API_PORT", text)
    with pytest.raises(UserError, match=f"PITSTOP_API_PORT={text}: a port is .*PITSTOP_API_PORT=18080"):
        ports.asked("PITSTOP_API_PORT")
