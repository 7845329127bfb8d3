"""Pull requests in a repository of their own: what each is told, and whether it may pass.

    ./pitstop run python -m tests.review.demonstration     # writes docs/review.md anew

The engine, the policy pack and the commands are the real ones; Azure is rehearsed, and objects are rendered
instead of sent to a cluster.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from localcluster.azure.state import drift, inventory
from ops.paths import CHECKOUT
from tests.model.examples import TODAY
from tests.review.engine import Engine

STACK = "dev"
FILE = f"Pulumi.{STACK}.yaml"
PAGE = CHECKOUT / "docs" / "review.md"
ALLOWANCE = "allow: replace ManagedCluster cluster in dev because its pods need more addresses\n"
FOLD = 12  # lines of the engine's own diff that the page shows
_BLOCK = re.compile(r"(`{3,}diff\n)(.*?\n)(`{3,}\n)", re.DOTALL)
_BULLETS = re.compile(r"(#### What changes\n\n)((?:- .*\n)+)")
_MARK = "<!-- from here on written by tests/review/demonstration.py -->\n"


@dataclass(frozen=True)
class Case:
    """One pull request: what it changes in the stack file, and what is around it."""

    title: str
    text: str
    edits: Mapping[str, str] = field(default_factory=dict)
    pull: str = ""
    fork: bool = False


CASES: Mapping[str, Case] = {
    "weights": Case(
        "A change of weights",
        "v2 gets 40 % instead of 25 %.",
        {"weights: {v1: 75, v2: 25}": "weights: {v1: 60, v2: 40}"},
    ),
    "pool": Case(
        "More nodes",
        "The pool of the applications grows.",
        {"        min: 1\n        max: 3\n": "        min: 3\n        max: 5\n"},
    ),
    "cluster": Case(
        "A change that replaces the cluster",
        "More addresses for pods, which Azure gives to a new cluster alone.",
        {"    tier: Free": "    network: {podCidr: 10.128.0.0/14}\n    tier: Free"},
    ),
    "allowed": Case(
        "The same, allowed",
        f"The same change, and a line in the pull request's text: `{ALLOWANCE.strip()}`.",
        {"    tier: Free": "    network: {podCidr: 10.128.0.0/14}\n    tier: Free"},
        ALLOWANCE,
    ),
    "policy": Case(
        "A policy violation",
        "Somebody from outside is let in, and the call graph in `policy/dev.json` knows no such call.",
        {
            "    vehiclemanagementapi: {}": (
                "    vehiclemanagementapi:\n      traffic:\n"
                "        - {kind: access, outsiders: [monitoring/prober]}"
            )
        },
    ),
    "broken": Case(
        "A broken stack file",
        "The weights do not add up, and a key is misspelt.",
        {
            "weights: {v1: 75, v2: 25}": "weights: {v1: 75, v2: 20}",
            "  pitstop:quota:": "  pitstop:qouta:",
        },
    ),
    "fork": Case(
        "A fork's pull request",
        "No credentials: the same change of weights, rehearsed from nothing.",
        {"weights: {v1: 75, v2: 25}": "weights: {v1: 60, v2: 40}"},
        fork=True,
    ),
}


@dataclass(frozen=True)
class Shown:
    """What a command says, and how it ends."""

    status: int
    output: str
    comment: str = ""
    errors: str = ""


# A command on a day on which none of the exceptions in policy/*.json is over.
COMMAND = f"import datetime; from ops import cli, policy; policy._today = lambda: {TODAY!r}; cli.main()"


class Repository:
    """A clone of this checkout as it is now, and the environment that runs from its main."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.work = folder, folder / "work"
        run("git", "clone", "--quiet", "--shared", str(CHECKOUT), str(self.work))
        self._overlay()
        self.git("checkout", "--quiet", "-B", "main")
        self.commit("Main as it is here")
        (folder / "engine").mkdir()
        self.engine = Engine(folder / "engine", STACK)
        self.engine.up(self.work / FILE)

    def git(self, *arguments: str) -> str:
        return run("git", *arguments, folder=self.work).stdout

    def commit(self, message: str) -> None:
        who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
        self.git("add", "--all")
        self.git(*who, "commit", "--quiet", "--allow-empty", "--message", message)

    def branch(self, name: str, case: Case) -> None:
        """A branch off main with the changes of a case, committed."""
        self.git("checkout", "--quiet", "-B", name, "main")
        file = self.work / FILE
        content = file.read_text()
        for old, new in case.edits.items():
            assert content.count(old) == 1, (FILE, old)
            content = content.replace(old, new)
        file.write_text(content)
        self.commit(case.title)

    def pitstop(self, *arguments: str) -> Shown:
        """A command of the clone, by the Python environment that is there already."""
        command = [sys.executable, "-c", COMMAND, *arguments]
        done = run(*command, folder=self.work, check=False)
        return Shown(done.returncode, done.stdout, errors=done.stderr)

    def review(self, name: str) -> Shown:
        """What CI does for a pull request; the steps are those of `make review`."""
        case = CASES[name]
        self.branch(name, case)
        folder = self.folder / "reviews" / name
        folder.mkdir(parents=True)
        (folder / "pull.md").write_text(case.pull)
        engine = self.engine
        if case.fork:
            (folder / "engine").mkdir()
            engine = Engine(folder / "engine", STACK)
        (folder / "preview.json").write_text(json.dumps(engine.preview(self.work / FILE)))
        (folder / "preview.diff").write_text(engine.diff(self.work / FILE))
        judged = self.pitstop("policy", "--env", STACK, "--json")
        assert judged.status in (0, 2), judged.errors
        (folder / "policy.json").write_text(judged.output)  # empty where the stack file is refused
        rehearsal = ("--rehearsal",) if case.fork else ()
        options = ("--stack", STACK, "--folder", str(folder), "--base", "main")
        written = self.pitstop("review", "comment", *options, *rehearsal)
        assert written.status == 0, written.errors
        guarded = self.pitstop("review", "guard", *options)
        return replace(guarded, comment=(folder / "comment.md").read_text())

    def drifted(self) -> Shown:
        """Somebody scales a pool in the portal; then what the scheduled look says."""
        pool = next(one for one in inventory(self.engine.cloud) if one.endswith("/agentPools/apps"))
        drift(self.engine.cloud, pool, {"maxCount": 9})
        self.git("checkout", "--quiet", "main")
        seen = self.folder / "refresh.json"
        seen.write_text(json.dumps(self.engine.refresh(self.work / FILE)))
        return self.pitstop("review", "drift", "--stack", STACK, "--refresh", str(seen))

    def drift_case(self) -> tuple[str, str, Shown]:
        """Title, explanation and outcome of the look at an environment that somebody changed."""
        text = "Somebody raised the most nodes of a pool in the portal; the nightly look says:"
        return "A drifted environment", text, self.drifted()

    def _overlay(self) -> None:
        """What is not committed here yet belongs to it, too."""
        changed = run(
            "git", "ls-files", "-z", "--modified", "--others", "--exclude-standard", folder=CHECKOUT
        )
        for name in filter(None, changed.stdout.split("\0")):
            source, target = CHECKOUT / name, self.work / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.exists():
                shutil.copyfile(source, target)
            else:
                target.unlink(missing_ok=True)


