"""Rules over who may call whom in a plan: every edge of the call graph is let through, and nothing else."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from components.model import istio, naming
from components.model.access import MANAGEMENT
from components.model.catalogue import BROKER, CATALOGUE, MAIL, SQL
from components.model.checks import evaluate
from components.model.checks.evaluate import NAMESPACE_LABEL, Mesh, Network, Pod, Request
from components.model.checks.reading import as_list, as_map, broken, maps, pod_labels, spec, template
from components.model.checks.registry import plan_check
from components.model.findings import Finding
from components.model.manifests import Document, Json, Manifest
from components.model.naming import IDENTITY_LABEL
from components.model.plan import EntryPlan, Plan

# caller, service and the port in the container
Known = Collection[tuple[str, str, int]]


@dataclass(frozen=True, slots=True)
class Call:
    """Pods of one workload call a port of another's."""

    caller: Manifest
    called: Manifest
    port: int

    @property
    def edge(self) -> tuple[str, str, int]:
        """The call without versions."""
        return _identity(self.caller), _identity(self.called), self.port


def calls(plan: Plan) -> Iterator[Call]:
    """Every call of the environment as the catalogue declares it, by every version to every version."""
    workloads = {load.service.name: load.workloads for load in plan.workloads}
    needs = [(load.workloads, need) for load in plan.workloads for need in load.service.needs]
    if plan.database:
        needs.append(((plan.database.job,), SQL))
    for callers, need in needs:
        for called in workloads.get(need.service, ()):
            for caller in callers:
                yield Call(caller, called, target(need.service, need.port))


def target(service: str, name: str) -> int:
    """A port of a service, in the container."""
    return next(port.target for port in CATALOGUE[service].ports if port.name == name)


def pod_of(workload: Manifest) -> Pod:
    """A pod of a workload, as rules see it."""
    return Pod(workload.namespace, {name: str(label) for name, label in pod_labels(workload).items()})


def principal_of(workload: Manifest) -> str:
    """Who a pod of a workload is, by its certificate."""
    account = as_map(template(workload).get("spec")).get("serviceAccountName")
    return naming.principal(workload.namespace, str(account))


def _chosen(policy: Manifest) -> str:
    """Whose rules a NetworkPolicy has; empty for everybody's."""
    return str(as_map(as_map(spec(policy).get("podSelector")).get("matchLabels")).get(IDENTITY_LABEL, ""))


def _identity(workload: Manifest) -> str:
    return str(pod_labels(workload).get(IDENTITY_LABEL))


def rules(plan: Plan, kind: str) -> list[Manifest]:
    """The rules of one enforcer."""
    return [one for one in plan.access.objects() if one.kind == kind]


@plan_check(
    "edge-rules",
    "A call nobody lets through, or a rule for a call nobody makes",
    reason=(
        "Mesh and network refuse what is not allowed, each on its own: a call needs a rule in both, and one "
        "only, or taking it away would change nothing. A rule without a call is a way in nobody looks at."
    ),
    source="https://istio.io/latest/docs/concepts/security/#implicit-enablement; components/model/access.py",
)
def edge_rules(plan: Plan) -> Iterator[Finding]:
    known = {call.edge for call in calls(plan)}
    yield from _refused(plan)
    for policy in rules(plan, "AuthorizationPolicy"):
        yield from _strays_of_mesh(plan, policy, known)
    for policy in rules(plan, "NetworkPolicy"):
        if _chosen(policy):
            yield from _strays_of_network(plan, policy, known)
    for entry in plan.entries:
        yield from _shut_out(plan, entry)


def _refused(plan: Plan) -> Iterator[Finding]:
    network, mesh = Network(rules(plan, "NetworkPolicy")), Mesh(rules(plan, "AuthorizationPolicy"))
    for call in calls(plan):
        caller, called = pod_of(call.caller), pod_of(call.called)
        there = f"{call.called.name}:{call.port}"
        if not network.leaves(caller, called, call.port):
            yield broken("edge-rules", call.caller, f"calls {there}, and no NetworkPolicy lets it out")
        if not network.enters(caller, called, call.port):
            yield broken("edge-rules", call.caller, f"calls {there}, and no NetworkPolicy lets it in")
        if not plan.meshed:
            continue
        request = Request(principal_of(call.caller), call.port)
        allowing = [one.name for one in mesh.over(called) if evaluate.permits(one, request)]
        if len(allowing) != 1:
            by = ", ".join(allowing) or "none"
            text = f"calls {there}, which one AuthorizationPolicy must allow and {by} does"
            yield broken("edge-rules", call.caller, text)


