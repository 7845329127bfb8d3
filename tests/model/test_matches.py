"""Which requests a match takes, as properties: what is combined or compared agrees with single requests."""

import pytest
from hypothesis import given
from hypothesis import settings as thoroughness
from hypothesis import strategies as st

from components.model import matches
from components.model.matches import EVERYTHING, Caller, Match, NoWordsForItError, Request, Text
from components.model.traffic import CallerLane, ConditionalRoute, FaultInjection
from tests.model.examples import Node, pick

# Few words, so that conditions and requests often meet.
WORDS = ("a", "ab", "abc", "b", "ba", "")
PATHS = ("/", "/a", "/a/b", "/b")
PATTERNS = ("a.*", "[ab]+", "b|abc", ".*")
METHODS = ("GET", "HEAD", "POST")
HEADERS = ("x-a", "x-b")

callers = st.builds(Caller, st.sampled_from(["webapp", "timeservice"]), st.sampled_from(["", "v1", "v2"]))
senders = st.builds(Caller, st.sampled_from(["webapp", "timeservice"]), st.sampled_from(["v1", "v2"]))


def texts(words: tuple[str, ...], patterns: tuple[str, ...] = PATTERNS) -> st.SearchStrategy[Text]:
    some = [word for word in words if word]
    return st.one_of(
        st.tuples(st.just("exact"), st.sampled_from(some)),
        st.tuples(st.just("prefix"), st.sampled_from(some)),
        st.tuples(st.just("regex"), st.sampled_from(patterns)),
    )


@st.composite
def conditions(draw: st.DrawFn) -> Match:
    chosen = draw(st.dictionaries(st.sampled_from(HEADERS), texts(WORDS), max_size=2))
    path = draw(st.none() | texts(PATHS, ("/a.*", "/.", "/a|/b")))
    methods = draw(st.none() | st.frozensets(st.sampled_from(METHODS), min_size=1))
    return Match(tuple(sorted(chosen.items())), path, methods, draw(st.none() | callers))


requests = st.builds(
    Request,
    st.sampled_from(METHODS),
    st.sampled_from(PATHS),
    st.dictionaries(st.sampled_from(HEADERS), st.sampled_from(WORDS), max_size=2).map(
        lambda sent: tuple(sorted(sent.items()))
    ),
    st.none() | senders,
)
often = thoroughness(max_examples=60, deadline=None)
# Several requests for each pair of matches: what is dear is to make the pair.
several = st.lists(requests, min_size=8, max_size=8)


@often
@given(conditions(), conditions(), several)
def test_what_is_combined_or_compared_agrees_with_single_requests(
    one: Match, other: Match, sent: list[Request]
) -> None:
    try:
        both = one.meets(other)
    except NoWordsForItError:
        return  # the next test is about it
    assert other.meets(one) == both
    for request in sent:
        taken = one.takes(request) and other.takes(request)
        assert (both is not None and both.takes(request)) is taken
        assert other.takes(request) or not (one.takes(request) and other.covers(one))
    assert both is None or (one.covers(both) and other.covers(both))


def patterned(match: Match) -> dict[str, str]:
    """The texts of a match that are no exact ones."""
    named = {**dict(match.headers), **({"path": match.path} if match.path else {})}
    return {name: form for name, (form, _) in named.items() if form != "exact"}


@often
@given(conditions(), conditions())
def test_words_are_missing_only_where_two_patterns_meet(one: Match, other: Match) -> None:
    try:
        one.meets(other)
    except NoWordsForItError:
        shared = patterned(one).keys() & patterned(other).keys()
        assert "regex" in {patterned(side)[name] for side in (one, other) for name in shared}
        with pytest.raises(NoWordsForItError):
            other.meets(one)


@thoroughness(max_examples=30, deadline=None)
@given(conditions())
def test_everything_and_oneself(match: Match) -> None:
    assert EVERYTHING.covers(match)
    assert match.covers(match)
    assert match.meets(match) == match
    assert match.meets(EVERYTHING) == EVERYTHING.meets(match) == match
    assert match.covers(EVERYTHING) is (match == EVERYTHING)


A, B = ("regex", "a.*"), ("regex", "b.*")


def header(text: Text) -> Match:
    return Match((("x-a", text),))


