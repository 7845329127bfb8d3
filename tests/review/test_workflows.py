"""The workflows: what GitHub would refuse, what would be dangerous, and what their steps are."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster.tools import toolbox
from ops.paths import CHECKOUT
from ops.progress import Progress
from tests.review import typed

FOLDER = CHECKOUT / ".github"
FILES = sorted([*FOLDER.glob("workflows/*.yml"), *FOLDER.glob("actions/*/action.yml")])
WORKFLOWS = [file for file in FILES if file.parent.name == "workflows"]
PINNED = re.compile(r"(\./\S+|[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)")
# Programs of a runner that steps may call beside ours.
OTHERS = {"az", "kubelogin", "sudo", "cat", "printenv"}


def read(file: Path) -> dict[str, Any]:
    """YAML 1.1 takes `on` for a truth; the loader here does not."""
    found: dict[str, Any] = yaml.load(file.read_text(), yaml.BaseLoader)  # noqa: S506 - makes texts alone
    return found


def jobs(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from read(file).get("jobs", {}).items()


def commands() -> list[tuple[str, str]]:
    return [
        (file.name, step["run"])
        for file in WORKFLOWS
        for _, job in jobs(file)
        for step in job.get("steps", [])
        if "run" in step
    ]


def test_there_are_workflows() -> None:
    assert {file.stem for file in WORKFLOWS} == {
        *("check", "preview", "report", "deploy", "deploy-stack", "drift", "environment")
    }
    assert len(commands()) > 20


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_actions_are_pinned_by_commit_and_name_their_version(file: Path) -> None:
    used = re.findall(r"uses: (.*)", file.read_text())
    assert used or file.name == "none"
    assert [one for one in used if not PINNED.fullmatch(one.strip())] == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_nothing_is_permitted_that_is_not_asked_for(file: Path) -> None:
    workflow = read(file)
    assert workflow["permissions"] == {}
    assert "pull_request_target" not in workflow["on"]
    for name, job in jobs(file):
        permitted = job["permissions"]
        assert permitted.get("contents", "read") == "read", name
        assert "write-all" not in str(permitted)
        if "uses" not in job:
            assert int(job["timeout-minutes"]) <= 180, name


def test_who_may_write_what() -> None:
    writing = {
        (file.stem, permission)
        for file in WORKFLOWS
        for _, job in jobs(file)
        for permission, level in job["permissions"].items()
        if level == "write"
    }
    assert writing == {
        ("preview", "id-token"),
        ("preview", "pull-requests"),
        ("report", "pull-requests"),
        ("deploy", "id-token"),
        ("deploy-stack", "id-token"),
        ("drift", "id-token"),
        ("drift", "issues"),
        ("environment", "id-token"),
    }


def test_a_fork_meets_no_credentials() -> None:
    own = "github.event.pull_request.head.repo.full_name == github.repository"
    for file in WORKFLOWS:
        if "pull_request" in read(file)["on"]:
            for name, job in jobs(file):
                if job["permissions"].get("id-token") == "write":
                    assert own in job["if"], (file.name, name)
    (report,) = [job for file in WORKFLOWS if file.stem == "report" for _, job in jobs(file)]
    (checkout,) = [step for step in report["steps"] if "checkout" in step.get("uses", "")]
    assert checkout["with"]["ref"] == "${{ github.event.repository.default_branch }}"
    assert "id-token" not in report["permissions"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_expressions_are_in_no_command(file: Path) -> None:
    for _, job in jobs(file):
        for step in job.get("steps", []):
            assert "${{" not in step.get("run", ""), step
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] == "false"


def test_updates_are_never_cancelled() -> None:
    cancelling = {
        file.stem: read(file).get("concurrency", {}).get("cancel-in-progress") for file in WORKFLOWS
    }
    assert {name for name, cancels in cancelling.items() if cancels == "true"} == {"check", "preview"}
    assert {name for name, cancels in cancelling.items() if cancels == "false"} == {
        "deploy",
        "drift",
        "environment",
    }


def test_a_run_that_was_cancelled_left_nothing_to_report() -> None:
    report = dict(jobs(FOLDER / "workflows" / "report.yml"))["comment"]
    assert "github.event.workflow_run.conclusion != 'cancelled'" in report["if"]


def test_the_limits_of_main_before_the_push_hold() -> None:
    plan = dict(jobs(FOLDER / "workflows" / "deploy-stack.yml"))["plan"]
    assert "github.event.before" in plan["env"]["BASE"]
    assert f"!= '{'0' * 40}'" in plan["env"]["BASE"]  # a new branch had nothing before
    (checkout,) = [step for step in plan["steps"] if "checkout" in step.get("uses", "")]
    assert checkout["with"]["fetch-depth"] == "0"
    judging = [
        step["run"] for step in plan["steps"] if re.search("review (comment|guard)", step.get("run", ""))
    ]
    assert len(judging) == 2
    assert all('--base "$BASE"' in one for one in judging)


def test_make_review_has_one_base_for_comment_and_guard() -> None:
    ran = typed.of_make(["review", "ENV=dev", "ARGS=--base origin/main"])
    assert [line.split()[2] for line in ran if line.endswith(" --base origin/main")] == ["comment", "guard"]


def test_prod_comes_after_dev_and_what_is_applied_was_planned() -> None:
    deploy = dict(jobs(FOLDER / "workflows" / "deploy.yml"))
    assert deploy["prod"]["needs"] == "dev"
    stack = dict(jobs(FOLDER / "workflows" / "deploy-stack.yml"))
    assert stack["apply"]["needs"] == "plan"
    assert "needs.plan.outputs.same == 'success' && inputs.stack" in stack["apply"]["environment"]
    ran = [step["run"] for step in stack["apply"]["steps"] if "run" in step]
    assert ran[-1] == './pitstop review apply --stack "$STACK" --plan out/plan.json'
    assert not [one for one in ran if "pulumi up" in one or "make up" in one]


@pytest.mark.parametrize(("file", "line"), commands(), ids=lambda value: value[:40])
def test_a_step_is_one_command_that_a_person_can_run(file: str, line: str) -> None:
    assert "\n" not in line.strip(), file
    words = shlex.split(line)
    if words[0] in ("./pitstop", "make"):
        typed.check(line)
    else:
        assert words[0] in OTHERS, line


def test_the_commands_refuse_what_a_step_must_not_say() -> None:
    with pytest.raises(BaseException, match="No such option"):
        test_a_step_is_one_command_that_a_person_can_run("none", "./pitstop review guard --stack dev --sure")
    with pytest.raises(AssertionError):
        test_a_step_is_one_command_that_a_person_can_run("none", "curl https://example.org")


def zizmor(*paths: Path) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.prefix) / "bin" / "zizmor")
    command = [program, "--offline", "--quiet", "--color=never", *map(str, paths)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_zizmor_finds_nothing() -> None:
    done = zizmor(FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr


DANGEROUS = """on: pull_request_target
jobs:
  bad:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v4
        with: {ref: "${{ github.event.pull_request.head.sha }}"}
      - run: echo ${{ github.event.pull_request.title }}
"""


def test_zizmor_finds_what_is_dangerous(tmp_path: Path) -> None:
    file = tmp_path / "bad.yml"
    file.write_text(DANGEROUS)
    found = zizmor(file).stdout
    for rule in ("dangerous-triggers", "template-injection", "unpinned-uses", "excessive-permissions"):
        assert rule in found, rule


@pytest.fixture(scope="module")
def actionlint() -> Path:
    return toolbox.ensure(("validate",), Progress()).path("actionlint")


def lint(program: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run([program], cwd=folder, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.tools
def test_actionlint_finds_nothing(actionlint: Path) -> None:
    done = lint(actionlint, CHECKOUT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.tools
def test_actionlint_finds_what_github_would_refuse(actionlint: Path, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    file = tmp_path / ".github" / "workflows" / "bad.yml"
    file.parent.mkdir(parents=True)
    file.write_text(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: echo ${{ inputs.nope }}\n"
    )
    done = lint(actionlint, tmp_path)
    assert done.returncode == 1
    assert "nope" in done.stdout
