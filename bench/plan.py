"""How long the program thinks: settings -> plan -> checks, for Pitstop and for far more services than it has.

    ./pitstop run python -m bench.plan

What is measured starts from plain values, as YAML or Pulumi hand them over, and ends with a checked plan. The
larger catalogues are made up: services of two versions with a split, in teams of ten that call one another.
Time for each service that grows with their number shows something that looks at all of them for each of them.
"""

import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from types import MappingProxyType

import yaml
from rich.console import Console
from rich.table import Table

from components.model import stackfile
from components.model.catalogue import CATALOGUE, Kind, Need, Port, Service
from components.model.checks import check_plan, check_settings
from components.model.explain import parse
from components.model.plan import build
from ops.paths import CHECKOUT

SIZES = (10, 100, 1000)
RUNS = {10: 31, 100: 11, 1000: 3}
GOAL_MILLISECONDS = 50  # for the whole of Pitstop
STAGES = ("read", "check", "plan", "check plan")
TEAM, CALLS = 10, 3  # made-up services, and how many of its own team each of them calls


def main() -> None:
    """Measure and print."""
    rows = [("Pitstop", len(CATALOGUE), median(pitstop(), 31))]
    for size in SIZES:
        with catalogue_of(size):
            rows.append((f"{size} services", size, median(made_up(size), RUNS[size])))
    console = Console(highlight=False)
    console.print(table(rows))
    total = sum(rows[0][2])
    console.print(f"Pitstop: {total:.1f} ms; the goal is less than {GOAL_MILLISECONDS} ms")


def table(rows: list[tuple[str, int, list[float]]]) -> Table:
    """Each stage in milliseconds, and what one service costs compared with the smallest made-up catalogue."""
    found = Table(title="From settings to a checked plan, median milliseconds")
    for heading in ("", *STAGES, "all", "each", "ratio"):
        found.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    least = sum(rows[1][2]) / rows[1][1]
    for what, size, times in rows:
        each = sum(times) / size
        ratio = f"{each / least:.2f}" if what != rows[0][0] else ""
        found.add_row(what, *(f"{one:.1f}" for one in times), f"{sum(times):.1f}", f"{each:.2f}", ratio)
    return found


def median(raw: Mapping[str, object], runs: int) -> list[float]:
    """Milliseconds of each stage, the medians of several runs."""
    measured = [once(raw) for _ in range(runs)]
    return [statistics.median(stage) for stage in zip(*measured, strict=True)]


def once(raw: Mapping[str, object]) -> list[float]:
    """Milliseconds of each stage of one run.

    Raises:
        ValueError: what is measured is not accepted, so it would be another thing.
    """
    moments = [time.perf_counter()]
    settings = parse(raw)
    moments.append(time.perf_counter())
    found = list(check_settings(settings))
    moments.append(time.perf_counter())
    plan = build(settings, "pitstop.bench")
    moments.append(time.perf_counter())
    found += check_plan(plan)
    moments.append(time.perf_counter())
    if found:
        raise ValueError(f"not accepted: {found[0]}")
    return [(end - start) * 1000 for start, end in pairwise(moments)]


def pitstop() -> Mapping[str, object]:
    """The plain values of the committed local environment, with every service there is."""
    content = yaml.load((CHECKOUT / "Pulumi.local.yaml").read_text(), stackfile.Loader)  # noqa: S506 - a SafeLoader
    values = {key.removeprefix("pitstop:"): value for key, value in content["config"].items()}
    return {**values, "services": {**{name: {} for name in CATALOGUE}, **values["services"]}}


# --- made up ------------------------------------------------------------------------------------------


def name_of(number: int) -> str:
    return f"service-{number:04}"


def made_up(size: int) -> Mapping[str, object]:
    """Settings for a made-up catalogue."""
    own = {
        "versions": {"v1": {}, "v2": {}},
        "traffic": [{"kind": "split", "weights": {"v1": 75, "v2": 25}}],
    }
    return {
        "namespace": "pitstop",
        "cluster": {"kind": "local"},
        "mesh": {"kind": "helm", "size": "small"},
        "services": {name_of(number): own for number in range(size)},
    }


def services(size: int) -> dict[str, Service]:
    """A made-up catalogue: each service calls those of its team that come before it; one is the way in."""
    return {
        name_of(number): Service(
            name_of(number),
            Kind.HTTP,
            ports=(Port("http", 8080, "http"),),
            needs=tuple(Need(name_of(other), "http") for other in called(number)),
            health="/hc",
            public=number == size - 1,
        )
        for number in range(size)
    }


def called(number: int) -> range:
    return range(max(number - number % TEAM, number - CALLS), number)


@contextmanager
def catalogue_of(size: int) -> Iterator[None]:
    """The model with a made-up catalogue instead of its own, for as long as the block takes."""
    made = MappingProxyType(services(size))
    named = (module for name, module in sys.modules.items() if name.startswith("components.model"))
    holders = [module for module in named if getattr(module, "CATALOGUE", None) is CATALOGUE]
    for module in holders:
        module.CATALOGUE = made  # type: ignore[attr-defined]  # each has it, under this name
    try:
        yield
    finally:
        for module in holders:
            module.CATALOGUE = CATALOGUE  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
