"""Failures on purpose: what Azure may answer on a bad day, at a resource and as often as asked.

A JSON file lists them, and `PITSTOP_REHEARSAL_FAULTS` names it:

    [{"token": "containerservice:AgentPool", "name": "work*", "kind": "quota", "times": 1}]

`kind` is quota, conflict, throttling or halfway (made, and failed: the state keeps it). `operation` is
create (the default), update, delete or read; `token` and `name` (in Azure) are patterns of the shell.
"""

import fnmatch
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from localcluster.azure import kinds
from localcluster.azure.errors import AzureError, HalfwayError
from localcluster.azure.state import State

VARIABLE = "PITSTOP_REHEARSAL_FAULTS"
Kind = Literal["quota", "conflict", "throttling", "halfway"]
Operation = Literal["create", "update", "delete", "read"]
_AKS = "containerservice:"

# Source of codes and forms: https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
_ANSWERS: Mapping[str, tuple[int, str, str]] = MappingProxyType(
    {
        "quota": (
            409,
            "QuotaExceeded",
            "The operation would exceed the approved quota of Total Regional Cores.",
        ),
        "conflict": (
            409,
            "AnotherOperationInProgress",
            "Another operation on this or dependent resource is in progress.",
        ),
        "throttling": (
            429,
            "TooManyRequests",
            "The request is being throttled as the limit has been reached for operation type.",
        ),
        "halfway": (200, "ProvisioningFailed", "The resource was made and ended in the state Failed."),
    }
)
# Source: https://learn.microsoft.com/troubleshoot/azure/azure-kubernetes/create-upgrade-delete/error-code-insufficientvcpuquota
_AKS_QUOTA = (
    400,
    "ErrCode_InsufficientVCPUQuota",
    "Insufficient regional vcpu quota left for the requested number of nodes.",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure to inject."""

    kind: Kind
    token: str = "*"  # noqa: S105 - a pattern of type tokens
    name: str = "*"
    operation: Operation = "create"
    times: int = 1

    def meets(self, operation: str, token: str, identity: str) -> bool:
        """Whether it is meant for an operation."""
        return (
            operation == self.operation
            and fnmatch.fnmatchcase(token, self.token)
            and fnmatch.fnmatchcase(kinds.name_of(identity), self.name)
        )

    @property
    def key(self) -> str:
        """What its strikes are counted under."""
        return "/".join(str(getattr(self, one.name)) for one in fields(self))


def read(path: str | None) -> tuple[Fault, ...]:
    """The failures a file lists; none without a file.

    Raises:
        ValueError: the file is missing, or not of this form.
    """
    if not path:
        return ()
    example = '[{"token": "containerservice:AgentPool", "kind": "quota"}]'
    try:
        faults = tuple(Fault(**one) for one in json.loads(Path(path).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{VARIABLE} = {path}: {error}; e.g. {example}") from None
    for fault in faults:
        if fault.kind not in get_args(Kind) or fault.operation not in get_args(Operation):
            raise ValueError(
                f"{VARIABLE} = {path}: {fault.kind}, {fault.operation}; valid: {', '.join(get_args(Kind))}; "
                f"{', '.join(get_args(Operation))}"
            )
    return faults


def strike(
    state: State, faults: tuple[Fault, ...], operation: Operation, token: str, identity: str
) -> AzureError | HalfwayError | None:
    """The failure that is due now, if one is; it counts as having struck."""
    for fault in faults:
        if not fault.meets(operation, token, identity) or state.faults.get(fault.key, 0) >= fault.times:
            continue
        state.faults[fault.key] = state.faults.get(fault.key, 0) + 1
        quota = fault.kind == "quota" and token.startswith(_AKS)
        status, code, message = _AKS_QUOTA if quota else _ANSWERS[fault.kind]
        if fault.kind == "halfway":
            return HalfwayError(identity, f'Code="{code}" Message="{message}"')
        return AzureError(status, code, message)
    return None
