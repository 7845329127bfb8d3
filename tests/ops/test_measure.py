"""The parts of a measurement that need no cluster, on loopback servers of the tests' own."""

import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import trustme
import yaml
from lightkube.models.core_v1 import Pod, PodCondition, PodStatus
from lightkube.models.meta_v1 import ObjectMeta

from ops import measure, status
from ops.errors import UserError
from ops.kube import Kube, PodRef, is_ready, wait_for
from ops.progress import Progress

SPLIT = measure.Split(
    namespace="pitstop",
    service="customermanagementapi",
    port=5100,
    path="/api/customers",
    caller="webapp",
    weights={"v1": 75, "v2": 25},
    versions={"v1": "1.0", "v2": "2.0"},
)


class Page(BaseHTTPRequestHandler):
    """Answers with one version after the other, and remembers what it was asked for."""

    versions: ClassVar[list[str]] = []
    hosts: ClassVar[list[str | None]] = []
    status: ClassVar[int] = 200
    service: ClassVar[str] = "customermanagementapi"
    answer: ClassVar[str] = "<p>hello</p>"
    lock: ClassVar[threading.Lock] = threading.Lock()

    def do_GET(self) -> None:
        with self.lock:
            version = self.versions.pop() if self.versions else ""
            self.hosts.append(self.headers["Host"])
        named = f'<p data-service="{self.service}" data-version="{version}">hello</p>'
        body = named if version else self.answer
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base's
        del format, args


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("status", "service", "answer"):
        monkeypatch.setattr(Page, name, getattr(Page, name))
    for name in ("versions", "hosts"):
        monkeypatch.setattr(Page, name, [])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/CustomerManagement"
    server.shutdown()
    thread.join()
    server.server_close()


def test_pages_are_counted_by_the_version_they_name(page: str) -> None:
    Page.versions.extend(["1.0"] * 30 + ["2.0"] * 9 + ["3.0"])
    seen = measure._view(measure.Entrance(url=page), SPLIT, measure.Load(requests=40))
    assert seen == Counter({"v1": 30, "v2": 9, "3.0": 1})


def test_pages_of_real_images_name_no_version(page: str) -> None:
    assert measure._view(measure.Entrance(url=page), SPLIT, measure.Load(requests=5)) == Counter()


def test_pages_that_speak_of_another_service_do_not_count(page: str) -> None:
    Page.versions.extend(["1.0"] * 5)
    Page.service = "vehiclemanagementapi"
    assert measure._view(measure.Entrance(url=page), SPLIT, measure.Load(requests=5)) == Counter()


def test_the_gateway_is_asked_for_the_host_it_knows(page: str) -> None:
    measure._view(measure.Entrance(url=page, host="pitstop.example"), SPLIT, measure.Load(requests=3))
    assert Page.hosts == ["pitstop.example"] * 3


@pytest.fixture
def secure_page(page: str) -> Iterator[tuple[str, list[str | None]]]:
    """The page behind a certificate nobody knows the signer of, and the names it is asked for in TLS."""
    del page  # its settings are wanted, and not its server
    named: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("pitstop.example").configure_cert(context)
    context.sni_callback = lambda _socket, name, _context: named.append(name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}/CustomerManagement", named
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_gateway_with_a_certificate_is_asked_for_the_host_in_tls_too(
    secure_page: tuple[str, list[str | None]],
) -> None:
    url, named = secure_page
    Page.versions.extend(["1.0"] * 3)
    seen = measure._view(measure.Entrance(url=url, host="pitstop.example"), SPLIT, measure.Load(requests=3))
    assert seen == Counter({"v1": 3})
    assert Page.hosts == ["pitstop.example"] * 3
    assert set(named) == {"pitstop.example"}


def test_a_page_that_fails_is_one_line(page: str) -> None:
    Page.status = 503
    with pytest.raises(UserError, match=rf"^{page} does not answer: .*503"):
        measure._view(measure.Entrance(url=page), SPLIT, measure.Load(requests=3))


def test_the_load_pod_is_admitted_where_only_restricted_pods_are() -> None:
    job = measure.load_job("measure-1", "pitstop", "fortio:1", "webapp")
    assert job.spec is not None
    pod = job.spec.template.spec
    assert pod is not None
    assert pod.securityContext is not None
    assert pod.securityContext.runAsNonRoot is True
    assert pod.securityContext.seccompProfile is not None
    assert pod.securityContext.seccompProfile.type == "RuntimeDefault"
    for container in pod.containers:
        context = container.securityContext
        assert context is not None
        assert context.allowPrivilegeEscalation is False
        assert context.capabilities is not None
        assert context.capabilities.drop == ["ALL"]
        assert not context.capabilities.add
    assert not pod.hostNetwork
    assert not pod.volumes
    assert pod.automountServiceAccountToken is False


def test_the_load_pod_ends_by_itself() -> None:
    job = measure.load_job("measure-1", "pitstop", "fortio:1", "webapp")
    assert job.spec is not None
    assert job.spec.activeDeadlineSeconds == measure.JOB_SECONDS
    assert job.spec.ttlSecondsAfterFinished == measure.JOB_KEPT_SECONDS


def test_the_load_pod_keeps_the_counters_that_are_read() -> None:
    job = measure.load_job("measure-1", "pitstop", "fortio:1", "webapp")
    assert job.spec is not None
    assert job.spec.template.metadata is not None
    assert job.spec.template.metadata.annotations is not None
    assert job.spec.template.metadata.annotations.items() >= measure.STATISTICS.items()


