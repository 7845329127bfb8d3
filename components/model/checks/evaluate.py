"""What NetworkPolicies and AuthorizationPolicies let through, decided as Kubernetes and Istio decide it.

Written from their documentation and not from the compiler, which is judged by it. It understands what the
compiler may use; anything else in a policy raises NotImplementedError rather than count as nothing.
Sources: https://kubernetes.io/docs/concepts/services-networking/network-policies/ and
https://istio.io/latest/docs/concepts/security/#implicit-enablement
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from components.model.manifests import Document, Json, Manifest

NAMESPACE_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True, slots=True)
class Pod:
    """What the network sees of a pod."""

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """What the mesh sees of a call; nothing as `principal` is a caller without a certificate.

    Without a method any request is meant: whether some request may pass.
    """

    principal: str
    port: int
    method: str = ""
    path: str = ""

    @property
    def namespace(self) -> str:
        """Where the caller is, by its certificate."""
        return self.principal.split("/")[2] if self.principal else ""


class Selecting:
    """Policies by a label they ask for: of many policies, only a few are about a pod."""

    def __init__(self, policies: Iterable[Manifest], asked: Callable[[Manifest], Document]) -> None:
        self._by_label: dict[object, list[Manifest]] = {}
        for one in policies:
            first = next(iter(_map(asked(one).get("matchLabels", {})).items()), None)
            self._by_label.setdefault(first, []).append(one)

    def candidates(self, pod: Pod) -> Iterator[Manifest]:
        """Those that ask for nothing, and those that ask for a label of the pod first of all."""
        for label in (None, *pod.labels.items()):
            yield from self._by_label.get(label, ())


# --- the network --------------------------------------------------------------------------------------


class Network:
    """The NetworkPolicies of a cluster."""

    def __init__(self, policies: Iterable[Manifest]) -> None:
        self._policies = Selecting(policies, lambda one: _map(_spec(one)["podSelector"]))
        self._chosen: dict[object, list[Manifest]] = {}  # the answers of _choosing

    def connects(self, caller: Pod, called: Pod, port: int) -> bool:
        """Whether one pod gets a TCP connection to another's port: both sides must agree."""
        return self.leaves(caller, called, port) and self.enters(caller, called, port)

    def leaves(self, caller: Pod, called: Pod | None, port: int, protocol: str = "TCP") -> bool:
        """Whether the caller's side agrees. `called` is None for an address outside the cluster."""
        return self._agrees(caller, "Egress", called, port, protocol)

    def enters(self, caller: Pod | None, called: Pod, port: int, protocol: str = "TCP") -> bool:
        """Whether the called side agrees. `caller` is None for an address outside the cluster."""
        return self._agrees(called, "Ingress", caller, port, protocol)

    def _agrees(self, pod: Pod, way: str, peer: Pod | None, port: int, protocol: str) -> bool:
        chosen = self._choosing(pod, way)
        peers = "to" if way == "Egress" else "from"
        return not chosen or any(
            _at(rule, port, protocol) and _of_peer(rule.get(peers), peer, policy.namespace)
            for policy in chosen
            for rule in _maps(_spec(policy), way.lower())
        )

    def _choosing(self, pod: Pod, way: str) -> list[Manifest]:
        """The policies that select a pod for this way: where there is one, only what is named may pass."""
        key = (way, pod.namespace, *sorted(pod.labels.items()))
        if key not in self._chosen:
            self._chosen[key] = [
                one
                for one in self._policies.candidates(pod)
                if _selects(one, pod) and way in _list(_spec(one), "policyTypes")
            ]
        return self._chosen[key]


def _selects(policy: Manifest, pod: Pod) -> bool:
    return policy.namespace == pod.namespace and _chosen(_map(_spec(policy)["podSelector"]), pod.labels)


def _at(rule: Document, port: int, protocol: str) -> bool:
    """Whether a rule is about a port; without ports it is about all of them."""
    return "ports" not in rule or any(
        one.get("port", port) == port and one.get("protocol", "TCP") == protocol
        for one in _maps(rule, "ports")
    )


def _of_peer(peers: Json, peer: Pod | None, namespace: str) -> bool:
    """Whether a rule is about a peer; without peers it is about everybody, addresses outside included."""
    if not peers:
        return True
    return peer is not None and any(_is_peer(_map(one), peer, namespace) for one in _as_list(peers))


