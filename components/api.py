"""Reads a few objects of a cluster, with the standard library alone.

A client library takes longer to import than the cluster to answer, at every preview. It is used where a
kubeconfig asks for more than certificates and tokens: an exec plugin, a proxy.
"""

import base64
import json
import os
import ssl
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode, urlsplit

from components.model.kubeconfig import Target

Object = Mapping[str, object]

PLAIN_CLUSTER = {
    "server",
    "certificate-authority",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
}
PLAIN_USER = {
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "token",
    "tokenFile",
}
PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
NOT_FOUND = 404
ERRORS = 400


class Unanswered(Exception):  # noqa: N818 - what happened, not whose fault
    """The API server does not answer, or not to us; the text says which."""


class Reader(Protocol):
    """Reads from one API server."""

    def get(self, path: str) -> tuple[int, bytes]: ...

    def close(self) -> None: ...


def connect(target: Target, seconds: float) -> AbstractContextManager[Reader]:
    """A reader for one cluster, which waits at most `seconds` for each step of an answer.

    Raises:
        Unanswered: what the kubeconfig names cannot be used.
    """
    # No proxy stands between this machine and itself, whatever the shell says.
    proxied = not target.local and any(os.environ.get(name) for name in PROXIES)
    plain = set(target.cluster) <= PLAIN_CLUSTER and set(target.user) <= PLAIN_USER
    try:
        return closing(_Direct(target, seconds) if plain and not proxied else _ByLibrary(target, seconds))
    except (OSError, ValueError) as error:
        raise Unanswered(f"cannot be asked ({error})") from None


def read(reader: Reader, path: str, **query: str) -> Object | None:
    """What is at a path of the API; None where there is nothing.

    Raises:
        Unanswered: no answer, or one that refuses.
    """
    status, body = reader.get(f"{path}?{urlencode(query)}" if query else path)
    if status == NOT_FOUND:
        return None
    try:
        found = json.loads(body)
    except ValueError:
        found = {}
    if status >= ERRORS or not isinstance(found, dict):
        message = found.get("message") if isinstance(found, dict) else None
        raise Unanswered(f"refuses: {message or f'status {status}'}")
    return found


class _Direct:
    """One connection, kept for all requests."""

    def __init__(self, target: Target, seconds: float) -> None:
        url = urlsplit(target.server)
        self._headers = {"Accept": "application/json", **_token(target.user)}
        self._prefix, self._seconds = url.path.rstrip("/"), seconds
        host = url.hostname or ""
        self._http = (
            HTTPSConnection(host, url.port, timeout=seconds, context=_tls(target))
            if url.scheme == "https"
            else HTTPConnection(host, url.port, timeout=seconds)
        )

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            self._http.request("GET", self._prefix + path, headers=self._headers)
            answer = self._http.getresponse()
            return answer.status, answer.read()
        except TimeoutError:
            raise Unanswered(f"does not answer within {self._seconds:.0f} s") from None
        except (OSError, HTTPException) as error:
            raise Unanswered(f"does not answer ({error})") from None

    def close(self) -> None:
        self._http.close()


class _ByLibrary:
    """Whatever else a kubeconfig may ask for."""

    def __init__(self, target: Target, seconds: float) -> None:
        import httpx2
        from lightkube import ConfigError, KubeConfig
        from lightkube.config import client_adapter

        self._refusals = (httpx2.HTTPError, ConfigError, OSError)
        try:
            config = KubeConfig.from_dict(target.kubeconfig()).get(target.context)
            if config is None:
                raise ValueError("no such context")
            parameters = client_adapter.ConnectionParams(timeout=httpx2.Timeout(seconds))
            self._http = client_adapter.Client(config, parameters)
        except ConfigError as error:
            raise ValueError(str(error)) from None

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            answer = self._http.get(path)
        except self._refusals as error:
            raise Unanswered(f"does not answer ({error})") from None
        return answer.status_code, answer.content

    def close(self) -> None:
        self._http.close()


def _token(user: Mapping[str, object]) -> dict[str, str]:
    token = user.get("token")
    if not token and (path := user.get("tokenFile")):
        token = Path(str(path)).read_text().strip()
    return {"Authorization": f"Bearer {token}"} if token else {}


def _tls(target: Target) -> ssl.SSLContext:
    authority = _pem(target.cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if target.cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _pem(target.user, "client-certificate"), _pem(target.user, "client-key")
    if certificate and key:
        # OpenSSL takes them from a file only; this one has no other reader and is gone at once.
        with tempfile.NamedTemporaryFile() as file:
            file.write(certificate + b"\n" + key)
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _pem(entry: Mapping[str, object], key: str) -> bytes:
    if data := entry.get(f"{key}-data"):
        return base64.b64decode(str(data))
    return Path(str(entry[key])).read_bytes() if entry.get(key) else b""
