"""`make timeline ENV=local`: what the last update of an environment waited for, as a picture.

The engine's own event log says when it began and ended with each resource (to the second), the state what
depends on what. The critical path is followed back from what ended last, each time to the dependency that
ended last. What begins long after everything it depends on has ended waited for no reason we gave.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from localcluster.tools import toolbox
from ops.environment import Environment
from ops.errors import UserError, plainly
from ops.progress import Progress
from ops.stack import EVENTS, Needs, Stack

SLACK = 3.0  # seconds: events have whole ones, and the engine works on a bounded number of resources at once
LONGEST = 60  # rows of the picture; what was over at once is left out first


@dataclass(frozen=True, slots=True)
class Span:
    """The time the engine spent on one resource, in seconds from the update's start."""

    urn: str
    kind: str  # the operation: create, update, same, ...
    start: float
    end: float

    @property
    def name(self) -> str:
        """Type and name as a person knows them."""
        middle, name = self.urn.rsplit("::", 1)
        return f"{middle.rsplit(':', 1)[-1]} {name}"

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.start


def spans(events: Iterable[Mapping[str, object]]) -> list[Span]:
    """One span for each resource of a log, in the order they began."""
    began: dict[str, tuple[float, str]] = {}
    found: list[Span] = []
    first: float | None = None
    for event in events:
        when = float(str(event.get("timestamp", 0)))
        first = when if first is None else first
        if one := _metadata(event, "resourcePreEvent"):
            began.setdefault(str(one["urn"]), (when - first, str(one["op"])))
        ended = _metadata(event, "resOutputsEvent") or _metadata(event, "resOpFailedEvent")
        if ended and str(ended["urn"]) in began:
            start, kind = began.pop(str(ended["urn"]))
            found.append(Span(str(ended["urn"]), kind, start, when - first))
    return sorted(found, key=lambda span: (span.start, span.end, span.urn))


def _metadata(event: Mapping[str, object], kind: str) -> Mapping[str, object]:
    body = event.get(kind)
    found = body.get("metadata") if isinstance(body, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def depends(state: Mapping[str, object]) -> dict[str, frozenset[str]]:
    """For each resource of an exported state, what it waited for: dependencies, parent and provider.

    The stack and components are left out: they are over when all in them is, and nobody waits for them.
    """
    deployment = state.get("deployment")
    resources = deployment.get("resources") if isinstance(deployment, Mapping) else None
    made = [one for one in resources or [] if isinstance(one, Mapping) and one.get("custom")]
    return {str(one["urn"]): frozenset(_needs(one)) for one in made}


def _needs(resource: Mapping[str, object]) -> Iterator[str]:
    for key in ("dependencies", "parent", "provider"):
        value = resource.get(key)
        for one in value if isinstance(value, list) else [value]:
            if one:
                # A provider is named with its id behind its URN.
                yield str(one).rpartition("::")[0] if key == "provider" else str(one)


def critical_path(found: Iterable[Span], needs: Mapping[str, frozenset[str]]) -> list[Span]:
    """The chain that decided how long the update took, from its first link to its last."""
    by_urn = {span.urn: span for span in found}
    link = max(by_urn.values(), key=lambda span: span.end, default=None)
    path: list[Span] = []
    while link is not None and link not in path:
        path.append(link)
        before = [by_urn[urn] for urn in needs.get(link.urn, ()) if urn in by_urn]
        link = max(before, key=lambda span: span.end, default=None)
    return path[::-1]


def unexplained(found: Iterable[Span], needs: Mapping[str, frozenset[str]]) -> list[tuple[Span, float]]:
    """What began more than the slack after everything it depends on, and how many seconds after."""
    by_urn = {span.urn: span for span in found}
    late: list[tuple[Span, float]] = []
    for span in by_urn.values():
        ready = max((by_urn[urn].end for urn in needs.get(span.urn, ()) if urn in by_urn), default=0.0)
        if span.start - ready > SLACK:
            late.append((span, span.start - ready))
    return sorted(late, key=lambda one: -one[1])


def draw(found: list[Span], path: list[Span], file: Path) -> None:
    """The picture: a bar for each resource that took time, the critical path in red."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    critical = {span.urn for span in path}
    longest = sorted(found, key=lambda span: (span.urn not in critical, -span.seconds))[:LONGEST]
    rows = sorted(longest, key=lambda span: (span.start, span.end))
    figure, axes = plt.subplots(figsize=(12, 1 + 0.2 * len(rows)), layout="constrained")
    for number, span in enumerate(rows):
        color = "tab:red" if span.urn in critical else "tab:blue"
        axes.barh(number, max(span.seconds, 0.3), left=span.start, color=color)
    axes.set_yticks(range(len(rows)), [span.name for span in rows], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("seconds from the start of the update; red: the critical path")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make timeline", description=__doc__)
    parser.add_argument("--env", default="local")
    parser.add_argument("--output", type=Path, default=Path("timeline.png"))
    options = parser.parse_args()
    environment = Environment.read(options.env)
    tools = toolbox.ensure(("engine",), Progress())
    stack = Stack(options.env, Needs(tools, rehearsal=environment.rehearsal))
    log = stack.folder / EVENTS
    if not log.is_file():
        raise UserError(f"{options.env}: no update has been logged here yet; make up logs one")
    needs = depends(json.loads(stack.export()))
    every = spans(json.loads(line) for line in log.read_text().splitlines() if line)
    found = [span for span in every if span.urn in needs]
    path = critical_path(found, needs)
    print(
        f"{len(found)} resources in {max((span.end for span in found), default=0):.0f} s; the critical path:"
    )
    for span in path:
        print(f"  {span.start:6.0f} - {span.end:4.0f} s  {span.kind:8} {span.name}")
    late = unexplained(found, needs)
    print(f"{len(late)} began more than {SLACK:.0f} s after everything they depend on")
    for span, seconds in late:
        print(f"  {seconds:6.0f} s  {span.name}")
    draw(found, path, options.output)
    print(f"picture: {options.output}")


if __name__ == "__main__":
    plainly(main)
