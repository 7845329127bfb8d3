"""An API server that only lists: enough of one for `istioctl analyze` to judge objects no cluster has.

Told to read files, istioctl leaves Services, Pods, Namespaces and Secrets aside, and with them every
analyzer that needs them. So it is given a cluster to read.
"""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from components.model import versions
from components.model.manifests import Document

WATCH_SECONDS = 60
REVISION: Document = {"resourceVersion": "1"}
# Types of Kubernetes' own that are asked for, whether or not there are any objects.
ASKED = (
    ("v1", "ConfigMap"),
    ("v1", "Namespace"),
    ("v1", "Node"),
    ("v1", "Pod"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("apps/v1", "Deployment"),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
)


def plural(kind: str) -> str:
    """What the API calls objects of a kind."""
    name = kind.lower()
    if name.endswith("y") and not name.endswith("ay"):
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith("s") else f"{name}s"


class Listing(ThreadingHTTPServer):
    """Objects by their API's path, served on a free port of the loopback."""

    daemon_threads = True

    def __init__(self, objects: Iterable[Document]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ended = threading.Event()
        self.asked: list[str] = []
        self.objects: dict[str, list[Document]] = {}
        self.kinds: dict[str, str] = {}
        for version, kind in ASKED:
            self._know(version, kind)
        for number, one in enumerate(objects):
            self._add(one, number)

    def _know(self, version: str, kind: str) -> list[Document]:
        """The list of a type, at its path: /apis/apps/v1/deployments."""
        path = f"/{'apis' if '/' in version else 'api'}/{version}/{plural(kind)}"
        self.kinds[path] = kind
        return self.objects.setdefault(path, [])

    def _add(self, one: Document, number: int) -> None:
        self._know(str(one["apiVersion"]), str(one["kind"])).append(_live(one, number))
        spec: Any = one.get("spec")
        if one["kind"] == "CustomResourceDefinition":
            for version in spec["versions"]:
                self._know(f"{spec['group']}/{version['name']}", spec["names"]["kind"])

    def kubeconfig(self) -> Document:
        """How to reach it."""
        address = f"http://127.0.0.1:{self.server_address[1]}"
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "listing",
            "clusters": [{"name": "listing", "cluster": {"server": address}}],
            "contexts": [{"name": "listing", "context": {"cluster": "listing", "user": "nobody"}}],
            "users": [{"name": "nobody", "user": {}}],
        }


def _live(one: Document, number: int) -> Document:
    """The object as a server has it."""
    metadata: Any = one.get("metadata")
    return {**one, "metadata": {**metadata, "uid": f"uid-{number}", **REVISION}}


@contextmanager
def listing(objects: Iterable[Document]) -> Iterator[Listing]:
    """Serves the objects for as long as the block takes."""
    server = Listing(objects)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Listing

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path.rstrip("/"), parse_qs(urlsplit(self.path).query)
        self.server.asked.append(self.path)
        if path == "/version":
            major, minor, _ = versions.KUBERNETES.removeprefix("v").split(".")
            self._answer({"major": major, "minor": minor, "gitVersion": versions.KUBERNETES})
        elif "sendInitialEvents" in query:
            self._answer(_failure("a list comes in one piece"), HTTPStatus.UNPROCESSABLE_ENTITY)
        elif query.get("watch", ["false"])[0] in {"true", "1"}:
            self._watch()
        else:
            self._find(path)

    def _find(self, path: str) -> None:
        """All objects of a type, those of one namespace, or one of them."""
        parts = path.strip("/").split("/")
        root = 2 if parts[0] == "api" else 3
        version, rest = "/".join(parts[1:root]), parts[root:]
        namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces":
            namespace, rest = rest[1], rest[2:]
        place = f"/{'/'.join(parts[:root])}/{rest[0] if rest else ''}"
        found = [
            one
            for one in self.server.objects.get(place, [])
            if not namespace or _metadata(one).get("namespace") == namespace
        ]
        named = [one for one in found if len(rest) > 1 and _metadata(one)["name"] == rest[1]]
        if len(rest) == 1 and place in self.server.kinds:
            kind = f"{self.server.kinds[place]}List"
            self._answer({"kind": kind, "apiVersion": version, "metadata": REVISION, "items": found})
        elif named:
            self._answer(named[0])
        else:
            self._answer(_failure("not found"), HTTPStatus.NOT_FOUND)

    def _watch(self) -> None:
        """Nothing changes, until the server ends."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.server.ended.wait(WATCH_SECONDS)
        self.wfile.write(b"0\r\n\r\n")

    def _answer(self, content: Mapping[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def _metadata(one: Document) -> Document:
    found = one.get("metadata")
    return found if isinstance(found, dict) else {}


def _failure(message: str) -> Document:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message}
