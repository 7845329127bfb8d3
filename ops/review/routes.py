"""What the routes of a VirtualService do, as features that can be compared and said."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from components.model.manifests import Document, Json
from ops.review.reading import at, entries, leaves, number, section, text

SHARES, EVERYBODY = "shares", frozenset[str]()
# A pattern for a whole Cookie header in which one cookie has a value, as people and this program write it.
_COOKIE = re.compile(r"(?:\(?\^?\(?[^A-Za-z0-9]*\)?\)?\??)([A-Za-z0-9_.\\-]+)=([^();]+)\(;\.\*\)\??\$?")
_LISTED = re.compile(r"[A-Z]+(\|[A-Z]+)*")
# Parts of a route that are told apart; anything else is told by its keys.
_KNOWN = {"name", "match", "route", "mirror", "mirrors", "mirrorPercentage", "mirror_percent"} | {
    "fault",
    "timeout",
    "retries",
}

Scope = frozenset[str]


@dataclass(frozen=True, slots=True)
class Route:
    """One route: the conditions of its requests, the shares of the versions, and what else is done."""

    scope: Scope
    shares: Mapping[str, str]
    extras: Mapping[str, str] = field(default_factory=dict)


def routes(spec: Document) -> tuple[Route, ...]:
    """The routes of a VirtualService, one for each alternative of their conditions."""
    return tuple(
        Route(scope, _shares(http), _extras(http))
        for http in entries(spec, "http")
        for scope in _scopes(http)
    )


def shares(spec: Document) -> Mapping[str, str]:
    """Percent of each version where no other route takes the request; empty without such a route."""
    whole = [route.shares for route in routes(spec) if route.scope == EVERYBODY]
    return whole[-1] if whole else {}


def features(spec: Document) -> dict[tuple[str, Scope], str]:
    """Each thing that is done, and whose requests it is done to, without what a wider one says already."""
    found: dict[tuple[str, Scope], str] = {}
    listed = routes(spec)
    for route in listed:
        said = {SHARES: _shared(route.shares)} | dict(route.extras)
        for what, words in said.items():
            wider = [one for one in listed if one.scope < route.scope and _says(one, what) == words]
            if not wider:
                found.setdefault((what, route.scope), words)
    return found


def words(scope: Scope) -> str:
    """Whose requests: 'GET with header x-beta = yes from webapp 2.0'."""
    methods = sorted(one for one in scope if one.startswith("method "))
    callers = sorted(one for one in scope if one.startswith("from "))
    rest = sorted(scope - {*methods, *callers})
    said = [one.removeprefix("method ") for one in methods]
    if rest:
        said.append(f"with {' and '.join(rest)}")
    return " ".join([*said, *callers])


def _says(route: Route, what: str) -> str | None:
    return _shared(route.shares) if what == SHARES else route.extras.get(what)


def _shared(found: Mapping[str, str]) -> str:
    return ", ".join(f"{version} {share} %" for version, share in found.items())


def _shares(http: Document) -> dict[str, str]:
    """Istio shares requests by weight over the sum of weights; one destination needs none."""
    targets = entries(http, "route")
    weights = [number(target, "weight") or 0 for target in targets]
    total = sum(weights) or (100 if len(targets) > 1 else 0)
    found: dict[str, str] = {}
    for target, weight in zip(targets, weights, strict=True):
        share = round(100 * weight / total, 1) if total else 100.0
        found[_target(section(target, "destination"))] = f"{share:g}"
    return found


def _target(destination: Document) -> str:
    """A version by its subset's name; without subsets the host's first label."""
    return text(destination, "subset") or text(destination, "host").partition(".")[0]


def _scopes(http: Document) -> Iterator[Scope]:
    matches = entries(http, "match")
    if not matches:
        yield EVERYBODY
    for match in matches:
        yield frozenset(_conditions(match))


def _conditions(match: Document) -> Iterator[str]:
    for key, value in match.items():
        if key == "method":
            form, said = _matched(section(match, "method"))
            listed = form == "regex" and _LISTED.fullmatch(said)
            yield f"method {said.replace('|', ', ') if listed else _form(form, said)}"
        elif key == "headers":
            for name in section(match, "headers"):
                yield _header(name, *_matched(section(match, "headers", name)))
        elif key == "uri":
            yield f"path {_form(*_matched(section(match, 'uri')))}"
        elif key == "sourceLabels":
            labels = section(match, "sourceLabels")
            yield f"from {' '.join(text(labels, label) for label in sorted(labels))}"
        elif key != "name":
            yield f"{key} {_listed(value)}"


def _matched(condition: Document) -> tuple[str, str]:
    for form in ("exact", "prefix", "regex"):
        if form in condition:
            return form, text(condition, form)
    return "exact", ""


def _form(form: str, said: str) -> str:
    return {"exact": said, "prefix": f"{said}*"}.get(form, f"~ {said}")


def _header(name: str, form: str, said: str) -> str:
    if name == "cookie" and form == "regex" and (found := _COOKIE.search(said)):
        cookie, value = (re.sub(r"\\(.)", r"\1", part) for part in found.groups())
        return f"cookie {cookie} = {value}"
    return f"header {name} {'= ' if form != 'regex' else ''}{_form(form, said)}"


def _extras(http: Document) -> dict[str, str]:
    found: dict[str, str] = {}
    if mirrored := section(http, "mirror"):
        percent = text(http, "mirrorPercentage", "value") or "100"
        found[f"mirror to {_target(mirrored)}"] = f"{percent} %"
    for one in entries(http, "mirrors"):
        found[f"mirror to {_target(section(one, 'destination'))}"] = (
            f"{text(one, 'percentage', 'value') or '100'} %"
        )
    if fault := section(http, "fault"):
        found |= _faults(fault)
    if timeout := text(http, "timeout"):
        found["timeout"] = timeout
    if retries := section(http, "retries"):
        found["retries"] = _retries(retries)
    for key in sorted(http.keys() - _KNOWN):
        found[key] = _listed(at(http, key))
    return found


def _faults(fault: Document) -> dict[str, str]:
    found: dict[str, str] = {}
    if delay := section(fault, "delay"):
        percent = text(delay, "percentage", "value") or "100"
        found["fault: delay"] = f"{text(delay, 'fixedDelay')} for {percent} %"
    if abort := section(fault, "abort"):
        percent = text(abort, "percentage", "value") or "100"
        status = text(abort, "httpStatus") or text(abort, "grpcStatus")
        found["fault: abort"] = f"{status} for {percent} %"
    return found


def _retries(retries: Document) -> str:
    each = f" of {text(retries, 'perTryTimeout')}" if text(retries, "perTryTimeout") else ""
    when = f" on {text(retries, 'retryOn')}" if text(retries, "retryOn") else ""
    return f"{text(retries, 'attempts') or '0'}{each}{when}"


def _listed(value: Json) -> str:
    return ", ".join(f"{path} {leaf}".strip() for path, leaf in sorted(leaves(value).items()))
