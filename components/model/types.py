"""The words the settings are written in: named types, each with a check that says what is valid."""

import difflib
import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

_DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_DNS_NAME = re.compile(r"(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_VERSION = re.compile(r"v[1-9][0-9]?")


class Model(BaseModel):
    """The base of every settings model: frozen, and a key nobody knows is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def invalid(message: str, *at: str) -> PydanticCustomError:
    """An error whose text is shown as it stands; `at` are keys below the place where it is raised."""
    return PydanticCustomError("pitstop", "{text}", {"text": message, "at": at})


def suggest(name: str, known: Sequence[str]) -> str:
    """What may have been meant, and everything that would be valid."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}valid: {', '.join(known)}"


def dns_label(value: str) -> str:
    """A name as Kubernetes takes it for namespaces and Services (RFC 1035 label)."""
    if len(value) > 63 or not _DNS_LABEL.fullmatch(value):
        raise invalid(
            "must be at most 63 lower-case letters, digits and '-', starting with a letter, e.g. pitstop"
        )
    return value


def host_name(value: str) -> str:
    """A host a gateway serves: a DNS name, one with a leading `*.`, or `*` for all."""
    if len(value) > 253 or not _DNS_NAME.fullmatch(value):
        raise invalid("must be a DNS name, *.name, or * for every host, e.g. pitstop.example.org")
    return value


def version_name(value: str) -> str:
    """A version as policies name it: `v2` is what runs the image tagged 2.0."""
    if not _VERSION.fullmatch(value):
        raise invalid("must be v and a number, e.g. v1")
    return value


def _bounded(low: int, high: int, example: int) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise invalid(f"must be a whole number from {low} to {high}, e.g. {example}")
        return value

    return BeforeValidator(check)


DnsLabel = Annotated[str, AfterValidator(dns_label)]
HostName = Annotated[str, AfterValidator(host_name)]
VersionName = Annotated[str, AfterValidator(version_name)]
Weight = Annotated[int, _bounded(0, 100, 75)]  # percent of the requests
NodePort = Annotated[int, _bounded(30000, 32767, 30080)]  # the range the API server hands out by default
Replicas = Annotated[int, _bounded(1, 50, 2)]
ServiceType = Literal["ClusterIP", "NodePort", "LoadBalancer"]
