"""The loopback ports of a node: asked for, remembered, preferred, or any that is free."""

import os
import socket
from collections.abc import Collection

from ops.errors import UserError

API_VARIABLE, API_PREFERRED = "PITSTOP_API_PORT", 16443
HTTP_VARIABLE, HTTP_PREFERRED = "PITSTOP_HTTP_PORT", 8080
HTTPS_VARIABLE, HTTPS_PREFERRED = "PITSTOP_HTTPS_PORT", 8443
VARIABLES = (API_VARIABLE, HTTP_VARIABLE, HTTPS_VARIABLE)


def asked(variable: str) -> int | None:
    """The port a person asked for, if any.

    Raises:
        UserError: what stands there is no port.
    """
    text = os.environ.get(variable, "")
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise UserError(f"{variable}={text}: a port is a number from 1 to 65535, e.g. {variable}=18080")
    return int(text)


def require(variable: str, ours: Collection[int | None]) -> None:
    """Look whether the port that was asked for can be had; `ours` can.

    Raises:
        UserError: what stands there is no port, or somebody else has it.
    """
    if asked(variable) not in {None, *ours}:
        listen(variable, None, 0).close()


def listen(variable: str, remembered: int | None, preferred: int) -> socket.socket:
    """A socket that listens on 127.0.0.1; a port that was asked for is the only one tried.

    Raises:
        UserError: the port asked for is taken.
    """
    wanted = asked(variable)
    if wanted is not None:
        found = _try(wanted)
        if found is None:
            raise UserError(
                f"{variable}={wanted}: 127.0.0.1:{wanted} is taken; choose another port or unset {variable}"
            )
        return found
    for port in (remembered, preferred):
        if port is not None and (found := _try(port)) is not None:
            return found
    found = _try(0)
    if found is None:
        raise UserError("127.0.0.1: no port is free; stop what uses them or set " + variable)
    return found


def _try(port: int) -> socket.socket | None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it. The forwarder passes an answer on in pieces, and the last would otherwise wait
    # for the first to be acknowledged, which the other side puts off for 40 ms (Nagle, delayed ACK).
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(512)
    except OSError:
        listener.close()
        return None
    return listener
