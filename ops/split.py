"""How requests were shared between versions, and whether that is what was asked for. Pure."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from scipy.stats._result_classes import BinomTestResult

CONFIDENCE = 0.95
# A correct mesh fails a comparison at this level once in a million runs; two thousand requests still
# tell 75 % from 70 %.
ALPHA = 1e-6


class SplitMeasurement(BaseModel):
    """Requests to one service, counted for each of its versions, beside the weights that were asked for.

    `counts` come from the callers' own proxies. `cross_check` counts the same requests by what answered
    them, where the service says so; None where it does not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    via: str
    host: str
    asked: Mapping[str, int] = Field(min_length=1)
    counts: Mapping[str, int]
    errors: int = 0
    cross_check: Mapping[str, int] | None = None

    @model_validator(mode="after")
    def _comparable(self) -> Self:
        if min(self.asked.values()) < 0 or sum(self.asked.values()) == 0:
            raise ValueError(f"asked weights {dict(self.asked)} must not be negative, nor all zero")
        if any(count < 0 for count in self.counts.values()):
            raise ValueError(f"counts {dict(self.counts)} must not be negative")
        return self

    @property
    def requests(self) -> int:
        """All requests, those to versions nobody asked for included."""
        return sum(self.counts.values())

    @property
    def subsets(self) -> tuple[str, ...]:
        """Versions that were asked for or got requests."""
        return tuple(sorted({*self.asked, *self.counts}))

    def expected(self, subset: str) -> float:
        """The share asked for, 0 to 1."""
        return self.asked.get(subset, 0) / sum(self.asked.values())

    def share(self, subset: str) -> float | None:
        """The share measured, 0 to 1; None without requests."""
        return self.counts.get(subset, 0) / self.requests if self.requests else None

    def interval(self, subset: str) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the share; None without requests."""
        if not self.requests:
            return None
        test = _test(self.counts.get(subset, 0), self.requests, self.expected(subset))
        found = test.proportion_ci(confidence_level=CONFIDENCE, method="wilson")
        return float(found.low), float(found.high)

    def p_value(self, subset: str) -> float:
        """How likely a correct mesh is to be at least this far off; 0 without requests."""
        if not self.requests:
            return 0.0
        return float(_test(self.counts.get(subset, 0), self.requests, self.expected(subset)).pvalue)

    def passes(self, alpha: float = ALPHA) -> bool:
        """Whether every share is as asked, by exact binomial tests with `alpha` shared between them."""
        return all(self.p_value(subset) >= alpha / len(self.subsets) for subset in self.subsets)

    @property
    def cross_checked(self) -> bool | None:
        """Whether the answers confirm the proxies' counts exactly; None where answers do not tell."""
        if self.cross_check is None:
            return None
        return all(
            self.counts.get(subset, 0) == self.cross_check.get(subset, 0)
            for subset in {*self.subsets, *self.cross_check}
        )


def _test(count: int, requests: int, expected: float) -> "BinomTestResult":
    from scipy.stats import binomtest

    return binomtest(count, requests, expected)


def render_table(measurements: Sequence[SplitMeasurement]) -> Table:
    """What was asked, what was measured and how sure that is: one row for each version and way in."""
    # Everything fits a terminal of 80 columns.
    table = Table(title="Traffic split, counted by the callers' own proxies", box=box.SIMPLE_HEAD)
    table.add_column("via", no_wrap=True)
    table.add_column("version")
    for heading in ("asked", "measured", "95 % range", "count", "5xx"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("ok")
    for measurement in measurements:
        for number, subset in enumerate(measurement.subsets):
            table.add_row(*_row(measurement, subset, first=number == 0))
        table.add_section()
    return table


def _row(measurement: SplitMeasurement, subset: str, *, first: bool) -> tuple[str, ...]:
    share, interval = measurement.share(subset), measurement.interval(subset)
    return (
        measurement.via if first else "",
        subset,
        f"{measurement.expected(subset):.0%}",
        "-" if share is None else f"{share:.1%}",
        "-" if interval is None else f"{interval[0]:.1%}-{interval[1]:.1%}",
        str(measurement.counts.get(subset, 0)),
        str(measurement.errors) if first else "",
        ("yes" if measurement.passes() else "NO") if first else "",
    )
