"""The stack file of a pull request's environment."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from components.model import stackfile
from components.model.checks import plan_for
from components.model.findings import RefusedError
from ops.errors import UserError
from ops.paths import CHECKOUT
from ops.review import environments
from ops.review.commands import app
from tests.review.scenarios import text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("local", "dev"):
        source = stackfile.path_of(name, CHECKOUT)
        (tmp_path / source.name).write_bytes(source.read_bytes())
    return tmp_path


@pytest.mark.parametrize(("like", "context"), [("local", "kind-dev"), ("dev", "aks-dev")])
def test_it_joins_a_cluster_and_owns_a_namespace_alone(folder: Path, like: str, context: str) -> None:
    settings = stackfile.load(environments.write(like, 12, context, folder))
    plan = plan_for(settings, "pitstop.pr12")
    assert plan.namespace.name == "pr12"
    assert plan.mesh is None
    assert plan.azure is None
    assert {one.namespace for one in plan.objects() if one.kind != "Namespace"} == {"pr12"}
    assert not [one for one in plan.objects() if one.kind == "PersistentVolumeClaim"]
    other = stackfile.load(stackfile.path_of(like, folder))
    assert settings.services == other.services
    assert set(settings.ingress.hosts) & set(other.ingress.hosts) == set()
    # The add-on's init containers are admitted here as they are there.
    enforced = "pod-security.kubernetes.io/enforce"
    assert plan.namespace.labels[enforced] == plan_for(other, "pitstop.other").namespace.labels[enforced]


def test_two_pull_requests_do_not_meet(folder: Path) -> None:
    both = [stackfile.load(environments.write("dev", number, "aks-dev", folder)) for number in (1, 2)]
    assert both[0].namespace != both[1].namespace
    assert not set(both[0].ingress.hosts) & set(both[1].ingress.hosts)


def test_without_a_mesh_there_is_nothing_to_join(tmp_path: Path) -> None:
    blue = [{"kind": "bluegreen", "live": "v1"}]
    changes = {"mesh": {"kind": "none"}, "services.customermanagementapi.traffic": blue}
    (tmp_path / "Pulumi.dev.yaml").write_text(text(changes))
    with pytest.raises(UserError, match=r"there is no mesh to join; valid: another one, e\.g\. --like dev"):
        environments.write("dev", 12, "aks-dev", tmp_path)


def test_what_could_not_come_up_is_refused_at_once(folder: Path) -> None:
    with pytest.raises(RefusedError, match="pitstop:images = standin: only contexts kind-"):
        environments.write("local", 12, "aks-dev", folder)
    assert not (folder / "Pulumi.pr12.yaml").exists()


def test_a_wrong_one_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {pitstop:namespace: 7}")
    with pytest.raises(RefusedError, match="pitstop:namespace = 7"):
        environments.write("dev", 12, "aks-dev", tmp_path)
    assert not (tmp_path / "Pulumi.pr12.yaml").exists()


def test_the_command_prints_the_stack_and_makes_its_secret_values(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments.write, "__defaults__", (folder,))
    secrets = folder / "secrets.json"
    arguments = [
        "environment",
        "--pull",
        "12",
        "--like",
        "dev",
        "--context",
        "aks-dev",
        "--secrets",
        str(secrets),
    ]
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, done.stdout) == (0, "pr12\n"), done.exception
    assert secrets.stat().st_mode & 0o777 == 0o600
    assert (folder / "Pulumi.pr12.yaml").exists()
