from pathlib import Path

import pytest

from localcluster.node.select import Embedded, External, Facts, Kind, asked, decide, look
from ops.errors import UserError

ABLE = Facts(system="Linux", machine="x86_64", root=True, apt=True, namespaces="", docker=False, kind=False)
OBSTACLES = [
    ({"system": "Darwin"}, "needs Linux and this is Darwin"),
    ({"machine": "aarch64"}, "needs x86_64 and this is aarch64"),
    ({"root": False}, "needs root"),
    ({"apt": False}, "needs apt-get and dpkg-deb"),
    ({"namespaces": "unshare failed: Operation not permitted"}, "unshare failed: Operation not permitted"),
]


def facts(**changes: object) -> Facts:
    return Facts.model_validate({**ABLE.model_dump(), **changes})


def test_a_named_cluster_wins_over_everything() -> None:
    named = External(kubeconfig=Path("config"), context="prod")
    assert decide(ABLE, named) == named


def test_the_embedded_node_is_used_where_it_can_run_even_with_docker() -> None:
    assert decide(facts(docker=True, kind=True)) == Embedded()


@pytest.mark.parametrize(("change", "reason"), OBSTACLES)
def test_kind_is_used_where_the_node_cannot_run_and_says_why(change: dict[str, object], reason: str) -> None:
    choice = decide(facts(**change, docker=True, kind=True))
    assert isinstance(choice, Kind)
    assert reason in choice.reason


@pytest.mark.parametrize(("change", "reason"), OBSTACLES)
def test_without_docker_one_line_says_why_and_what_would_help(change: dict[str, object], reason: str) -> None:
    with pytest.raises(UserError) as caught:
        decide(facts(**change))
    assert reason in str(caught.value)
    assert "Docker does not answer; start Docker" in str(caught.value)
    assert "PITSTOP_KUBECONFIG=~/.kube/config#context" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_docker_without_kind_is_said_to_be_just_that() -> None:
    with pytest.raises(UserError, match="kind is not installed"):
        decide(facts(root=False, docker=True))


def test_the_variable_names_a_file_and_a_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.touch()
    monkeypatch.setenv("PITSTOP_KUBECONFIG", f"{config}#kind-dev")
    assert asked() == External(kubeconfig=config, context="kind-dev")
    monkeypatch.setenv("PITSTOP_KUBECONFIG", str(config))
    assert asked() == External(kubeconfig=config, context=None)
    monkeypatch.delenv("PITSTOP_KUBECONFIG")
    assert asked() is None


def test_the_file_is_found_from_wherever_the_engine_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PITSTOP_KUBECONFIG", "config#dev")
    assert asked() == External(kubeconfig=tmp_path / "config", context="dev")


@pytest.mark.parametrize("named", ["/nowhere/config", "~nouser/config"])
def test_a_kubeconfig_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("PITSTOP_KUBECONFIG", named)
    with pytest.raises(UserError, match=rf"PITSTOP_KUBECONFIG={named}: no such file; e\.g\. "):
        asked()


def test_our_own_kubeconfig_names_no_other_cluster_even_when_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PITSTOP_KUBECONFIG", str(tmp_path / "kubeconfig"))
    assert asked(own=[tmp_path / "kubeconfig"]) is None


def test_looking_at_this_machine_never_fails() -> None:
    assert look().system
