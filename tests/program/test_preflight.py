"""What is asked of a cluster, against an API server of the test's own."""

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from components import preflight
from components.model.findings import RefusedError
from components.model.kubeconfig import Target
from tests.model.examples import plan


class Cluster(ThreadingHTTPServer):
    """Answers what `objects` holds, 404 otherwise; `status` and `delay` make it a bad one."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, object] = {
            "/apis/apps/v1/deployments": {"items": []},
        }
        self.status = 200
        self.delay = 0.0
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Cluster

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        time.sleep(self.server.delay)
        found = self.server.objects.get(path)
        code = self.server.status if self.server.status != 200 or found is not None else 404
        body: object = found if code == 200 else {"kind": "Status", "code": code, "message": f"said {code}"}
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # a client that gave up is what one test is about
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Tests are quiet."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    server = Cluster()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def to(server: str) -> Target:
    return Target("PITSTOP_KUBECONFIG", "here", server, {"server": server}, {"token": "t"}, local=True)


def address(cluster: Cluster) -> Target:
    return to(f"http://127.0.0.1:{cluster.server_address[1]}")


def test_an_empty_cluster(cluster: Cluster) -> None:
    facts = preflight.look(plan(), address(cluster))
    assert facts == preflight.Facts(owners={}, istio=False, control_planes=())
    assert all(request.startswith("GET ") for request in cluster.asked)


def test_a_cluster_with_a_mesh_and_another_environment(cluster: Cluster) -> None:
    cluster.objects |= {
        "/api/v1/namespaces/istio-system": {
            "metadata": {"name": "istio-system", "labels": {"pitstop.dev/owner": "pitstop.dev"}}
        },
        "/api/v1/namespaces/pitstop": {"metadata": {"name": "pitstop"}},
        "/apis/apps/v1/deployments": {
            "items": [{"metadata": {"name": "istiod", "namespace": "istio-system"}}]
        },
        "/apis/networking.istio.io/v1/gateways": {
            "items": [
                {
                    "metadata": {"name": "webapp", "namespace": "other"},
                    "spec": {"selector": {"istio": "x"}, "servers": [{"hosts": ["a.example.org"]}]},
                },
                {"metadata": {"name": "webapp", "namespace": "pitstop"}, "spec": {}},
            ]
        },
    }
    facts = preflight.look(plan(), address(cluster))
    assert facts == preflight.Facts(
        owners={"istio-system": "pitstop.dev", "pitstop": ""},
        istio=True,
        control_planes=("istio-system",),
        gateways=(preflight.OtherGateway("other", "webapp", {"istio": "x"}, ("a.example.org",)),),
    )


def line_of(target: Target) -> str:
    with pytest.raises(RefusedError) as refused:
        preflight.check(plan(), "pitstop.test", target)
    (line,) = refused.value.lines
    return line


def test_nobody_listens() -> None:
    line = line_of(to("http://127.0.0.1:9"))
    assert re.match(
        r"PITSTOP_KUBECONFIG = here: the API server http://127\.0\.0\.1:9 does not answer \(.*refused.*\); "
        r"is the cluster up\? `make up` starts it",
        line,
    )


def test_a_server_that_hangs(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "SECONDS", 0.2)
    cluster.delay = 1.0
    assert "does not answer within 0 s" in line_of(address(cluster))


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_server_that_refuses(cluster: Cluster, status: int) -> None:
    cluster.status = status
    assert f"refuses: said {status}" in line_of(address(cluster))


def test_a_certificate_that_cannot_be_read() -> None:
    target = Target(
        "pitstop:cluster",
        "here",
        "https://127.0.0.1:9",
        {"server": "https://127.0.0.1:9", "certificate-authority": "/nowhere/ca.pem"},
        {},
    )
    assert line_of(target).startswith("pitstop:cluster = here: the API server https://127.0.0.1:9 cannot be")
