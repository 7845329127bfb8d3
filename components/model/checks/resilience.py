"""Rules over retries, timeouts, circuit breakers and affinity: numbers that only make sense together."""

from collections.abc import Iterator, Mapping
from typing import get_args

from components.model.catalogue import CATALOGUE
from components.model.checks.registry import Asked, Stated, settings_check, stated
from components.model.explain import key_path
from components.model.findings import Finding
from components.model.routes import DEFAULT_TIMEOUT
from components.model.settings import ServiceSettings
from components.model.traffic import (
    CallerLane,
    CircuitBreaker,
    ConditionalRoute,
    Outliers,
    Retries,
    RetryCondition,
    SessionAffinity,
    Timeout,
)
from components.model.types import SAFE_METHODS, milliseconds

ISTIO_RULES = "https://istio.io/latest/docs/reference/config/networking/destination-rule/"
ENVOY_OUTLIERS = (
    "https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/outlier_detection.proto"
)
# Seen before the request was handed over: whatever it asks for was not done.
NOT_CARRIED_OUT: tuple[RetryCondition, ...] = ("connect-failure", "refused-stream", "reset-before-request")
# What is read from the status gRPC has in its answers, which no service here speaks.
OF_GRPC: tuple[RetryCondition, ...] = ("cancelled", "unavailable")
OF_HTTP = tuple(one for one in get_args(RetryCondition) if one not in OF_GRPC)


# --- retries ------------------------------------------------------------------------------------------


@settings_check(
    "retry-grpc",
    "Retries after failures only gRPC has",
    reason="The services speak plain HTTP, whose answers have no gRPC status: nothing would be tried again.",
    source="https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-grpc-on",
)
def retry_grpc(asked: Asked) -> Iterator[Finding]:
    for one in asked.stated(Retries):
        if set(one.policy.when) <= set(OF_GRPC):
            text = f"only gRPC fails so; for HTTP there are {', '.join(OF_HTTP)}, e.g. when: [gateway-error]"
            yield Finding("retry-grpc", one.path("when"), text, ", ".join(one.policy.when))


@settings_check(
    "retry-writes",
    "Another try of a command that may have been carried out",
    reason="Pitstop's commands write and publish an event each time; an error after that says nothing of it.",
    source="https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2",
)
def retry_writes(asked: Asked) -> Iterator[Finding]:
    for one in asked.stated(Retries):
        writing = [method for method in one.policy.methods if method not in SAFE_METHODS]
        late = [condition for condition in one.policy.when if condition not in NOT_CARRIED_OUT]
        if writing and late:
            text = (
                f"after {' or '.join(late)} a {' or '.join(writing)} may have been carried out; "
                f"valid for it: {', '.join(NOT_CARRIED_OUT)}, e.g. when: [connect-failure]"
            )
            yield Finding("retry-writes", one.path("when"), text, ", ".join(one.policy.when))


