"""Judging a split. A judge that lets a wrong mesh pass, or fails a right one, is worth nothing."""

import io
from collections.abc import Mapping
from math import sqrt
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from rich.console import Console

from ops.split import SplitMeasurement, render_table


def measured(
    asked: Mapping[str, int], counts: Mapping[str, int], cross: Mapping[str, int] | None = None
) -> SplitMeasurement:
    return SplitMeasurement(via="test", host="h", asked=asked, counts=counts, cross_check=cross)


@pytest.mark.parametrize(
    ("asked", "counts"),
    [
        ({"v1": 75, "v2": 25}, {"v1": 1500, "v2": 500}),
        ({"v1": 75, "v2": 25}, {"v1": 1532, "v2": 468}),
        ({"v1": 40, "v2": 60}, {"v1": 824, "v2": 1176}),
        ({"v1": 100, "v2": 0}, {"v1": 2000}),
        ({"v1": 100}, {"v1": 1}),
        ({"v1": 50, "v2": 30, "v3": 20}, {"v1": 1010, "v2": 590, "v3": 400}),
        ({"v1": 3, "v2": 1}, {"v1": 1500, "v2": 500}),
    ],
)
def test_a_mesh_that_does_as_asked_passes(asked: dict[str, int], counts: dict[str, int]) -> None:
    assert measured(asked, counts).passes()


@pytest.mark.parametrize(
    ("asked", "counts"),
    [
        ({"v1": 75, "v2": 25}, {"v1": 1400, "v2": 600}),  # 70/30: five points off shows in 2,000 requests
        ({"v1": 75, "v2": 25}, {"v1": 500, "v2": 1500}),  # the wrong way round
        ({"v1": 75, "v2": 25}, {"v1": 1000, "v2": 1000}),  # spread over pods, no mesh at all
        ({"v1": 75, "v2": 25}, {"v1": 2000}),  # one version gets everything
        ({"v1": 75, "v2": 25}, {"": 2000}),  # to the service as a whole, not to a version
        ({"v1": 75, "v2": 25}, {"v1": 1500, "v2": 497, "v3": 3}),  # someone nobody asked for
        ({"v1": 100, "v2": 0}, {"v1": 1999, "v2": 1}),  # a single request too many
        ({"v1": 75, "v2": 25}, {}),  # nothing measured proves nothing
        ({"v1": 50, "v2": 30, "v3": 20}, {"v1": 1000, "v2": 500, "v3": 500}),
    ],
)
def test_a_mesh_that_does_something_else_fails(asked: dict[str, int], counts: dict[str, int]) -> None:
    assert not measured(asked, counts).passes()


def test_few_requests_prove_little() -> None:
    assert measured({"v1": 75, "v2": 25}, {"v1": 7, "v2": 13}).passes()
    assert not measured({"v1": 75, "v2": 25}, {"v1": 70, "v2": 130}).passes()


def wilson(count: int, requests: int) -> tuple[float, float]:
    """Wilson's interval by its formula."""
    z, p = NormalDist().inv_cdf(0.975), count / requests
    centre = (p + z * z / (2 * requests)) / (1 + z * z / requests)
    half = z / (1 + z * z / requests) * sqrt(p * (1 - p) / requests + z * z / (4 * requests**2))
    return centre - half, centre + half


def test_shares_and_intervals() -> None:
    result = measured({"v1": 75, "v2": 25}, {"v1": 1532, "v2": 468})
    assert result.requests == 2000
    assert result.share("v1") == pytest.approx(0.766)
    interval = result.interval("v1")
    assert interval is not None
    assert interval == pytest.approx(wilson(1532, 2000))
    assert result.p_value("v1") == pytest.approx(0.1038, abs=1e-4)


def test_without_requests_there_is_no_share() -> None:
    result = measured({"v1": 100}, {})
    assert (result.share("v1"), result.interval("v1"), result.p_value("v1")) == (None, None, 0.0)


@settings(deadline=None, max_examples=30)  # the first call pays for imports
@given(
    asked=st.dictionaries(st.sampled_from(["v1", "v2", "v3"]), st.integers(1, 100), min_size=1),
    requests=st.integers(1, 5000),
)
def test_a_split_as_close_as_whole_requests_allow_passes(asked: dict[str, int], requests: int) -> None:
    total = sum(asked.values())
    counts = {subset: requests * weight // total for subset, weight in asked.items()}
    counts[next(iter(asked))] += requests - sum(counts.values())
    result = measured(asked, counts)
    assert result.passes()
    for subset in result.subsets:
        share, interval = result.share(subset), result.interval(subset)
        assert share is not None
        assert interval is not None
        assert 0 <= interval[0] <= share + 1e-9
        assert share - 1e-9 <= interval[1] <= 1


@pytest.mark.parametrize(
    ("counts", "cross", "confirmed"),
    [
        ({"v1": 3, "v2": 1}, {"v1": 3, "v2": 1}, True),
        ({"v1": 3}, {"v1": 3, "v2": 0}, True),
        ({"v1": 3, "v2": 1}, {"v1": 4, "v2": 0}, False),
        ({"v1": 3, "v2": 1}, {"v1": 3, "v2": 1, "v3": 1}, False),
        ({"v1": 3, "v2": 1}, None, None),
    ],
)
def test_the_cross_check_is_exact(
    counts: dict[str, int], cross: dict[str, int] | None, *, confirmed: bool | None
) -> None:
    assert measured({"v1": 75, "v2": 25}, counts, cross).cross_checked is confirmed


@pytest.mark.parametrize(
    ("asked", "counts"), [({}, {}), ({"v1": 0}, {}), ({"v1": -1, "v2": 101}, {}), ({"v1": 100}, {"v1": -1})]
)
def test_impossible_figures_are_refused(asked: dict[str, int], counts: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        measured(asked, counts)


def shown(*measurements: SplitMeasurement) -> list[list[str]]:
    console = Console(file=io.StringIO(), width=120, record=True)
    console.print(render_table(measurements))
    lines = [line.split() for line in console.export_text().splitlines() if "%" in line]
    return lines[1:]  # without the headings


def test_the_table_shows_what_was_asked_and_measured() -> None:
    assert shown(measured({"v1": 75, "v2": 25}, {"v1": 1532, "v2": 468})) == [
        ["test", "v1", "75%", "76.6%", "74.7%-78.4%", "1532", "0", "yes"],
        ["v2", "25%", "23.4%", "21.6%-25.3%", "468"],
    ]


def test_the_table_shows_a_failure_and_an_empty_measurement() -> None:
    assert shown(measured({"v1": 100}, {}))[0] == ["test", "v1", "100%", "-", "-", "0", "0", "NO"]
