"""Looks at the cluster before anything is registered: is it there, and is it ours to change?

Reads only, and gives up after seconds: the engine would find out the same after minutes, one resource
at a time, with half an environment made.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components import api
from components.model.explain import key_path
from components.model.findings import Finding, RefusedError
from components.model.istio import GATEWAY_NAMESPACE
from components.model.kubeconfig import Target
from components.model.naming import OWNER_LABEL
from components.model.plan import Plan

SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class OtherGateway:
    """A gateway of another environment: which pods it opens, and for which hosts."""

    namespace: str
    name: str
    selector: Mapping[str, str]
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What of the cluster matters to an environment. An owner of '' is nobody this project knows."""

    owners: Mapping[str, str]  # of the namespaces that are there already
    istio: bool  # the kinds the routes are written in exist
    control_planes: tuple[str, ...]  # namespaces in which an istiod runs
    gateways: tuple[OtherGateway, ...] = ()


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
    reason = _no_mesh(facts) if plan.mesh is None else _foreign_mesh(plan.root_namespace, owner, facts)
    if reason:
        asked, instead = ("existing", "helm") if plan.mesh is None else ("helm", "existing")
        yield Finding("mesh", key_path(("mesh", "kind")), f"{reason}; valid here: {instead}", asked)
    else:
        yield from _taken_hosts(plan, facts.gateways)
    namespace = plan.namespace.name
    if facts.owners.get(namespace, owner) != owner:
        who = facts.owners[namespace] or "someone else"
        text = f"the namespace is there and belongs to {who}; choose another, e.g. {namespace}-2"
        yield Finding("foreign-namespace", key_path(("namespace",)), text, namespace)


def _no_mesh(facts: Facts) -> str:
    return "" if facts.istio else "the cluster has no Istio (nothing there knows networking.istio.io)"


def _foreign_mesh(root: str, owner: str, facts: Facts) -> str:
    for name in (root, GATEWAY_NAMESPACE):
        if facts.owners.get(name, owner) != owner:
            who = facts.owners[name] or "someone else"
            return f"namespace {name} belongs to {who}, this stack is {owner}"
    elsewhere = [namespace for namespace in facts.control_planes if namespace != root]
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
    wide = {plan.root_namespace, GATEWAY_NAMESPACE} if plan.mesh else set()
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
    )


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