def _is_peer(wanted: Document, peer: Pod, namespace: str) -> bool:
    _only(wanted, "podSelector", "namespaceSelector")
    there = (
        _chosen(_map(wanted["namespaceSelector"]), {NAMESPACE_LABEL: peer.namespace})
        if "namespaceSelector" in wanted
        else peer.namespace == namespace
    )
    return there and _chosen(_map(wanted.get("podSelector", {})), peer.labels)


def _chosen(selector: Document, labels: Mapping[str, str]) -> bool:
    _only(selector, "matchLabels")
    return _map(selector.get("matchLabels", {})).items() <= labels.items()


# --- the mesh -----------------------------------------------------------------------------------------


class Mesh:
    """The AuthorizationPolicies of a mesh whose traffic is all mutual TLS."""

    def __init__(self, policies: Iterable[Manifest]) -> None:
        self._policies = Selecting(policies, lambda one: _map(_spec(one).get("selector", {})))

    def over(self, called: Pod) -> list[Manifest]:
        """The policies that are about requests to a pod."""
        return [one for one in self._policies.candidates(called) if concerns(one, called)]

    def allows(self, request: Request, called: Pod) -> bool:
        """Whether a request passes: no policy denies it, and where any allows something, one allows this."""
        chosen = self.over(called)
        if any(_action(one) == "DENY" and permits(one, request) for one in chosen):
            return False
        allowing = [one for one in chosen if _action(one) == "ALLOW"]
        return not allowing or any(permits(one, request) for one in allowing)


def _action(policy: Manifest) -> str:
    action = str(_spec(policy).get("action", "ALLOW"))
    if action not in ("ALLOW", "DENY"):
        raise NotImplementedError(action)
    return action


def concerns(policy: Manifest, pod: Pod) -> bool:
    """Whether an AuthorizationPolicy is about requests to a pod."""
    return policy.namespace == pod.namespace and _chosen(_map(_spec(policy).get("selector", {})), pod.labels)


def permits(policy: Manifest, request: Request) -> bool:
    """Whether a rule of this policy is about the request. A policy without rules is about none."""
    return any(about(rule, request) for rule in _maps(_spec(policy), "rules"))


def about(rule: Document, request: Request) -> bool:
    """Whether one rule of an AuthorizationPolicy is about a request."""
    _only(rule, "from", "to")
    sources = [_map(one["source"]) for one in _maps(rule, "from")]
    operations = [_map(one["operation"]) for one in _maps(rule, "to")]
    return (not sources or any(_is_source(one, request) for one in sources)) and (
        not operations or any(_is_operation(one, request) for one in operations)
    )


def _is_source(source: Document, request: Request) -> bool:
    _only(source, "principals", "namespaces")
    return _one_of(source.get("principals"), request.principal) and _one_of(
        source.get("namespaces"), request.namespace
    )


def _is_operation(operation: Document, request: Request) -> bool:
    _only(operation, "ports", "methods", "paths")
    return (
        _one_of(operation.get("ports"), str(request.port))
        and (not request.method or _one_of(operation.get("methods"), request.method))
        and (not request.path or _one_of(operation.get("paths"), request.path))
    )


def _one_of(patterns: Json, text: str) -> bool:
    """Istio's patterns: exact, with a `*` at one end, or `*` alone for anything but nothing."""
    return not patterns or any(_fits(str(pattern), text) for pattern in _as_list(patterns))


def _fits(pattern: str, text: str) -> bool:
    if not text:
        return False
    if pattern.endswith("*"):
        return text.startswith(pattern.removesuffix("*"))
    return text.endswith(pattern[1:]) if pattern.startswith("*") else text == pattern


# --- documents ----------------------------------------------------------------------------------------


def _only(document: Document, *understood: str) -> None:
    if strange := set(document) - set(understood):
        raise NotImplementedError(f"{', '.join(sorted(strange))} in a policy")


def _spec(manifest: Manifest) -> Document:
    return _map(manifest.body["spec"])


def _map(value: Json) -> Document:
    if not isinstance(value, dict):
        raise NotImplementedError(f"{value} where a map is expected")
    return value


def _as_list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise NotImplementedError(f"{value} where a list is expected")
    return value


def _list(document: Document, key: str) -> list[Json]:
    return _as_list(document.get(key, []))


def _maps(document: Document, key: str) -> list[Document]:
    return [_map(one) for one in _list(document, key)]
