"""Looks at the cluster before anything is registered: is it there, and is it ours to change?

Reads only, and gives up after seconds: the engine would find out the same after minutes, one resource
at a time, with half an environment made.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx2
from lightkube import ALL_NS, ApiError, Client, ConfigError, KubeConfig
from lightkube.generic_resource import GenericGlobalResource, GenericNamespacedResource

from components.kinds import Deployment, Gateway, Namespace
from components.model.explain import key_path
from components.model.findings import Finding, RefusedError
from components.model.istio import GATEWAY_NAMESPACE
from components.model.kubeconfig import Target
from components.model.manifests import Json
from components.model.naming import OWNER_LABEL
from components.model.plan import Plan

SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class OtherGateway:
    """A gateway of another environment: which pods it opens, and for which hosts."""

    namespace: str
    name: str
    selector: Mapping[str, Json]
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
    mesh, namespace = key_path(("mesh", "kind")), plan.namespace.name
    root = plan.root_namespace
    if plan.mesh is None and not facts.istio:
        yield Finding(
            "no-mesh",
            mesh,
            "the cluster has no Istio (nothing there knows networking.istio.io); valid here: helm",
            "existing",
        )
    if plan.mesh is not None:
        for name in (root, GATEWAY_NAMESPACE):
            if facts.owners.get(name, owner) != owner:
                who = facts.owners[name] or "someone else"
                text = f"namespace {name} belongs to {who}, this stack is {owner}; valid here: existing"
                yield Finding("foreign-mesh", mesh, text, "helm")
        for other in facts.control_planes:
            if other != root:
                text = f"the cluster has an Istio already, in namespace {other}; valid here: existing"
                yield Finding("foreign-mesh", mesh, text, "helm")
    if facts.owners.get(namespace, owner) != owner:
        who = facts.owners[namespace] or "someone else"
        text = f"the namespace is there and belongs to {who}; choose another, e.g. {namespace}-2"
        yield Finding("foreign-namespace", key_path(("namespace",)), text, namespace)
    yield from _taken_hosts(plan, facts.gateways)


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
        client = Client(
            config=KubeConfig.from_dict(target.kubeconfig()),
            timeout=httpx2.Timeout(SECONDS),
        )
        return _facts(client, plan)
    except ApiError as error:
        raise _unreachable(target, f"refuses: {error.status.message}") from None
    except httpx2.TimeoutException:
        raise _unreachable(target, f"does not answer within {SECONDS:.0f} s") from None
    except httpx2.HTTPError as error:
        raise _unreachable(target, f"does not answer ({error})") from None
    except (ConfigError, OSError, ValueError) as error:
        raise _unreachable(target, f"cannot be asked ({error})") from None


def _unreachable(target: Target, reason: str) -> RefusedError:
    message = f"the API server {target.server} {reason}; is the cluster up? " + (
        "`make up` starts it" if target.local else "valid: a context that answers `kubectl version`"
    )
    return RefusedError([Finding("unreachable", target.said_by, message, target.context)])


def _facts(client: Client, plan: Plan) -> Facts:
    wide = {plan.root_namespace, GATEWAY_NAMESPACE} if plan.mesh else set()
    spaces = {name: _namespace(client, name) for name in sorted({plan.namespace.name} | wide)}
    gateways = _gateways(client)
    return Facts(
        owners={name: _owner(space) for name, space in spaces.items() if space is not None},
        istio=gateways is not None,
        control_planes=_control_planes(client) if plan.mesh else (),
        gateways=tuple(one for one in gateways or () if one.namespace != plan.namespace.name),
    )


def _namespace(client: Client, name: str) -> GenericGlobalResource | None:
    try:
        return client.get(Namespace, name)
    except ApiError as error:
        if error.status.code == httpx2.codes.NOT_FOUND:
            return None
        raise


def _gateways(client: Client) -> list[OtherGateway] | None:
    """Every gateway of the cluster; None where there is no such kind, which is: no Istio."""
    try:
        return [_other(gateway) for gateway in client.list(Gateway, namespace=ALL_NS)]
    except httpx2.HTTPStatusError as error:  # for a group it does not know, the server answers no Status
        if error.response.status_code == httpx2.codes.NOT_FOUND:
            return None
        raise


def _control_planes(client: Client) -> tuple[str, ...]:
    found = client.list(Deployment, namespace=ALL_NS, labels={"app": "istiod"})
    return tuple(sorted({str(one.metadata.namespace) for one in found if one.metadata}))


def _owner(space: GenericGlobalResource) -> str:
    labels = space.metadata.labels if space.metadata else None
    return str((labels or {}).get(OWNER_LABEL, ""))


def _other(gateway: GenericNamespacedResource) -> OtherGateway:
    spec = gateway.get("spec") or {}
    hosts = tuple(str(host) for server in spec.get("servers", []) for host in server.get("hosts", []))
    metadata = gateway.metadata
    namespace, name = (str(metadata.namespace), str(metadata.name)) if metadata else ("", "")
    return OtherGateway(namespace, name, spec.get("selector") or {}, hosts)