@pytest.mark.parametrize(
    ("one", "other"),
    [(A, B), (A, ("prefix", "a")), (("prefix", "a"), A)],
)
def test_two_patterns_have_no_words(one: Text, other: Text) -> None:
    with pytest.raises(NoWordsForItError):
        header(one).meets(header(other))
    with pytest.raises(NoWordsForItError):
        Match(path=one).meets(Match(path=other))


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (("exact", "a"), ("exact", "a"), ("exact", "a")),
        (("exact", "a"), ("exact", "b"), None),
        (("exact", "ab"), ("prefix", "a"), ("exact", "ab")),
        (("exact", "b"), ("prefix", "a"), None),
        (("prefix", "a"), ("prefix", "ab"), ("prefix", "ab")),
        (("prefix", "a"), ("prefix", "b"), None),
        (("exact", "ab"), A, ("exact", "ab")),
        (("exact", "b"), A, None),
        (A, A, A),
    ],
)
def test_two_texts(one: Text, other: Text, both: Text | None) -> None:
    expected = None if both is None else header(both)
    assert header(one).meets(header(other)) == header(other).meets(header(one)) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Match(methods=frozenset({"GET"})), Match(methods=frozenset({"POST"}))),
        (Match(caller=Caller("webapp", "v1")), Match(caller=Caller("webapp", "v2"))),
        (Match((("x-b", ("exact", "a")),)), Match((("x-b", ("exact", "b")),))),
        (Match(path=("exact", "/a")), Match(path=("exact", "/b"))),
    ],
)
def test_where_no_request_is_in_both_no_words_are_needed(one: Match, other: Match) -> None:
    first = Match((("x-a", A), *one.headers), one.path, one.methods, one.caller)
    second = Match((("x-a", B), *other.headers), other.path, other.methods, other.caller)
    assert first.meets(second) is None
    assert second.meets(first) is None


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (Match(methods=frozenset({"GET", "HEAD"})), Match(methods=frozenset({"GET"}))),
        (header(("prefix", "a")), header(("prefix", "ab"))),
        (header(("prefix", "a")), header(("exact", "ab"))),
        (header(A), header(("exact", "ab"))),
        (Match(path=("prefix", "/a")), Match(path=("exact", "/a/b"))),
        (Match(caller=Caller("webapp")), Match(caller=Caller("webapp", "v2"))),
        (header(A), Match((("x-a", A), ("x-b", A)), methods=frozenset({"GET"}))),
    ],
)
def test_the_wider_covers_the_narrower_and_not_the_other_way_round(wide: Match, narrow: Match) -> None:
    assert wide.covers(narrow)
    assert not narrow.covers(wide)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Match(methods=frozenset({"GET", "HEAD"})), Match(methods=frozenset({"GET", "POST"}))),
        (header(A), Match((("x-b", A),))),
        (header(A), header(("prefix", "ab"))),  # true, and nobody can tell
        (Match(path=("prefix", "/a")), Match(path=("prefix", "/b"))),
        (Match(caller=Caller("webapp", "v1")), Match(caller=Caller("webapp", "v2"))),
    ],
)
def test_neither_covers_the_other(one: Match, other: Match) -> None:
    assert not one.covers(other)
    assert not other.covers(one)


def test_callers() -> None:
    anyone, first, second = Caller("webapp"), Caller("webapp", "v1"), Caller("webapp", "v2")
    assert anyone.meets(first) == first.meets(anyone) == first
    assert first.meets(second) is None
    assert anyone.meets(Caller("timeservice")) is None
    assert anyone.covers(first)
    assert not first.covers(anyone)
    assert not first.covers(second)


def test_documents_are_istios() -> None:
    assert EVERYTHING.document() == {}
    match = Match(
        (("cookie", A), ("x-a", ("exact", "1"))),
        ("prefix", "/api"),
        frozenset({"POST", "GET"}),
        Caller("webapp", "v2"),
    )
    assert match.document() == {
        "headers": {"cookie": {"regex": "a.*"}, "x-a": {"exact": "1"}},
        "uri": {"prefix": "/api"},
        "method": {"regex": "GET|POST"},
        "sourceLabels": {"app": "webapp", "version": "2.0"},
    }
    assert Match(methods=frozenset({"GET"}), caller=Caller("webapp")).document() == {
        "method": {"exact": "GET"},
        "sourceLabels": {"app": "webapp"},
    }


