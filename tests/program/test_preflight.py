"""What is asked of a cluster, against an API server of the test's own."""

import contextlib
import dataclasses
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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
        self.tokens: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Cluster

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        self.server.tokens.append(self.headers.get("Authorization", ""))
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


def test_a_token_is_sent(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    for user in ({"token": "from-the-text"}, {"tokenFile": str(tmp_path / "token")}):
        preflight.look(plan(), dataclasses.replace(address(cluster), user=user))
    assert set(cluster.tokens) == {"Bearer from-the-text", "Bearer from-a-file"}


def test_a_kubeconfig_that_asks_for_a_program_is_left_to_a_library(cluster: Cluster, tmp_path: Path) -> None:
    program = tmp_path / "login"
    program.write_text('#!/bin/sh\necho \'{"status": {"token": "from-a-program"}}\'\n')
    program.chmod(0o755)
    login = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": str(program)}
    facts = preflight.look(plan(), dataclasses.replace(address(cluster), user={"exec": login}))
    assert facts.owners == {}
    assert "Bearer from-a-program" in cluster.tokens


def test_a_program_that_is_not_there(cluster: Cluster) -> None:
    login = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "/nowhere/login"}
    line = line_of(dataclasses.replace(address(cluster), user={"exec": login}))
    assert "does not answer" in line
    assert "/nowhere/login" in line


def test_this_machine_is_not_reached_through_a_proxy(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert preflight.look(plan(), address(cluster)).istio is False
