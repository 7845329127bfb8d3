"""How large a virtual machine of a size is, and what AKS leaves of it to pods. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from components.model.azure.sizes import vcpus

# GiB of memory of sizes whose names do not tell.
# Source: https://learn.microsoft.com/azure/virtual-machines/sizes/overview
MEMORY: Mapping[str, float] = {
    "Standard_B1ms": 2,
    "Standard_B2s": 4,
    "Standard_B2ms": 8,
    "Standard_B4ms": 16,
    "Standard_B8ms": 32,
    "Standard_A2_v2": 4,
    "Standard_A4_v2": 8,
    "Standard_DS2_v2": 7,
    "Standard_DS3_v2": 14,
    "Standard_DS4_v2": 28,
    "Standard_DS5_v2": 56,
    "Standard_D2_v2": 7,
    "Standard_D3_v2": 14,
    "Standard_D4_v2": 28,
}
# GiB for each processor, by family; `l` among the features of D and B halves it, `l` of F too.
# Source: https://learn.microsoft.com/azure/virtual-machines/vm-naming-conventions and each family's page
RATIOS: Mapping[str, float] = {"B": 4, "D": 4, "DC": 4, "E": 8, "EC": 8, "F": 2, "L": 8, "M": 16, "NC": 8}
USUAL_RATIO = 4.0
USUAL_PROCESSORS = 2
SIZE = re.compile(r"Standard_([A-Z]+)(\d+)(?:-\d+)?([a-z]*)(?:_\w*?v(\d+))?", re.ASCII)

# What AKS keeps of each processor: of the first, of the second, of the next two, and of the others, in
# thousandths, by the totals it publishes.
# Source: https://learn.microsoft.com/azure/aks/node-resource-reservations
RESERVED_PROCESSORS: tuple[tuple[int, int], ...] = (
    (1, 60),
    (2, 100),
    (4, 140),
    (8, 180),
    (16, 260),
    (32, 420),
    (64, 740),
)
EVICTION_MIB = 100
MIB_FOR_EACH_POD = 20
MIB_FOR_ALL_PODS = 50


@dataclass(frozen=True, slots=True)
class Size:
    """A virtual machine: whole processors, and memory in MiB."""

    processors: int
    memory: int


def size(name: str) -> Size:
    """The size of this name; one in no table is read from the digits and letters of its name."""
    processors, found = vcpus(name), SIZE.match(name)
    if processors is None or found is None:
        return Size(USUAL_PROCESSORS, int(USUAL_PROCESSORS * USUAL_RATIO * 1024))
    family, digits, features, version = found.groups()
    # What a licence leaves of the processors takes nothing of the memory.
    gibibytes = MEMORY.get(name) or int(digits) * _ratio(family, features, int(version or 0))
    return Size(processors, int(gibibytes * 1024))


def _ratio(family: str, features: str, version: int) -> float:
    ratio = RATIOS.get(family, USUAL_RATIO)
    if family == "F" and version >= 6:  # from there on in three kinds
        return 8 if "m" in features else 2 if "l" in features else 4
    return ratio / 2 if "l" in features and family in {"B", "D"} else ratio


def allocatable(of: Size, pods: int) -> tuple[int, int]:
    """Thousandths of a processor and MiB that pods may ask for on a machine that takes so many pods."""
    reserved = next(
        (thousandths for limit, thousandths in RESERVED_PROCESSORS if of.processors <= limit),
        RESERVED_PROCESSORS[-1][1],
    )
    kept = min(MIB_FOR_EACH_POD * pods + MIB_FOR_ALL_PODS, of.memory // 4)
    return of.processors * 1000 - reserved, of.memory - kept - EVICTION_MIB
