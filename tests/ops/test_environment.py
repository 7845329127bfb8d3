"""What of an environment can be measured, and where it is reached."""

import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import cast

import pytest
from typer.testing import CliRunner

from components.model.catalogue import Secret
from components.model.explain import parse
from components.model.findings import RefusedError
from localcluster.node.select import Embedded, External, Kind, NoClusterError
from localcluster.tools import toolbox
from ops import belonging, clusters
from ops import environment as environments
from ops.cli import app
from ops.clusters import Azure, Choice, Cluster
from ops.environment import Environment
from ops.errors import UserError
from ops.kube import Kube
from ops.measure import Split
from ops.paths import CHECKOUT, checkout_dir
from ops.progress import Progress
from ops.rehearsal import Rehearsal
from ops.review import run
from tests.model.examples import Node, raw, settings

API = "services.customermanagementapi"
SPLIT: Node = {"kind": "split", "weights": {"v1": 75, "v2": 25}}


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (
            {"kind": "route", "to": "v2", "methods": ["GET"]},
            "its policies send GET /api/customers elsewhere (route-1)",
        ),
        (
            {"kind": "fault", "abort": {"percent": 5, "status": 500}, "until": "2099-01-01"},
            "its requests fail on purpose",
        ),
        (
            {"kind": "mirror", "to": "v2", "percent": 10},
            "copies of its requests would be counted too",
        ),
    ],
)
def test_a_split_that_a_plain_request_would_not_show_is_not_measured(policy: Node, reason: str) -> None:
    environment = settings({f"{API}.traffic": [SPLIT, policy]})
    assert environments._unmeasurable(environment, "customermanagementapi") == reason


@pytest.mark.parametrize(
    "policy",
    [
        {"kind": "route", "to": "v2", "headers": {"x-beta": "1"}},
        {"kind": "route", "to": "v2", "methods": ["POST"]},
        {"kind": "lane", "caller": "webapp", "callerVersion": "v1", "to": "v2"},
        {
            "kind": "fault",
            "caller": "webapp",
            "abort": {"percent": 5, "status": 500},
            "until": "2099-01-01",
        },
        {"kind": "mirror", "to": "v2", "percent": 10, "methods": ["HEAD"]},
        {"kind": "retries", "attempts": 2, "perTry": "2s"},
    ],
    ids=lambda policy: str(policy["kind"]),
)
def test_a_split_beside_what_concerns_others_is_measured(policy: Node) -> None:
    environment = settings({f"{API}.traffic": [SPLIT, policy]})
    assert environments._unmeasurable(environment, "customermanagementapi") == ""


ABORT: Node = {"kind": "fault", "abort": {"percent": 5, "status": 500}, "until": "2099-01-01"}
LANE: Node = {"kind": "lane", "callerVersion": "v1", "to": "v2"}  # of one of two versions
TWO_PAGES: Node = {"versions": {"v1": {}, "v2": {}}, "traffic": [{"kind": "bluegreen", "live": "v1"}]}


@pytest.mark.parametrize(
    ("policies", "alike"),
    [
        ([], True),
        ([{"kind": "route", "to": "v2", "headers": {"x-beta": "1"}}], True),
        ([LANE | {"caller": "webapp"}], False),
        ([ABORT | {"caller": "webapp"}], False),
        ([ABORT | {"caller": "webapp", "methods": ["POST"]}], True),
        ([ABORT | {"headers": {"x-beta": "1"}}], True),
    ],
)
def test_pages_show_the_split_only_where_their_own_requests_follow_it(
    policies: list[Node], alike: bool
) -> None:
    changes: Node = {"services.webapp": TWO_PAGES, f"{API}.traffic": [SPLIT, *policies]}
    environment = settings(changes)
    assert environments._shared_alike(environment, "customermanagementapi", "webapp") is alike
    assert not environments._shared_alike(environment, "customermanagementapi", "timeservice")


def environment(changes: Node) -> Environment:
    return Environment("test", parse(raw(changes)), Embedded())


@pytest.mark.parametrize(
    ("changes", "theirs", "said"),
    [
        (
            {},
            False,
            "data that goes with it: rabbitmq: events nobody has taken yet; sqlserver: every database",
        ),
        # A node of our own is thrown away whole, whatever was to be kept.
        ({"storage": {"retain": True}}, False, "data that goes with it: rabbitmq: "),
        ({"storage": {"retain": True}}, True, "data that stays (storage.retain): rabbitmq: "),
        ({"storage": {"kind": "ephemeral"}}, False, ""),
    ],
)
def test_what_goes_with_an_environment_is_said_first(
    monkeypatch: pytest.MonkeyPatch, changes: Node, theirs: bool, said: str
) -> None:
    told: list[str] = []
    progress = Progress()
    monkeypatch.setattr(progress, "note", told.append)
    choice = External(kubeconfig=Path("/kubeconfig"), context="x") if theirs else Embedded()
    environments._say_what_goes(Environment("test", parse(raw(changes)), choice), progress)
    assert len(told) == bool(said)
    assert "".join(told).startswith(said)