def test_the_load_pod_calls_as_the_caller_and_is_sent_none_of_its_requests() -> None:
    job = measure.load_job("measure-1", "pitstop", "fortio:1", "webapp")
    assert job.spec is not None
    template = job.spec.template
    assert template.spec is not None
    assert template.spec.serviceAccountName == "webapp"
    assert template.metadata is not None
    assert template.metadata.labels is not None
    assert template.metadata.labels["pitstop.dev/identity"] == "webapp"  # what NetworkPolicies go by
    assert template.metadata.labels["app"] == "measure"  # what Services select


def test_versions_and_subsets() -> None:
    assert SPLIT.host == "customermanagementapi.pitstop.svc.cluster.local"
    assert [SPLIT.subset_of(version) for version in ("1.0", "2.0", "9.9")] == ["v1", "v2", "9.9"]


def test_waiting_ends_with_what_was_found() -> None:
    looks = iter([None, None, 3])
    assert wait_for("three", 5, lambda: next(looks), pause=0) == 3


def test_waiting_in_vain_says_what_for() -> None:
    with pytest.raises(UserError, match=r"^waited 0 s for a miracle$"):
        wait_for("a miracle", 0, lambda: None, pause=0)


@pytest.mark.parametrize(
    ("status", "deleted", "ready"),
    [
        ("True", False, True),
        ("False", False, False),
        ("Unknown", False, False),
        ("True", True, False),
        (None, False, False),
    ],
)
def test_a_pod_is_ready_when_it_says_so_and_stays(status: str | None, *, deleted: bool, ready: bool) -> None:
    conditions = [PodCondition(type="Ready", status=status)] if status else None
    metadata = ObjectMeta(name="p", deletionTimestamp=datetime.now(UTC) if deleted else None)
    assert is_ready(Pod(metadata=metadata, status=PodStatus(conditions=conditions))) is ready


def test_a_missing_kubeconfig_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^kubeconfig .*none = .*none: cannot be read \(No such file"):
        Kube(tmp_path / "none")


def test_an_unknown_context_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(config("http://127.0.0.1:9")))
    with pytest.raises(UserError, match="has no context other; contexts are here"):
        Kube(file, "other")


CLUSTER: dict[str, object] = {"server": "https://127.0.0.1:9"}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"{", "is not YAML"),
        (b"", "is not a kubeconfig"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"current-context: here", "has no context here; contexts are none"),
        ({"clusters": None}, "context here has no server"),
        ({"cluster": {**CLUSTER, "certificate-authority": "none.pem"}}, r"cannot be used \(.*No such file"),
        ({"cluster": {**CLUSTER, "certificate-authority-data": "bm8="}}, "cannot be used"),
        ({"cluster": {**CLUSTER, "certificate-authority-data": "b"}}, "cannot be used"),
        ({"cluster": {**CLUSTER, "insecure-skip-tls-verify": "perhaps"}}, "cannot be used"),
        ({"cluster": {"server": [7]}}, "cannot be used"),
        ({"user": {"token": 7}}, "cannot be used"),
        (
            {"user": {"exec": {"command": "no-such-login"}}},
            "context here calls no-such-login, which is not on",
        ),
    ],
)
def test_a_kubeconfig_that_will_not_do_is_one_line(
    tmp_path: Path, content: bytes | dict[str, object], line: str
) -> None:
    file = tmp_path / "config"
    if isinstance(content, dict):
        whole = config("https://127.0.0.1:9")
        parts = {
            f"{key}s": [{"name": key[0], key: value}] for key, value in content.items() if key[-1] != "s"
        }
        content = yaml.safe_dump(whole | (parts or content)).encode()
    file.write_bytes(content)
    with pytest.raises(UserError, match=f"^kubeconfig {file}.*{line}"):
        Kube(file)


def config(server: str) -> dict[str, object]:
    return {
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
    }


def test_a_cluster_that_does_not_answer_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(config("http://127.0.0.1:9")))
    monkeypatch.setattr(measure, "START_SECONDS", 0.0)
    with (
        Kube(file) as kube,
        pytest.raises(UserError, match=r"^measuring customermanagementapi: the cluster answered"),
    ):
        measure.measure(kube, SPLIT, None, "fortio:1", measure.Load(), Progress())


def test_a_pods_port_is_asked_through_the_api_server(tmp_path: Path, page: str) -> None:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(config(page.rsplit("/", 1)[0])))
    with Kube(file) as kube:
        assert "hello" in kube.pod_get(PodRef("ns", "p"), 15020, "/stats/prometheus")


def test_the_version_is_the_api_servers(tmp_path: Path, page: str) -> None:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(config(page.rsplit("/", 1)[0])))
    Page.answer = '{"gitVersion": "v1.36.3"}'
    with Kube(file) as kube:
        assert kube.context == "here"
        assert kube.version() == "v1.36.3"


@pytest.mark.parametrize("status", [401, 500, None])
def test_a_cluster_that_cannot_be_asked_is_named(tmp_path: Path, page: str, status: int | None) -> None:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(config(page.rsplit("/", 1)[0] if status else "http://127.0.0.1:9")))
    Page.status = status or 200
    with (
        Kube(file) as kube,
        pytest.raises(UserError, match=rf"^kubeconfig {file}#here: the cluster does not answer"),
    ):
        kube.version()


def test_status_of_a_cluster_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(config("http://127.0.0.1:9")))
    with Kube(file) as kube:
        with pytest.raises(
            UserError, match=rf"^kubeconfig {file}#here: .*, asked for the pods of pitstop; see"
        ):
            status._pods(kube, "pitstop")
        with pytest.raises(UserError, match=r"asked for istiod and the webapp; see"):
            list(status._mesh_versions(kube, "pitstop"))
