"""The commands of `./pitstop review`: what the workflows run, and what a person runs the same."""

import subprocess
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console

from components.model import stackfile
from components.model.findings import RefusedError
from ops.errors import UserError
from ops.paths import CHECKOUT
from ops.review import comment as comments
from ops.review import guard as guards
from ops.review import policy as policies
from ops.review import preview as previews
from ops.review import words as wording

app = typer.Typer(
    help="What a change would do: in words, as a comment, and whether it may be carried out. "
    "Exit status 0 is yes, 2 is no or wrong input.",
    no_args_is_help=True,
)

PreviewFile = Annotated[Path, typer.Option("--preview", help="What `pulumi preview --json` wrote.")]
StackName = Annotated[str, typer.Option("--stack", "-s", help="Whose stack file has the limits.")]
Allow = Annotated[
    Path | None, typer.Option("--allow", help=f"The pull request's text; lines such as: {guards.EXAMPLE}")
]
Base = Annotated[
    str, typer.Option("--base", help="A git revision whose limits hold too, e.g. origin/main: the lower wins.")
]


@app.command()
def words(preview: PreviewFile) -> None:
    """Print what a preview would change, a line for each cluster, pool and service."""
    for line in wording.lines(previews.read(preview)):
        print(line)


@app.command()
def guard(stack: StackName, preview: PreviewFile, allow: Allow = None, base: Base = "") -> None:
    """Refuse a plan that loses something of worth without an allowance, or moves weights too far."""
    verdict = _verdict(stack, previews.read(preview), allow, base)
    for line in verdict.allowed:
        print(line)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for line in verdict.refused:
        console.print(f"{stack}: {line}", style="red", markup=False)
    if not verdict.ok:
        raise typer.Exit(2)


@app.command()
def comment(  # noqa: PLR0913 - each is one thing the comment shows
    *,
    stack: StackName,
    preview: PreviewFile,
    policy: Annotated[Path | None, typer.Option(help="What `make policy` wrote with --json.")] = None,
    diff: Annotated[Path | None, typer.Option(help="What `pulumi preview --diff` wrote.")] = None,
    allow: Allow = None,
    base: Base = "",
    rehearsal: Annotated[bool, typer.Option("--rehearsal", help="A stand-in answered for Azure.")] = False,
    commit: Annotated[str, typer.Option(help="The commit that was previewed.")] = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Instead of printing it.")] = None,
) -> None:
    """Write the comment of a stack on a pull request."""
    read = previews.read(preview)
    text = comments.comment(
        comments.Facts(
            stack=stack,
            preview=read,
            verdict=_verdict(stack, read, allow, base),
            policy=policies.read(policy) if policy else None,
            diff=_text(diff),
            rehearsal=rehearsal,
            commit=commit,
        )
    )
    if output:
        output.write_text(text)
    else:
        print(text, end="")


def _verdict(stack: str, preview: previews.Preview, allow: Path | None, base: str) -> guards.Verdict:
    if preview.stack and preview.stack != stack:
        raise UserError(f"--stack = {stack}: the preview is of {preview.stack}; valid: {preview.stack}")
    return guards.judge(preview, _text(allow).splitlines(), max_step(stack, base))


def max_step(stack: str, base: str) -> int:
    """Percent of requests that may move in one update; a change cannot raise its own limit."""
    file = stackfile.path_of(stack, CHECKOUT)
    try:
        found = [stackfile.load(file).guardrails.max_weight_step]
    except RefusedError:
        found = []  # the preview says what is wrong with it
    if base:
        found.append(_step_of(_committed(base, file.name)))
    return min(found, default=100)


def _committed(base: str, name: str) -> str:
    """A file as it is in a revision; empty where it was not there."""
    if base.startswith("-"):
        raise UserError(f"--base = {base}: is no revision; valid: e.g. origin/main")
    done = subprocess.run(
        ["git", "show", f"{base}:./{name}"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    if done.returncode and "does not exist" not in done.stderr and "exists on disk" not in done.stderr:
        last = (done.stderr.strip().splitlines() or ["git says nothing"])[-1]
        raise UserError(f"--base = {base}: cannot be read ({last}); valid: a revision here, e.g. origin/main")
    return done.stdout


def _step_of(text: str) -> int:
    """The limit in a stack file of another day, whose other keys may mean something else by now."""
    try:
        config = yaml.load(text, stackfile.Loader)["config"]["pitstop:guardrails"]["maxWeightStep"]  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, KeyError, TypeError):
        return 100
    return config if isinstance(config, int) else 100


def _text(path: Path | None) -> str:
    try:
        return path.read_text(errors="replace") if path else ""
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
