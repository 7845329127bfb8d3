"""Which cluster is meant, and that nothing but its one context leaves the kubeconfig."""

from pathlib import Path

import pytest
import yaml

from components.model.findings import RefusedError
from components.model.kubeconfig import target
from components.model.settings import KubeconfigCluster, LocalCluster

LOCAL = LocalCluster(kind="local")


def write(folder: Path, **changes: object) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "contexts": [
            {"name": "one", "context": {"cluster": "c1", "user": "u1"}},
            {"name": "two", "context": {"cluster": "c2", "user": "u2", "namespace": "x"}},
        ],
        "clusters": [
            {"name": "c1", "cluster": {"server": "https://one.example", "certificate-authority": "ca.pem"}},
            {"name": "c2", "cluster": {"server": "https://two.example"}},
        ],
        "users": [
            {"name": "u1", "user": {"token": "first"}},
            {"name": "u2", "user": {"token": "second", "client-key": "/etc/key"}},
        ],
        **changes,
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_variable_wins_over_the_stack(tmp_path: Path) -> None:
    stack = KubeconfigCluster(kind="kubeconfig", path="/nowhere", context="two")
    found = target(stack, {"PITSTOP_KUBECONFIG": str(write(tmp_path))})
    assert (found.server, found.said_by) == ("https://one.example", "PITSTOP_KUBECONFIG")
    found = target(stack, {"PITSTOP_KUBECONFIG": f"{write(tmp_path)}#two"})
    assert found.server == "https://two.example"


def test_the_stack_names_path_and_context(tmp_path: Path) -> None:
    stack = KubeconfigCluster(kind="kubeconfig", path=str(write(tmp_path)), context="two")
    found = target(stack, {})
    assert (found.server, found.said_by, found.local) == ("https://two.example", "pitstop:cluster", False)


def test_only_the_one_context_travels(tmp_path: Path) -> None:
    found = target(LOCAL, {"PITSTOP_KUBECONFIG": f"{write(tmp_path)}#two"})
    text = yaml.safe_dump(found.kubeconfig())
    assert "second" in text
    assert "first" not in text
    assert "one.example" not in text


def test_files_named_beside_the_kubeconfig_are_found_from_anywhere(tmp_path: Path) -> None:
    found = target(LOCAL, {"PITSTOP_KUBECONFIG": str(write(tmp_path))})
    assert found.cluster["certificate-authority"] == str(tmp_path / "ca.pem")
    found = target(LOCAL, {"PITSTOP_KUBECONFIG": f"{write(tmp_path)}#two"})
    assert found.user["client-key"] == "/etc/key"


def test_the_identity_outlives_ports_and_certificates(tmp_path: Path) -> None:
    named = {"PITSTOP_KUBECONFIG": f"{write(tmp_path)}#two"}
    assert target(LOCAL, named).identity == "local"
    other = KubeconfigCluster(kind="kubeconfig", context="two")
    assert target(other, named).identity == "context:two"


@pytest.mark.parametrize(
    ("content", "named", "line"),
    [
        ("{", "", "is not YAML; valid: the path of a kubeconfig"),
        ("[]", "", "is not a kubeconfig"),
        (None, "#three", "has no context three; contexts are one, two"),
        ("{}", "", "has no context (none chosen); contexts are none"),
        (
            "{contexts: [{name: a, context: {cluster: b}}], current-context: a}",
            "",
            "context a has no server",
        ),
    ],
)
def test_a_kubeconfig_that_will_not_do(tmp_path: Path, content: str | None, named: str, line: str) -> None:
    path = write(tmp_path)
    if content is not None:
        path.write_text(content)
    with pytest.raises(RefusedError) as refused:
        target(LOCAL, {"PITSTOP_KUBECONFIG": f"{path}{named}"})
    assert refused.value.lines == (f"PITSTOP_KUBECONFIG = {path}: {line}",)


def test_a_kubeconfig_that_is_not_there(tmp_path: Path) -> None:
    stack = KubeconfigCluster(kind="kubeconfig", path=str(tmp_path / "none"), context="x")
    with pytest.raises(RefusedError, match=r"pitstop:cluster = .*none: cannot be read \(No such file"):
        target(stack, {})


def test_the_local_cluster_is_found_through_the_environment() -> None:
    with pytest.raises(RefusedError, match=r'PITSTOP_KUBECONFIG: not set.*eval "\$\(make -s env\)"'):
        target(LOCAL, {})
