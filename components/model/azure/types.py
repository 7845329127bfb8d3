"""The words Azure's part of the settings is written in, with Azure's own limits."""

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from components.model.types import bounded, invalid, matching, schema_of_whole

# Standard_D4ds_v5: family, processors, features, version. A `d` among the features is a local disk.
# Source: https://learn.microsoft.com/azure/virtual-machines/vm-naming-conventions
_VM_SIZE = re.compile(
    r"Standard_([A-Z]{1,3})([1-9][0-9]{0,2})(-[1-9][0-9]{0,2})?([a-z]*)(_[A-Z0-9]+)?(_v[1-9])?"
)
_TAINT = re.compile(
    r"[a-z0-9]([-a-z0-9./]*[a-z0-9])?(=[A-Za-z0-9._-]{1,63})?:(NoSchedule|PreferNoSchedule|NoExecute)"
)
# A whole number of nodes, or a part of the pool's.
_SURGE = re.compile(r"(100|[1-9][0-9]?)%|[1-9][0-9]?")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Minor versions: Azure chooses the patch, and changes it where a channel says so.
# Source: https://learn.microsoft.com/azure/aks/supported-kubernetes-versions
_MINOR = re.compile(r"1\.(2[89]|3[0-9]|4[0-9])")
_OFFSET = re.compile(r"[+-](0[0-9]|1[0-4]):(00|30|45)")
LOCAL_GIBIBYTES_PER_CPU = 37.5


