"""The critical path is what decided how long an update took; a wait nobody asked for is seen."""

from pathlib import Path

from bench.timeline import Span, critical_path, depends, draw, spans, unexplained


def event(second: int, kind: str, urn: str, op: str = "create") -> dict[str, object]:
    return {"timestamp": 1000 + second, kind: {"metadata": {"urn": urn, "op": op}}}


def log(*times: tuple[str, int, int]) -> list[dict[str, object]]:
    begun = [event(start, "resourcePreEvent", urn) for urn, start, _ in times]
    ended = [event(end, "resOutputsEvent", urn) for urn, _, end in times]
    first: dict[str, object] = {"timestamp": 1000, "preludeEvent": {}}
    return [first, *sorted([*begun, *ended], key=lambda one: int(str(one["timestamp"])))]


NEEDS = {"u::c": frozenset({"u::a", "u::b"}), "u::d": frozenset({"u::a"})}
TIMES = (("u::a", 0, 2), ("u::b", 0, 9), ("u::c", 9, 12), ("u::d", 2, 4))


def test_a_span_for_each_resource_in_the_order_they_began() -> None:
    found = spans(log(*TIMES))
    assert [(one.urn, one.start, one.end) for one in found] == [
        ("u::a", 0, 2),
        ("u::b", 0, 9),
        ("u::d", 2, 4),
        ("u::c", 9, 12),
    ]


def test_what_failed_has_ended_too_and_what_never_ended_is_left_out() -> None:
    events = [
        event(0, "resourcePreEvent", "u::a"),
        event(0, "resourcePreEvent", "u::b"),
        event(3, "resOpFailedEvent", "u::a"),
    ]
    assert spans(events) == [Span("u::a", "create", 0, 3)]


def test_the_path_goes_back_by_whoever_ended_last() -> None:
    assert [span.urn for span in critical_path(spans(log(*TIMES)), NEEDS)] == ["u::b", "u::c"]
    assert critical_path([], NEEDS) == []


def test_only_a_wait_without_a_dependency_is_unexplained() -> None:
    assert unexplained(spans(log(*TIMES)), NEEDS) == []
    late = spans(log(*TIMES[:3], ("u::d", 8, 9)))
    assert [(span.urn, seconds) for span, seconds in unexplained(late, NEEDS)] == [("u::d", 6)]


def test_dependencies_parent_and_provider_are_waited_for() -> None:
    state = {
        "deployment": {
            "resources": [
                {
                    "urn": "u::x",
                    "custom": True,
                    "parent": "u::p",
                    "dependencies": ["u::a"],
                    "provider": "u::k::an-id",
                },
                {"urn": "u::y", "custom": True},
                {"urn": "u::stack", "custom": False},
            ]
        }
    }
    assert depends(state) == {"u::x": frozenset({"u::p", "u::a", "u::k"}), "u::y": frozenset()}


def test_the_picture_is_a_picture(tmp_path: Path) -> None:
    found = spans(log(*TIMES))
    draw(found, critical_path(found, NEEDS), tmp_path / "timeline.png")
    assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")
