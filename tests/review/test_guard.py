"""What a plan must not do by itself."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.errors import UserError
from ops.review import guard, limits
from ops.review.commands import app
from ops.review.preview import Preview
from tests.review import recorded
from tests.review.recorded import of, step
from tests.review.scenarios import text

AKS = "azure-native:containerservice:ManagedCluster"
REPLACED = step("replace", AKS, "cluster", {"a": 1}, {"a": 2}, replaceReasons=["networkProfile.podCidr"])
ALLOWED = "allow: replace ManagedCluster cluster in dev because its pod network changes"


def test_a_plan_without_harm_passes() -> None:
    for name in ("nothing", "weights", "version", "removed"):
        assert guard.judge(recorded.preview(name)) == guard.Verdict((), ())


def test_a_replaced_cluster_is_refused_with_the_line_that_would_allow_it() -> None:
    (line,) = guard.judge(of(REPLACED)).refused
    assert line == (
        "replaces ManagedCluster cluster because of networkProfile.podCidr: every pod, volume and address of "
        "the cluster would be lost; valid: a line in the pull request's text that says so, e.g. "
        "allow: replace ManagedCluster cluster in dev because ..."
    )


@pytest.mark.parametrize(
    "line",
    [
        ALLOWED,
        f"- {ALLOWED}",
        f"* `{ALLOWED}`",
        f"allow: replace {AKS} cluster in dev because its pod network changes",
    ],
)
def test_an_allowance_names_what_it_lets_go(line: str) -> None:
    verdict = guard.judge(of(REPLACED), ["Some text", line])
    assert not verdict.refused
    (line,) = verdict.allowed
    assert line == (
        "replaces ManagedCluster cluster because of networkProfile.podCidr: every pod, volume and address of "
        "the cluster would be lost; allowed: its pod network changes"
    )


@pytest.mark.parametrize(
    ("line", "reasons"),
    [
        (
            "allow: delete ManagedCluster cluster in dev because x",
            ("the plan does no such thing", "replaces"),
        ),
        ("allow: replace ManagedCluster other in dev because x", ("the plan does no such thing", "replaces")),
        ("allow: replace Registry cluster in dev because x", ("the plan does no such thing", "replaces")),
        ("allow: replace ManagedCluster cluster in prod because x", ("replaces",)),
        ("allow: replace ManagedCluster cluster in dev", ("is no allowance", "replaces")),
        ("allow: everything", ("is no allowance", "replaces")),
        ("allow: replace ManagedCluster cluster in dev because ", ("is no allowance", "replaces")),
    ],
)
def test_another_allowance_does_not_count_and_is_told(line: str, reasons: tuple[str, ...]) -> None:
    refused = guard.judge(of(REPLACED), [line], stacks=("dev", "prod")).refused
    assert len(refused) == len(reasons)
    for reason in reasons:
        assert any(reason in one for one in refused)


def test_an_allowance_for_another_stack_is_not_missed() -> None:
    elsewhere = "allow: replace ManagedCluster cluster in prod because x"
    assert not guard.judge(recorded.preview("weights"), [elsewhere], stacks=("dev", "prod")).refused


def test_an_allowance_for_a_stack_there_is_not_is_refused() -> None:
    line = "allow: replace ManagedCluster cluster in dve because x"
    (wrong,) = guard.judge(recorded.preview("weights"), [line], stacks=("dev", "prod")).refused
    assert wrong == f"{line!r}: there is no stack dve; did you mean dev? valid: dev, prod"


@pytest.mark.parametrize("token", guard.PROTECTED)
@pytest.mark.parametrize("kind", ["delete", "replace"])
def test_every_protected_kind(token: str, kind: str) -> None:
    new: dict[str, object] | None = {"a": 2} if kind == "replace" else None
    assert guard.judge(of(step(kind, token, "it", {"a": 1}, new))).refused
    assert not guard.judge(of(step("update", token, "it", {"a": 1}, {"a": 2}))).refused


def test_kinds_of_one_api_version_are_the_same_kinds() -> None:
    old = "azure-native:keyvault/v20230701:Vault"
    assert guard.judge(of(step("delete", old, "vault", {}, None))).refused


def test_the_steps_of_one_replacement_are_told_once() -> None:
    parts = ("create-replacement", "replace", "delete-replaced")
    assert len(guard.judge(of(*({**REPLACED, "op": one} for one in parts))).refused) == 1


def test_whatever_is_marked_as_protected_is_protected() -> None:
    removed = step("delete", "kubernetes:core/v1:ConfigMap", "map", {"a": 1}, None)
    assert not guard.judge(of(removed)).refused
    state = removed["oldState"]
    assert isinstance(state, dict)
    (line,) = guard.judge(of({**removed, "oldState": {**state, "protect": True}})).refused
    assert line.startswith("deletes ConfigMap map: what is marked as protected would be lost")


def test_a_replaced_provider_replaces_all_it_made() -> None:
    change = step("replace", "pulumi:providers:kubernetes", "cluster", {"a": 1}, {"a": 2})
    assert "everything that was made through the provider" in guard.judge(of(change)).refused[0]


def test_what_the_engine_refuses_is_refused() -> None:
    refused = guard.judge(recorded.preview("protected")).refused
    assert sum("take its protection off in a change of its own first" in one for one in refused) == 2
    (line,) = guard.judge(recorded.preview("refused")).refused
    assert line.startswith("the preview failed: pitstop:services.customermanagementapi.traffic[0].weights = ")
    assert line.endswith(": the sum is 90 and must be 100, e.g. v1: 65, v2: 35")


@pytest.mark.parametrize(("most", "fine"), [(14, False), (15, True), (100, True)])
def test_a_step_of_the_weights(most: int, fine: bool) -> None:
    verdict = guard.judge(recorded.preview("weights"), max_step=most)
    assert (not verdict.refused) is fine
    if not fine:
        (line,) = verdict.refused
        assert line == (
            "moves v2 of customermanagementapi.pitstop.svc.cluster.local from 10 % to 25 % in one update, "
            "and guardrails.maxWeightStep is 14; valid now: at most v2: 24"
        )


def _renamed() -> Preview:
    """The same routes in an object of another name, which the engine removes and makes."""
    (moved,) = [one for one in recorded.preview("weights").changes if one.short == "VirtualService"]
    return of(
        step("create", moved.type, "new-name", None, moved.new),
        step("delete", moved.type, "old-name", moved.old, None),
    )


def test_a_step_is_seen_under_another_name_too() -> None:
    assert guard.judge(_renamed(), max_step=5).refused
    assert not guard.judge(_renamed(), max_step=15).refused


def test_the_command_ends_with_2_and_says_why_on_standard_error(tmp_path: Path) -> None:
    run, command = CliRunner(), ["guard", "--stack", "dev", "--folder", str(tmp_path)]
    shutil.copy(recorded.FIXTURES / "volume.json", tmp_path / "preview.json")
    done = run.invoke(app, command)
    assert done.exit_code == 2
    assert "dev: replaces PersistentVolumeClaim sqlserver because of spec.storageClassName" in done.stderr
    (tmp_path / "pull.md").write_text(
        "".join(
            f"allow: replace PersistentVolumeClaim {name} in dev because it is empty\r\n"
            for name in ("sqlserver", "rabbitmq")
        )
    )
    done = run.invoke(app, command)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("allowed: it is empty") == 2
    with (tmp_path / "pull.md").open("a") as text:
        text.write("allow: delete Namespace pitstop in dve because x\n")
    done = run.invoke(app, command)
    assert done.exit_code == 2
    assert "there is no stack dve; did you mean dev? valid: dev, " in done.stderr


def test_a_broken_rule_ends_it_too(tmp_path: Path) -> None:
    shutil.copy(recorded.FIXTURES / "weights.json", tmp_path / "preview.json")
    finding = {"code": "W3", "resource": "a:b:Kind::name", "message": "has no digest", "todo": "make pin"}
    for level, status in (("advisory", 0), ("mandatory", 2)):
        (tmp_path / "policy.json").write_text(json.dumps([{**finding, "severity": level}]))
        done = CliRunner().invoke(app, ["guard", "--stack", "dev", "--folder", str(tmp_path)])
        assert done.exit_code == status
        assert done.stderr == ("" if status == 0 else "dev: W3: Kind name: has no digest. make pin\n")


def test_policies_that_gave_no_results_let_nothing_pass(tmp_path: Path) -> None:
    shutil.copy(recorded.FIXTURES / "weights.json", tmp_path / "preview.json")
    command = ["guard", "--stack", "dev", "--folder", str(tmp_path)]
    assert CliRunner().invoke(app, command).exit_code == 0  # nobody asked them
    (tmp_path / "policy.json").write_text("")
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, done.stderr) == (
        2,
        "dev: policies: gave no results; `./pitstop policy` says why\n",
    )


def test_a_preview_of_another_stack_is_not_judged(tmp_path: Path) -> None:
    shutil.copy(recorded.FIXTURES / "weights.json", tmp_path / "preview.json")
    done = CliRunner().invoke(app, ["guard", "--stack", "prod", "--folder", str(tmp_path)])
    assert str(done.exception) == "--stack = prod: the preview is of dev; valid: dev"


def test_a_change_cannot_raise_its_own_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)

    monkeypatch.setattr(limits, "CHECKOUT", tmp_path)
    file = tmp_path / "Pulumi.dev.yaml"
    git("init", "--initial-branch=main")
    git("config", "user.name", "a")
    git("config", "user.email", "a@example.org")
    for most, tag in ((10, "before"), (50, "after")):
        file.write_text(text({"guardrails.maxWeightStep": most}))
        git("add", ".")
        git("commit", "-m", tag)
        git("tag", tag)
    assert limits.max_step("dev") == 50
    assert limits.max_step("dev", "before") == 10
    assert limits.max_step("dev", "after") == 50
    file.write_text("config: {pitstop:namespace: 7}")  # the preview says what is wrong with it
    assert limits.max_step("dev", "before") == 10
    assert limits.max_step("dev") == limits.NO_LIMIT
    for key in ("guardrails", "pitstop:config:guardrails"):  # the engine takes these too
        file.write_text(f"config: {{{key}: {{maxWeightStep: 5}}}}")
        assert limits.max_step("dev") == 5
        git("commit", "--all", "--message", key)
        assert limits.max_step("dev", "HEAD") == 5
    (tmp_path / "Pulumi.new.yaml").write_text(text({}))
    assert limits.max_step("new", "before") == 100
    for base in ("nowhere", "--output=x"):
        with pytest.raises(UserError, match=r"is no revision here; valid: e\.g\. origin/main"):
            limits.max_step("dev", base)
