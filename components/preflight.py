"""Looks at the cluster before anything is registered: is it there, and is it ours to change?

Reads only, and gives up after seconds: the engine would find out the same after minutes, one resource
at a time, with half an environment made.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from components import api
from components.model import naming
from components.model.explain import key_path
from components.model.findings import Finding, RefusedError
from components.model.istio import MeshPlan
from components.model.kubeconfig import Target
from components.model.naming import OWNER_LABEL
from components.model.plan import Plan
from components.model.types import first_version

SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class OtherGateway:
    """A gateway of another environment: which pods it opens, and for which hosts."""

    namespace: str
    name: str
    selector: Mapping[str, str]
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunningRoutes:
    """What the routes of a service do now: the versions that get anything, and the default's weights."""

    used: frozenset[str]
    weights: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Facts:
    """What of the cluster matters to an environment. An owner of '' is nobody this project knows."""

    owners: Mapping[str, str]  # of the namespaces that are there already
    istio: bool  # the kinds the routes are written in exist
    control_planes: tuple[str, ...]  # namespaces in which an istiod runs
    gateways: tuple[OtherGateway, ...] = ()
    routes: Mapping[str, RunningRoutes] = field(default_factory=dict)  # of this environment, by service
    keda: bool = True


def check(plan: Plan, owner: str, target: Target) -> None:
    """Refuses a cluster that does not answer or that this environment must not change.

    Raises:
        RefusedError: with every reason.
    """
    found = list(judge(plan, owner, look(plan, target)))
    if found:
        raise RefusedError(found)


def judge(plan: Plan, owner: str, facts: Facts) -> Iterator[Finding]:
    """What the facts forbid. Pure."""
    reason = ""
    if plan.meshed:
        reason = _no_mesh(facts) if plan.mesh is None else _foreign_mesh(plan.mesh, owner, facts)
    if reason:
        instead = "existing" if plan.mesh else "helm"
        yield Finding(
            "mesh", key_path(("mesh", "kind")), f"{reason}; valid here: {instead}", _asked(plan.mesh)
        )
    else:
        yield from _taken_hosts(plan, facts.gateways)
    namespace = plan.namespace.name
    if facts.owners.get(namespace, owner) != owner:
        who = facts.owners[namespace] or "someone else"
        text = f"the namespace is there and belongs to {who}; choose another, e.g. {namespace}-2"
        yield Finding("foreign-namespace", key_path(("namespace",)), text, namespace)
    elif not reason:
        yield from _cut_off(plan, facts.routes)
        yield from _too_far(plan, facts.routes)
    if not facts.keda:
        text = "a queue is scaled by KEDA, and the cluster has none; install it, or scale by replicas"
        yield Finding("no-keda", key_path(("services",)), text)


def _cut_off(plan: Plan, running: Mapping[str, RunningRoutes]) -> Iterator[Finding]:
    """A version whose requests the running routes still send: it would answer 503 while routes change.

    Subsets change before the routes that name them, so removing takes two updates.
    Source: https://istio.io/latest/docs/ops/best-practices/traffic-management/ (avoid 503 errors).
    """
    for way in plan.routes:
        used = running[way.service].used if way.service in running else frozenset[str]()
        for version in sorted(used - set(way.versions)):
            first = first_version(way.versions)
            yield Finding(
                "version-in-use",
                key_path(("services", way.service, "versions", version)),
                "gone from the stack file, while the running routes still send it requests; keep it and "
                f"take it off every policy first, e.g. weights: {{{first}: 100, {version}: 0}}, update, and "
                "remove it with a second update",
            )


def _too_far(plan: Plan, running: Mapping[str, RunningRoutes]) -> Iterator[Finding]:
    """A step of the weights that is larger than this environment allows."""
    for service, asked in sorted(plan.asked.items()):
        before = running[service].weights if service in running else {}
        for version, share in asked.items():
            now = before.get(version, 0)
            step = abs(share - now)
            if before and step > plan.max_weight_step:
                nearer = now + (plan.max_weight_step if share > now else -plan.max_weight_step)
                yield Finding(
                    "weight-step",
                    key_path(("services", service, "traffic")),
                    f"{version} would move by {step} % in one update and guardrails.maxWeightStep is "
                    f"{plan.max_weight_step}; valid now: at most {version}: {nearer}",
                    f"{version} {now} -> {share}",
                )
                break  # the others are the same step, seen from their side


def _asked(mesh: MeshPlan | None) -> str:
    if mesh is None:
        return "existing"
    return "helm" if mesh.releases else "addon"


def _no_mesh(facts: Facts) -> str:
    return "" if facts.istio else "the cluster has no Istio (nothing there knows networking.istio.io)"


def _foreign_mesh(mesh: MeshPlan, owner: str, facts: Facts) -> str:
    own = [one.name for one in mesh.namespaces]
    known = {*own, mesh.mtls.namespace}
    for name in own:
        if facts.owners.get(name, owner) != owner:
            who = facts.owners[name] or "someone else"
            return f"namespace {name} belongs to {who}, this stack is {owner}"
    elsewhere = [namespace for namespace in facts.control_planes if namespace not in known]
    return f"the cluster has an Istio already, in namespace {elsewhere[0]}" if elsewhere else ""


