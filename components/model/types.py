"""The words the settings are written in: named types, each with a check that says what is valid."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    import re2  # type: ignore[import-untyped]

_DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_PART = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
# What ends with a number is no name to Istio. Its gateways take addresses, and no name without a dot.
_NAMED = r"(?!(.*\.)?[0-9]+$)"
_DNS_NAME = re.compile(rf"\*|({_OCTET}\.){{3}}{_OCTET}|{_NAMED}(\*|{_PART})(\.{_PART})+")
_SERVER = re.compile(rf"{_NAMED}{_PART}(\.{_PART})*")
_OBJECT = re.compile(rf"{_PART}(\.{_PART})*")
_VERSION = re.compile(r"v[1-9][0-9]?")
_ADDON = re.compile(r"asm-1-(2[4-9]|[3-9][0-9])")  # older ones know no native sidecar by annotation
_DURATION = re.compile(r"([1-9][0-9]*)(ms|s|m|h)")
LONGEST_PATTERN = 256
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
# A single byte is Envoy's alone: Go's RE2, by which Istio checks a pattern, has none.
_ONE_BYTE = r"\C"
_QUOTED = re.compile(r"\\Q.*?(\\E|$)|\\[^C]", re.DOTALL)  # what may only look like it
_HEADER = re.compile(r"[a-z0-9]([-a-z0-9_]*[a-z0-9])?")
_COOKIE = re.compile(r"[A-Za-z0-9_.-]+")
# What parts cookies, and what none can hold.
_COOKIE_VALUE = re.compile(r"[^\s;,\x00-\x1f\x7f]*")
_OUTSIDER = re.compile(rf"{_PART}/{_PART}(\.{_PART})*")
_PATH = re.compile(r"/[^*{}?#\s\x00-\x1f\x7f]*\*?")
_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CPU = re.compile(r"([1-9][0-9]*)m|([1-9][0-9]*)")
_BYTES = re.compile(r"([1-9][0-9]*)(Mi|Gi)")
_REGISTRY = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
_IMAGE = re.compile(
    r"(?=[^/]*[.:][^/]*/|localhost/)"  # a registry has a dot or a port in its name
    rf"{_REGISTRY}(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?"
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_IMAGES = re.compile(_REGISTRY)


class Model(BaseModel):
    """The base of every settings model: frozen, and a key nobody knows is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def invalid(message: str, *at: str | int) -> PydanticCustomError:
    """An error whose text is shown as it stands; `at` are keys below the place where it is raised."""
    return PydanticCustomError("pitstop", "{text}", {"text": message, "at": at})


def all_invalid(places: Sequence[tuple[str, tuple[str | int, ...]]]) -> PydanticCustomError:
    """Several such errors of one value, each with its message and the keys that lead to it."""
    (message, at), *more = places
    return PydanticCustomError("pitstop", "{text}", {"text": message, "at": at, "more": more})