def _quoted(value: object) -> object:
    """YAML reads 1.30 as the number 1.3."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise invalid('must be in quotes, or 1.30 would be read as 1.3, e.g. "1.34"')
    return value


def _range(value: str) -> str:
    try:
        found = ipaddress.IPv4Network(value)
    except ValueError as error:
        raise invalid(f"is no range of IPv4 addresses ({error}), e.g. 10.20.0.0/16") from None
    if "/" not in value:
        raise invalid(f"must have a length, e.g. {found}")
    return value


def _address(value: str) -> str:
    try:
        ipaddress.IPv4Address(value)
    except ValueError as error:
        raise invalid(f"is no IPv4 address ({error}), e.g. 10.20.0.4") from None
    return value


def _not_the_world(value: str) -> str:
    if ipaddress.IPv4Network(value).prefixlen < 8:
        raise invalid("lets in the whole internet, or a large part of it; name your own, e.g. 203.0.113.0/24")
    return value


def network(value: str) -> ipaddress.IPv4Network:
    """A `Range` as a network."""
    return ipaddress.IPv4Network(value)


def processors(size: str) -> int:
    """The virtual processors of a `VmSize`."""
    found = _VM_SIZE.fullmatch(size)
    assert found is not None  # noqa: S101 - a VmSize has this form
    return int(found.group(2))


def local_gibibytes(size: str) -> int:
    """The local disk of a `VmSize`, where an ephemeral OS disk lies; 0 where there is none.

    What every size with a local disk has at least, from its processors.
    Source: https://learn.microsoft.com/azure/virtual-machines/sizes/general-purpose/ddsv5-series
    """
    found = _VM_SIZE.fullmatch(size)
    return int(LOCAL_GIBIBYTES_PER_CPU * processors(size)) if found and "d" in found.group(4) else 0


Guid = Annotated[
    str,
    matching(_GUID, "must be an id of Azure in lower case, e.g. 9c1f6a0e-5d24-4c1b-8e52-2f7a3b6d9e10", 36),
]
Location = Annotated[
    str, matching(re.compile(r"[a-z]+[0-9]?"), "must be a region's name without spaces, e.g. westeurope", 30)
]
ShortName = Annotated[
    str,
    matching(
        re.compile(r"[a-z][a-z0-9]*"),
        "must be at most 10 lower-case letters and digits, starting with a letter, e.g. prod",
        10,
    ),
]
PoolName = Annotated[
    str,
    matching(
        re.compile(r"[a-z][a-z0-9]*"),
        "must be at most 12 lower-case letters and digits, starting with a letter, e.g. apps",
        12,
    ),
]
VmSize = Annotated[str, matching(_VM_SIZE, "must be a size of Azure, e.g. Standard_D4ds_v5", 40)]
Taint = Annotated[str, matching(_TAINT, "must be key=value:effect, e.g. dedicated=batch:NoSchedule", 253)]
Surge = Annotated[str, matching(_SURGE, "must be a number of nodes or a part of them, e.g. 33%", 4)]
MinorVersion = Annotated[
    str,
    BeforeValidator(_quoted),
    matching(_MINOR, 'must be a minor version of Kubernetes that Azure has, e.g. "1.34"', 4),
]
UtcOffset = Annotated[str, matching(_OFFSET, "must be hours and minutes from UTC, e.g. +01:00", 6)]
TagName = Annotated[
    str,
    matching(
        re.compile(r"[^<>%&\\?/]+"),
        r"must be at most 512 characters without < > % & \ ? /, e.g. owner",
        512,
    ),
]
TagValue = Annotated[str, matching(re.compile(r".*"), "must be at most 256 characters, e.g. platform", 256)]
# A range of addresses says its length; host bits are a mistake nobody wants corrected silently.
Range = Annotated[
    str, AfterValidator(_range), WithJsonSchema({"type": "string", "pattern": r"^[0-9.]+/[0-9]+$"})
]
OwnRange = Annotated[
    str,
    AfterValidator(_range),
    AfterValidator(_not_the_world),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9.]+/[0-9]+$"}),
]
Address = Annotated[str, AfterValidator(_address), WithJsonSchema({"type": "string", "format": "ipv4"})]
GitCommit = Annotated[
    str,
    matching(
        re.compile(r"[0-9a-f]{40}"),
        "must be the whole id of a commit: branches and tags move, and what was built would not tell",
        40,
    ),
]
GitRepository = Annotated[
    str,
    matching(
        re.compile(r"https://[A-Za-z0-9.-]+(/[A-Za-z0-9._-]+)+\.git"),
        "must be the address of a repository, e.g. https://github.com/EdwinVW/pitstop.git",
        200,
    ),
]
GitFolder = Annotated[
    str, matching(re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*"), "must be a folder, e.g. src", 100)
]
Zone = Literal[1, 2, 3]
ResourceGroupName = Annotated[
    str,
    matching(
        re.compile(r"[A-Za-z0-9_()-]([A-Za-z0-9_().-]*[A-Za-z0-9_()-])?"),
        "must be the name of a resource group, e.g. rg-dns",
        90,
    ),
]


def _whole(low: int, high: int, example: int) -> tuple[BeforeValidator, WithJsonSchema]:
    return bounded(low, high, example), schema_of_whole(low, high)


# Source: https://learn.microsoft.com/azure/aks/quotas-skus-regions
Nodes = Annotated[int, *_whole(0, 1000, 3)]
SomeNodes = Annotated[int, *_whole(1, 1000, 3)]
Pods = Annotated[int, *_whole(10, 250, 110)]  # of a node
DiskSize = Annotated[int, *_whole(30, 2048, 64)]  # GiB
Days = Annotated[int, *_whole(30, 730, 90)]  # that Log Analytics keeps
Hour = Annotated[int, *_whole(0, 23, 2)]
Hours = Annotated[int, *_whole(4, 24, 4)]  # a window shorter than four is refused
Weeks = Annotated[int, *_whole(1, 4, 1)]
SoftDeleteDays = Annotated[int, *_whole(7, 90, 90)]
# What a vault calls one state of a secret or a certificate.
VaultVersion = Annotated[
    str,
    matching(
        re.compile(r"[0-9a-f]{32}"),
        "must be the version's id, 32 hexadecimal digits, e.g. 0f3c6b1e2a594d7f8b0c1d2e3f405162",
        32,
    ),
]
# Source: https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates
VaultObject = Annotated[
    str,
    matching(
        re.compile(r"[A-Za-z][A-Za-z0-9-]*"),
        "must be the name of something in a vault: letters, digits and '-', e.g. pitstop-example-org",
        127,
    ),
]
Addresses = Annotated[int, *_whole(1, 16, 1)]
IdleMinutes = Annotated[int, *_whole(4, 120, 4)]
