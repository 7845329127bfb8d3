"""Which requests a route takes, as values that can be combined and compared."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from components.model import naming
from components.model.manifests import Document
from components.model.traffic import CallerLane, Conditions, FaultInjection
from components.model.types import compiled

# exact, prefix or regex, and what; or cookie, and the name=value that is one of the cookies in a text
Text = tuple[str, str]


class NoWordsForItError(Exception):
    """Two conditions on the same text that Istio cannot ask for together."""

    def __init__(self, *texts: Text) -> None:
        super().__init__(*texts)
        self.texts = texts

    @property
    def of_cookies(self) -> bool:
        """Whether one of the two asks for a cookie."""
        return any(form == "cookie" for form, _ in self.texts)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose requests: a service, in one version or in any."""

    service: str
    version: str = ""

    def meets(self, other: "Caller") -> "Caller | None":
        """Both at once; None where nobody is."""
        if self.service != other.service or (self.version and other.version and self != other):
            return None
        return self if self.version else other

    def covers(self, other: "Caller") -> bool:
        """Whether everybody the other means is meant here."""
        return self.service == other.service and self.version in ("", other.version)

    def labels(self) -> Document:
        """The labels of its pods."""
        version: Document = {"version": naming.version_label(self.version)} if self.version else {}
        return {"app": self.service, **version}


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a proxy sees it, to tell which route takes it. Header names are in lower case."""

    method: str = "GET"
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    caller: Caller | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """Requests for which everything given holds. Nothing given: every request."""

    headers: tuple[tuple[str, Text], ...] = ()
    path: Text | None = None
    methods: frozenset[str] | None = None
    caller: Caller | None = None

    def meets(self, other: "Match") -> "Match | None":
        """The requests that are in both; None where there are none.

        Raises:
            NoWordsForItError: two patterns would have to hold for one header or path.
        """
        mine, theirs = dict(self.headers), dict(other.headers)
        shared = {name: (mine[name], theirs[name]) for name in mine if name in theirs}
        paths = [(self.path, other.path)] if self.path and other.path else []
        methods = self.methods if other.methods is None else other.methods
        if self.methods is not None and other.methods is not None:
            methods = self.methods & other.methods
        caller = self.caller or other.caller
        if self.caller and other.caller:
            caller = self.caller.meets(other.caller)
        nobody = methods == frozenset() or (self.caller is not None and caller is None)
        # Asked before words are looked for: where no request is in both, none are needed.
        if nobody or any(_apart(*pair) for pair in (*shared.values(), *paths)):
            return None
        headers = mine | theirs | {name: _narrower(*pair) for name, pair in shared.items()}
        path = _narrower(*paths[0]) if paths else self.path or other.path
        return Match(tuple(sorted(headers.items())), path, methods, caller)

    def covers(self, other: "Match") -> bool:
        """Whether every request of the other is one of these, as far as can be told from the conditions."""
        theirs = dict(other.headers)
        return (
            all(name in theirs and _implies(theirs[name], text) for name, text in self.headers)
            and (self.path is None or (other.path is not None and _implies(other.path, self.path)))
            and (self.methods is None or (other.methods is not None and other.methods <= self.methods))
            and (self.caller is None or (other.caller is not None and self.caller.covers(other.caller)))
        )

    def takes(self, request: Request) -> bool:
        """Whether this is one of the requests meant."""
        sent = dict(request.headers)
        return (
            all(name in sent and _implies(("exact", sent[name]), text) for name, text in self.headers)
            and (self.path is None or _implies(("exact", request.path), self.path))
            and (self.methods is None or request.method in self.methods)
            and (self.caller is None or (request.caller is not None and self.caller.covers(request.caller)))
        )

    def document(self) -> Document:
        """As Istio's HTTPMatchRequest has it; empty for every request."""
        found: Document = {}
        if self.headers:
            found["headers"] = {name: _document(text) for name, text in self.headers}
        if self.path:
            found["uri"] = {self.path[0]: self.path[1]}
        if self.methods is not None:
            names = sorted(self.methods)
            found["method"] = {"exact": names[0]} if len(names) == 1 else {"regex": "|".join(names)}
        if self.caller:
            found["sourceLabels"] = self.caller.labels()
        return found


EVERYTHING = Match()


def takers(match: Match, earlier: Sequence[Match]) -> tuple[int, ...]:
    """The places of those that leave no request for a match behind them; nothing where one is left.

    Its methods may be taken by one each.
    """

    def first(wanted: Match) -> int | None:
        return next((place for place, one in enumerate(earlier) if one.covers(wanted)), None)

    whole = first(match)
    if whole is not None:
        return (whole,)
    places = [first(replace(match, methods=frozenset({method}))) for method in match.methods or ()]
    found = {place for place in places if place is not None}
    return tuple(sorted(found)) if None not in places else ()


def of_conditions(conditions: Conditions) -> Match:
    """The requests the settings describe."""
    headers = {name: text.form for name, text in conditions.headers.items()}
    for name, value in conditions.cookie.items():
        headers["cookie"] = ("cookie", f"{name}={value}")
    return Match(
        tuple(sorted(headers.items())),
        conditions.asked_path.form if conditions.asked_path else None,
        frozenset(conditions.methods) if conditions.methods else None,
        Caller(conditions.caller) if isinstance(conditions, FaultInjection) and conditions.caller else None,
    )


def of_lane(lane: CallerLane) -> Match:
    """The requests of one version of a caller."""
    return Match(caller=Caller(lane.caller, lane.caller_version))


def of_methods(methods: Iterable[str]) -> Match:
    """The requests with one of these methods."""
    return Match(methods=frozenset(methods))


def _cookie(pair: str) -> str:
    """A pattern for the whole Cookie header in which one cookie is this."""
    return f"(.*;\\s*)?{re.escape(pair)}(;.*)?"


def _document(text: Text) -> Document:
    """As Istio's StringMatch has it."""
    form, said = text
    return {"regex": _cookie(said)} if form == "cookie" else {form: said}


def _apart(one: Text, other: Text) -> bool:
    """Whether no text meets both, as far as can be told. Of a name there is one cookie."""
    if (one[0], other[0]) == ("cookie", "cookie"):
        return one != other and one[1].partition("=")[0] == other[1].partition("=")[0]
    comparable = "exact" in (one[0], other[0]) or (one[0], other[0]) == ("prefix", "prefix")
    return comparable and not _implies(one, other) and not _implies(other, one)


def _narrower(one: Text, other: Text) -> Text:
    """Of two conditions on a text the one that says both."""
    if _implies(other, one):
        return other
    if _implies(one, other):
        return one
    raise NoWordsForItError(one, other)


def _implies(narrow: Text, wide: Text) -> bool:
    """Whether every text that meets the first meets the second, as far as can be told."""
    if narrow == wide:
        return True
    (form, text), (wider, pattern) = narrow, wide
    if wider == "prefix":
        return form in ("exact", "prefix") and text.startswith(pattern)
    if wider == "cookie":
        wider, pattern = "regex", _cookie(pattern)
    return wider == "regex" and form == "exact" and compiled(pattern).fullmatch(text) is not None