def _taken_hosts(plan: Plan, others: tuple[OtherGateway, ...]) -> Iterator[Finding]:
    """Two environments on one gateway must differ in hosts, or Istio picks one by age."""
    for entry in plan.entries:
        spec = entry.gateway.document()["spec"]
        selector = spec["selector"] if isinstance(spec, dict) else {}
        for other in others:
            taken = sorted(set(entry.hosts) & set(other.hosts))
            if selector == other.selector and taken:
                yield Finding(
                    "host-taken",
                    key_path(("ingress", "hosts")),
                    f"gateway {other.namespace}/{other.name} serves it already; choose another, e.g. "
                    f"{plan.namespace.name}.example.org",
                    ", ".join(taken),
                )


def look(plan: Plan, target: Target) -> Facts:
    """Asks the cluster.

    Raises:
        RefusedError: it does not answer, or not to us.
    """
    try:
        with api.connect(target, SECONDS) as reader:
            return _facts(reader, plan)
    except api.Unanswered as error:
        raise _unreachable(target, str(error)) from None


def _unreachable(target: Target, reason: str) -> RefusedError:
    message = f"the API server {target.server} {reason}; is the cluster up? " + (
        "`make up` starts it" if target.local else "valid: a context that answers `kubectl version`"
    )
    return RefusedError([Finding("unreachable", target.said_by, message, target.context)])


def _facts(reader: api.Reader, plan: Plan) -> Facts:
    wide = {one.name for one in plan.mesh.namespaces} if plan.mesh else set()
    spaces = {
        name: api.read(reader, f"/api/v1/namespaces/{name}") for name in sorted({plan.namespace.name} | wide)
    }
    gateways = api.read(reader, "/apis/networking.istio.io/v1/gateways")
    return Facts(
        owners={name: _labels(space).get(OWNER_LABEL, "") for name, space in spaces.items() if space},
        istio=gateways is not None,
        control_planes=_control_planes(reader) if plan.mesh else (),
        gateways=tuple(
            other for other in map(_gateway, _items(gateways)) if other.namespace != plan.namespace.name
        ),
        routes=_running(reader, plan) if gateways is not None and plan.routes else {},
        keda=not _needs_keda(plan) or api.read(reader, "/apis/keda.sh/v1alpha1") is not None,
    )


def _running(reader: api.Reader, plan: Plan) -> dict[str, RunningRoutes]:
    namespace = plan.namespace.name
    found = api.read(reader, f"/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices")
    used: dict[str, set[str]] = {}
    weights: dict[str, dict[str, int]] = {}
    hosts = {naming.host(way.service, namespace): way.service for way in plan.routes}
    for one in _items(found):
        for way in _list(_map(one.get("spec")).get("http")):
            shares = list(_shares(_map(way)))
            mirror = _map(_map(way).get("mirror"))
            copied = [_target(mirror, 100)] if mirror else []
            for host, subset, weight in (*shares, *copied):
                if weight and subset and host in hosts:
                    used.setdefault(hosts[host], set()).add(subset)
            if "match" not in _map(way) and shares and shares[0][0] in hosts:
                weights[hosts[shares[0][0]]] = {subset: weight for _, subset, weight in shares if subset}
    return {service: RunningRoutes(frozenset(used[service]), weights.get(service, {})) for service in used}


def _shares(way: api.Object) -> Iterator[tuple[str, str, int]]:
    """Host, subset and weight of each target of a route; a single target has everything."""
    targets = [_map(target) for target in _list(way.get("route"))]
    for target in targets:
        to, weight = _map(target.get("destination")), target.get("weight", 100 if len(targets) == 1 else 0)
        yield _target(to, weight if isinstance(weight, int) else 0)


def _target(to: api.Object, weight: int) -> tuple[str, str, int]:
    """Without a subset, which none of our routes is, it is no version's."""
    return str(to.get("host")), str(to.get("subset") or ""), weight


def _needs_keda(plan: Plan) -> bool:
    """Whether somebody else must have installed it; a cluster of this stack gets it with this update."""
    return plan.azure is None and any(one.api_version.startswith("keda.sh/") for one in plan.objects())


def _control_planes(reader: api.Reader) -> tuple[str, ...]:
    found = api.read(reader, "/apis/apps/v1/deployments", labelSelector="app=istiod")
    return tuple(sorted({str(_map(one.get("metadata")).get("namespace")) for one in _items(found)}))


def _gateway(found: api.Object) -> OtherGateway:
    metadata, spec = _map(found.get("metadata")), _map(found.get("spec"))
    hosts = [host for server in _list(spec.get("servers")) for host in _list(_map(server).get("hosts"))]
    return OtherGateway(
        str(metadata.get("namespace")),
        str(metadata.get("name")),
        {key: str(value) for key, value in _map(spec.get("selector")).items()},
        tuple(str(host) for host in hosts),
    )


def _labels(found: api.Object) -> dict[str, str]:
    return {key: str(value) for key, value in _map(_map(found.get("metadata")).get("labels")).items()}


def _items(found: api.Object | None) -> list[api.Object]:
    return [_map(one) for one in _list((found or {}).get("items"))]


def _map(value: object) -> api.Object:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
