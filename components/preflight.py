"""Looks at the cluster before anything is registered: is it there, and is it ours to change?

Reads only, and gives up after seconds: the engine would find out the same after minutes, one resource
at a time, with half an environment made.
"""

from collections.abc import Iterable, Iterator, Mapping
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
    """A gateway of another environment: which pods it opens, on which ports and for which hosts."""

    namespace: str
    name: str
    selector: Mapping[str, str]
    opened: frozenset[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class RunningRoutes:
    """What the routes of a service do: the versions that get anything, and the default's weights.

    `lanes` are the weights for whatever pods with a label `app` and `version` send; '' is any version.
    """

    used: frozenset[str]
    weights: Mapping[str, int]
    lanes: Mapping[tuple[str, str], Mapping[str, int]] = field(default_factory=dict)


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


Shares = Mapping[str, float]  # percent for each version


@dataclass(frozen=True, slots=True)
class Step:
    """What one update changes for the requests of a caller; without one, for those no lane takes."""

    caller: str
    before: Shares
    after: Shares

    def of(self, version: str) -> float:
        """How far a version moves; hundredths are all there can be."""
        return round(abs(self.after.get(version, 0) - self.before.get(version, 0)), 2)

    @property
    def version(self) -> str:
        """The first of those that move farthest."""
        return max(sorted({*self.before, *self.after}), key=self.of)


def _too_far(plan: Plan, running: Mapping[str, RunningRoutes]) -> Iterator[Finding]:
    """A step of the weights that is larger than this environment allows, by themselves or with lanes.

    A route that asks for a header, a cookie, a path or a method counts as nothing: how many requests it takes
    nobody can tell from the routes.
    """
    asked = _read(plan, [way.route.document() for way in plan.routes])
    for service, weights in sorted(plan.asked.items()):
        now = running.get(service)
        if now is None or not now.weights:
            continue
        steps = [Step("", now.weights, weights)]
        for caller in _callers(plan, service):
            senders = asked[caller].weights
            steps.append(Step(caller, _sent(caller, senders, now), _sent(caller, senders, asked[service])))
        large = [step for step in steps if step.of(step.version) > plan.max_weight_step]
        if large:  # the weights come first, and a lane is judged where they are right
            yield _large(plan, service, now.weights, large[0])


def _callers(plan: Plan, service: str) -> list[str]:
    """Who calls a service and has weights of its own."""
    routed = {way.service for way in plan.routes}
    callers = (load.service for load in plan.workloads if load.service.name in routed)
    return sorted(one.name for one in callers if any(need.service == service for need in one.needs))


def _sent(caller: str, senders: Mapping[str, int], routes: RunningRoutes) -> dict[str, float]:
    """Where a caller's requests go, if its versions have these shares of them."""
    found: dict[str, int] = {}
    for sender, share in senders.items():
        lanes = [(caller, naming.version_label(sender)), (caller, "")]
        shares = next((routes.lanes[one] for one in lanes if one in routes.lanes), routes.weights)
        for version, percent in shares.items():
            found[version] = found.get(version, 0) + share * percent
    return {version: percent / 100 for version, percent in found.items()}


def _large(plan: Plan, service: str, weights: Shares, step: Step) -> Finding:
    most, version = plan.max_weight_step, step.version
    goal, of_what, kept = step.after, "", ""
    if step.caller:
        of_what, kept = f" of what {step.caller} sends", "the lanes as they run, and "
        # Where a lane comes, the weights go there first; where one goes, to where it was.
        goal = max(step.before, step.after, key=lambda one: Step("", weights, one).of(version))
    shares = ", ".join(f"{name}: {share}" for name, share in _nearer(weights, goal, most).items())
    return Finding(
        "weight-step",
        key_path(("services", service, "traffic")),
        f"{version} would move by {step.of(version):g} %{of_what} in one update and guardrails.maxWeightStep "
        f"is {most}; valid now: {kept}at most {{kind: split, weights: {{{shares}}}}}",
        f"{version} {step.before.get(version, 0):g} -> {step.after.get(version, 0):g}",
    )


def _nearer(now: Shares, then: Shares, most: int) -> dict[str, int]:
    """Weights on the way from one to the other, as far as one update may go; the same sum as now."""
    names = sorted({*now, *then})
    way = {name: then.get(name, 0) - now.get(name, 0) for name in names}
    length = max(most, *(abs(part) for part in way.values()))
    parts = {name: part * most / length for name, part in way.items()}
    moved = {name: int(part) for name, part in parts.items()}
    missing = -sum(moved.values())
    one = 1 if missing > 0 else -1
    for name in sorted(names, key=lambda name: one * (moved[name] - parts[name]))[: abs(missing)]:
        moved[name] += one
    return {name: int(now.get(name, 0)) + moved[name] for name in names}


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
    """Two environments on one gateway must differ in hosts, or Istio picks one by age.

    Of `*` and a name, or of two ports, each has its own requests.
    """
    for entry in plan.entries:
        own = _gateway(entry.gateway.document())
        for other in others:
            taken = sorted({host for _, host in own.opened & other.opened})
            if taken and _same_pods(own.selector, other.selector):
                yield Finding(
                    "host-taken",
                    key_path(("ingress", "hosts")),
                    f"gateway {other.namespace}/{other.name} serves it already; choose another, e.g. "
                    f"{plan.namespace.name}.example.org",
                    ", ".join(taken),
                )


def _same_pods(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether whatever one selects the other selects too; one of them may ask for a label more."""
    return one.items() <= other.items() or other.items() <= one.items()


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
    return _read(plan, _items(found))


def _read(plan: Plan, services: Iterable[api.Object]) -> dict[str, RunningRoutes]:
    """What VirtualServices do with the requests for this environment's services."""
    used: dict[str, set[str]] = {}
    weights: dict[str, dict[str, int]] = {}
    lanes: dict[str, dict[tuple[str, str], dict[str, int]]] = {}
    hosts = {naming.host(way.service, plan.namespace.name): way.service for way in plan.routes}
    for way in (_map(way) for one in services for way in _list(_map(one.get("spec")).get("http"))):
        shares = list(_shares(way))
        mirror = _map(way.get("mirror"))
        for host, subset, weight in (*shares, *([_target(mirror, 100)] if mirror else [])):
            if weight and subset and host in hosts:
                used.setdefault(hosts[host], set()).add(subset)
        if not shares or shares[0][0] not in hosts:
            continue
        service, told = hosts[shares[0][0]], {subset: weight for _, subset, weight in shares if subset}
        if "match" not in way:
            weights[service] = told
        for sender in _senders(way):  # the first route that matches takes a request
            lanes.setdefault(service, {}).setdefault(sender, told)
    return {
        service: RunningRoutes(frozenset(used[service]), weights.get(service, {}), lanes.get(service, {}))
        for service in used
    }


def _senders(way: api.Object) -> Iterator[tuple[str, str]]:
    """The labels `app` and `version` of pods all of whose requests a route takes."""
    for match in map(_map, _list(way.get("match"))):
        labels = _map(match.get("sourceLabels"))
        if set(match) <= {"name", "sourceLabels"} and "app" in labels and set(labels) <= {"app", "version"}:
            yield str(labels["app"]), str(labels.get("version", ""))


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
    servers = [_map(server) for server in _list(spec.get("servers"))]
    opened = [
        (number, str(host).rpartition("/")[2])  # before the name stands the namespace that may route it
        for server in servers
        for host in _list(server.get("hosts"))
        if isinstance(number := _map(server.get("port")).get("number"), int)
    ]
    return OtherGateway(
        str(metadata.get("namespace")),
        str(metadata.get("name")),
        {key: str(value) for key, value in _map(spec.get("selector")).items()},
        frozenset(opened),
    )


def _labels(found: api.Object) -> dict[str, str]:
    return {key: str(value) for key, value in _map(_map(found.get("metadata")).get("labels")).items()}


def _items(found: api.Object | None) -> list[api.Object]:
    return [_map(one) for one in _list((found or {}).get("items"))]


def _map(value: object) -> api.Object:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
