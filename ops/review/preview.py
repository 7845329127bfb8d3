"""A plan of the engine as values: what it would do to which resource, and what it says is wrong."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.model.manifests import Document
from ops.errors import UserError
from ops.review import files

Kind = Literal["create", "update", "delete", "replace", "import"]

# The steps of the engine, by what they mean to a reader. What is not here changes nothing.
# Source: https://github.com/pulumi/pulumi/blob/master/sdk/go/common/display/operations.go
KINDS: Mapping[str, Kind] = {
    "create": "create",
    "update": "update",
    "delete": "delete",
    "replace": "replace",
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "import": "import",
    "import-replacement": "replace",
    "discard": "delete",
    "remove-pending-replace": "delete",
}
STACK = "pulumi:pulumi:Stack"
PROVIDERS = "pulumi:providers:"


class _Foreign(BaseModel):
    """Part of a document of the engine, which may say more in its next version."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _State(_Foreign):
    type: str = ""
    custom: bool = False
    inputs: dict[str, Any] = Field(default_factory=dict)
    outputs: dict[str, Any] = Field(default_factory=dict)
    protect: bool = False
    retain: bool = Field(default=False, alias="retainOnDelete")


class _Detail(_Foreign):
    kind: str = ""


class _Step(_Foreign):
    op: str
    urn: str
    old: _State | None = Field(default=None, alias="oldState")
    new: _State | None = Field(default=None, alias="newState")
    detailed: dict[str, _Detail] | None = Field(default=None, alias="detailedDiff")
    reasons: list[str] | None = Field(default=None, alias="replaceReasons")
    differing: list[str] | None = Field(default=None, alias="diffReasons")


class _Diagnostic(_Foreign):
    message: str = ""
    severity: str = ""
    urn: str = ""


class _Document(_Foreign):
    steps: list[_Step] = Field(default_factory=list)
    diagnostics: list[_Diagnostic] = Field(default_factory=list)
    summary: dict[str, int] = Field(default_factory=dict, alias="changeSummary")


@dataclass(frozen=True, slots=True)
class Change:
    """One resource a plan touches: its inputs before and after, empty where it is not there.

    `paths` are the properties that differ as the engine names them, `reasons` those of them that make it
    a replacement. A `retained` resource is given up and stays.
    """

    kind: Kind
    urn: str
    type: str
    name: str
    old: Document
    new: Document
    paths: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    custom: bool = True
    protected: bool = False
    retained: bool = False

    @property
    def short(self) -> str:
        """The last part of the type token: Deployment, ManagedCluster."""
        return self.type.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Preview:
    """Everything one run of the engine says."""

    stack: str
    changes: tuple[Change, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    unchanged: int

    def custom(self) -> tuple[Change, ...]:
        """The changes of what exists outside of the engine: no components, no providers."""
        return tuple(one for one in self.changes if one.custom and not one.type.startswith(PROVIDERS))


def read(path: Path) -> Preview:
    """The preview in a file.

    Raises:
        UserError: it cannot be read, or is no preview.
    """
    return understood(files.decoded(path, _EXAMPLE), str(path))


_EXAMPLE = "what `pulumi preview --json` writes, e.g. pulumi preview --json > preview.json"


def understood(content: object, where: str = "preview") -> Preview:
    """A decoded document of `pulumi preview --json`.

    Raises:
        UserError: it is something else.
    """
    try:
        document = _Document.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise UserError(f"{where}: {place}: {first['msg']}; valid: {_EXAMPLE}") from None
    if not isinstance(content, Mapping) or not content.keys() & {"steps", "diagnostics", "changeSummary"}:
        raise UserError(f"{where}: has neither steps nor diagnostics; valid: {_EXAMPLE}")
    found: dict[str, Change] = {}
    for step in document.steps:
        if (change := _change(step)) and not _settled(found.get(step.urn)):
            found[step.urn] = change
    return Preview(
        stack=_stack(document),
        changes=tuple(found.values()),
        errors=_said(document, "error"),
        warnings=_said(document, "warning"),
        unchanged=document.summary.get("same", 0),
    )


def _settled(known: Change | None) -> bool:
    """A replacement may come as three steps, of which one tells it all."""
    return known is not None and known.kind == "replace" and bool(known.old) and bool(known.new)


def _change(step: _Step) -> Change | None:
    kind = KINDS.get(step.op)
    state = step.new or step.old
    if kind is None or state is None or state.type == STACK:
        return None
    detailed = step.detailed or {}
    return Change(
        kind=kind,
        urn=step.urn,
        type=state.type,
        name=step.urn.rpartition("::")[2],
        old=step.old.inputs if step.old else {},
        new=step.new.inputs if step.new else {},
        paths=tuple(detailed) or tuple(step.differing or ()),
        reasons=tuple(step.reasons or [at for at, how in detailed.items() if how.kind.endswith("-replace")]),
        custom=state.custom,
        protected=bool(step.old and step.old.protect),
        retained=bool(step.old and step.old.retain),
    )


def _stack(document: _Document) -> str:
    urns = [step.urn for step in document.steps] or [one.urn for one in document.diagnostics if one.urn]
    return urns[0].split("::")[0].rpartition(":")[2] if urns else ""


def _said(document: _Document, severity: str) -> tuple[str, ...]:
    """What the engine and the program say, each message as one line without its prefix."""
    lines = (" ".join(one.message.split()) for one in document.diagnostics if one.severity == severity)
    plain = (_clear(line.removeprefix(f"{severity}: ").removeprefix("Preview failed: ")) for line in lines)
    return tuple(dict.fromkeys(line for line in plain if line and not _NOISE.match(line)))


# What the engine says besides the reason.
_NOISE = re.compile(
    r"preview failed$|an unhandled error occurred: program exited|using pulumi-\S+ from \$PATH"
    r"|One or more resources failed|update failed$"
)
_PROTECTED = re.compile(
    r"(?:unable to (?P<verb>\w+) )?resource \"(?P<urn>[^\"]+)\".*(?:marked for protection|it is protected)"
)


def _clear(line: str) -> str:
    """The engine's advice for a protected resource is to edit the state; a setting is the way here."""
    if not (found := _PROTECTED.match(line)):
        return line
    kind, name = found["urn"].split("::")[-2].rpartition(":")[2], found["urn"].rpartition("::")[2]
    verb = found["verb"] or "delete"
    return (
        f"{kind} {name}: is protected and the plan would {verb} it; take its protection off in a change of "
        "its own first, or leave it as it is"
    )
