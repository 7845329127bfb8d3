"""Traffic policies as a stack file states them: a tagged union, one `kind` for each strategy.

A service has a list of them, and they add up: which version answers whom (`split`, `bluegreen`, `route`,
`lane`), and what happens to a request on its way (`mirror`, `fault`, `timeout`, `retries`,
`circuitbreaker`, `affinity`, `access`). Every version stays routable: a policy only says who gets what.
"""

import re
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from components.model.catalogue import ServiceName
from components.model.types import (
    AccessPath,
    Attempts,
    CookieName,
    CookieValue,
    Count,
    Duration,
    HeaderName,
    Method,
    Model,
    Outsider,
    Pattern,
    Percent,
    ServerName,
    Status,
    VersionName,
    Weight,
    WholePercent,
    invalid,
)

Methods = Annotated[tuple[Method, ...], Field(strict=False, min_length=1)]


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(T00:00:00Z)?")


def day(value: object) -> object:
    """A date as YAML, JSON and the engine's own reading of YAML write it."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value[:10])
        except ValueError:
            pass
    if type(value) is not date:
        raise invalid("must be a date, e.g. 2027-01-31")
    return value


Day = Annotated[date, BeforeValidator(day), WithJsonSchema({"type": "string", "format": "date"})]


class TextMatch(Model):
    """What a text must be: exactly this, begin with this, or match this as a whole. A bare text is exact."""

    exact: str | None = None
    prefix: str | None = None
    regex: Pattern | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: object) -> object:
        if isinstance(value, str):
            return {"exact": value}
        if not isinstance(value, dict | TextMatch):
            raise invalid(
                "must be a text, in quotes, or one of exact, prefix and regex, e.g. {prefix: beta-}"
            )
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [form for form in (self.exact, self.prefix, self.regex) if form is not None]
        if len(given) != 1:
            raise invalid("must be one of exact, prefix and regex, e.g. {prefix: beta-}")
        if not given[0]:
            raise invalid("must not be empty, e.g. {prefix: beta-}")
        return self

    @property
    def form(self) -> tuple[str, str]:
        """Which of the three it is, and the text."""
        for form in ("exact", "prefix", "regex"):
            text: str | None = getattr(self, form)
            if text is not None:
                return form, text
        raise AssertionError("validated")

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(core_schema)]}


# Every path there is. Behind a route for the first Istio drops the others.
EVERY_PATH = frozenset({("prefix", "/"), ("regex", ".*"), ("regex", ".+"), ("regex", "/.*")})


class Conditions(Model):
    """Which requests are meant; all that is given must hold."""

    headers: dict[HeaderName, TextMatch] = Field(default_factory=dict)
    # One: all are one header.
    cookie: dict[CookieName, CookieValue] = Field(default_factory=dict, max_length=1)
    path: TextMatch | None = None
    methods: Methods | None = None

    @field_validator("path")
    @classmethod
    def _without_a_query(cls, path: TextMatch | None) -> TextMatch | None:
        # Envoy compares the path alone; a pattern may match it in ways nobody can tell from its text.
        if path and path.regex is None and not re.fullmatch(r"/[^?#]*", path.form[1]):
            raise invalid("must begin with / and have no query, which is not compared, e.g. /api/customers")
        return path

    @model_validator(mode="after")
    def _cookies_are_a_header(self) -> Self:
        if self.cookie and "cookie" in self.headers:
            raise invalid("cookies are this header; state one of the two", "headers", "cookie")
        return self

    @property
    def conditional(self) -> bool:
        """Whether anything is asked of a request."""
        return bool(self.headers or self.cookie or self.asked_path or self.methods)

    @property
    def asked_path(self) -> TextMatch | None:
        """What is asked of the path; nothing where every path is so."""
        return None if self.path and self.path.form in EVERY_PATH else self.path


class WeightedSplit(Model):
    """A share of the requests for each version, in percent (a canary moves these)."""

    kind: Literal["split"]
    weights: dict[VersionName, Weight]

    @field_validator("weights")
    @classmethod
    def _sums_to_100(cls, weights: dict[str, int]) -> dict[str, int]:
        # Istio takes any weights and divides by their sum: 90 and 20 would silently mean 82 % and 18 %.
        total = sum(weights.values())
        if total != 100:
            raise invalid(f"the sum is {total} and must be 100, e.g. {_example(weights)}")
        return weights

    def shares(self) -> dict[str, int]:
        """Percent of the requests for each version named."""
        return dict(sorted(self.weights.items()))


class BlueGreen(Model):
    """Every request to one version; the other stays up, one change away."""

    kind: Literal["bluegreen"]
    live: VersionName

    def shares(self) -> dict[str, int]:
        """Percent of the requests for each version named."""
        return {self.live: 100}


class ConditionalRoute(Conditions):
    """Requests with these headers, this cookie, path or method go to one version (A/B, beta users)."""

    kind: Literal["route"]
    to: VersionName

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.path and not self.conditional:
            raise invalid(
                "is so of every request; valid: a part of them, e.g. {prefix: /api} "
                "(or split or bluegreen, which are for all)",
                "path",
            )
        if not self.conditional:
            raise invalid(
                "must ask something of a request: headers, cookie, path or methods, "
                'e.g. headers: {x-beta: "yes"}'
            )
        return self


class CallerLane(Model):
    """What one version of a caller calls: webapp v2 gets the API's v2."""

    kind: Literal["lane"]
    caller: ServiceName
    caller_version: VersionName = Field(alias="callerVersion")
    to: VersionName


