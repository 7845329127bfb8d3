"""The commands of `./pitstop review`: what the workflows run, and what a person runs the same.

What a command needs is imported when it runs, so that `--help` of everything else stays instant.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from ops.paths import leave_shell

app = typer.Typer(
    help="What a change would do: in words, as a comment, and whether it may be carried out. "
    "Exit status 0 is yes, 2 is no or wrong input.",
    no_args_is_help=True,
)

ALLOWANCE = "allow: replace ManagedCluster cluster in dev because its pod network changes"
PreviewFile = Annotated[Path, typer.Option("--preview", help="What `pulumi preview --json` wrote.")]
Folder = Annotated[
    Path,
    typer.Option(
        "--folder",
        "-f",
        help="Where `review plan` put preview.json and preview.diff, and `policy --json` policy.json; and "
        f"pull.md, the pull request's text, with lines such as: {ALLOWANCE}",
    ),
]
StackName = Annotated[
    str, typer.Option("--stack", "-s", help="Whose stack file has the limits.", callback=leave_shell)
]
Base = Annotated[
    str, typer.Option("--base", help="A revision whose limits hold too, e.g. origin/main: the lower wins.")
]
Pull = Annotated[int, typer.Option("--pull", min=1, help="The pull request's number.")]
Repo = Annotated[str, typer.Option(help="OWNER/NAME; by default GITHUB_REPOSITORY.")]


@app.command()
def plan(
    stack: StackName,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A folder; what an earlier run wrote there goes.")
    ],
    *,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask what reality is instead.")] = False,
) -> None:
    """Preview an environment into files: preview.json, preview.diff and plan.json; or refresh.json.

    Ends with 0 for a stack file that is refused, too: the files say so, and `guard` decides.
    """
    from ops.review import run

    for line in run.refresh(stack, output) if refresh else run.preview(stack, output):
        print(line)


@app.command()
def apply(stack: StackName, plan: Annotated[Path, typer.Option(help="plan.json of `review plan`.")]) -> None:
    """Carry out a plan that was approved; the engine refuses what is not in it."""
    from ops.review import run

    run.apply(stack, plan)


@app.command()
def words(preview: PreviewFile) -> None:
    """Print what a preview would change, a line for each cluster, pool and service."""
    from ops.review import preview as previews
    from ops.review.words import lines

    for line in lines(previews.read(preview)):
        print(line)


@app.command()
def guard(stack: StackName, folder: Folder, base: Base = "") -> None:
    """Refuse a plan that loses something of worth, moves weights too far, or breaks a rule."""
    from ops.review import material

    given = material.read(stack, folder, base)
    for line in given.verdict.allowed:
        print(line)
    _refuse(f"{stack}: {line}" for line in (*given.verdict.refused, *given.broken()))


@app.command()
def comment(
    *,
    stack: StackName,
    folder: Folder,
    base: Base = "",
    rehearsal: Annotated[
        bool, typer.Option("--rehearsal", help="A stand-in answered, as REHEARSE says.")
    ] = False,
    commit: Annotated[str, typer.Option(help="The commit that was previewed.")] = "",
) -> None:
    """Write the comment of a stack on a pull request: comment.md, in the folder."""
    from ops.rehearsal import ASKED
    from ops.review import comment as comments
    from ops.review import material

    given = material.read(stack, folder, base)
    facts = comments.Facts(
        stack=stack,
        preview=given.preview,
        verdict=given.verdict,
        policy=given.policy,
        diff=given.diff,
        rehearsal=rehearsal or bool(os.environ.get(ASKED)),
        commit=commit,
    )
    (folder / material.COMMENT).write_text(comments.comment(facts))


@app.command()
def post(
    comment: Annotated[Path, typer.Option(help="What `review comment` wrote.")],
    pull: Annotated[int | None, typer.Option(min=1, help="The pull request's number.")] = None,
    head: Annotated[str, typer.Option(help="Or where it comes from: OWNER:BRANCH@COMMIT.")] = "",
    repo: Repo = "",
) -> None:
    """Have the one comment of a stack on a pull request say this: made once, then edited."""
    from ops.errors import UserError
    from ops.review import files
    from ops.review.github import GitHub

    body = files.text(comment)
    marker = body.partition("\n")[0]
    if not marker.startswith("<!-- pitstop-review: "):
        raise UserError(
            f"--comment = {comment}: has no marker; valid: what `./pitstop review comment` writes"
        )
    branch, _, commit = head.rpartition("@")  # a branch may have one in its own name
    named = branch and commit if pull is None else not head
    if not named:
        raise UserError(
            "--pull or --head: exactly one is needed; valid: --pull 7, or --head me:branch@1a2b3c"
        )
    github = GitHub.of(os.environ, repo)
    if pull is None:
        found = github.pull_from(branch, commit)
        if found is None:
            print(f"no open pull request from {branch} ends with {commit}: nothing to say")
            return
        pull = found.number
    done, where = github.comment(pull, marker, body)
    print(f"comment {done}: {where}")


@app.command()
def reviewed(
    stack: StackName,
    commit: Annotated[str, typer.Option(help="A commit of the main branch.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A folder for pull.md and reviewed.json.")],
    repo: Repo = "",
) -> None:
    """Get what was reviewed before a commit was merged: the pull request's text and its preview."""
    from ops.review.github import GitHub

    output.mkdir(parents=True, exist_ok=True)
    github = GitHub.of(os.environ, repo)
    pull = github.pull_of(commit)
    (output / "pull.md").write_text((pull.body if pull else "") or "")
    if pull is None or pull.head is None:
        _refuse([f"{commit}: came by no pull request, so nobody has reviewed its plan"])
        return
    seen = github.artifact(f"preview-{stack}-{pull.head.sha}", pull.head.sha, "preview.json")
    if seen is None:
        _refuse([f"pull request {pull.number}: left no preview of {stack}, so nobody has reviewed its plan"])
        return
    (output / "reviewed.json").write_bytes(seen)
    print(f"reviewed in pull request {pull.number}")


