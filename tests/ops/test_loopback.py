"""A proxy is for the way out alone."""

import urllib.request

import httpx2
import pytest

from ops.loopback import without_a_proxy

PROXY = "http://192.0.2.1:3128"


@pytest.mark.parametrize("before", ["", "example.org", "127.0.0.1"])
def test_loopback_is_no_proxys(monkeypatch: pytest.MonkeyPatch, before: str) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, before)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, PROXY)
    environ = {"NO_PROXY": before, "no_proxy": before}
    without_a_proxy(environ)
    without_a_proxy(environ)
    for name, value in environ.items():
        assert value.split(",").count("127.0.0.1") == 1
        assert before in value
        monkeypatch.setenv(name, value)
    assert urllib.request.proxy_bypass("127.0.0.1")
    assert not urllib.request.proxy_bypass("dl.k8s.io")
    with httpx2.Client() as client:
        direct, out = (httpx2.URL(f"https://{host}/") for host in ("127.0.0.1", "dl.k8s.io"))
        assert client._transport_for_url(direct) is client._transport
        assert client._transport_for_url(out) is not client._transport