# --- rules nobody needs -------------------------------------------------------------------------------


def _strays_of_mesh(plan: Plan, policy: Manifest, known: Known) -> Iterator[Finding]:
    app = str(as_map(as_map(spec(policy).get("selector")).get("matchLabels")).get("app", ""))
    for rule in maps(spec(policy).get("rules")):
        ports = [
            _number(port) for one in maps(rule.get("to")) for port in _ports(as_map(one.get("operation")))
        ]
        sources = [as_map(one.get("source")) for one in maps(rule.get("from"))]
        names = [*_names(sources, "principals"), *_names(sources, "namespaces")]
        right = all(_source(plan, name, app, ports, known) for name in names)
        if not ports or not (right if names else _scaler(plan, app, ports)):
            whom, where = ", ".join(names) or "everybody", ", ".join(map(str, ports)) or "of any number"
            yield broken("edge-rules", policy, f"lets {whom} call port {where}, which nothing declares")


def _ports(operation: Document) -> list[Json]:
    return as_list(operation.get("ports"))


def _names(sources: list[Document], key: str) -> list[str]:
    return [str(name) for source in sources for name in as_list(source.get(key))]


def _number(port: Json) -> int:
    return int(str(port))


def _source(plan: Plan, name: str, app: str, ports: list[int], known: Known) -> bool:
    """Whether somebody may be let in: a caller of this environment, or somebody from another namespace."""
    space, account = _whereabouts(name)
    if "*" in name or app not in CATALOGUE:
        return False
    if space == plan.namespace.name:
        return all((account, app, port) in known for port in ports)
    return bool(space) and ports == [CATALOGUE[app].ports[0].target]


def _whereabouts(name: str) -> tuple[str, str]:
    """The namespace and account of a certificate, or a namespace by itself; '' for what is neither."""
    match name.split("/"):
        case [space]:
            return space, ""
        case [_, "ns", space, "sa", account] if name == naming.principal(space, account):
            return space, account
    return "", ""


def _scaler(plan: Plan, app: str, ports: list[int]) -> bool:
    """Whether everybody may be let in: KEDA asks the broker how long its queues are."""
    scaled = any(one.kind == "ScaledObject" for load in plan.workloads for one in load.beside)
    return scaled and app == BROKER.service and ports == [target(BROKER.service, MANAGEMENT)]


def _strays_of_network(plan: Plan, policy: Manifest, known: Known) -> Iterator[Finding]:
    own = _chosen(policy)
    for way, peers in (("ingress", "from"), ("egress", "to")):
        for rule in maps(spec(policy).get(way)):
            ports = [_number(one.get("port")) for one in maps(rule.get("ports"))]
            named = maps(rule.get(peers))
            right = all(_peer(plan, peer, own, way, ports, known) for peer in named)
            if not ports or not (right if named else _anybody(plan, own, way, ports)):
                where = ", ".join(map(str, ports)) or "of any number"
                yield broken(
                    "edge-rules", policy, f"has a rule of {way} for port {where} that nothing declares"
                )


def _peer(plan: Plan, peer: Document, own: str, way: str, ports: list[int], known: Known) -> bool:
    """Whether a rule may name this peer: the other end of a call, or somebody in another namespace."""
    there = as_map(as_map(peer.get("namespaceSelector")).get("matchLabels")).get(NAMESPACE_LABEL)
    if there is not None:
        return way == "ingress" and there != plan.namespace.name and ports in _open_to_others(own)
    other = str(as_map(as_map(peer.get("podSelector")).get("matchLabels")).get(IDENTITY_LABEL))
    caller, called = (other, own) if way == "ingress" else (own, other)
    return "namespaceSelector" not in peer and all((caller, called, port) in known for port in ports)


def _open_to_others(own: str) -> list[list[int]]:
    """The ports somebody in another namespace may call: the service's own, and the broker's for KEDA."""
    first = [CATALOGUE[own].ports[0].target] if CATALOGUE[own].ports else []
    return [first, [target(own, MANAGEMENT)]] if own == BROKER.service else [first]