@app.command()
def environment(
    pull: Pull,
    like: Annotated[
        str, typer.Option(help="The environment whose services it has and whose cluster it joins.")
    ],
    context: Annotated[str, typer.Option(help="The context of the kubeconfig that is that cluster.")],
    secrets: Annotated[Path | None, typer.Option(help="Where to make its secret values.")] = None,
) -> None:
    """Write the stack file of an environment for a pull request; prints the stack's name."""
    from components.model import stackfile
    from ops import generated
    from ops.review import environments

    file = environments.write(like, pull, context)
    if secrets:
        generated.ensure(secrets, stackfile.load(file).ingress.hosts)
    print(environments.name_of(pull))


@app.command()
def drift(
    stack: StackName,
    refresh: Annotated[Path, typer.Option(help="What `pulumi refresh --preview-only --json` wrote.")],
    *,
    issue: Annotated[
        bool, typer.Option("--issue", help="Open, update or close the issue of the stack.")
    ] = False,
    repo: Repo = "",
    run: Annotated[str, typer.Option(help="Where the run is seen, for the issue.")] = "",
) -> None:
    """Say what somebody else changed in an environment; with --issue one issue says it too."""
    from ops.review import drift as drifts
    from ops.review import preview as previews
    from ops.review.github import GitHub

    seen = previews.read(refresh)
    if seen.errors:
        _refuse(f"{stack}: cannot be looked at: {line}" for line in seen.errors)
    found = drifts.findings(seen)
    if issue:
        body = drifts.issue(stack, found, run)
        done, where = GitHub.of(os.environ, repo).issue(drifts.marker(stack), drifts.title(stack), body)
        print(f"issue {done} {where}".rstrip())
    if not found:
        print(f"{stack}: as its last update left it ({seen.unchanged} resources)")
    _refuse(f"{stack}: {line}" for line in found)


@app.command("same-plan")
def same_plan(
    reviewed: Annotated[Path, typer.Option(help="The preview the pull request was approved with.")],
    preview: PreviewFile,
    summary: Annotated[Path | None, typer.Option(help="A file of Markdown to say it in, too.")] = None,
) -> None:
    """Refuse a plan that is not the one that was reviewed, and say what differs."""
    from ops.review import preview as previews
    from ops.review.same import differences, unlike

    now = previews.read(preview)
    if reviewed.exists():
        found = differences(previews.read(reviewed), now)
    else:
        found = ["there is no reviewed plan to compare with"]
    if summary and found:
        with summary.open("a") as file:
            file.write(unlike(found))
    if not found:
        print(f"the plan is the one that was reviewed ({len(now.changes)} changes)")
    _refuse(found)


@app.command()
def scan(
    secrets: Annotated[list[Path], typer.Option(help="Files of secret values: JSON maps of texts.")],
    where: Annotated[list[Path], typer.Argument(help="Files and folders to look at.")],
) -> None:
    """Look for secret values where none may be; says where, never what."""
    from ops.errors import UserError
    from ops.review import scan as scans

    wanted = {name: value for path in secrets for name, value in scans.values(path).items()}
    if not wanted:
        raise UserError(
            "--secrets: holds no value to look for; valid: what secrets.json of an environment is"
        )
    sources = list(scans.files(where))
    found = scans.scan(sources, wanted)
    if not found:
        print(f"none of {len(wanted)} secret values in {len(sources)} files")
    _refuse(str(leak) for leak in found)


def _refuse(lines: Iterable[str]) -> None:
    """Each line on standard error; with any the command ends with 2."""
    from rich.console import Console

    console, told = Console(stderr=True, highlight=False, soft_wrap=True), False
    for line in lines:
        console.print(line, style="red", markup=False)
        told = True
    if told:
        raise typer.Exit(2)
