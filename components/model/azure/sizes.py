"""How many vCPUs a node has, by the name of its size.

Names since about 2018 say it: family, number of vCPUs, features, version (Standard_D4s_v5 has 4); a second
number is what is left of them for licences (Standard_E4-2s_v5 has 2).
Source: https://learn.microsoft.com/azure/virtual-machines/vm-naming-conventions
"""

import re

# Older names number the size and not its vCPUs.
# Source: https://learn.microsoft.com/azure/virtual-machines/sizes-previous-gen and the pages of each series
OLDER = {
    **{f"{family}{number}_v2": cores for family in ("D", "DS") for number, cores in (
        (1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (11, 2), (12, 4), (13, 8), (14, 16), (15, 20),
    )},
    **{f"{family}{number}": cores for family in ("D", "DS") for number, cores in (
        (1, 1), (2, 2), (3, 4), (4, 8), (11, 2), (12, 4), (13, 8), (14, 16),
    )},
    **{f"{family}{number}": cores for family in ("G", "GS") for number, cores in (
        (1, 2), (2, 4), (3, 8), (4, 16), (5, 32),
    )},
    **{f"A{number}": cores for number, cores in (
        (0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (5, 2), (6, 4), (7, 8),
    )},
    "B1ls": 1,
}  # fmt: skip
_NAME = re.compile(r"(?:Standard|Basic)_([A-Z]+?)(\d+)(?:-(\d+))?([a-z]*)(?:_[A-Za-z0-9]+)*")


def vcpus(size: str) -> int | None:
    """The vCPUs of one node of this size; None where its name does not say."""
    if (short := size.partition("_")[2]) in OLDER:
        return OLDER[short]
    found = _NAME.fullmatch(size)
    return int(found[3] or found[2]) if found else None