@pytest.mark.parametrize(
    ("changes", "port", "address"),
    [
        ({}, 30080, "http://127.0.0.1:30080"),
        ({}, None, None),
        ({"services": {"mailserver": {}}}, 30080, None),
        # The port for plain HTTP sends on to HTTPS then, or is closed.
        ({"ingress.tls": {"kind": "values"}}, 30080, "https://127.0.0.1:30081"),
        (
            {"ingress.tls": {"kind": "secret", "name": "mine", "redirect": False}},
            30080,
            "https://127.0.0.1:30081",
        ),
        ({"ingress.tls": {"kind": "values"}}, None, None),
    ],
)
def test_where_the_webapp_is_reached(changes: Node, port: int | None, address: str | None) -> None:
    cluster = Cluster(Path("/kubeconfig"), None, port, port and port + 1, ours=True)
    assert environments.address(environment(changes), cluster) == address


TLS: Node = {"ingress.tls": {"kind": "values"}}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "The webapp answers at http://127.0.0.1:8080"),
        (
            {"ingress.hosts": ["pitstop.example.org"]},
            (
                "The webapp answers at http://pitstop.example.org:8080, e.g. curl "
                "--resolve pitstop.example.org:8080:127.0.0.1 http://pitstop.example.org:8080"
            ),
        ),
        (
            {**TLS, "ingress.hosts": ["*.example.org", "x.example.com"]},
            (
                "The webapp answers at https://www.example.org:8443, e.g. curl "
                "-k --resolve www.example.org:8443:127.0.0.1 https://www.example.org:8443"
            ),
        ),
        ({"services": {"mailserver": {}}}, ""),
    ],
)
def test_a_person_is_told_where_the_webapp_is(changes: Node, told: str) -> None:
    cluster = Cluster(Path("/kubeconfig"), None, 8080, 8443, ours=True)
    assert environments.where(environment(changes), cluster) == told