@settings_check(
    "retry-time",
    "More tries than there is time for",
    reason="The timeout holds for all tries together; the last ones would be cut off, or never made.",
    source="https://istio.io/latest/docs/concepts/traffic-management/#retries",
)
def retry_time(asked: Asked) -> Iterator[Finding]:
    for one in asked.stated(Retries):
        limit, tries = _timeout(one.own), one.policy.attempts + 1
        if milliseconds(one.policy.per_try) * tries > milliseconds(limit):
            longest = _duration(milliseconds(limit) // tries)
            valid = f"valid: at most {longest}, e.g. perTry: {longest}"
            text = f"{tries} tries must fit into the timeout of {limit}; {valid}"
            yield Finding("retry-time", one.path("perTry"), text, one.policy.per_try)


def _timeout(own: ServiceSettings) -> str:
    """How long callers of a service wait."""
    return next((one.policy.duration for one in stated("", own, Timeout)), DEFAULT_TIMEOUT)


def _duration(length: int) -> str:
    """Milliseconds as a stack file has them; at least one."""
    return f"{length // 1000}s" if length and length % 1000 == 0 else f"{max(1, length)}ms"


@settings_check(
    "retry-budget",
    "Retries that multiply",
    reason=(
        "Each link of a chain of calls multiplies the tries of the one before: "
        "a service in trouble would get that many times its load."
    ),
    source="https://sre.google/sre-book/addressing-cascading-failures/",
)
def retry_budget(asked: Asked) -> Iterator[Finding]:
    budget, most = asked.settings.guardrails.retry_budget, _tries(asked)
    said: set[str] = set()
    for name in asked.callers:
        tries, blamed = most[name]
        if tries <= budget or (blamed.path() if blamed else "") in said:
            continue
        if blamed is None:
            text = (
                f"the services themselves try {tries} times; valid: at least that, e.g. retryBudget: {tries}"
            )
            yield Finding("retry-budget", key_path(("guardrails", "retryBudget")), text, str(budget))
        else:
            yield _over_budget(blamed, name, tries, budget)
        said.add(blamed.path() if blamed else "")


Blamed = Stated[Retries] | None


def _tries(asked: Asked) -> Mapping[str, tuple[int, Blamed]]:
    """For each service, the most tries one request of a user becomes there, and the last retries on the way.

    A request that comes back to where it was counts as a new one.
    """
    own_retries: Mapping[str, Stated[Retries]] = {one.service: one for one in asked.stated(Retries)}
    most: dict[str, tuple[int, Blamed]] = {}
    for name in _callers_first(asked.callers):
        before: tuple[int, Blamed] = (1, None)
        for caller in asked.callers[name]:
            tries, blamed = most.get(caller, (1, None))
            before = max(before, (tries * CATALOGUE[caller].tries, blamed), key=lambda found: found[0])
        own = own_retries.get(name)
        most[name] = (before[0] * (own.policy.attempts + 1), own) if own else before
    return most


def _callers_first(callers: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Every service after those that call it; in a circle, after all of them but the one it is entered by."""
    entered: set[str] = set()
    left: set[str] = set()
    waiting = [*callers][::-1]
    while waiting:
        name = waiting[-1]
        if name not in entered:
            entered.add(name)
            waiting += [one for one in callers[name] if one in callers and one not in entered]
            continue
        waiting.pop()
        if name not in left:
            left.add(name)
            yield name


def _over_budget(one: Stated[Retries], service: str, tries: int, budget: int) -> Finding:
    fitting = budget * (one.policy.attempts + 1) // tries - 1
    valid = f"valid: at most {fitting}, e.g. attempts: {fitting}" if fitting > 0 else "remove these retries"
    text = (
        f"makes up to {tries} tries at {service} of one request, guardrails.retryBudget is {budget}; {valid}"
    )
    return Finding("retry-budget", one.path("attempts"), text, str(one.policy.attempts))


@settings_check(
    "timeout-chain",
    "A service that may take longer than its caller's callers wait",
    reason=(
        "When the caller's own callers have given up, the service works for nobody. "
        "Only what is stated is held against it: a default takes part on the caller's side alone."
    ),
    source="https://sre.google/sre-book/addressing-cascading-failures/",
)
def timeout_chain(asked: Asked) -> Iterator[Finding]:
    for one in asked.stated(Timeout):
        for caller in asked.callers[one.service]:
            limit = _timeout(asked.settings.services[caller])
            if milliseconds(one.policy.duration) > milliseconds(limit):
                text = (
                    f"whoever calls {caller} waits {limit} only; valid: at most that, e.g. duration: {limit}"
                )
                yield Finding("timeout-chain", one.path("duration"), text, one.policy.duration)
                break


# --- circuit breakers and affinity --------------------------------------------------------------------


def _outliers(asked: Asked) -> Iterator[tuple[Stated[CircuitBreaker], Outliers, dict[str, int]]]:
    """Outlier detections, with the fewest pods of each version that can get requests."""
    for one in asked.stated(CircuitBreaker):
        if one.policy.outliers:
            reached = {version for version, share in one.own.shares().items() if share > 0}
            reached |= {
                policy.to for policy in one.own.traffic if isinstance(policy, ConditionalRoute | CallerLane)
            }
            pods = {version: one.own.versions[version].fewest for version in sorted(reached)}
            yield one, one.policy.outliers, pods


@settings_check(
    "outlier-alone",
    "Outlier detection where there is one pod",
    reason="A pod is left out in favour of others of its version; without others nothing can be left out.",
    source=f"{ISTIO_RULES}#OutlierDetection",
)
def outlier_alone(asked: Asked) -> Iterator[Finding]:
    for one, _, pods in _outliers(asked):
        for version, fewest in pods.items():
            if fewest < 2:
                keys = ("scaling", "min") if one.own.versions[version].scaling else ("replicas",)
                text = (
                    f"traffic[{one.number}].outliers can leave out a pod only where there is another; "
                    f"valid: 2 or more, e.g. {keys[-1]}: 2"
                )
                path = key_path(("services", one.service, "versions", version, *keys))
                yield Finding("outlier-alone", path, text, str(fewest))


@settings_check(
    "outlier-percent",
    "Outlier detection that can leave out nobody, or everybody",
    reason=(
        "The percentage is of a version's pods, and less than one pod is none: "
        "Envoy's always_eject_one_host is off, and Istio does not set it."
    ),
    source=f"{ENVOY_OUTLIERS}; {ISTIO_RULES}#OutlierDetection",
)
def outlier_percent(asked: Asked) -> Iterator[Finding]:
    for one, outliers, pods in _outliers(asked):
        fewest = min(pods.values())
        if fewest < 2:
            continue  # outlier-alone has said so
        least = -(-100 // fewest)
        if least <= outliers.max_percent < 100:
            continue
        wrong = (
            "would leave out every pod"
            if outliers.max_percent == 100
            else f"is less than one of {fewest} pods"
        )
        text = f"{wrong}; valid: {least} to 99, e.g. maxPercent: {least}"
        yield Finding("outlier-percent", one.path("outliers", "maxPercent"), text, str(outliers.max_percent))


@settings_check(
    "affinity-split",
    "Affinity over versions that share the requests",
    reason="The version is drawn anew for each request, and the cookie or header then picks a pod in it.",
    source=f"{ISTIO_RULES}#LoadBalancerSettings-ConsistentHashLB",
)
def affinity_split(asked: Asked) -> Iterator[Finding]:
    for one in asked.stated(SessionAffinity):
        shares = {version: share for version, share in one.own.shares().items() if share > 0}
        if len(shares) > 1:
            only = max(shares, key=lambda version: shares[version])
            text = (
                f"each request draws its version anew ({', '.join(shares)}), so callers would change pods; "
                f"valid: all to one, e.g. {{kind: bluegreen, live: {only}}}"
            )
            yield Finding("affinity-split", one.path("kind"), text, one.policy.kind)
