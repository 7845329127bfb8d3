"""What a plan must not do by itself: replace or delete what holds data or pods, or move weights too far.

Policies see what will be and never what was, so both are judged here, over the preview's JSON.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from components.model.types import suggest
from ops.review import routes
from ops.review.phrases import few
from ops.review.preview import PROVIDERS, Change, Preview
from ops.review.reading import section, texts

# What is lost with a kind, or with its replacement, which is a new one and then the old one's end.
PROTECTED: Mapping[str, str] = {
    "azure-native:resources:ResourceGroup": "everything in the group",
    "azure-native:containerservice:ManagedCluster": "every pod, volume and address of the cluster",
    "azure-native:containerservice:AgentPool": "every pod on the pool's nodes",
    "azure-native:containerregistry:Registry": "every image",
    "azure-native:keyvault:Vault": "every secret; its name is taken until it is purged",
    "azure-native:keyvault:Key": "what is encrypted with the key",
    "azure-native:keyvault:Secret": "the secret's value",
    "azure-native:sql:Server": "every database of the server",
    "azure-native:sql:Database": "the database",
    "azure-native:storage:StorageAccount": "everything that is stored",
    "azure-native:network:VirtualNetwork": "the network of the cluster",
    "azure-native:network:Subnet": "the network of the cluster's nodes",
    "azure-native:network:PublicIPAddress": "the address that names and firewalls know",
    "azure-native:dns:Zone": "every name in the zone",
    "azure-native:privatedns:PrivateZone": "every name in the zone",
    "azure-native:managedidentity:UserAssignedIdentity": "every right the identity was given",
    "azure-native:operationalinsights:Workspace": "every log",
    "azure-native:monitor:AzureMonitorWorkspace": "every measurement",
    "kubernetes:core/v1:Namespace": "everything in the namespace",
    "kubernetes:core/v1:PersistentVolumeClaim": "the data of the volume",
    "kubernetes:core/v1:PersistentVolume": "the data of the volume",
    "kubernetes:apps/v1:StatefulSet": "the server while it is gone",
    "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition": "every object of the kind",
}
FAILED = "the preview failed: "
WAY_OUT = "; valid: a line in the pull request's text that says so, e.g."
VERBS = {"replace": "replaces", "delete": "deletes"}

_ALLOW = re.compile(r"^\s*(?:[-*]\s+)?`?allow:", re.IGNORECASE)
_ALLOWANCE = re.compile(
    r"^\s*(?:[-*]\s+)?`?allow:\s+(?P<kind>replace|delete)\s+(?P<type>\S+)\s+(?P<name>\S+)\s+in\s+(?P<stack>\S+)"
    r"\s+because\s+(?P<reason>\S.*?)`?\s*$",
    re.IGNORECASE,
)
EXAMPLE = "allow: replace ManagedCluster cluster in dev because its pod network changes"


@dataclass(frozen=True, slots=True)
class Allowance:
    """One line of a pull request's text that lets one resource go."""

    line: str
    kind: str
    type: str
    name: str
    stack: str
    reason: str

    def fits(self, change: Change) -> bool:
        """Whether it names this change; the kind by its whole type token or by the last part."""
        return (
            self.kind == change.kind and self.type in (change.type, change.short) and self.name == change.name
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard says: `refused` is empty where the plan may be carried out."""

    refused: tuple[str, ...]
    allowed: tuple[str, ...]


def endangered(preview: Preview) -> tuple[Change, ...]:
    """Replacements and deletions of protected kinds, of protected resources and of providers."""
    return tuple(
        one
        for one in preview.changes
        if one.kind in VERBS and (one.protected or loss(one)) and not _left_over(one)
    )


def loss(change: Change) -> str:
    """What goes with a resource; empty where nothing of worth does."""
    if change.type.startswith(PROVIDERS):
        return "everything that was made through the provider"
    return PROTECTED.get(_unversioned(change.type), "what is marked as protected" if change.protected else "")


def _unversioned(token: str) -> str:
    """azure-native has a type in each version of the API: `.../v20250901:Vault` is a Vault too."""
    return re.sub(r"^(azure-native:\w+)/v\d{8}(?:preview)?:", r"\1:", token)


def _left_over(change: Change) -> bool:
    """A provider that is removed takes nothing with it: what it made is removed in steps of its own."""
    return change.type.startswith(PROVIDERS) and change.kind == "delete"


def judge(
    preview: Preview, allowances: Iterable[str] = (), max_step: int = 100, stacks: Collection[str] = ()
) -> Verdict:
    """Every reason against a plan; `allowances` are lines, `max_step` percent of requests in one update.

    `stacks` are the other stacks allowances may be for.
    """
    known, wrong = _allowances(allowances, preview.stack, stacks)
    dangers = endangered(preview)
    refused = [f"{FAILED}{line}" for line in preview.errors] + wrong
    allowed = []
    for change in dangers:
        named = next((one for one in known if one.fits(change)), None)
        if named:
            allowed.append(f"{told(change)}; allowed: {named.reason}")
        else:
            refused.append(f"{told(change)}{WAY_OUT} {_line_for(change, preview.stack)}")
    refused += [
        f"{one.line!r}: the plan does no such thing; remove the line"
        for one in known
        if not any(one.fits(change) for change in dangers)
    ]
    refused += _steps(preview, max_step)
    return Verdict(tuple(refused), tuple(allowed))


def told(change: Change) -> str:
    because = f" because of {few(change.reasons)}" if change.reasons else ""
    stays = " (it stays in Azure or in the cluster)" if change.retained else ""
    return f"{VERBS[change.kind]} {change.short} {change.name}{because}{stays}: {loss(change)} would be lost"


def _line_for(change: Change, stack: str) -> str:
    return f"allow: {change.kind} {change.short} {change.name} in {stack} because ..."


def _allowances(
    lines: Iterable[str], stack: str, stacks: Collection[str]
) -> tuple[list[Allowance], list[str]]:
    """The allowances for this stack, and what is wrong with the others."""
    known: list[Allowance] = []
    wrong: list[str] = []
    for line in lines:
        if not _ALLOW.match(line):
            continue
        found = _ALLOWANCE.match(line)
        if found is None:
            wrong.append(f"{line.strip()!r}: is no allowance; valid: {EXAMPLE}")
        elif found["stack"] == stack:
            kind = found["kind"].lower()
            known.append(
                Allowance(line.strip(), kind, found["type"], found["name"], stack, found["reason"].strip())
            )
        elif found["stack"] not in stacks:  # nobody else's guard would say so
            valid = suggest(found["stack"], sorted({stack, *stacks}))
            wrong.append(f"{line.strip()!r}: there is no stack {found['stack']}; {valid}")
    return known, wrong


def _steps(preview: Preview, most: int) -> Iterator[str]:
    """Weights that move further than the environment allows in one update."""
    for host, (old, new) in sorted(_routed(preview).items()):
        steps = {
            version: float(new.get(version, "0")) - float(old.get(version, "0"))
            for version in sorted({*old, *new})
        }
        # The version that gains, where one gains what another loses.
        version = max(steps, key=lambda one: (abs(steps[one]), steps[one]), default="")
        if old and new and abs(steps[version]) > most:
            before = float(old.get(version, "0"))
            nearer = before + most if steps[version] > 0 else before - most
            yield (
                f"moves {version} of {host} from {before:g} % to {before + steps[version]:g} % in one "
                f"update, and guardrails.maxWeightStep is {most}; valid now: at most {version}: {nearer:g}"
            )


def _routed(preview: Preview) -> dict[str, tuple[Mapping[str, str], Mapping[str, str]]]:
    """The shares of each host before and after, whatever the object with its routes is called."""
    before: dict[str, Mapping[str, str]] = {}
    after: dict[str, Mapping[str, str]] = {}
    for change in preview.changes:
        if change.short == "VirtualService":
            for place, document in ((before, change.old), (after, change.new)):
                for host in texts(document, "spec", "hosts"):
                    place[host] = routes.shares(section(document, "spec"))
    return {host: (before[host], after[host]) for host in before.keys() & after.keys()}