def test_conditions_become_matches() -> None:
    route = ConditionalRoute.model_validate(
        {"kind": "route", "to": "v2", "headers": {"x-b": "1", "x-a": {"prefix": "a"}}, "path": "/a"}
    )
    assert matches.of_conditions(route) == Match(
        (("x-a", ("prefix", "a")), ("x-b", ("exact", "1"))), ("exact", "/a")
    )
    fault = FaultInjection.model_validate(
        {
            "kind": "fault",
            "caller": "webapp",
            "methods": ["GET"],
            "abort": {"percent": 1, "status": 500},
            "until": "2027-01-31",
        }
    )
    assert matches.of_conditions(fault) == Match(methods=frozenset({"GET"}), caller=Caller("webapp"))
    lane = CallerLane.model_validate({"kind": "lane", "caller": "webapp", "callerVersion": "v2", "to": "v2"})
    assert matches.of_lane(lane) == Match(caller=Caller("webapp", "v2"))


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ("beta=1", True),
        ("a=b; beta=1", True),
        ("a=b;beta=1; c=d", True),
        ("beta=1; c=d", True),
        ("beta=10", False),
        ("xbeta=1", False),
        ("a=beta=1", False),
        ("BETA=1", False),
        ("beta=1 ", False),
        ("", False),
    ],
)
def test_one_cookie_among_others(sent: str, taken: bool) -> None:
    route = ConditionalRoute.model_validate({"kind": "route", "to": "v2", "cookie": {"beta": "1"}})
    request = Request(headers=(("cookie", sent),))
    assert matches.of_conditions(route).takes(request) is taken


def test_a_cookies_value_is_no_pattern() -> None:
    route = ConditionalRoute.model_validate({"kind": "route", "to": "v2", "cookie": {"a.b": "x.*"}})
    match = matches.of_conditions(route)
    assert match.takes(Request(headers=(("cookie", "a.b=x.*"),)))
    assert not match.takes(Request(headers=(("cookie", "a.b=xyz"),)))
    assert not match.takes(Request(headers=(("cookie", "acb=x.*"),)))


def by_cookie(name: str, value: str) -> Match:
    route: Node = {"kind": "route", "to": "v2", "cookie": {name: value}}
    return matches.of_conditions(ConditionalRoute.model_validate(route))


def test_two_cookies() -> None:
    one, same, other = by_cookie("beta", "1"), by_cookie("beta", "1"), by_cookie("beta", "2")
    assert one.meets(same) == one
    assert one.covers(same)
    assert one.meets(other) is None
    assert not one.covers(other)
    assert one.meets(Match((("cookie", ("exact", "a=b; beta=1")),))) is not None
    assert one.meets(Match((("cookie", ("exact", "a=b")),))) is None
    for unsayable in (
        by_cookie("chaos", "1"),
        Match((("cookie", A),)),
        Match((("cookie", ("prefix", "b")),)),
    ):
        with pytest.raises(NoWordsForItError) as error:
            one.meets(unsayable)
        assert error.value.of_cookies
    with pytest.raises(NoWordsForItError) as error:
        header(A).meets(header(B))
    assert not error.value.of_cookies
    assert one.document() == {"headers": {"cookie": {"regex": r"(.*;\s*)?beta=1(;.*)?"}}}


@pytest.mark.parametrize("path", [{"prefix": "/"}, {"regex": ".*"}, {"regex": ".+"}, {"regex": "/.*"}])
def test_every_path_is_no_condition(path: Node) -> None:
    route: Node = {"kind": "route", "to": "v2", "path": path, "methods": ["GET"]}
    assert matches.of_conditions(ConditionalRoute.model_validate(route)) == matches.of_methods(["GET"])


def test_what_takes_the_requests_of_another() -> None:
    get, post, both = (matches.of_methods(one) for one in (["GET"], ["POST"], ["GET", "POST"]))
    some = header(("exact", "a"))
    assert matches.takers(both, [some, get, post]) == (1, 2)
    assert matches.takers(both, [get, both, post]) == (1,)
    assert matches.takers(both, [get, get]) == ()
    assert matches.takers(EVERYTHING, [get, post, some]) == ()
    assert matches.takers(some, [get, EVERYTHING]) == (1,)
    assert matches.takers(some, []) == ()


@pytest.mark.parametrize("value", ["." * 200, "\U0001f600" * 200])
def test_the_pattern_of_the_longest_cookie_is_one_that_istio_takes(value: str) -> None:
    route = ConditionalRoute.model_validate({"kind": "route", "to": "v2", "cookie": {"." * 63: value}})
    pattern = pick(matches.of_conditions(route).document(), "headers", "cookie", "regex")
    assert len(str(pattern).encode()) <= 1024


def test_a_request_without_the_header_is_not_taken() -> None:
    assert not header(("regex", ".*")).takes(Request())
    assert header(("regex", ".*")).takes(Request(headers=(("x-a", ""),)))


def test_a_request_from_outside_has_no_caller() -> None:
    assert not Match(caller=Caller("webapp")).takes(Request())
    assert EVERYTHING.takes(Request())