class DarkRelease(Model):
    """A copy of requests to another version, whose answers are thrown away."""

    kind: Literal["mirror"]
    to: VersionName
    percent: Percent  # required: Istio takes an absent percentage for all of them
    methods: Methods = ("GET",)


class Delay(Model):
    """Requests that are held back."""

    percent: Percent
    duration: Duration


class Abort(Model):
    """Requests that are answered with an error by the caller's own proxy."""

    percent: Percent
    status: Status


class FaultInjection(Conditions):
    """Trouble on purpose, for some requests and until a day (that day included)."""

    kind: Literal["fault"]
    delay: Delay | None = None
    abort: Abort | None = None
    caller: ServiceName | None = None
    until: Day

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.delay is None and self.abort is None:
            raise invalid("must have a delay or an abort, e.g. abort: {percent: 25, status: 500}")
        return self

    @property
    def scoped(self) -> bool:
        """Whether only some requests are meant."""
        return self.conditional or self.caller is not None


class Timeout(Model):
    """How long a caller waits for an answer, tries included."""

    kind: Literal["timeout"]
    duration: Duration


RetryCondition = Literal[
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "refused-stream",
    "retriable-4xx",
    "unavailable",
    "cancelled",
]


class Retries(Model):
    """More tries by the caller's proxy, for some methods and failures; others keep to what is safe."""

    kind: Literal["retries"]
    attempts: Attempts
    per_try: Duration = Field(alias="perTry")
    when: Annotated[tuple[RetryCondition, ...], Field(strict=False, min_length=1)] = (
        "connect-failure",
        "refused-stream",
        "gateway-error",
    )
    methods: Methods = ("GET", "HEAD")


class Connections(Model):
    """How much of a service one caller's proxy may occupy."""

    max: Count | None = None  # connections
    pending: Count | None = None  # requests that wait for a connection
    requests: Count | None = None  # requests under way
    per_connection: Count | None = Field(default=None, alias="perConnection")
    connect_timeout: Duration | None = Field(default=None, alias="connectTimeout")

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise invalid("must limit something, e.g. {max: 100, pending: 50}")
        return self


class Outliers(Model):
    """When a pod that answers with errors is left out for a while (outlier detection)."""

    consecutive_5xx: Count = Field(default=5, alias="consecutive5xx")
    consecutive_gateway_errors: Count | None = Field(default=None, alias="consecutiveGatewayErrors")
    interval: Duration = "10s"
    ejection: Duration = "30s"  # the first; each further one of the same pod is longer
    max_percent: WholePercent = Field(default=50, alias="maxPercent")  # of the pods of a version

    @model_validator(mode="after")
    def _gateway_errors_come_first(self) -> Self:
        gateway = self.consecutive_gateway_errors
        if gateway is not None and gateway >= self.consecutive_5xx:
            raise invalid(
                f"has no effect from {self.consecutive_5xx} on, where consecutive5xx ejects already; "
                f"valid: less, e.g. {max(1, self.consecutive_5xx - 2)}",
                "consecutiveGatewayErrors",
            )
        return self


