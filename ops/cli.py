"""The commands a person types: `./pitstop up`, `down`, `status`, ..."""

import os
import shlex
import shutil
import signal
from typing import Annotated

import typer

from ops.errors import UserError, plainly
from ops.loopback import without_a_proxy
from ops.paths import leave_shell, told
from ops.review.commands import app as review

app = typer.Typer(
    help="A whole Pitstop environment on a meshed Kubernetes cluster, from one typed Pulumi program.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

STACK = "The stack: its settings are Pulumi.<env>.yaml."
Env = Annotated[str, typer.Option("--env", "-e", help=STACK, callback=leave_shell)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before touching a cluster that is not ours.")]


@app.command()
def up(
    env: Env = "local",
    *,
    yes: Yes = False,
    requests: Annotated[int, typer.Option(min=100, max=20_000, help="Requests of the measurement.")] = 2000,
) -> None:
    """Bring everything up and measure the split that was asked for."""
    from ops import environment

    environment.up(env, yes=yes, requests=requests)


@app.command()
def down(env: Env = "local", *, yes: Yes = False) -> None:
    """Remove everything `up` made. Nothing of it is left."""
    from ops import environment

    environment.down(env, yes=yes)


@app.command()
def stop(env: Env = "local") -> None:
    """Stop the local node and keep its state; `up` continues from there."""
    from ops import environment

    environment.stop(env)


@app.command()
def status(env: Env = "local") -> None:
    """Show what runs, where it answers, and in which version."""
    from ops import status as report

    report.show(env)


@app.command()
def preview(env: Env = "local") -> None:
    """Show what an update would change; where no cluster can run, the manifests themselves."""
    from ops import environment

    environment.preview(env)


@app.command()
def pin(env: Env = "prod") -> None:
    """Note the digest of every image in the stack file."""
    from ops import pin as pinning

    pinning.pin(env)


@app.command("diff-env")
def diff_env(a: str, b: str) -> None:
    """Show how two environments differ, key by key."""
    from ops import differences

    differences.show(a, b)


@app.command()
def measure(
    env: Env = "local",
    *,
    requests: Annotated[int, typer.Option(min=100, max=20_000, help="Requests of the measurement.")] = 2000,
) -> None:
    """Measure the traffic split again, inside the mesh and through the ingress."""
    from ops import environment

    environment.remeasure(env, requests=requests)


@app.command()
def policy(
    env: Env = "local",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For machines, on standard output.")] = False,
) -> None:
    """Judge what the program registers by the policy pack; needs no cluster and no credentials."""
    from ops import policy as pack

    raise typer.Exit(pack.check(env, as_json=as_json))


@app.command()
def secrets(env: Env = "local") -> None:
    """Print the names of the secret values to be set; needs no cluster and no credentials."""
    from ops import environment

    for name in environment.secrets(env):
        print(name)


@app.command()
def env(env: Annotated[str, typer.Option("--env", "-e", help=STACK)] = "local") -> None:
    """Print shell lines that make the plain `pulumi` work: eval "$(make -s env)"."""
    from ops import environment

    before = told(os.environ)
    values = environment.shell(leave_shell(env))
    for name in before:
        if name not in values:
            print(f"unset {name}")  # of another environment
    for name, value in values.items():
        print(f"export {name}={shlex.quote(value)}")


app.add_typer(review, name="review")


@app.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
    }
)
def run(context: typer.Context) -> None:
    """Run a program of the project's Python environment, e.g. `./pitstop run pytest`."""
    venv = os.environ["PITSTOP_VENV"]
    os.environ["PATH"] = f"{venv}/bin{os.pathsep}{os.environ['PATH']}"
    if not context.args:
        raise UserError("run: no program named; e.g. ./pitstop run pytest -m 'not cluster'")
    program = shutil.which(context.args[0])
    if program is None:
        raise UserError(f"run: {context.args[0]}: no such program; e.g. ./pitstop run pytest")
    os.execv(program, context.args)


def command() -> None:
    """Run the command that was typed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    without_a_proxy(os.environ)
    app(prog_name="pitstop")


def main() -> None:
    """The same; a mistake is one line on standard error and exit status 2."""
    plainly(command)