def run(*command: str, folder: Path | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=check)


def everything(repository: Repository) -> Iterator[tuple[str, str, Shown]]:
    """Title, explanation and outcome of each case."""
    for name, case in CASES.items():
        yield case.title, case.text, repository.review(name)
    yield repository.drift_case()


def page(shown: Callable[[], Iterator[tuple[str, str, Shown]]], before: str) -> str:
    """The page: what is written by hand, up to the mark, and then the outcomes."""
    parts = [before.partition(_MARK)[0] + _MARK]
    for title, text, one in shown():
        parts.append(f"## {title}\n\n{text}\n")
        if one.comment:
            parts.append(f"{_quoted(_shortened(one.comment))}\n")
        said = (one.output + one.errors).strip() or "(says nothing)"
        what = "review guard" if one.comment else "review drift"
        parts.append(f"`./pitstop {what}` ends with {one.status}:\n\n```text\n{said}\n```\n")
    return "\n".join(parts)


def _shortened(comment: str) -> str:
    """The comment as GitHub shows it, with the beginnings alone of its longest parts."""
    comment = _BLOCK.sub(lambda found: f"{found[1]}{_first(found[2], FOLD)}{found[3]}", comment)
    comment = _BULLETS.sub(lambda found: f"{found[1]}{_first(found[2], FOLD)}", comment)
    return re.sub(r"first \d+ of \d+ lines", "first ... of ... lines", comment)


def _first(text: str, most: int) -> str:
    lines = text.splitlines()
    kept = lines if len(lines) <= most + 2 else [*lines[:most], f"- (and {len(lines) - most} more lines)"]
    return "\n".join(kept) + "\n"


def _quoted(comment: str) -> str:
    visible = re.sub(r"^<!-- .* -->\n+", "", comment).rstrip()
    return "\n".join(f"> {line}".rstrip() for line in visible.splitlines())


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        repository = Repository(Path(folder))
        PAGE.write_text(page(lambda: everything(repository), PAGE.read_text() if PAGE.exists() else ""))


if __name__ == "__main__":
    main()
