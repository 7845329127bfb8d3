"""`make bench`: how long `make up` takes by stage, and how close the program is to the engine's floor.

The floor is a bare program that registers the very inputs of the running environment, taken from its
state, on the same stack: that both see no change shows that they are the same. Every pair runs in one
session, one after the other, and the medians' ratio is printed. Nothing here passes or fails.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import plan as thinking
from components.model.naming import KUBECONFIG_VARIABLE
from localcluster.tools import toolbox
from ops import clusters
from ops.environment import TIMINGS, Environment, shell
from ops.errors import UserError, plainly
from ops.paths import CHECKOUT, cache_root, checkout_dir
from ops.progress import Progress

IMPORTS = {
    "nothing but pulumi": "pulumi",
    "what decides (components.model)": "components.model.checks, components.model.render",
    "the whole program": "pulumi, components.config, components.preflight, components.environment",
}
# As `make env` has it for the language host: compiled once, in the cache.
CACHED = {"PYTHONPYCACHEPREFIX": str(cache_root() / "pycache"), "PYTHONDONTWRITEBYTECODE": ""}
WEIGHTS = "services.customermanagementapi.traffic[0].weights"
BENCH = CHECKOUT / "bench"


@dataclass(frozen=True)
class Program:
    """One program on the environment's stack, and how it is told the weights."""

    folder: Path
    variables: Mapping[str, str]

    def run(self, *arguments: str) -> float:
        """Seconds of wall time of one CLI run."""
        command = ["pulumi", *arguments, "--non-interactive"]
        started = time.monotonic()
        done = subprocess.run(
            command, cwd=self.folder, env=self.variables, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise UserError(
                f"pulumi {arguments[0]} in {self.folder.name}: {done.stdout[-600:]} {done.stderr[-600:]}"
            )
        return time.monotonic() - started


@dataclass(frozen=True)
class Bench:
    """The two programs and two states of the environment to move between."""

    real: Program
    floor: Program
    configs: tuple[Path, Path]
    recordings: tuple[Path, Path]

    def program(self, state: int, *arguments: str) -> float:
        return self.real.run(*arguments, "--config-file", str(self.configs[state]))

    def bare(self, state: int, *arguments: str) -> float:
        variables = {**self.floor.variables, "BENCH_RECORDED": str(self.recordings[state])}
        run = Program(self.floor.folder, variables).run
        return run(*arguments, "--config-file", str(self.configs[state]))


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs of each pair")
    runs = parser.parse_args().runs
    console = Console(highlight=False)
    thinking.main()
    imports(console, runs)
    stages(console)
    with bench() as pair, Progress().step(f"{runs} interleaved runs of each pair"):
        rows = []
        for row in measure(pair, runs):
            rows.append(row)  # said at once: a run that is cut off has not been for nothing
            Progress().note(f"{row[0]}: {spread(row[1])}; the floor: {spread(row[2])}")
    table = Table(title=f"Seconds of wall time, median of {runs} interleaved runs (min - max)")
    for heading in ("what", "program", "floor", "ratio"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for what, ours, bare in rows:
        ratio = f"{statistics.median(ours) / statistics.median(bare):.2f}" if bare else ""
        table.add_row(what, spread(ours), spread(bare), ratio)
    console.print(table)


def imports(console: Console, runs: int) -> None:
    """What it costs to import the program, the engine's SDK included, in a Python of its own each time."""
    table = Table(title=f"Seconds to import, median of {runs} runs (min - max)")
    table.add_column("what")
    table.add_column("seconds", justify="right")
    variables = {**os.environ, **CACHED}
    for what, modules in IMPORTS.items():
        code = (
            f"import time; began = time.perf_counter(); import {modules}; print(time.perf_counter() - began)"
        )
        command = [sys.executable, "-c", code]
        outputs = [
            subprocess.run(command, cwd=CHECKOUT, env=variables, capture_output=True, text=True, check=True)
            for _ in range(runs + 1)  # the first one compiles
        ]
        table.add_row(what, spread([float(done.stdout) for done in outputs[1:]]))
    console.print(table)


def stages(console: Console) -> None:
    """Run `up` on what is there and print its stages."""
    subprocess.run([CHECKOUT / "pitstop", "up", "--yes"], cwd=CHECKOUT, check=True, stdout=subprocess.DEVNULL)
    timings = json.loads((checkout_dir() / TIMINGS).read_text())
    table = Table(title="Stages of make up, everything cached")
    table.add_column("stage")
    table.add_column("seconds", justify="right")
    for stage in timings["stages"]:
        table.add_row(stage["stage"], f"{stage['seconds']:.1f}")
    table.add_row("all, with what is between", f"{timings['seconds']:.1f}")
    console.print(table)


def measure(pair: Bench, runs: int) -> Iterator[tuple[str, list[float], list[float]]]:
    """Times of the program and of the floor, for each thing a person does."""
    preview, update = ("preview", "--expect-no-changes"), ("up", "--yes", "--skip-preview")
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(runs):
        ours.append(pair.program(0, *preview))
        bare.append(pair.bare(0, *preview))
    yield "preview, nothing changed", ours, bare
    ours, bare = [], []
    for _ in range(runs):
        ours.append(pair.program(0, *update, "--expect-no-changes"))
        bare.append(pair.bare(0, *update, "--expect-no-changes"))
    yield "update, nothing changed", ours, bare
    ours, bare = [], []
    for number in range(runs):  # each update is a real change, and each program makes it in both directions
        there, back = (pair.program, pair.bare) if number % 2 else (pair.bare, pair.program)
        for step, state in ((there, 1), (back, 0)):
            (ours if step == pair.program else bare).append(step(state, *update))
    yield "update, weights moved", ours, bare
    yield "an empty program's preview", [empty(pair.real.variables) for _ in range(runs)], []


def empty(variables: Mapping[str, str]) -> float:
    """The preview of a program that registers nothing, from a copy: the CLI notes its salt beside it."""
    folder = checkout_dir() / "bench" / "empty"
    shutil.copytree(BENCH / "empty", folder, dirs_exist_ok=True)
    program = Program(folder, {**variables, "PULUMI_STACK": "empty"})
    program.run("stack", "select", "--create", "empty")
    return program.run("preview")


@contextmanager
def bench() -> Iterator[Bench]:
    """The environment in two states, recorded; back in its own state afterwards."""
    environment = Environment.read("local")
    variables = {**os.environ, **shell("local")}
    variables[KUBECONFIG_VARIABLE] = clusters.current(environment.choice).reference
    toolbox.ensure(("engine",), Progress())
    folder = checkout_dir() / "bench"
    folder.mkdir(mode=0o700, exist_ok=True)
    configs = (folder / "a.yaml", folder / "b.yaml")
    recordings = (folder / "a.json", folder / "b.json")
    real = Program(CHECKOUT, variables)
    for config in configs:
        config.write_bytes((CHECKOUT / "Pulumi.local.yaml").read_bytes())
    moved = [
        part for name, w in (("v1", 40), ("v2", 60)) for part in ("--plaintext", f"{WEIGHTS}.{name}={w}")
    ]
    real.run("config", "set-all", "--path", *moved, "--config-file", str(configs[1]))
    try:
        for config, recording in reversed(list(zip(configs, recordings, strict=True))):
            real.run("up", "--yes", "--skip-preview", "--config-file", str(config))
            record(real, recording)
        yield Bench(real, Program(BENCH / "floor", variables), configs, recordings)
    finally:
        real.run("up", "--yes", "--skip-preview")
        for path in (*configs, *recordings):
            path.unlink(missing_ok=True)  # the recordings hold secret values


def record(program: Program, path: Path) -> None:
    """Write the inputs of every resource of the state, readable by their owner alone."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        subprocess.run(
            ["pulumi", "stack", "export", "--show-secrets", "--non-interactive"],
            cwd=program.folder,
            env=program.variables,
            stdout=file,
            check=True,
        )
    resources: Sequence[dict[str, object]] = json.loads(path.read_text())["deployment"]["resources"]
    kept = [one for one in resources if one["type"] != "pulumi:pulumi:Stack"]
    path.write_text(json.dumps(kept))


def spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return ""
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f} - {max(seconds):.2f})"


if __name__ == "__main__":
    plainly(main)
