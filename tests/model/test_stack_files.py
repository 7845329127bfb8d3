"""The committed stack files are valid, and a plan can be read without any cluster."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from components.model import stackfile
from components.model.checks import plan_for
from components.model.findings import RefusedError
from components.model.render import render
from ops.paths import CHECKOUT
from tests.model.examples import OWNER, plan

STACKS = sorted(CHECKOUT.glob("Pulumi.*.yaml"))


@pytest.mark.parametrize("path", STACKS, ids=lambda path: str(path.name))
def test_a_committed_stack_file_has_a_plan(path: Path) -> None:
    assert plan_for(stackfile.load(path), OWNER).workloads


@pytest.mark.parametrize("path", STACKS, ids=lambda path: str(path.name))
def test_no_salt_of_one_machine_is_committed(path: Path) -> None:
    # What is staged, not what lies there: while an update runs, the CLI keeps its salt in the file.
    shown = subprocess.run(
        ["git", "show", f":{path.name}"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert "encryptionsalt" not in shown.stdout or "secure" in shown.stdout


@pytest.mark.parametrize("path", STACKS, ids=lambda path: str(path.name))
def test_what_pulumi_writes_is_what_stands_there(path: Path) -> None:
    """`pulumi config set` writes the whole file anew: a change of one key shall be a change of one line."""
    lines = path.read_text().splitlines()
    assert not [line for line in lines if not line.lstrip().startswith("#") and re.search(r"\{ | \}", line)]


def test_the_local_environment_asks_for_the_canary() -> None:
    settings = stackfile.load(stackfile.path_of("local", CHECKOUT))
    assert settings.asked() == {"customermanagementapi": {"v1": 75, "v2": 25}}


def test_a_plan_is_rendered_with_placeholders_for_secrets() -> None:
    text = render(plan())
    documents = list(yaml.safe_load_all(text))
    assert "sqlCustomersPassword: <sqlCustomersPassword>" in text
    assert "password=$(sqlCustomersPassword);" in text
    assert "secret.pitstop.dev/sqlCustomersPassword: ${version:sqlCustomersPassword}" in text
    assert text.startswith("# Helm release istio-system/istio-base")
    kinds = [document["kind"] for document in documents]
    counts = {kind: kinds.count(kind) for kind in ("Deployment", "StatefulSet", "Secret", "Job")}
    # The webapp and two versions of an API; two servers; a secret for each of these but the webapp, and
    # one for the job.
    assert counts == {"Deployment": 3, "StatefulSet": 2, "Secret": 4, "Job": 1}
    assert kinds.index("Namespace") < kinds.index("Deployment") < kinds.index("VirtualService")


def test_rendering_the_same_plan_gives_the_same_text() -> None:
    assert render(plan()) == render(plan())


def test_encrypted_values_are_left_alone(tmp_path: Path) -> None:
    content = yaml.safe_load((CHECKOUT / "Pulumi.local.yaml").read_text())
    content["config"]["pitstop:sqlPassword"] = {"secure": "v1:xyz"}
    content["config"]["other:key"] = 1
    path = tmp_path / "Pulumi.test.yaml"
    path.write_text(yaml.safe_dump(content))
    assert stackfile.load(path).namespace == "pitstop"


def test_an_environment_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").touch()
    with pytest.raises(RefusedError, match=r"Pulumi\.prod\.yaml: no such file; environments are dev"):
        stackfile.load(stackfile.path_of("prod", tmp_path))


@pytest.mark.parametrize("name", ["../x", "a/b", "[red]", "my env", "", "-x", "..", "a\n", "a" * 101])
def test_a_name_that_is_no_stack(name: str, tmp_path: Path) -> None:
    for other in ("dev", "a.b"):
        (tmp_path / f"Pulumi.{other}.yaml").touch()
    with pytest.raises(RefusedError, match=r"^environment = .*; environments are a\.b, dev$"):
        stackfile.path_of(name, tmp_path)


@pytest.mark.parametrize("name", ["dev", "a.b", "pr-12_x"])
def test_a_stack_file_and_its_environment(name: str, tmp_path: Path) -> None:
    assert stackfile.name_of(stackfile.path_of(name, tmp_path)) == name


def test_a_key_that_stands_there_otherwise_is_not_missing_too(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.test.yaml"
    content = yaml.safe_load((CHECKOUT / "Pulumi.local.yaml").read_text())
    config = content["config"]
    config["namespace"] = config.pop("pitstop:namespace")
    config["pitstop:sqlPassword"] = config["rabbitmqPassword"] = "hunter2hunter2"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(RefusedError) as refused:
        stackfile.load(path)
    first, second, third = sorted(refused.value.lines)
    assert first.startswith("pitstop:namespace: stands there as namespace")
    assert second.startswith("pitstop:rabbitmqPassword: stands there as rabbitmqPassword")
    assert third.startswith("pitstop:sqlPassword = [secret]: must be encrypted")
    assert "hunter2" not in str(refused.value)


def test_a_stack_file_that_is_no_yaml(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.test.yaml"
    path.write_text("config:\n  a: [\n")
    with pytest.raises(RefusedError, match=r"Pulumi\.test\.yaml, line 3: not YAML"):
        stackfile.load(path)


def test_an_empty_stack_file(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.test.yaml"
    path.touch()
    with pytest.raises(RefusedError) as refused:
        stackfile.load(path)
    assert len(refused.value.lines) == 4


def test_what_other_readers_take_for_a_truth_is_quoted() -> None:
    text = render(plan())
    assert "value: 'Y'" in text
    assert "value: Y\n" not in text