COMMANDS: dict[str, Callable[[], object]] = {
    "up": lambda: environments.up("dev", yes=True, requests=1),
    "preview": lambda: environments.preview("dev"),
    "down": lambda: environments.down("dev", yes=True),
    "review": lambda: run._stack("dev"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_as_nobody_azure_is_asked_nothing_and_nothing_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    alone(monkeypatch, tmp_path)
    with pytest.raises(RefusedError) as refused:
        COMMANDS[command]()
    (line,) = refused.value.lines
    assert line.startswith("pitstop:azure.subscription = ")
    assert "nobody is logged in" in line
    assert "az login --tenant" in line
    assert "REHEARSE=1 make preview ENV=dev" in line
    assert not [*tmp_path.rglob("*.json")]


def alone(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Nobody's shell, login or cluster."""
    for name in [name for name in os.environ if name.startswith(("ARM_", "REHEARSE", "PULUMI", "PITSTOP"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("PITSTOP_CACHE", str(folder / "cache"))


@pytest.mark.parametrize("name", ["local", "dev", "prod"])
def test_the_secret_values_to_set_are_told_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    alone(monkeypatch, tmp_path)
    done = CliRunner().invoke(app, ["secrets", "--env", name])
    assert done.exit_code == 0
    named = done.stdout.split()
    assert "rabbitmqPassword" in named
    assert set(named) <= set(Secret)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("command", ["status", "measure"])
def test_a_managed_cluster_may_run_though_nobody_is_let_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    alone(monkeypatch, tmp_path)
    done = CliRunner().invoke(app, [command, "--env", "dev"])
    assert str(done.exception).startswith("the cluster's credentials are not kept; get some, az aks")
    monkeypatch.setenv("REHEARSE", "1")  # whose cluster is here, and is known not to run
    done = CliRunner().invoke(app, [command, "--env", "dev"])
    assert "dev: nothing is running" in done.output + str(done.exception)


STANDIN = "pitstop.local/fortio:"
PUBLIC = "docker.io/fortio/fortio:"
THEIRS = External(kubeconfig=Path("/kubeconfig"), context="kind-x")


@pytest.mark.parametrize(
    ("choice", "source", "image"),
    [
        (Embedded(), "standin", STANDIN),
        (Embedded(), "upstream", STANDIN),  # which has no way out
        (Kind(reason="none"), "upstream", STANDIN),
        (THEIRS, "standin", STANDIN),
        (THEIRS, "upstream", PUBLIC),
        (Azure(Rehearsal("dev", "pods")), "upstream", STANDIN),
        (Azure(), "upstream", PUBLIC),
        (Azure(), "own", PUBLIC),
    ],
)
def test_the_load_comes_in_an_image_the_cluster_can_have(
    monkeypatch: pytest.MonkeyPatch, choice: Choice, source: str, image: str
) -> None:
    used: list[str] = []

    def measure(_kube: Kube, _split: Split, _way: object, fortio: str, *_: object) -> tuple[()]:
        used.append(fortio)
        return ()

    monkeypatch.setattr(environments, "Kube", lambda *_: nullcontext())
    monkeypatch.setattr(environments, "measure", measure)
    asked = settings({f"{API}.traffic": [SPLIT]}).model_copy(update={"images": source})
    cluster = Cluster(Path("/kubeconfig"), None, None, None, ours=False)
    environments.measure_splits(Environment("test", asked, choice), cluster, 100, Progress())
    assert used
    assert {one.rpartition(":")[0] + ":" for one in used} == {image}
    assert all(one.removeprefix(image)[0].isdigit() for one in used)


def test_a_cluster_that_was_named_wrong_is_not_previewed_as_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PITSTOP_KUBECONFIG", "/nowhere/config")
    with pytest.raises(UserError, match="PITSTOP_KUBECONFIG=/nowhere/config: no such file"):
        environments.preview("local")
    assert capsys.readouterr().out == ""


def test_where_no_cluster_can_run_a_preview_is_the_manifests(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(*_given: object) -> clusters.Choice:
        raise NoClusterError("no cluster can run here")

    monkeypatch.setattr(clusters, "choose", none)
    environments.preview("local")
    said = capsys.readouterr()
    assert "kind: Deployment" in said.out
    assert "no cluster can run here" in said.err


def test_a_path_of_the_stack_file_is_read_as_the_program_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PITSTOP_KUBECONFIG", raising=False)
    monkeypatch.chdir("/")
    for path in ("~nouser/config", "config"):
        stack = settings({"cluster": {"kind": "kubeconfig", "path": path, "context": "x"}})
        assert clusters.choose(stack) == External(kubeconfig=CHECKOUT / path, context="x")


def test_the_engine_finds_a_managed_clusters_kubeconfig_from_its_own_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "kubeconfig").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PITSTOP_KUBECONFIG", "kubeconfig#dev")
    changed = settings({"mesh": {"kind": "none"}, f"{API}.traffic": [], f"{API}.versions": {"v1": {}}})
    managed = Environment("dev", changed, Azure())
    needs = managed.needs(cast(toolbox.Toolbox, None), Progress())
    assert needs.kubeconfig == f"{tmp_path}/kubeconfig#dev"


LOCAL = settings()
THEIRS, OURS = External(kubeconfig=Path("/kubeconfig"), context="x"), Embedded()


LOCALLY: dict[str, Callable[[], object]] = {
    "up": lambda: environments.up("local", yes=True, requests=1),
    "down": lambda: environments.down("local", yes=True),
}


@pytest.mark.parametrize("command", LOCALLY)
@pytest.mark.parametrize(
    ("before", "now", "line"),
    [
        (THEIRS, OURS, "is on /kubeconfig#x, .*; set PITSTOP_KUBECONFIG=/kubeconfig#x, or,"),
        (
            THEIRS,
            THEIRS.model_copy(update={"context": "y"}),
            "is on .*, and /kubeconfig#y was chosen; set PITSTOP_",
        ),
        (OURS, THEIRS, "is on the cluster of this checkout, .*; unset PITSTOP_KUBECONFIG"),
    ],
)
def test_what_was_made_elsewhere_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: str,
    before: clusters.Choice,
    now: clusters.Choice,
    line: str,
) -> None:
    monkeypatch.setenv("PITSTOP_CACHE", str(tmp_path))
    monkeypatch.setattr(clusters, "choose", lambda *_given: now)
    belonging.remember("local", LOCAL, before)
    with pytest.raises(UserError, match=f"^stack local: what it made {line}"):
        LOCALLY[command]()
    assert (checkout_dir() / "pulumi" / "local.cluster").is_file()
    belonging.check("local", LOCAL, before)
    belonging.forget("local")
    belonging.check("local", LOCAL, now)


def test_a_cluster_is_not_thrown_away_with_the_state_of_a_stack_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PITSTOP_CACHE", str(tmp_path))
    monkeypatch.setattr(clusters, "choose", lambda *_given: OURS)
    belonging.remember("local", LOCAL, OURS)
    belonging.remember("second", LOCAL, THEIRS)
    with pytest.raises(UserError, match=r"^stack second: what it made is on /kubeconfig#x"):
        environments.down("local", yes=True)
    belonging.check("local", LOCAL, OURS)
    belonging.forget("second")
    environments.down("local", yes=True)
    assert not checkout_dir().exists()