def _anybody(plan: Plan, own: str, way: str, ports: list[int]) -> bool:
    """Whether a rule may name no peer: hosts outside, and callers from outside where there is no mesh."""
    if way == "ingress":
        return not plan.meshed and CATALOGUE[own].public
    named = {
        port.get("number") for one in rules(plan, "ServiceEntry") for port in maps(spec(one).get("ports"))
    }
    if not plan.meshed:  # a shadow's servers, and the databases'; in a mesh, hosts outside are named
        named |= {target(need.service, need.port) for need in (SQL, MAIL)}
        named |= {plan.database.port} if plan.database else set()
    return set(ports) <= named


# --- the way in ---------------------------------------------------------------------------------------


def _shut_out(plan: Plan, entry: EntryPlan) -> Iterator[Finding]:
    """The gateway's pods must be let in, by the network and by the mesh."""
    labels = {name: str(label) for name, label in as_map(spec(entry.gateway).get("selector")).items()}
    network, mesh = Network(rules(plan, "NetworkPolicy")), Mesh(rules(plan, "AuthorizationPolicy"))
    port = CATALOGUE[entry.service].ports[0].target
    for called in next(load.workloads for load in plan.workloads if load.service.name == entry.service):
        if not any(
            network.enters(Pod(namespace, labels), pod_of(called), port)
            and mesh.allows(Request(naming.principal(namespace, istio.GATEWAY_RELEASE), port), pod_of(called))
            for namespace in _gateway_namespaces(plan)
        ):
            yield broken("edge-rules", entry.gateway, f"is to reach {called.name}:{port}, and is not let in")


def _gateway_namespaces(plan: Plan) -> set[str]:
    """Where the gateway's pods are: in our own mesh it is known, another's is named by the rules alone."""
    if plan.joined and plan.mesh:
        return {plan.joined.gateway_namespace}
    sources = [
        as_map(one.get("source"))
        for policy in rules(plan, "AuthorizationPolicy")
        for rule in maps(spec(policy).get("rules"))
        for one in maps(rule.get("from"))
    ]
    return set(_names(sources, "namespaces"))


# --- what refuses the rest ----------------------------------------------------------------------------


@plan_check(
    "deny-last",
    "Nothing that refuses the rest, or not at the end",
    reason=(
        "Without it everything is allowed; before the rules that allow, it would cut off what works while an "
        "update is under way."
    ),
    source="https://istio.io/latest/docs/ops/best-practices/security/#use-default-deny-patterns",
)
def deny_last(plan: Plan) -> Iterator[Finding]:
    wanted = ["NetworkPolicy", *(["AuthorizationPolicy"] if plan.meshed else [])]
    refusing = {one.kind for one in plan.access.deny if _refuses(one)}
    for kind in wanted:
        if kind not in refusing:
            text = f"must have a {kind} that selects every pod and allows nothing, after all others"
            yield broken("deny-last", plan.namespace, text)
    for one in plan.access.allow:
        if _refuses(one):
            yield broken("deny-last", one, "refuses everything and must come after the rules that allow")
    for one in plan.access.deny:
        if not _refuses(one):
            yield broken("deny-last", one, "allows something and must come before what refuses the rest")


def _refuses(policy: Manifest) -> bool:
    asked = spec(policy)
    if policy.kind == "AuthorizationPolicy":
        return not asked
    return policy.kind == "NetworkPolicy" and asked == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }


@plan_check(
    "sidecar-scope",
    "Sidecars that know more than they must, or nobody decides what",
    reason=(
        "One Sidecar without a selector holds for the namespace; of two Istio takes either. It names what "
        "pods may call: without it every proxy gets the whole cluster's configuration and calls any host."
    ),
    source="https://istio.io/latest/docs/reference/config/analysis/ist0111/",
)
def sidecar_scope(plan: Plan) -> Iterator[Finding]:
    if plan.joined is None:
        return
    scopes = [one for one in rules(plan, "Sidecar") if "workloadSelector" not in spec(one)]
    if len(scopes) != 1:
        yield broken(
            "sidecar-scope", plan.namespace, f"must have one Sidecar without a selector, not {len(scopes)}"
        )
    for scope in scopes:
        known = {str(host) for one in maps(spec(scope).get("egress")) for host in as_list(one.get("hosts"))}
        if not known <= {"./*", f"{plan.joined.root_namespace}/*"}:
            yield broken("sidecar-scope", scope, f"makes every sidecar know {', '.join(sorted(known))}")
        if as_map(spec(scope).get("outboundTrafficPolicy")).get("mode") != "REGISTRY_ONLY":
            yield broken(
                "sidecar-scope", scope, "lets pods call hosts nobody named; valid: mode REGISTRY_ONLY"
            )
