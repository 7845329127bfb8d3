"""`make bench-azure`: what the program adds to the first preview of dev and prod, in rehearsal.

The floor is the bare program of `make bench`: it registers what ours registers, for the same engine and the
same stand-in for Azure. Neither has a cluster; runs of both alternate, and the medians' ratio is printed.
"""

import argparse
import json
import os
import statistics
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.__main__ import BENCH, Program, spread
from localcluster.tools import charts, toolbox
from ops import recording
from ops.errors import plainly
from ops.paths import CHECKOUT, checkout_dir
from ops.progress import Progress
from ops.recording import Registered
from ops.rehearsal import Rehearsal
from ops.stack import Needs, Stack

PACKAGES = {"azure-native": "pulumi:providers:azure-native", "kubernetes": "pulumi:providers:kubernetes"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-azure", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs of each pair")
    runs = parser.parse_args().runs
    table = Table(title=f"Seconds of a first preview, median of {runs} interleaved runs (min - max)")
    for heading in ("environment", "resources", "program", "floor", "ratio"):
        table.add_column(heading, justify="left" if heading == "environment" else "right")
    for name in ("dev", "prod"):
        count, ours, bare = measure(name, runs)
        ratio = f"{statistics.median(ours) / statistics.median(bare):.2f}"
        table.add_row(name, str(count), spread(ours), spread(bare), ratio)
    Console(highlight=False).print(table)


def measure(name: str, runs: int) -> tuple[int, list[float], list[float]]:
    """The number of resources, and the seconds of each run: the program's and the floor's."""
    rehearsal = Rehearsal(f"bench-{name}", "nodes")
    progress = Progress()
    tools = toolbox.ensure(("engine",), progress)
    needs = Needs(tools, charts.ensure(progress), rehearsal=rehearsal)
    stack = Stack(name, needs)
    stack.ensure()
    # The engine makes the stack itself.
    registered = tuple(one for one in recording.record(name) if one.type != recording.STACK)
    recorded = checkout_dir() / f"bench-{name}.json"
    recorded.parent.mkdir(parents=True, exist_ok=True)
    recorded.write_text(json.dumps([entry(one, registered) for one in registered]))
    config = checkout_dir() / f"Pulumi.{name}.yaml"
    config.write_bytes((CHECKOUT / config.name).read_bytes())
    variables = {**os.environ, **stack.variables}
    program = Program(CHECKOUT, variables)
    floor = Program(BENCH / "floor", {**variables, "BENCH_RECORDED": str(recorded)})
    ours: list[float] = []
    bare: list[float] = []
    try:
        for _ in range(runs):
            for which, times in ((program, ours), (floor, bare)):
                times.append(which.run("preview", "--config-file", str(config)))
    finally:
        rehearsal.remove()
        for path in (recorded, config):
            Path(path).unlink(missing_ok=True)
    return len(registered), ours, bare


def entry(one: Registered, everything: tuple[Registered, ...]) -> dict[str, object]:
    """A registration as the floor takes it; the provider is the one its package has."""
    kind = PACKAGES.get(one.type.partition(":")[0], "")
    provider = next((other.urn for other in everything if other.type == kind), "")
    return {
        "urn": one.urn,
        "type": one.type,
        "custom": one.custom,
        "parent": one.parent,
        "dependencies": list(one.after),
        "inputs": one.inputs,
        "provider": f"{provider}::id" if provider else "",
    }


if __name__ == "__main__":
    plainly(main)
