"""What runs on this machine is asked directly, whatever proxy the way out has."""

from collections.abc import MutableMapping

ADDRESS = "127.0.0.1"


def without_a_proxy(environ: MutableMapping[str, str]) -> None:
    """Go's programs do so by themselves; Python's libraries would ask the proxy for loopback too.

    Source: https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config.ProxyFunc
    """
    for name in ("NO_PROXY", "no_proxy"):
        stated = environ.get(name, "")
        if ADDRESS not in stated.split(","):
            environ[name] = f"{stated},{ADDRESS}".removeprefix(",")