def suggest(name: str, known: Sequence[str]) -> str:
    """What may have been meant, and everything that would be valid."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}valid: {', '.join(known)}"


@dataclass(frozen=True, slots=True)
class Matching:
    """A check that a whole text has a form, and is at most `longest` characters long."""

    pattern: re.Pattern[str]
    message: str
    longest: int

    def __call__(self, value: str) -> str:
        if len(value) > self.longest or not self.pattern.fullmatch(value):
            raise invalid(self.message)
        return value


def matching(pattern: re.Pattern[str], message: str, longest: int) -> AfterValidator:
    """For a type: the whole text has this form. The message says what is valid."""
    return AfterValidator(Matching(pattern, message, longest))


def first_version(versions: Iterable[str]) -> str:
    """The lowest version: v2 comes before v10."""
    return min(versions, key=lambda version: int(version.removeprefix("v")))


def addon_minor(revision: str) -> int:
    """The minor version of Istio an `AddonRevision` is."""
    return int(revision.rpartition("-")[2])


def milliseconds(duration: str) -> int:
    """The length of a `Duration`."""
    number, unit = re.split(r"(?<=\d)(?=\D)", duration)
    return int(number) * _MILLISECONDS[unit]


def millicores(cpu: str) -> int:
    """Processor time as thousandths of one: `250m` or `2`."""
    return int(cpu.removesuffix("m")) if cpu.endswith("m") else int(cpu) * 1000


def mebibytes(size: str) -> int:
    """A `Bytes` in units of 2**20."""
    return int(size[:-2]) * (1024 if size.endswith("Gi") else 1)


def regular_expression(value: str) -> str:
    """A pattern as Envoy and Istio read it (RE2): no look-around, no back references, no single bytes.

    Source: https://github.com/google/re2/wiki/Syntax; https://pkg.go.dev/regexp/syntax
    """
    if len(value) > LONGEST_PATTERN:
        raise invalid(f"must be at most {LONGEST_PATTERN} characters, e.g. (beta|staff)-.*")
    try:
        compiled(value)
    except ValueError as error:
        raise invalid(f"is no pattern of Envoy's RE2 ({error}), e.g. (beta|staff)-.*") from None
    if _ONE_BYTE in _QUOTED.sub("", value):
        raise invalid(f"has {_ONE_BYTE}, which Istio's RE2 has not; valid: a dot, e.g. (beta|staff)-.*")
    return value


@lru_cache(maxsize=256)
def compiled(pattern: str) -> "re2._Regexp[str]":
    """A pattern by the very library Envoy uses: what it refuses Envoy refuses, and it takes linear time.

    Raises:
        ValueError: it is none; says why.
    """
    import re2

    quiet = re2.Options()
    quiet.log_errors = False
    try:
        return re2.compile(pattern, quiet)
    except re2.error as error:
        reason = error.args[0] if error.args else b""
        raise ValueError(
            reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        ) from None
    except UnicodeEncodeError:
        raise ValueError("not every character can be sent") from None


def within(host: str, other: str) -> bool:
    """Whether one `HostName` is among those another stands for."""
    return other in ("*", host) or (other.startswith("*.") and host.endswith(other[1:]))


def _at_most_a_day(duration: str) -> str:
    if milliseconds(duration) > milliseconds("24h"):
        raise invalid("must be at most a day, e.g. 10s")
    return duration


def _number_as_text(value: object) -> object:
    """A whole number of processors may stand without quotes."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def bounded(low: int, high: int, example: int) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise invalid(f"must be a whole number from {low} to {high}, e.g. {example}")
        return value

    return BeforeValidator(check)


