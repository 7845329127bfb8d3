"""How often a request is tried along a chain of calls, however long it is and whoever calls whom."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from components.model.checks.resilience import _callers_first

Callers = Mapping[str, tuple[str, ...]]
NAMES = [f"s{number}" for number in range(12)]
GRAPHS: st.SearchStrategy[dict[str, list[str]]] = st.fixed_dictionaries(
    {name: st.lists(st.sampled_from([*NAMES, "not-here"]), max_size=3) for name in NAMES}
)


def order(callers: Callers) -> list[str]:
    return list(_callers_first(callers))


def test_a_long_chain_takes_no_stack() -> None:
    chain: Callers = {f"s{number}": (f"s{number + 1}",) for number in range(20_000)} | {"s20000": ()}
    assert order(chain) == [f"s{number}" for number in range(20_000, -1, -1)]


def test_a_circle_is_gone_round_once() -> None:
    circle: Callers = {"a": ("c",), "b": ("a",), "c": ("b",)}
    assert order(circle) == ["b", "c", "a"]
    assert order({"a": ("a",)}) == ["a"]


@given(GRAPHS)
def test_every_service_is_there_once(graph: dict[str, list[str]]) -> None:
    assert sorted(order({name: tuple(others) for name, others in graph.items()})) == sorted(NAMES)


@given(GRAPHS)
def test_without_a_circle_callers_come_first(graph: dict[str, list[str]]) -> None:
    # Only calls from earlier names: no circle.
    callers = {name: tuple(one for one in graph[name] if one in graph and one < name) for name in graph}
    found = order(callers)
    for name, before in callers.items():
        for one in before:
            assert found.index(one) < found.index(name)
