"""The words the settings are written in: named types, each with a check that says what is valid."""

import difflib
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

_DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_DNS_NAME = re.compile(r"(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_VERSION = re.compile(r"v[1-9][0-9]?")
_DURATION = re.compile(r"([1-9][0-9]*)(ms|s|m|h)")
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_HEADER = re.compile(r"[a-z0-9]([-a-z0-9_]*[a-z0-9])?")
_COOKIE = re.compile(r"[A-Za-z0-9_.-]+")
_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CPU = re.compile(r"([1-9][0-9]*)m|([1-9][0-9]*)")
_BYTES = re.compile(r"([1-9][0-9]*)(Mi|Gi)")
_REGISTRY = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
_IMAGE = re.compile(rf"{_REGISTRY}(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?")
_IMAGES = re.compile(_REGISTRY)


class Model(BaseModel):
    """The base of every settings model: frozen, and a key nobody knows is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def invalid(message: str, *at: str | int) -> PydanticCustomError:
    """An error whose text is shown as it stands; `at` are keys below the place where it is raised."""
    return PydanticCustomError("pitstop", "{text}", {"text": message, "at": at})


def suggest(name: str, known: Sequence[str]) -> str:
    """What may have been meant, and everything that would be valid."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}valid: {', '.join(known)}"


def matching(pattern: re.Pattern[str], message: str, longest: int = 0) -> Callable[[str], str]:
    """A check that a whole text has a form, and is at most `longest` characters where that is given."""

    def check(value: str) -> str:
        if (longest and len(value) > longest) or not pattern.fullmatch(value):
            raise invalid(message)
        return value

    return check


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
    """A pattern as Envoy reads it (RE2): no look-around, no back references.

    Source: https://github.com/google/re2/wiki/Syntax
    """
    try:
        re.compile(value)
    except re.error as error:
        raise invalid(f"is not a regular expression ({error}), e.g. (beta|staff)-.*") from None
    if re.search(r"\(\?(?:[=!]|<[=!])|\(\?P=|\\[1-9]", value):
        raise invalid("must not look ahead, behind or back: Envoy's RE2 cannot, e.g. (beta|staff)-.*")
    return value


def _number_as_text(value: object) -> object:
    """A whole number of processors may stand without quotes."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _bounded(low: int, high: int, example: int) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise invalid(f"must be a whole number from {low} to {high}, e.g. {example}")
        return value

    return BeforeValidator(check)


def _schema_of_whole(low: int, high: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": low, "maximum": high})


def _percent(value: object) -> object:
    # Istio refuses what is above 0 and below 0.0001 (its validation of percentages).
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0001 <= value <= 100:
        raise invalid("must be a number from 0.0001 to 100, e.g. 25")
    return float(value)


DnsLabel = Annotated[
    str,
    AfterValidator(
        matching(
            _DNS_LABEL,
            "must be at most 63 lower-case letters, digits and '-', starting with a letter, e.g. pitstop",
            63,
        )
    ),
]
HostName = Annotated[
    str,
    AfterValidator(
        matching(_DNS_NAME, "must be a DNS name, *.name, or * for every host, e.g. pitstop.example.org", 253)
    ),
]
VersionName = Annotated[str, AfterValidator(matching(_VERSION, "must be v and a number, e.g. v1"))]
Duration = Annotated[
    str, AfterValidator(matching(_DURATION, "must be a whole number and ms, s, m or h, e.g. 10s", 12))
]
HeaderName = Annotated[
    str, AfterValidator(matching(_HEADER, "must be a header's name in lower case, e.g. x-beta", 63))
]
CookieName = Annotated[
    str, AfterValidator(matching(_COOKIE, "must be letters, digits, '_', '-' and '.', e.g. beta", 63))
]
EnvironmentName = Annotated[
    str,
    AfterValidator(
        matching(_ENVIRONMENT, "must be letters, digits and '_', e.g. Serilog__MinimumLevel", 128)
    ),
]
ImageReference = Annotated[
    str,
    AfterValidator(
        matching(
            _IMAGE, "must be an image with its registry, e.g. ghcr.io/acme/webapp:1.0 (or @sha256:...)", 255
        )
    ),
]
Cpu = Annotated[
    str,
    BeforeValidator(_number_as_text),
    AfterValidator(matching(_CPU, "must be thousandths of a processor or whole ones, e.g. 250m or 2", 8)),
]
Bytes = Annotated[str, AfterValidator(matching(_BYTES, "must be a number of Mi or Gi, e.g. 256Mi", 8))]
Pattern = Annotated[str, AfterValidator(regular_expression)]
Percent = Annotated[
    float,
    BeforeValidator(_percent),
    WithJsonSchema({"type": "number", "minimum": 0.0001, "maximum": 100}),
]
Weight = Annotated[int, _bounded(0, 100, 75), _schema_of_whole(0, 100)]  # percent of the requests
NodePort = Annotated[int, _bounded(30000, 32767, 30080), _schema_of_whole(30000, 32767)]  # Kubernetes' range
PortNumber = Annotated[int, _bounded(1, 65535, 443), _schema_of_whole(1, 65535)]
Replicas = Annotated[int, _bounded(1, 50, 2), _schema_of_whole(1, 50)]
Count = Annotated[int, _bounded(1, 100_000, 100), _schema_of_whole(1, 100_000)]
Attempts = Annotated[int, _bounded(1, 10, 2), _schema_of_whole(1, 10)]  # tries after the first one
Status = Annotated[int, _bounded(400, 599, 503), _schema_of_whole(400, 599)]  # an answer that is an error
WholePercent = Annotated[int, _bounded(1, 100, 50), _schema_of_whole(1, 100)]
ServiceType = Literal["ClusterIP", "NodePort", "LoadBalancer"]
Method = Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
SAFE_METHODS: frozenset[Method] = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110, section 9.2.1


def image_source(value: str) -> str:
    """Where images come from: the two words, or a registry with an optional path."""
    if value in {"standin", "upstream"}:
        return value
    if not _IMAGES.fullmatch(value) or not re.search(r"[.:/]", value):
        raise invalid("must be standin, upstream or a registry, e.g. ghcr.io/acme/pitstop")
    return value


ImageSource = Annotated[str, AfterValidator(image_source)]
