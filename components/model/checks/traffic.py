"""Rules over who gets which requests: what Istio would take without a word, and then do something else."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import combinations

from components.model import matches
from components.model.checks.registry import Asked, Stated, settings_check, stated
from components.model.explain import key_path
from components.model.findings import Finding
from components.model.matches import Match, NoWordsForItError
from components.model.settings import ServiceSettings
from components.model.traffic import (
    SINGULAR,
    Access,
    BlueGreen,
    CallerLane,
    ConditionalRoute,
    DarkRelease,
    FaultInjection,
    Retries,
    Timeout,
    WeightedSplit,
)
from components.model.types import SAFE_METHODS

LONGER = timedelta(days=14)  # what a message proposes
ISTIO_ROUTES = "https://istio.io/latest/docs/reference/config/networking/virtual-service/"


# --- what is stated at all ----------------------------------------------------------------------------


@settings_check(
    "policy-twice",
    "Two policies of a kind of which one says it all",
    reason="One of the two would win, and which one nobody could tell from the stack file.",
    source="components/model/traffic.py",
)
def policy_twice(asked: Asked) -> Iterator[Finding]:
    for name in asked.callers:
        first: dict[str, int] = {}
        for number, policy in enumerate(asked.settings.services[name].traffic):
            if not isinstance(policy, SINGULAR):
                continue
            if policy.kind in first:
                path = key_path(("services", name, "traffic", number, "kind"))
                text = f"traffic[{first[policy.kind]}] is one already and one is enough; remove one of them"
                yield Finding("policy-twice", path, text, policy.kind)
            first.setdefault(policy.kind, number)


@settings_check(
    "policy-contradicts",
    "A split beside blue/green",
    reason="Each says who gets all the requests nobody else gets; they cannot both be right.",
    source="components/model/traffic.py",
)
def policy_contradicts(asked: Asked) -> Iterator[Finding]:
    for name in asked.callers:
        own = asked.settings.services[name]
        splits = list(stated(name, own, WeightedSplit))
        for one in stated(name, own, BlueGreen):
            if splits:
                text = f"traffic[{splits[0].number}] is a split already; remove one of them"
                yield Finding("policy-contradicts", one.path("kind"), text, one.policy.kind)


# --- routes -------------------------------------------------------------------------------------------


Route = tuple[Stated[ConditionalRoute | CallerLane], Match]


def _routes(name: str, own: ServiceSettings) -> list[Route]:
    """Conditional routes and lanes in their order, each with the requests it takes."""
    found: list[Route] = []
    for number, policy in enumerate(own.traffic):
        if isinstance(policy, ConditionalRoute):
            found.append((Stated(name, own, number, policy), matches.of_conditions(policy)))
        elif isinstance(policy, CallerLane):
            found.append((Stated(name, own, number, policy), matches.of_lane(policy)))
    return found


@settings_check(
    "route-unreachable",
    "A route behind one that takes all its requests",
    reason="The first route that matches takes a request; this one would get none.",
    source="https://istio.io/latest/docs/reference/config/analysis/ist0130/",
)
def route_unreachable(asked: Asked) -> Iterator[Finding]:
    for name in asked.callers:
        known = _routes(name, asked.settings.services[name])
        for place, (one, wanted) in enumerate(known):
            taken = matches.takers(wanted, [match for _, match in known[:place]])
            if taken:
                names = " and ".join(f"traffic[{known[earlier][0].number}]" for earlier in taken)
                they = "takes them all; list it earlier, or ask that one"
                if len(taken) > 1:
                    they = "take them all; list it earlier, or ask one of those"
                text = f"gets no request, {names} {they} for something more"
                yield Finding("route-unreachable", one.path("kind"), text, one.policy.kind)


@settings_check(
    "conditions-meet",
    "Two conditions Istio cannot ask for together",
    reason="One route asks one thing of each header and of the path: two patterns have no common form.",
    source=f"{ISTIO_ROUTES}#StringMatch",
)
def conditions_meet(asked: Asked) -> Iterator[Finding]:
    for name in asked.callers:
        own = asked.settings.services[name]
        faults = [(one, matches.of_conditions(one.policy)) for one in stated(name, own, FaultInjection)]
        pairs = [(first, second) for first in _routes(name, own) for second in faults]
        for (first, one), (second, other) in [*pairs, *combinations(faults, 2)]:
            try:
                one.meets(other)
            except NoWordsForItError as error:
                what, valid = (
                    "pattern of the same text",
                    "the same pattern or exact texts, e.g. {exact: beta}",
                )
                if error.of_cookies:
                    what, valid = (
                        "cookie",
                        "the same cookie, or another header, e.g. headers: {x-beta: drill}",
                    )
                text = (
                    f"asks for another {what} than traffic[{first.number}], and one "
                    f"route cannot ask for both; valid: {valid}"
                )
                yield Finding("conditions-meet", second.path(), text)


@settings_check(
    "lane-caller",
    "A lane for a caller that is not there",
    reason="The route asks for the labels of the caller's pods; without such pods it takes no request.",
    source=f"{ISTIO_ROUTES}#HTTPMatchRequest",
)
def lane_caller(asked: Asked) -> Iterator[Finding]:
    for one in asked.stated(CallerLane):
        caller, version = one.policy.caller, one.policy.caller_version
        if caller not in asked.callers[one.service]:
            yield _stranger("lane-caller", asked, one, "caller", caller)
        elif version not in (known := asked.settings.services[caller].versions):
            text = f"{caller} has no such version; valid: {', '.join(sorted(known))}"
            yield Finding("lane-caller", one.path("callerVersion"), text, version)


def _stranger(
    code: str, asked: Asked, one: Stated[Access | CallerLane | FaultInjection], *at: str | int
) -> Finding:
    """A caller that does not call: the last of `at` is its name, the rest the keys that lead there."""
    *keys, caller = at
    known = asked.callers[one.service]
    valid = f"valid: {', '.join(known)}" if known else "no service of this environment does; remove it"
    return Finding(code, one.path(*keys), f"{caller} does not call {one.service}; {valid}", str(caller))


# --- mirrors ------------------------------------------------------------------------------------------


@settings_check(
    "mirror-writes",
    "A mirror of requests that write",
    reason="The versions of a service share one database: a copied command would be carried out twice.",
    source="https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1",
)
def mirror_writes(asked: Asked) -> Iterator[Finding]:
    for one in asked.stated(DarkRelease):
        writing = [method for method in one.policy.methods if method not in SAFE_METHODS]
        if writing:
            text = (
                f"a copy of {' and '.join(writing)} would write twice, versions share one database; "
                f"valid: {', '.join(sorted(SAFE_METHODS))}, e.g. methods: [GET]"
            )
            yield Finding("mirror-writes", one.path("methods"), text, ", ".join(one.policy.methods))


@settings_check(
    "mirror-live",
    "A mirror to a version that has requests of its own",
    reason="It would get its own requests and the copies; what it shows would be neither's load.",
    source=f"{ISTIO_ROUTES}#HTTPRoute",
)
def mirror_live(asked: Asked) -> Iterator[Finding]:
    for one in asked.stated(DarkRelease):
        to, shares = one.policy.to, one.own.shares()
        if shares[to] > 0:
            dark = [version for version, share in shares.items() if share == 0]
            valid = f"valid: {', '.join(dark)}" if dark else "valid: a version with a weight of 0"
            text = f"gets {shares[to]} % of the requests itself; {valid}"
            yield Finding("mirror-live", one.path("to"), text, to)


# --- faults -------------------------------------------------------------------------------------------


@settings_check(
    "faults-forbidden",
    "A fault where none is allowed",
    reason="Trouble on purpose belongs where users are not; the environment says whether it does.",
    source="components/model/settings.py",
)
def faults_forbidden(asked: Asked) -> Iterator[Finding]:
    if not asked.settings.guardrails.faults:
        for one in asked.stated(FaultInjection):
            text = "guardrails.faults is false; remove the policy, or allow it: guardrails: {faults: true}"
            yield Finding("faults-forbidden", one.path("kind"), text, one.policy.kind)


@settings_check(
    "fault-expired",
    "A fault whose last day is over",
    reason="Trouble that was forgotten is an outage; a day nobody moved means that nobody wants it any more.",
    source="components/model/traffic.py",
)
def fault_expired(asked: Asked) -> Iterator[Finding]:
    for one in asked.stated(FaultInjection):
        if one.policy.until < asked.today:
            text = f"that day is over; remove the fault or move the day, e.g. until: {asked.today + LONGER}"
            yield Finding("fault-expired", one.path("until"), text, str(one.policy.until))


@settings_check(
    "fault-caller",
    "A fault for a caller that does not call",
    reason="The caller's own proxy makes the fault; nobody would.",
    source=f"{ISTIO_ROUTES}#HTTPFaultInjection",
)
def fault_caller(asked: Asked) -> Iterator[Finding]:
    for one in asked.stated(FaultInjection):
        caller = one.policy.caller
        if caller is not None and caller not in asked.callers[one.service]:
            yield _stranger("fault-caller", asked, one, "caller", caller)


@settings_check(
    "faults-overlap",
    "Two faults of a kind for the same requests",
    reason="A request can be held back once and refused once; of two the first would win.",
    source=f"{ISTIO_ROUTES}#HTTPFaultInjection",
)
def faults_overlap(asked: Asked) -> Iterator[Finding]:
    for name in asked.callers:
        faults = stated(name, asked.settings.services[name], FaultInjection)
        for first, second in combinations(faults, 2):
            for part in ("delay", "abort"):
                both = getattr(first.policy, part) and getattr(second.policy, part)
                if both and _share_requests(first.policy, second.policy):
                    text = (
                        f"traffic[{first.number}] has one for some of the same requests; valid: conditions "
                        "that exclude each other, e.g. methods: [GET] here and methods: [POST] there"
                    )
                    yield Finding("faults-overlap", second.path(part), text)


def _share_requests(one: FaultInjection, other: FaultInjection) -> bool:
    try:
        return matches.of_conditions(one).meets(matches.of_conditions(other)) is not None
    except NoWordsForItError:
        return False  # conditions-meet has said so


@settings_check(
    "fault-retries",
    "Retries of requests that all have a fault",
    reason=(
        "Retries never cover injected faults: the fault stands before the part of the proxy that tries "
        "again, and Istio gives a route with a fault no retries."
    ),
    source=f"{ISTIO_ROUTES}#HTTPRoute; https://github.com/istio/istio/issues/13705",
)
def fault_retries(asked: Asked) -> Iterator[Finding]:
    for one in asked.stated(Retries):
        for fault in stated(one.service, one.own, FaultInjection):
            if matches.of_conditions(fault.policy).covers(matches.of_methods(one.policy.methods)):
                yield _no_patience("fault-retries", one, fault)


@settings_check(
    "fault-timeout",
    "A timeout for requests that all have a fault",
    reason="Istio gives a route with a fault no timeout: a delay longer than it would be waited for.",
    source=f"{ISTIO_ROUTES}#HTTPRoute; https://github.com/istio/istio/issues/13705",
)
def fault_timeout(asked: Asked) -> Iterator[Finding]:
    for one in asked.stated(Timeout):
        for fault in stated(one.service, one.own, FaultInjection):
            if not fault.policy.scoped:
                yield _no_patience("fault-timeout", one, fault)


def _no_patience(code: str, one: Stated[Retries | Timeout], fault: Stated[FaultInjection]) -> Finding:
    what = (
        "retries never cover injected faults"
        if one.policy.kind == "retries"
        else "Istio gives them no timeout"
    )
    text = (
        f"traffic[{fault.number}] is a fault for all of these requests and {what}; "
        "remove one of the two, or narrow the fault, e.g. headers: {x-chaos: drill}"
    )
    return Finding(code, one.path("kind"), text, one.policy.kind)


# --- access -------------------------------------------------------------------------------------------


@settings_check(
    "access-caller",
    "Access for a caller that does not call",
    reason="The call graph is what may call whom; access narrows an edge of it and makes none.",
    source="components/model/access.py",
)
def access_caller(asked: Asked) -> Iterator[Finding]:
    for one in asked.stated(Access):
        for number, caller in enumerate(one.policy.callers):
            if caller not in asked.callers[one.service]:
                yield _stranger("access-caller", asked, one, "callers", number, caller)


@settings_check(
    "access-open",
    "Access that narrows nothing",
    reason=(
        "The call graph lets a caller send every request already, and several policies for it add up: "
        "such a policy changes nothing, or opens what another one narrowed."
    ),
    source="components/model/access.py",
)
def access_open(asked: Asked) -> Iterator[Finding]:
    for one in asked.stated(Access):
        if one.policy.callers and not one.policy.narrows:
            remove = "the key" if one.policy.outsiders else "the policy"
            text = f"may send every request already; remove {remove}, or narrow it, e.g. methods: [GET]"
            yield Finding("access-open", one.path("callers"), text, ", ".join(one.policy.callers))


@settings_check(
    "access-outsider",
    "An outsider from inside",
    reason=("An outsider's namespace is let in by the network; this one's own would let in every pod of it."),
    source="components/model/access.py",
)
def access_outsider(asked: Asked) -> Iterator[Finding]:
    for one in asked.stated(Access):
        for number, outsider in enumerate(one.policy.outsiders):
            if outsider.partition("/")[0] == asked.settings.namespace:
                known = asked.callers[one.service]
                valid = f"valid: callers: [{', '.join(known)}], narrowed" if known else "remove it"
                text = (
                    f"is in this environment, where the call graph decides who calls {one.service}; {valid}"
                )
                yield Finding("access-outsider", one.path("outsiders", number), text, outsider)
