"""Whatever stands in a stack file, it is accepted or refused in lines with keys; never a traceback."""

import copy
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as thoroughness
from hypothesis import strategies as st

from components.model.checks import plan_for
from components.model.explain import parse
from components.model.findings import Finding, RefusedError
from tests.property.strategies import TODAY, Node
from tests.property.telling import untold
from tests.validate.environments import ENVIRONMENTS, OWNER

Path = tuple[str | int, ...]
Part = Any  # of what stands in a stack file

WORDS = st.sampled_from(
    ["kind", "v1", "v2", "webapp", "split", "weights", "", "pitstop:x", "a.b", "[0]", "..."]
)
KEYS = st.one_of(
    WORDS, st.text(max_size=5), st.integers(), st.booleans(), st.none(), st.just(date(2027, 1, 31))
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 1, 101, 10**400, 65536]),
    st.floats(),
    WORDS,
    st.text(max_size=30),
    st.text(st.sampled_from("\ud800\x00\u202e\U0001f600é"), max_size=3),
    st.sampled_from(
        ["a" * 10_000, "(" * 400, "((a+)+)+b", "(?=x)", "a{2000}", "1s", "v1", "*", "999999999h"]
    ),
    st.dates(),
    st.just(datetime(2027, 1, 31, tzinfo=UTC)),
    st.binary(max_size=3),
)
JUNK = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)


def paths(value: object, here: Path = ()) -> list[Path]:
    """Every place in the settings, the whole of them first."""
    found = [here]
    if isinstance(value, dict):
        found += [path for key, inner in value.items() for path in paths(inner, (*here, key))]
    if isinstance(value, list):
        found += [path for number, inner in enumerate(value) for path in paths(inner, (*here, number))]
    return found


def at(content: Part, path: Path) -> Part:
    for key in path:
        content = content[key]
    return content


@st.composite
def corrupted(draw: st.DrawFn) -> object:
    """A sound environment with something replaced, added, renamed or taken away."""
    content: Any = copy.deepcopy(ENVIRONMENTS[draw(st.sampled_from(sorted(ENVIRONMENTS)))])
    for _ in range(draw(st.integers(1, 2))):
        *parents, key = draw(st.sampled_from(paths(content)[1:]))
        place = at(content, tuple(parents))
        how = draw(st.sampled_from(["replace", "replace", "remove", "add", "rename"]))
        if how == "replace":
            place[key] = draw(JUNK)
        elif how == "remove":
            del place[key]
        elif isinstance(place, list):
            place.append(draw(JUNK))
        elif how == "add":
            place[draw(KEYS)] = draw(JUNK)
        else:
            place[draw(KEYS)] = place.pop(key)
        if not content:
            break
    return content


@thoroughness(max_examples=200, deadline=None)
@given(corrupted())
def test_anything_is_accepted_or_refused_in_lines(content: Part) -> None:
    assert wrong_with_what_is_said(content) == []


def wrong_with_what_is_said(content: Part) -> list[str]:
    try:
        plan_for(parse(content), OWNER, TODAY)
    except RefusedError as refused:
        return untold(refused)
    return []


@thoroughness(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(ENVIRONMENTS["whole"])) | st.text(max_size=5), JUNK))
def test_garbage_is_refused_in_lines(content: dict[str, object]) -> None:
    with pytest.raises(RefusedError) as refused:
        parse(content)
    assert untold(refused.value) == []


# --- every mistake at once ----------------------------------------------------------------------------


def apart(one: Path, other: Path) -> bool:
    """Whether neither is part of the other."""
    shorter = min(len(one), len(other))
    return one[:shorter] != other[:shorter]


def spots(content: Node) -> list[Path]:
    """Where a mistake hides no other: a wrong `kind` leaves open what the rest should be."""
    return [path for path in paths(content)[1:] if path[-1] != "kind"]


def unshared(content: Any) -> Any:  # noqa: ANN401 - a value of YAML
    """A copy in which no two places are the same object, as two places of a file are not."""
    if isinstance(content, dict):
        return {key: unshared(value) for key, value in content.items()}
    return [unshared(value) for value in content] if isinstance(content, list) else content


@st.composite
def several(draw: st.DrawFn) -> tuple[Node, list[Path]]:
    """A sound environment with a value of no type that is ever valid in up to four places."""
    content = unshared(ENVIRONMENTS[draw(st.sampled_from(sorted(ENVIRONMENTS)))])
    wrong: list[Path] = []
    for path in draw(st.lists(st.sampled_from(spots(content)), min_size=2, max_size=4, unique=True)):
        if all(apart(path, other) for other in wrong):
            at(content, path[:-1])[path[-1]] = [None]
            wrong.append(path)
    return content, wrong


def keys(path: str) -> list[str]:
    return path.removeprefix("pitstop:").replace("[", ".").replace("]", "").split(".")


def about(finding: Finding, path: Path) -> bool:
    """Whether a finding is about this place, or something in it or around it."""
    told, place = keys(finding.path), [str(key) for key in path]
    shorter = min(len(told), len(place))
    return told[:shorter] == place[:shorter]


@thoroughness(max_examples=150, deadline=None)
@given(several())
def test_every_mistake_is_told_at_once(found: tuple[Node, list[Path]]) -> None:
    content, wrong = found
    with pytest.raises(RefusedError) as refused:
        parse(content)
    assert untold(refused.value) == []
    told = refused.value.findings
    assert [path for path in wrong if not any(about(finding, path) for finding in told)] == []


def test_what_is_said_in_other_words_or_helps_nobody_is_noticed() -> None:
    said = [
        Finding("a", "namespace", "must be a text"),
        Finding("b", "pitstop:namespace", "Input should be a valid string, e.g. pitstop"),
        Finding("c", "pitstop:namespace", "is wrong"),
    ]
    assert [text.split(":")[0] for text in untold(RefusedError(said))] == [
        "no key",
        "in somebody else's words",
        "does not say what is valid",
    ]
    assert untold(RefusedError([])) == ["refused without a word"]
    assert untold(RefusedError([Finding("d", "pitstop:namespace", "must be a text")])) == []
