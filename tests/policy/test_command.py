"""What a person and a machine get from `make policy`."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ops import policy, recording
from ops.errors import UserError
from ops.paths import CHECKOUT
from ops.recording import Registered
from ops.review.policy import read
from policy.rulebook.judging import Configuration, configured
from tests.policy.breaks import CLUSTER, V1
from tests.policy.test_exceptions import GOOD
from tests.policy.test_rules import TODAY
from tests.policy.world import CONFIG, REMOVE, Stack, changed, world

POD = "spec.template.spec.automountServiceAccountToken"


def recorded(stack: Stack) -> tuple[Registered, ...]:
    return tuple(
        Registered(
            one.type,
            one.name,
            one.urn,
            one.inputs,
            protect=one.protect,
            parent="",
            after=tuple(stack[name].urn for name in one.after),
            custom=True,
        )
        for one in stack.values()
    )


def given(monkeypatch: pytest.MonkeyPatch, stack: Stack, *exceptions: object, **more: object) -> None:
    """An environment that registers a stack, and what the pack is told for it."""
    pack = {"environment": "prod", "exceptions": exceptions}

    def told(_environment: str) -> Configuration:
        return configured({**CONFIG, "pack": pack, **more}, TODAY)

    def registered(_environment: str) -> Sequence[Registered]:
        return recorded(stack)

    monkeypatch.setattr(policy, "configuration_of", told)
    monkeypatch.setattr(policy, "record", registered)


def test_what_passes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    given(monkeypatch, world())
    assert policy.check("prod", as_json=False) == 0
    assert "0 violations, 0 advisory, 0 excepted" in capsys.readouterr().out


def test_what_does_not_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    given(monkeypatch, changed(changed(world(), CLUSTER, "sku.tier", "Free"), V1, POD, REMOVE), GOOD)
    assert policy.check("prod", as_json=False) == 2
    said = capsys.readouterr().out
    assert "sku.tier: Free; valid: Standard or Premium" in said
    assert "sku: {name: Base, tier: Standard}" in said
    assert f"excepted until {GOOD['expires']}" in said
    assert "1 violations, 0 advisory, 1 excepted" in said


def test_advice_alone_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, changed(world(), CLUSTER, "sku.tier", "Free"), A9="advisory")
    assert policy.check("prod", as_json=False) == 0


def test_a_machine_reads_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given(monkeypatch, changed(changed(world(), CLUSTER, "sku.tier", "Free"), V1, POD, REMOVE), GOOD)
    assert policy.check("prod", as_json=True) == 2
    (tmp_path / "results.json").write_text(capsys.readouterr().out)
    first, second = read(tmp_path / "results.json")
    assert (first.code, first.what, first.stops) == ("A9", "ManagedCluster shop", True)
    assert first.todo.startswith("sku: ")
    assert (second.code, second.stops) == ("W7", False)
    assert second.exception is not None
    assert second.exception.owner == GOOD["owner"]


def test_a_stack_file_that_is_refused_is_one_line(tmp_path: Path) -> None:
    content = (CHECKOUT / "Pulumi.local.yaml").read_text()
    wrong = tmp_path / "Pulumi.local.yaml"
    wrong.write_text(content.replace("v2: 25", "v2: 35"))
    with pytest.raises(UserError) as refused:
        recording.record("local", wrong)
    assert "the sum is 110 and must be 100" in str(refused.value)


def test_what_only_the_program_refuses_is_one_line_too(tmp_path: Path) -> None:
    content = (CHECKOUT / "Pulumi.local.yaml").read_text()
    wrong = tmp_path / "Pulumi.local.yaml"
    fault = "{kind: fault, until: '2020-01-31', abort: {percent: 1, status: 500}}"
    wrong.write_text(content.replace("        - kind: split", f"        - {fault}\n        - kind: split"))
    with pytest.raises(UserError) as refused:
        recording.record("local", wrong)
    assert str(refused.value).startswith(
        "Pulumi.local.yaml: pitstop:services.customermanagementapi.traffic[0]"
    )
    assert "Traceback" not in str(refused.value)


def test_everything_the_program_refuses_is_a_line(tmp_path: Path) -> None:
    wrong = tmp_path / "Pulumi.local.yaml"
    content = (CHECKOUT / "Pulumi.local.yaml").read_text()
    wrong.write_text(f"{content}  pitstop:quota: {{cpu: 1m, memory: 1Mi, pods: 60}}\n")
    with pytest.raises(UserError) as refused:
        recording.record("local", wrong)
    first, second = refused.value.lines
    assert first.startswith("Pulumi.local.yaml: pitstop:quota.cpu")
    assert second.startswith("Pulumi.local.yaml: pitstop:quota.memory")


def test_a_program_that_does_not_end_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "SECONDS", 0.01)
    with pytest.raises(UserError, match=r"^Pulumi\.local\.yaml: the program has registered nothing whole in"):
        recording.record("local")


def test_no_credential_of_the_person_reaches_the_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("ARM_CLIENT_SECRET", "AZURE_CONFIG_DIR", "KUBECONFIG", "PULUMI_CONFIG_PASSPHRASE"):
        monkeypatch.setenv(name, "hunter2")
    around = recording.surroundings("local", tmp_path)
    assert "hunter2" not in json.dumps(around)
    assert "PITSTOP_KUBECONFIG" in around
    assert "PITSTOP_KUBECONFIG" not in recording.surroundings("prod", tmp_path / "prod", managed=True)