def schema_of_whole(low: int, high: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": low, "maximum": high})


def _percent(value: object) -> object:
    # Istio refuses what is above 0 and below 0.0001 (its validation of percentages).
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0001 <= value <= 100:
        raise invalid("must be a number from 0.0001 to 100, e.g. 25")
    return float(value)


DnsLabel = Annotated[
    str,
    matching(
        _DNS_LABEL,
        "must be at most 63 lower-case letters, digits and '-', starting with a letter, e.g. pitstop",
        63,
    ),
]
HostName = Annotated[
    str,
    matching(
        _DNS_NAME, "must be a whole DNS name, *.name, or * for every host, e.g. pitstop.example.org", 253
    ),
]
ServerName = Annotated[
    str,
    matching(_SERVER, "must be one host, by its name and not its address, e.g. smtp.example.org", 253),
]
ObjectName = Annotated[
    str,
    matching(_OBJECT, "must be lower-case letters, digits, '-' and '.', e.g. pitstop-1", 253),
]
# Helm's names are at most 53 characters, and a control plane's release is istiod-NAME.
RevisionName = Annotated[
    str,
    matching(
        _DNS_LABEL,
        "must be at most 46 lower-case letters, digits and '-', starting with a letter, e.g. canary",
        46,
    ),
]
VersionName = Annotated[str, matching(_VERSION, "must be v and a number, e.g. v1", 3)]
Duration = Annotated[
    str,
    matching(_DURATION, "must be a whole number and ms, s, m or h, e.g. 10s", 9),
    AfterValidator(_at_most_a_day),
]
LabelValue = Annotated[
    str,
    matching(
        re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"),
        "must be at most 63 letters, digits, '-', '_' and '.', e.g. ingressgateway",
        63,
    ),
]
LabelKey = Annotated[
    str,
    matching(
        re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"),
        "must be a label's name, e.g. istio or example.org/role",
        317,
    ),
]
HeaderName = Annotated[str, matching(_HEADER, "must be a header's name in lower case, e.g. x-beta", 63)]
CookieName = Annotated[str, matching(_COOKIE, "must be letters, digits, '_', '-' and '.', e.g. beta", 63)]
# Istio's patterns are at most 1024 bytes: a name of 63 characters and this fit into one.
CookieValue = Annotated[
    str,
    matching(_COOKIE_VALUE, "must be at most 200 characters, no space, ; or , among them, e.g. beta", 200),
]
# Who is not part of this environment: namespace and service account.
Outsider = Annotated[
    str,
    matching(_OUTSIDER, "must be namespace/service-account, e.g. monitoring/prometheus", 317),
]
# Istio compares paths without their query, and takes braces for a template.
AccessPath = Annotated[
    str,
    matching(_PATH, "must be a path without query, with a * at its end where it goes on, e.g. /api/*", 1024),
]
EnvironmentName = Annotated[
    str,
    matching(_ENVIRONMENT, "must be letters, digits and '_', e.g. Serilog__MinimumLevel", 128),
]
ImageReference = Annotated[
    str,
    matching(
        _IMAGE, "must be an image with its registry, e.g. ghcr.io/acme/webapp:1.0 (or @sha256:...)", 255
    ),
]
ImageDigest = Annotated[str, matching(_DIGEST, "must be sha256: and 64 digits, as make pin writes it", 71)]
Cpu = Annotated[
    str,
    BeforeValidator(_number_as_text),
    matching(_CPU, "must be thousandths of a processor or whole ones, e.g. 250m or 2", 8),
]
Bytes = Annotated[str, matching(_BYTES, "must be a number of Mi or Gi, e.g. 256Mi", 8)]
Pattern = Annotated[str, AfterValidator(regular_expression)]
Percent = Annotated[
    float,
    BeforeValidator(_percent),
    WithJsonSchema({"type": "number", "minimum": 0.0001, "maximum": 100}),
]
Weight = Annotated[int, bounded(0, 100, 75), schema_of_whole(0, 100)]  # percent of the requests
# What `az aks mesh get-revisions` lists.
AddonRevision = Annotated[
    str,
    matching(_ADDON, "must be a revision of the AKS add-on, asm-1-24 or later, e.g. asm-1-27", 9),
]
NodePort = Annotated[int, bounded(30000, 32767, 30080), schema_of_whole(30000, 32767)]  # Kubernetes' range
PortNumber = Annotated[int, bounded(1, 65535, 443), schema_of_whole(1, 65535)]
Replicas = Annotated[int, bounded(1, 50, 2), schema_of_whole(1, 50)]
Count = Annotated[int, bounded(1, 100_000, 100), schema_of_whole(1, 100_000)]
Attempts = Annotated[int, bounded(1, 10, 2), schema_of_whole(1, 10)]  # tries after the first one
Status = Annotated[int, bounded(400, 599, 503), schema_of_whole(400, 599)]  # an answer that is an error
WholePercent = Annotated[int, bounded(1, 100, 50), schema_of_whole(1, 100)]
ServiceType = Literal["ClusterIP", "NodePort", "LoadBalancer"]
Method = Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
SAFE_METHODS: frozenset[Method] = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110, section 9.2.1


# Made on this machine, published by Pitstop, or in the registry of the environment itself.
IMAGE_WORDS = ("standin", "upstream", "own")


def image_source(value: str) -> str:
    """Where images come from: one of the words, or a registry with an optional path."""
    if value in IMAGE_WORDS:
        return value
    if not _IMAGES.fullmatch(value) or not re.search(r"[.:/]", value):
        raise invalid("must be standin, upstream, own or a registry, e.g. ghcr.io/acme/pitstop")
    return value


ImageSource = Annotated[str, AfterValidator(image_source)]
