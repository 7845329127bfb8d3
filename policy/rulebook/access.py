"""Who may call whom: the AuthorizationPolicies of a stack, evaluated over every pair.

An evaluator of its own, and not the text of any generator: what a program writes is judged by what the mesh
would do with it. Source: https://istio.io/latest/docs/concepts/security/#implicit-enablement
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import StringConstraints, TypeAdapter

from .kinds import ACCESS, NAMESPACE, Pods, has, workloads
from .reading import Document, items, labelled, mapping, number, text, texts
from .registry import TEXTS, Resource, Severity, Stack, Told, Violation, setting, stack_rule
from .wiring import ISTIO, ROOTS, meshed

EDGE = re.compile(r"^(\*|[a-z0-9.-]+/[a-z0-9.-]+) -> ([a-z0-9.-]+/[a-z0-9.-]+):(\d+)$")
ANYBODY = "*"
EDGES = TypeAdapter(tuple[Annotated[str, StringConstraints(pattern=EDGE.pattern)], ...])
NARROWING = ("methods", "notMethods", "paths", "notPaths", "hosts", "notHosts")


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """One caller, by namespace and service account, and a port of a service, by namespace and label app."""

    caller: str
    service: str
    port: int

    def __str__(self) -> str:
        return f"{self.caller} -> {self.service}:{self.port}"


@stack_rule(
    "M2-deny",
    "What no policy allows is refused",
    Severity.CRITICAL,
    NAMESPACE,
    ACCESS,
    remedy="An AuthorizationPolicy with an empty spec, {}, in each namespace of the mesh (or in its root "
    "namespace).",
    source=f"{ISTIO}/ops/best-practices/security/#use-default-deny-patterns",
    settings=(setting("rootNamespaces", "where the mesh's own settings are", TEXTS, ROOTS),),
)
def refused(stack: Stack, told: Told) -> Iterator[Violation]:
    denying = {one.namespace for one in stack.of(ACCESS) if _refuses(one)}
    running = {one.resource.namespace for one in workloads(stack)}
    for one in meshed(stack):
        if one.object_name in running and not denying & {one.object_name, *told.texts("rootNamespaces")}:
            yield one.wrong("", "no AuthorizationPolicy that refuses what the others do not allow")


def _refuses(policy: Resource) -> bool:
    spec = mapping(policy.inputs, "spec")
    return _action(policy) == "ALLOW" and not items(spec, "rules") and not mapping(spec, "selector")


@stack_rule(
    "M2-graph",
    "Every call of the call graph is allowed, and no other",
    Severity.CRITICAL,
    ACCESS,
    remedy="One rule of an AuthorizationPolicy for each edge and none without one; the call graph is the "
    "pack's "
    'configuration: {"M2-graph": {"edges": ["shop/web -> shop/orders:8080"]}}, caller by service account, '
    "service "
    "by its label app, port as the container has it; the caller * is anybody.",
    source=f"{ISTIO}/concepts/security/#authorization-policies",
    settings=(
        setting("edges", "every call there is; without any, nothing is judged", EDGES, ()),
        setting("rootNamespaces", "where the mesh's own settings are", TEXTS, ROOTS),
    ),
)
def graph(stack: Stack, told: Told) -> Iterator[Violation]:
    wanted = {_parsed(one) for one in told.texts("edges")}
    if not wanted:
        return
    served = tuple(_serving(stack))
    callers = sorted({call.caller for call in wanted} - {ANYBODY} | set(_identities(stack)))
    policies = tuple(stack.of(ACCESS))
    for call in sorted(wanted):
        if not any(service == call.service and call.port in ports for service, ports, _ in served):
            yield Violation(None, "", f"{call}: the call graph has it, and nothing has that port")
    for service, ports, pods in served:
        gate = Gate.of(policies, told.texts("rootNamespaces"), pods)
        for port in sorted(ports):
            for caller in callers:
                call = Call(caller, service, port)
                allowed = gate.allows(call)
                declared = call in wanted or Call(ANYBODY, service, port) in wanted
                if allowed != declared:
                    what = (
                        "allowed, and not in the call graph" if allowed else "in the call graph, and refused"
                    )
                    yield pods.resource.wrong("", f"{call}: {what}")


def _parsed(edge: str) -> Call:
    found = EDGE.match(edge)
    assert found is not None  # noqa: S101 - the configuration's own type is this pattern
    caller, service, port = found.groups()
    return Call(caller, service, int(port))


def _serving(stack: Stack) -> Iterator[tuple[str, frozenset[int], Pods]]:
    """What has ports, its versions each by themselves."""
    for pods in workloads(stack):
        ports = frozenset(
            int(one)
            for _, container in pods.main()
            for port in items(container, "ports")
            if (one := number(port, "containerPort"))
        )
        if ports:
            yield (
                f"{pods.resource.namespace}/{pods.labels.get('app', pods.resource.object_name)}",
                ports,
                pods,
            )


def _identities(stack: Stack) -> Iterator[str]:
    """Everybody who might call: who runs here, and whoever a policy names."""
    for pods in workloads(stack):
        yield f"{pods.resource.namespace}/{pods.account}"
    for policy in stack.of(ACCESS):
        for rule in items(policy.inputs, "spec", "rules"):
            for source in items(rule, "from"):
                for principal in texts(source, "source", "principals"):
                    parts = principal.split("/")
                    if len(parts) == 5:
                        yield f"{parts[2]}/{parts[4]}"


@dataclass(frozen=True)
class Gate:
    """What the mesh decides for some pods: DENY first, then any ALLOW; without an ALLOW, everything."""

    denying: tuple[Document, ...]  # rules
    allowing: tuple[Document, ...] | None  # None: no policy that allows concerns them

    @classmethod
    def of(cls, policies: Iterable[Resource], roots: tuple[str, ...], pods: Pods) -> "Gate":
        """The policies that concern some pods."""
        where = {pods.resource.namespace, *roots}
        concerned = [
            one
            for one in policies
            if one.namespace in where
            and has(pods.labels, labelled(one.inputs, "spec", "selector", "matchLabels"))
        ]
        allowing = [one for one in concerned if _action(one) == "ALLOW"]
        return cls(
            tuple(rule for one in concerned if _action(one) == "DENY" for rule in _rules(one)),
            tuple(rule for one in allowing for rule in _rules(one)) if allowing else None,
        )

    def allows(self, call: Call) -> bool:
        """Whether some request of the call gets through."""
        if any(_takes_all(rule, call) for rule in self.denying):
            return False
        return self.allowing is None or any(_takes(rule, call) for rule in self.allowing)


def _action(policy: Resource) -> str:
    return text(policy.inputs, "spec", "action") or "ALLOW"


def _rules(policy: Resource) -> tuple[Document, ...]:
    return items(policy.inputs, "spec", "rules")


def _takes(rule: Document, call: Call) -> bool:
    """Whether a rule fits some request of a call; what asks for more (methods, paths, when) may fit some."""
    sources, operations = items(rule, "from"), items(rule, "to")
    return (not sources or any(_is_from(mapping(one, "source"), call) for one in sources)) and (
        not operations or any(_is_to(mapping(one, "operation"), call) for one in operations)
    )


def _takes_all(rule: Document, call: Call) -> bool:
    """Whether a rule fits every request of a call."""
    narrowed = any(key in mapping(one, "operation") for one in items(rule, "to") for key in NARROWING)
    return _takes(rule, call) and not narrowed and not items(rule, "when")


def _is_from(source: Document, call: Call) -> bool:
    namespace, _, account = call.caller.partition("/")
    principal = f"cluster.local/ns/{namespace}/sa/{account}"
    return _matches(texts(source, "principals"), principal) and _matches(
        texts(source, "namespaces"), namespace
    )


def _is_to(operation: Document, call: Call) -> bool:
    ports = texts(operation, "ports")
    return not ports or str(call.port) in ports


def _matches(patterns: tuple[str, ...], value: str) -> bool:
    """Istio's own matching: exact, a prefix (`a*`), a suffix (`*a`); without patterns, anything."""
    return not patterns or any(_fits(one, value) for one in patterns)


def _fits(pattern: str, value: str) -> bool:
    if pattern == "*":
        return True
    if pattern.endswith("*"):
        return value.startswith(pattern[:-1])
    return value.endswith(pattern[1:]) if pattern.startswith("*") else value == pattern
