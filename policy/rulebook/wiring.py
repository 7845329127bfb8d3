"""Rules over how objects fit together: routes, subsets, Services and pods; replicas, budgets and scalers."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .kinds import (
    BUDGET,
    CLUSTER,
    DEPLOYMENT,
    DESTINATION_RULE,
    NAMESPACE,
    NETWORK_POLICY,
    PEERS,
    QUEUE_SCALER,
    RELEASE,
    REPLICATED,
    SCALER,
    SERVICE,
    SIDECAR,
    STATEFUL,
    VIRTUAL_SERVICE,
    Pods,
    fewest,
    has,
    pods_of,
    scalers,
    selects,
    short,
    workloads,
)
from .mesh import routes
from .reading import Document, at, items, labelled, mapping, number, numbered, text, texts
from .registry import COUNT, FLAG, TEXTS, Resource, Severity, Stack, Told, Violation, setting, stack_rule

ISTIO = "https://istio.io/latest/docs"
KUBERNETES = "https://kubernetes.io/docs"
ROOTS = ("istio-system", "aks-istio-system")
DNS_PORT = 53
DEFAULT_EJECTION = 10
SUFFIX = ".svc.cluster.local"


def full(host: str, namespace: str) -> str:
    """A host by its full name, as the mesh reads one in an object of a namespace."""
    if host.endswith(SUFFIX) or host.count(".") > 1 or "*" in host:
        return host
    if host.endswith(".svc"):
        return f"{host}.cluster.local"
    return f"{host}{SUFFIX}" if "." in host else f"{host}.{namespace}{SUFFIX}"


def meshed(stack: Stack) -> Iterator[Resource]:
    """The namespaces whose pods get sidecars."""
    for one in stack.of(NAMESPACE):
        if one.labels.get("istio-injection") == "enabled" or "istio.io/rev" in one.labels:
            yield one


def populated(stack: Stack) -> Iterator[str]:
    """The namespaces in which pods run, in order."""
    yield from sorted({one.resource.namespace for one in workloads(stack)})


# --- routes, subsets, Services, pods ------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """What a route names: a host and a subset of it, and how much it gets."""

    path: str
    host: str
    subset: str
    weight: float


def targets(resource: Resource) -> Iterator[Target]:
    """Everything the routes of a VirtualService name, mirrors included."""
    for path, route in routes(resource):
        own = items(route, "route")
        for where, one in numbered(own, f"{path}.route"):
            weight = number(one, "weight")
            share = (100 if len(own) == 1 else 0) if weight is None else weight
            yield _target(resource, f"{where}.destination", mapping(one, "destination"), share)
        if mirror := mapping(route, "mirror"):
            yield _target(resource, f"{path}.mirror", mirror, 100)
        for where, one in numbered(items(route, "mirrors"), f"{path}.mirrors"):
            yield _target(resource, f"{where}.destination", mapping(one, "destination"), 100)


def _target(resource: Resource, path: str, to: Document, weight: float) -> Target:
    return Target(path, full(text(to, "host"), resource.namespace), text(to, "subset"), weight)


@dataclass(frozen=True)
class Map:
    """Who answers for which host."""

    rules: tuple[tuple[str, Resource], ...]  # DestinationRules by host
    services: Mapping[str, Resource]
    pods: tuple[Pods, ...]

    @classmethod
    def of(cls, stack: Stack) -> "Map":
        return cls(
            tuple(
                (full(text(one.inputs, "spec", "host"), one.namespace), one)
                for one in stack.of(DESTINATION_RULE)
            ),
            {f"{one.object_name}.{one.namespace}{SUFFIX}": one for one in stack.of(SERVICE)},
            tuple(workloads(stack, DEPLOYMENT, STATEFUL, "kubernetes:apps:DaemonSet")),
        )

    def subset(self, host: str, name: str) -> Mapping[str, str] | None:
        """The labels of a subset; None where there is none of that name."""
        for rule in (rule for of, rule in self.rules if of == host):
            for one in items(rule.inputs, "spec", "subsets"):
                if text(one, "name") == name:
                    return labelled(one, "labels")
        return None

    def behind(self, host: str, labels: Mapping[str, str]) -> list[Pods] | None:
        """The workloads that answer for a host with some labels; None where the host is not of this stack."""
        service = self.services.get(host)
        if service is None:
            return None
        selector = labelled(service.inputs, "spec", "selector")
        return [
            one
            for one in self.pods
            if one.resource.namespace == service.namespace
            and has(one.labels, selector)
            and has(one.labels, labels)
        ]


@stack_rule(
    "M5",
    "What a route names is there, and answers",
    Severity.CRITICAL,
    VIRTUAL_SERVICE,
    DESTINATION_RULE,
    SERVICE,
    *REPLICATED,
    remedy="One chain of labels: VirtualService subset v2 = DestinationRule subset {name: v2, labels: "
    "{version: "
    "'2.0'}} = pods {app: webapp, version: '2.0'} of a Deployment with replicas, and the Service selects "
    "app alone.",
    source=f"{ISTIO}/ops/best-practices/traffic-management/",
)
def chain(stack: Stack, _: Told) -> Iterator[Violation]:
    known = Map.of(stack)
    for resource in stack.of(VIRTUAL_SERVICE):
        for target in targets(resource):
            yield from _answers(resource, target, known, stack)
    for host, rule in known.rules:
        for path, one in numbered(items(rule.inputs, "spec", "subsets"), "spec.subsets"):
            if known.behind(host, labelled(one, "labels")) == []:
                yield rule.wrong(f"{path}.labels", f"no pods of {host} have these")
    for host, service in known.services.items():
        if labelled(service.inputs, "spec", "selector") and known.behind(host, {}) == []:
            yield service.wrong("spec.selector", "selects no pods")
    for pods in known.pods:
        if not selects(mapping(pods.resource.inputs, "spec", "selector"), pods.labels):
            yield pods.resource.wrong("spec.selector", "does not select its own pods")


def _answers(resource: Resource, target: Target, known: Map, stack: Stack) -> Iterator[Violation]:
    labels = known.subset(target.host, target.subset) if target.subset else {}
    if labels is None:
        there = any(host == target.host for host, _ in known.rules)
        yield resource.wrong(
            f"{target.path}.subset",
            f"{target.subset}: {'no such subset of' if there else 'no DestinationRule for'} {target.host}",
        )
        return
    behind = known.behind(target.host, labels)
    # Pods that do not exist are the DestinationRule's or the Service's finding.
    if behind and target.weight and not any(_runs(one, stack) for one in behind):
        yield resource.wrong(
            target.path, f"{target.subset or target.host} gets {target.weight:g} % and has 0 replicas"
        )


def _runs(pods: Pods, stack: Stack) -> bool:
    # One that is scaled to nothing starts when it is needed.
    scaled = (pods.resource.namespace, short(pods.resource), pods.resource.object_name) in scalers(stack)
    return scaled or fewest(pods.resource, stack) > 0


@stack_rule(
    "M12",
    "One owner of the routes to a host",
    Severity.HIGH,
    VIRTUAL_SERVICE,
    DESTINATION_RULE,
    remedy="All routes to a host in one VirtualService for the mesh and one for each gateway, all its "
    "subsets in one "
    "DestinationRule: Istio joins several by age, or takes one.",
    source=f"{ISTIO}/ops/best-practices/traffic-management/#split-virtual-services",
)
def one_owner(stack: Stack, _: Told) -> Iterator[Violation]:
    owners: dict[tuple[str, str], Resource] = {}
    for resource in stack.of(VIRTUAL_SERVICE):
        for gateway in texts(resource.inputs, "spec", "gateways") or ("mesh",):
            where = gateway if gateway == "mesh" or "/" in gateway else f"{resource.namespace}/{gateway}"
            for host in texts(resource.inputs, "spec", "hosts"):
                first = owners.setdefault((where, full(host, resource.namespace)), resource)
                if first is not resource:
                    yield resource.wrong("spec.hosts", f"{host} on {where} has routes in {first.object_name}")
    rules: dict[str, Resource] = {}
    for resource in stack.of(DESTINATION_RULE):
        host = full(text(resource.inputs, "spec", "host"), resource.namespace)
        first = rules.setdefault(f"{host} {labelled(resource.inputs, 'spec', 'workloadSelector')}", resource)
        if first is not resource:
            yield resource.wrong("spec.host", f"{host} has its subsets in {first.object_name}")


@stack_rule(
    "M9",
    "Ejecting can eject",
    Severity.MEDIUM,
    DESTINATION_RULE,
    *REPLICATED,
    remedy="outlierDetection.maxEjectionPercent of at least 100 / replicas of the smallest subset, e.g. 50 "
    "with two; "
    "consecutiveGatewayErrors below consecutive5xxErrors.",
    source=f"{ISTIO}/reference/config/networking/destination-rule/#OutlierDetection",
)
def ejection(stack: Stack, _: Told) -> Iterator[Violation]:
    known = Map.of(stack)
    for host, rule in known.rules:
        outliers = mapping(rule.inputs, "spec", "trafficPolicy", "outlierDetection")
        if not outliers:
            continue
        path = "spec.trafficPolicy.outlierDetection"
        percent = number(outliers, "maxEjectionPercent")
        percent = DEFAULT_EJECTION if percent is None else percent
        subsets = [labelled(one, "labels") for one in items(rule.inputs, "spec", "subsets")] or [{}]
        sizes = [
            sum(fewest(one.resource, stack) for one in behind)
            for behind in (known.behind(host, labels) for labels in subsets)
            if behind
        ]
        smallest = min((size for size in sizes if size), default=0)
        if smallest == 1:
            yield rule.wrong(path, "a subset of one pod: nothing is left when that is ejected")
        elif smallest and smallest * percent / 100 < 1:
            need = math.ceil(100 / smallest)
            yield rule.wrong(
                f"{path}.maxEjectionPercent", f"{percent:g} % of {smallest:g} pods is none; at least {need}"
            )
        gateway, any_error = (
            number(outliers, key) for key in ("consecutiveGatewayErrors", "consecutive5xxErrors")
        )
        if gateway and gateway >= (5 if any_error is None else any_error) > 0:
            yield rule.wrong(f"{path}.consecutiveGatewayErrors", "not below consecutive5xxErrors: no effect")


# --- what a namespace has -----------------------------------------------------------------------------


@stack_rule(
    "M1-mesh",
    "Every namespace of the mesh speaks mutual TLS only",
    Severity.CRITICAL,
    NAMESPACE,
    PEERS,
    remedy="A PeerAuthentication without selector, mtls: {mode: STRICT}, in the mesh's root namespace or in "
    "the "
    "namespace itself.",
    source=f"{ISTIO}/ops/best-practices/security/#mutual-tls",
    settings=(setting("rootNamespaces", "where the mesh's own settings are", TEXTS, ROOTS),),
)
def mutual(stack: Stack, told: Told) -> Iterator[Violation]:
    strict = {
        one.namespace
        for one in stack.of(PEERS)
        if text(one.inputs, "spec", "mtls", "mode") == "STRICT"
        and not mapping(one.inputs, "spec", "selector")
    }
    for one in meshed(stack):
        if not strict & {one.object_name, *told.texts("rootNamespaces")}:
            yield one.wrong("", "no PeerAuthentication STRICT for it, or for the mesh")


@stack_rule(
    "M7-scope",
    "Every namespace of the mesh has a Sidecar",
    Severity.MEDIUM,
    NAMESPACE,
    SIDECAR,
    remedy='A Sidecar without workloadSelector, egress: [{hosts: ["./*", "istio-system/*"]}], in each '
    "namespace.",
    source=f"{ISTIO}/ops/configuration/traffic-management/configuration-scoping/",
)
def scoped(stack: Stack, _: Told) -> Iterator[Violation]:
    own = [one for one in stack.of(SIDECAR) if not mapping(one.inputs, "spec", "workloadSelector")]
    counts = {name: sum(one.namespace == name for one in own) for name in {one.namespace for one in own}}
    for one in meshed(stack):
        if (found := counts.get(one.object_name, 0)) != 1:
            yield one.wrong("", f"{found} Sidecars for the whole namespace, not 1")


@stack_rule(
    "M8",
    "A namespace asks for a control plane that is there",
    Severity.HIGH,
    NAMESPACE,
    CLUSTER,
    RELEASE,
    remedy="The label istio.io/rev: asm-1-27, one of the cluster's serviceMeshProfile.istio.revisions (the "
    "add-on "
    "ignores istio-injection), or of the istiod releases' values.revision; and never both labels.",
    source="https://learn.microsoft.com/azure/aks/istio-upgrade",
    settings=(setting("revisions", "revisions of a mesh that is not of this stack", TEXTS, ()),),
)
def revision(stack: Stack, told: Told) -> Iterator[Violation]:
    addon = [
        name
        for one in stack.of(CLUSTER)
        if text(one.inputs, "serviceMeshProfile", "mode") == "Istio"
        for name in texts(one.inputs, "serviceMeshProfile", "istio", "revisions")
    ]
    charts = [
        text(one.inputs, "values", "revision") or "default"
        for one in stack.of(RELEASE)
        if text(one.inputs, "chart").rpartition("/")[2] == "istiod"
    ]
    known = {*addon, *charts, *told.texts("revisions")}
    for one in meshed(stack):
        asked, injected = one.labels.get("istio.io/rev"), one.labels.get("istio-injection")
        if asked and injected:
            yield one.wrong("metadata.labels", "istio-injection wins over istio.io/rev; one of them must go")
        elif known and (asked or "default") not in known:
            valid = ", ".join(sorted(known))
            yield one.wrong("metadata.labels.istio.io/rev", f"{asked or 'none'}; the cluster has {valid}")


@stack_rule(
    "W8",
    "Pods may not talk to whom they like",
    Severity.HIGH,
    NETWORK_POLICY,
    remedy="In each namespace a NetworkPolicy of podSelector {} and policyTypes [Ingress, Egress] without "
    "rules, one "
    "that lets names be looked up (port 53), and one for each call.",
    source=f"{KUBERNETES}/concepts/services-networking/network-policies/#default-policies",
)
def network(stack: Stack, _: Told) -> Iterator[Violation]:
    there = {one.object_name: one for one in stack.of(NAMESPACE)}
    for name in populated(stack):
        own = [mapping(one.inputs, "spec") for one in stack.of(NETWORK_POLICY) if one.namespace == name]
        whole = [spec for spec in own if not mapping(spec, "podSelector")]
        refusing = [spec for spec in whole if not items(spec, "ingress") and not items(spec, "egress")]
        # Without policyTypes a policy is one of ingress.
        refused = {kind for spec in refusing for kind in texts(spec, "policyTypes") or ("Ingress",)}
        for missing in sorted({"Ingress", "Egress"} - refused):
            yield Violation(there.get(name), "", f"namespace {name}: no policy that refuses all {missing}")
        if "Egress" in refused and not any(_names(rule) for spec in own for rule in items(spec, "egress")):
            yield Violation(there.get(name), "", f"namespace {name}: nobody may look up names (port 53)")


def _names(rule: Document) -> bool:
    ports = items(rule, "ports")
    return not ports or any(number(one, "port") == DNS_PORT for one in ports)


# --- how many -----------------------------------------------------------------------------------------


@stack_rule(
    "W6",
    "One pod less is no outage",
    Severity.HIGH,
    *REPLICATED,
    SCALER,
    QUEUE_SCALER,
    remedy="replicas: 2 (or a scaler's minReplicas), and topologySpreadConstraints over "
    "topology.kubernetes.io/zone "
    "and kubernetes.io/hostname. What must never run twice has strategy Recreate and stands under "
    "singletons.",
    source=f"{KUBERNETES}/concepts/scheduling-eviction/topology-spread-constraints/",
    settings=(
        setting("minimum", "pods of a workload, at least", COUNT, 2, 1),
        setting(
            "spread",
            "topology keys that several pods are spread over",
            TEXTS,
            ("topology.kubernetes.io/zone", "kubernetes.io/hostname"),
        ),
        setting("singletons", "workloads of which there is one, by name; * is any text", TEXTS, ()),
    ),
)
def replicas(stack: Stack, told: Told) -> Iterator[Violation]:
    for resource in stack.of(*REPLICATED):
        count = fewest(resource, stack)
        # Nothing is asked of what is switched off, or scaled to nothing when there is nothing to do.
        if count and count < told.number("minimum") and not _singleton(resource, told):
            yield resource.wrong("spec.replicas", f"{count:g}; at least {told.number('minimum'):g}")
        if count > 1:
            pods = pods_of(resource)
            over = {text(one, "topologyKey") for one in _spread(pods)}
            for missing in (key for key in told.texts("spread") if key not in over):
                yield resource.wrong(f"{pods.path}.topologySpreadConstraints", f"not over {missing}")


def _singleton(resource: Resource, told: Told) -> bool:
    return any(fnmatchcase(resource.object_name, one) for one in told.texts("singletons"))


def _spread(pods: Pods) -> Iterator[Document]:
    """Constraints that take the pods themselves; anti-affinity keeps them apart as well."""
    for one in items(pods.spec, "topologySpreadConstraints"):
        if selects(mapping(one, "labelSelector"), pods.labels):
            yield one
    apart = mapping(pods.spec, "affinity", "podAntiAffinity")
    yield from items(apart, "requiredDuringSchedulingIgnoredDuringExecution")
    for one in items(apart, "preferredDuringSchedulingIgnoredDuringExecution"):
        yield mapping(one, "podAffinityTerm")


@stack_rule(
    "W6-budget",
    "A node can be emptied, and never takes every pod",
    Severity.MEDIUM,
    *REPLICATED,
    BUDGET,
    remedy="For several pods a PodDisruptionBudget that selects them, minAvailable: 1 (below the replicas) "
    "or "
    "maxUnavailable: 1. For one pod none, or nobody can drain its node.",
    source=f"{KUBERNETES}/tasks/run-application/configure-pdb/",
    settings=(setting("required", "several pods must have a budget", FLAG, prod=True),),
)
def budgets(stack: Stack, told: Told) -> Iterator[Violation]:
    for resource in stack.of(*REPLICATED):
        count, pods = fewest(resource, stack), pods_of(resource)
        own = [
            one
            for one in stack.of(BUDGET)
            if one.namespace == resource.namespace
            and selects(mapping(one.inputs, "spec", "selector"), pods.labels)
        ]
        if count > 1 and not own and told.flag("required"):
            yield resource.wrong("", f"{count:g} pods and no PodDisruptionBudget")
        for one in own:
            if blocked := _blocks(one, _together(one, stack)):
                yield one.wrong(*blocked)


def _together(budget: Resource, stack: Stack) -> float:
    """All pods a budget counts, of every workload it selects."""
    return sum(
        fewest(one.resource, stack)
        for one in workloads(stack, *REPLICATED)
        if one.resource.namespace == budget.namespace
        and selects(mapping(budget.inputs, "spec", "selector"), one.labels)
    )


def _blocks(budget: Resource, count: float) -> tuple[str, str] | None:
    least, most = (at(budget.inputs, "spec", key) for key in ("minAvailable", "maxUnavailable"))
    if most in {0, "0", "0%"}:
        return "spec.maxUnavailable", f"{most}: no pod may ever go"
    if least is None:
        return None
    needed = (
        math.ceil(count * float(str(least)[:-1]) / 100) if str(least).endswith("%") else float(str(least))
    )
    return (
        ("spec.minAvailable", f"{least} of {count:g} pods: no pod may ever go") if needed >= count else None
    )


@stack_rule(
    "W9",
    "One owner of the number of pods",
    Severity.MEDIUM,
    *REPLICATED,
    SCALER,
    QUEUE_SCALER,
    remedy="Leave spec.replicas out where a HorizontalPodAutoscaler or ScaledObject decides: each update "
    "would set it "
    "back.",
    source=f"{KUBERNETES}/tasks/run-application/horizontal-pod-autoscale/",
)
def scaled(stack: Stack, _: Told) -> Iterator[Violation]:
    known = scalers(stack)
    there = {(one.namespace, short(one), one.object_name): one for one in stack.of(*REPLICATED)}
    for key, (scaler, _fewest) in known.items():
        target = there.get(key)
        if target is None:
            if key[1] in {"Deployment", "StatefulSet"}:
                yield scaler.wrong("spec.scaleTargetRef", f"{key[1]} {key[2]}: not in namespace {key[0]}")
        elif at(target.inputs, "spec", "replicas") is not None:
            yield target.wrong("spec.replicas", f"fixed, and {scaler.object_name} scales it")


@stack_rule(
    "W7-own",
    "Nobody runs under another's name",
    Severity.HIGH,
    *REPLICATED,
    remedy="A ServiceAccount for each service; its versions share it, two services do not. The label app "
    "says what "
    "is one service.",
    source=f"{ISTIO}/concepts/security/#istio-identity",
)
def accounts(stack: Stack, _: Told) -> Iterator[Violation]:
    owners: dict[tuple[str, str], tuple[str, Resource]] = {}
    for pods in workloads(stack, *REPLICATED):
        app = pods.labels.get("app") or pods.labels.get("app.kubernetes.io/name") or pods.resource.object_name
        if pods.account == "default":
            continue  # W7's finding
        first, _resource = owners.setdefault((pods.resource.namespace, pods.account), (app, pods.resource))
        if first != app:
            yield pods.resource.wrong(f"{pods.path}.serviceAccountName", f"{pods.account} is {first}'s too")
