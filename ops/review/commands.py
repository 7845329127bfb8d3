"""The commands of `./pitstop review`: what the workflows run, and what a person runs the same.

What a command needs is imported when it runs, so that `--help` of everything else stays instant.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ops.review.guard import Verdict
    from ops.review.preview import Preview

app = typer.Typer(
    help="What a change would do: in words, as a comment, and whether it may be carried out. "
    "Exit status 0 is yes, 2 is no or wrong input.",
    no_args_is_help=True,
)

ALLOWANCE = "allow: replace ManagedCluster cluster in dev because its pod network changes"
PreviewFile = Annotated[Path, typer.Option("--preview", help="What `pulumi preview --json` wrote.")]
StackName = Annotated[str, typer.Option("--stack", "-s", help="Whose stack file has the limits.")]
Allow = Annotated[
    Path | None, typer.Option("--allow", help=f"The pull request's text, with lines such as: {ALLOWANCE}")
]
Base = Annotated[
    str, typer.Option("--base", help="A revision whose limits hold too, e.g. origin/main: the lower wins.")
]


@app.command()
def words(preview: PreviewFile) -> None:
    """Print what a preview would change, a line for each cluster, pool and service."""
    from ops.review import preview as previews
    from ops.review.words import lines

    for line in lines(previews.read(preview)):
        print(line)


@app.command()
def guard(stack: StackName, preview: PreviewFile, allow: Allow = None, base: Base = "") -> None:
    """Refuse a plan that loses something of worth without an allowance, or moves weights too far."""
    from ops.review import preview as previews

    verdict = _verdict(stack, previews.read(preview), allow, base)
    for line in verdict.allowed:
        print(line)
    _refuse(f"{stack}: {line}" for line in verdict.refused)


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
    from ops.review import comment as comments
    from ops.review import files
    from ops.review import policy as policies
    from ops.review import preview as previews

    read = previews.read(preview)
    text = comments.comment(
        comments.Facts(
            stack=stack,
            preview=read,
            verdict=_verdict(stack, read, allow, base),
            policy=policies.read(policy) if policy else None,
            diff=files.text(diff),
            rehearsal=rehearsal,
            commit=commit,
        )
    )
    if output:
        output.write_text(text)
    else:
        print(text, end="")


def _verdict(stack: str, preview: "Preview", allow: Path | None, base: str) -> "Verdict":
    from ops.errors import UserError
    from ops.review import files, limits
    from ops.review.guard import judge

    if preview.stack and preview.stack != stack:
        raise UserError(f"--stack = {stack}: the preview is of {preview.stack}; valid: {preview.stack}")
    return judge(preview, files.text(allow).splitlines(), limits.max_step(stack, base))


def _refuse(lines: Iterable[str]) -> None:
    """Each line on standard error; with any the command ends with 2."""
    from rich.console import Console

    console, told = Console(stderr=True, highlight=False, soft_wrap=True), False
    for line in lines:
        console.print(line, style="red", markup=False)
        told = True
    if told:
        raise typer.Exit(2)
