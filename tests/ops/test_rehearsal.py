"""A rehearsal is asked for, has a state of its own, and is never taken for Azure."""

from pathlib import Path

import pytest

from components.model import kubeconfig
from components.model.explain import parse
from components.model.findings import RefusedError
from localcluster.tools import toolbox
from ops import clusters, rehearsal
from ops.errors import UserError
from ops.progress import Progress
from ops.rehearsal import Rehearsal
from ops.stack import Keeping, Needs, keeping
from tests.model.azure import AKS
from tests.model.examples import raw, settings


@pytest.mark.parametrize(("given", "scale"), [("1", "nodes"), ("pods", "pods")])
def test_it_is_asked_for_by_a_variable(given: str, scale: str) -> None:
    asked = rehearsal.asked("dev", {"REHEARSE": given})
    assert asked is not None
    assert (asked.environment, asked.scale) == ("dev", scale)


def test_nobody_asks_for_one() -> None:
    assert rehearsal.asked("dev", {}) is None
    assert rehearsal.asked("dev", {"REHEARSE": ""}) is None


def test_anything_else_is_refused_with_what_is_valid() -> None:
    with pytest.raises(UserError, match=r'REHEARSE = "yes": must be 1 or pods, e.g. REHEARSE=1'):
        rehearsal.asked("dev", {"REHEARSE": "yes"})


def test_what_is_not_on_azure_cannot_be_rehearsed() -> None:
    with pytest.raises(UserError, match="local is not on Azure"):
        clusters.choose(settings(), Rehearsal("local", "nodes"))


def test_a_managed_cluster_comes_with_the_update_and_nobody_is_asked_for_its_credentials(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not even for a look: a first `make up` on Azure has none."""
    monkeypatch.setenv("PITSTOP_CACHE", str(tmp_path))
    monkeypatch.delenv("PITSTOP_KUBECONFIG", raising=False)
    for choice in (clusters.Azure(), clusters.Azure(Rehearsal("dev", "nodes"))):
        clusters.bring_up(choice, parse(AKS), toolbox.Toolbox(tools=()), Progress())
        assert not clusters.running(choice)
    with pytest.raises(UserError, match="credentials are not kept"):
        clusters.current(clusters.Azure())


def test_a_cluster_of_the_persons_shell_is_none_of_its() -> None:
    """It would get the objects of an environment that is only rehearsed."""
    shell = {"PITSTOP_KUBECONFIG": "/nowhere/config#real"}
    cluster = parse(AKS).cluster
    with pytest.raises(RefusedError, match="/nowhere/config"):
        kubeconfig.known(cluster, shell, "aks")
    assert kubeconfig.known(cluster, shell | Rehearsal("dev", "nodes").variables(), "aks") is None


def test_its_state_is_its_own_whoever_is_logged_in_where(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PITSTOP_CACHE", str(tmp_path))
    asked, elsewhere = Rehearsal("dev", "nodes"), {"PULUMI_BACKEND_URL": "azblob://state"}
    own = keeping(parse(raw()), Needs(rehearsal=asked), elsewhere)
    assert own == Keeping(asked.folder / "pulumi")
    local = keeping(parse(raw()), Needs(), {})
    assert local is not None
    assert asked.folder not in (local.folder, *local.folder.parents)
    assert keeping(parse(raw()), Needs(), elsewhere) is None


def test_a_person_is_told_what_it_is_not() -> None:
    first, scale = Rehearsal("dev", "nodes").said()
    assert "nothing here is Azure, nor Azure's build of Istio" in first
    assert scale != Rehearsal("dev", "pods").said()[1]
