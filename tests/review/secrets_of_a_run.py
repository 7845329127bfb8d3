"""Every secret value of an environment, and every place a person or a pipeline sees something of it."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from components.model.checks import plan_for
from components.model.plan import Plan
from components.model.render import render
from ops.paths import CHECKOUT
from ops.review import comment, guard, scan
from ops.review.preview import understood
from tests.rehearsal.whole import Whole

# What holds the values themselves, readable by its owner alone; and programs.
KEPT_SECRET = {"secrets.json", "secrets.lock", "passphrase"}
PROGRAMS = {"home"}

Pulumi = Callable[..., str]  # the CLI's standard output and standard error


def values(folder: Path, kubeconfig: Path) -> dict[str, str]:
    """The values of a run by name: generated ones, the state's passphrase, the cluster's credentials."""
    found = scan.values(folder / "secrets.json")
    found["passphrase"] = (folder / "passphrase").read_text()
    users = yaml.safe_load(kubeconfig.read_text())["users"]
    for user in users:
        for key in ("client-key-data", "token", "password"):
            if key in user["user"]:
                found[f"kubeconfig {key}"] = user["user"][key]
    return found


def places(pulumi: Pulumi, plan: Plan, folder: Path, scratch: Path) -> Iterator[tuple[str, str]]:
    """Names and contents: what the CLI says, what the backend keeps, the manifests and the comment."""
    diff = pulumi("preview", "--diff")
    yield "preview.diff", diff
    for name, arguments in {
        "export": ("stack", "export"),
        "outputs": ("stack", "output", "--json"),
        "history": ("stack", "history", "--json"),
        "refresh.json": ("refresh", "--preview-only", "--json"),
        "config": ("config", "--json"),
    }.items():
        yield name, pulumi(*arguments)
    saved = scratch / "plan.json"
    previewed = pulumi("preview", "--json", "--show-sames", "--save-plan", str(saved))
    yield "preview.json", previewed
    yield "plan.json", saved.read_text()
    seen = understood(json.loads(previewed[previewed.index("{") : previewed.rindex("}") + 1]))
    facts = comment.Facts(seen.stack, seen, guard.judge(seen), diff=diff)
    yield "comment.md", comment.comment(facts)
    yield "manifests", render(plan)
    yield from scan.files(
        one
        for one in sorted(folder.iterdir())
        if one.name not in KEPT_SECRET | PROGRAMS and (one.is_file() or any(one.rglob("*")))
    )


def leaks(pulumi: Pulumi, plan: Plan, folder: Path, kubeconfig: Path, scratch: Path) -> list[str]:
    """Where any value is seen. As a control, one that is planted among the places is found.

    Raises:
        AssertionError: the planted one is not found, or there was nothing to look at.
    """
    scratch.mkdir(parents=True)
    try:
        wanted, seen = values(folder, kubeconfig), dict(places(pulumi, plan, folder, scratch))
    finally:
        shutil.rmtree(scratch)
    assert len(wanted) > 3
    assert all(seen.values())
    name, value = max(wanted.items(), key=lambda one: len(one[1]))
    (planted, *_) = scan.scan([("planted", json.dumps({"data": value}))], {name: value})
    assert planted.place == "planted"
    return [str(leak) for leak in scan.scan(seen.items(), wanted)]


def leaks_of_rehearsal(whole: Whole, scratch: Path) -> list[str]:
    """The same for an environment in rehearsal. What its Azure keeps is Azure's: a vault holds secrets."""
    variables = whole.variables()

    def pulumi(*arguments: str) -> str:
        if arguments[0] in ("preview", "refresh", "config"):
            done = whole.pulumi(*arguments)
        else:
            command = ["pulumi", *arguments, "--non-interactive"]
            done = subprocess.run(
                command, cwd=CHECKOUT, env=variables, text=True, capture_output=True, check=True
            )
        return done.stdout + done.stderr

    plan = plan_for(whole.settings, "somebody")
    kept = whole.rehearsal
    return leaks(pulumi, plan, kept.folder / "pulumi", kept.node.kubeconfig, scratch)