class CircuitBreaker(Model):
    """A limit to what callers may pile up, and pods that fail are left out."""

    kind: Literal["circuitbreaker"]
    connections: Connections | None = None
    outliers: Outliers | None = None

    @model_validator(mode="after")
    def _breaks_something(self) -> Self:
        if self.connections is None and self.outliers is None:
            raise invalid("must have connections or outliers, e.g. outliers: {consecutive5xx: 5}")
        return self


class AffinityCookie(Model):
    """A cookie the proxy sets itself; without `ttl` it lasts as long as the browser's session."""

    name: CookieName
    ttl: Duration | None = None


class SessionAffinity(Model):
    """The same caller gets the same pod, as long as pods stay."""

    kind: Literal["affinity"]
    cookie: AffinityCookie | None = None
    header: HeaderName | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.cookie is None) == (self.header is None):
            raise invalid("must have one of cookie and header, e.g. cookie: {name: pitstop}")
        return self


class Access(Model):
    """Who may call, and what: narrows an edge of the call graph, or lets in somebody from outside of it."""

    kind: Literal["access"]
    callers: Annotated[tuple[ServiceName, ...], Field(strict=False)] = ()
    outsiders: Annotated[tuple[Outsider, ...], Field(strict=False)] = ()
    methods: Methods | None = None
    paths: Annotated[tuple[AccessPath, ...], Field(strict=False, min_length=1)] | None = None

    @property
    def narrows(self) -> bool:
        """Whether some requests are meant, and not all of them."""
        return self.methods is not None or (self.paths is not None and "/*" not in self.paths)

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not self.callers and not self.outsiders:
            raise invalid("must name callers or outsiders, e.g. callers: [webapp]")
        return self


TrafficPolicy = Annotated[
    WeightedSplit
    | BlueGreen
    | ConditionalRoute
    | CallerLane
    | DarkRelease
    | FaultInjection
    | Timeout
    | Retries
    | CircuitBreaker
    | SessionAffinity
    | Access,
    Field(discriminator="kind"),
]
# Those of which one is enough, since each says all there is to say about a service.
SINGULAR = (
    WeightedSplit,
    BlueGreen,
    DarkRelease,
    Timeout,
    Retries,
    CircuitBreaker,
    SessionAffinity,
)


class ReplaceWorker(Model):
    """The live version alone has pods; a change starts the new one before the old one ends.

    For a moment both take events from the same queue, which hands each event to one of them.
    """

    kind: Literal["replace"]
    live: VersionName


class PauseOld(Model):
    """The live version works; the others stay, without pods, one change away."""

    kind: Literal["pause"]
    live: VersionName


class OneOnly(Model):
    """Never two pods, not even for a moment: a change ends the old version before the new one starts."""

    kind: Literal["one"]
    live: VersionName


class ShareQueue(Model):
    """All versions take events from the same queue, each event goes to one of them.

    The queue hands out to whoever is free: shares follow replicas and speed, not weights.
    """

    kind: Literal["share"]


class ShadowQueue(Model):
    """Another version gets a copy of every event, through a queue of its own.

    It does all the work again, so it must write to another SQL Server and mail by another server.
    """

    kind: Literal["shadow"]
    live: VersionName
    shadow: VersionName
    # In lower case, as host names are here: the services find their master connection by replacing the
    # database's name, which has capitals, wherever it stands in the connection string.
    sql_host: ServerName | None = Field(default=None, alias="sqlHost")
    mail_host: ServerName | None = Field(default=None, alias="mailHost")

    @model_validator(mode="after")
    def _two(self) -> Self:
        if self.live == self.shadow:
            raise invalid(f"must differ from live, which is {self.live} too", "shadow")
        return self


WorkerRelease = Annotated[
    ReplaceWorker | PauseOld | OneOnly | ShareQueue | ShadowQueue, Field(discriminator="kind")
]


def _example(weights: dict[str, int]) -> str:
    """The weights as they are, the last one changed to what is left, where something is."""
    *kept, last = sorted(weights) or ["v1"]
    left = 100 - sum(weights[name] for name in kept)
    shares = {**{name: weights[name] for name in kept}, last: left}
    if left < 0:
        shares = dict.fromkeys(kept, 0) | {last: 100}
    return ", ".join(f"{name}: {share}" for name, share in shares.items())
