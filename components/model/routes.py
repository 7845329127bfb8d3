"""The compiler from traffic policies to Istio's objects. Hosts are always full names."""

from collections.abc import Mapping, Sequence

from components.model import naming
from components.model.catalogue import Service
from components.model.manifests import Document, Json, Manifest, labels

NETWORKING = "networking.istio.io/v1"
SECURITY = "security.istio.io/v1"


def destination_rule(service: Service, versions: Sequence[str], namespace: str) -> Manifest:
    """Names every version as a subset, whatever its weight: routes may move between them at once."""
    subsets: list[Json] = [
        {"name": version, "labels": {"version": naming.version_label(version)}}
        for version in sorted(versions)
    ]
    spec: Document = {"host": naming.host(service.name, namespace), "subsets": subsets}
    return _object("DestinationRule", service.name, namespace, service.name, spec)


def virtual_service(service: Service, shares: Mapping[str, int], namespace: str) -> Manifest:
    """What callers inside the mesh get."""
    host = naming.host(service.name, namespace)
    spec: Document = {
        "hosts": [host],
        "gateways": ["mesh"],
        "http": [{"name": "default", "route": _destinations(host, shares)}],
    }
    return _object("VirtualService", service.name, namespace, service.name, spec)


def entry_route(
    service: Service, shares: Mapping[str, int], hosts: Sequence[str], namespace: str
) -> Manifest:
    """What callers from outside get: the same shares, by way of the ingress gateway."""
    host = naming.host(service.name, namespace)
    spec: Document = {
        "hosts": list(hosts),
        "gateways": [f"{namespace}/{service.name}"],
        "http": [{"name": "default", "route": _destinations(host, shares, service.ports[0].number)}],
    }
    return _object("VirtualService", f"{service.name}-ingress", namespace, service.name, spec)


def gateway(service: Service, hosts: Sequence[str], selector: Mapping[str, str], namespace: str) -> Manifest:
    """Opens the ingress gateway for the hosts of this environment."""
    spec: Document = {
        "selector": dict(sorted(selector.items())),
        "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": list(hosts)}],
    }
    return _object("Gateway", service.name, namespace, service.name, spec)


def strict_mtls(namespace: str, key: str) -> Manifest:
    """Everything in the namespace speaks mutual TLS or is refused; in the root namespace: in the mesh."""
    spec: Document = {"mtls": {"mode": "STRICT"}}
    return Manifest(key, SECURITY, "PeerAuthentication", "default", namespace, {}, {"spec": spec})


def _destinations(host: str, shares: Mapping[str, int], port: int = 0) -> list[Json]:
    # A share of 0 stays in the route: moving a weight then changes numbers and nothing else.
    chosen: Document = {"port": {"number": port}} if port else {}
    return [
        {"destination": {"host": host, "subset": version, **chosen}, "weight": share}
        for version, share in sorted(shares.items())
    ]


def _object(kind: str, name: str, namespace: str, service: str, spec: Document) -> Manifest:
    return Manifest(name, NETWORKING, kind, name, namespace, labels(service), {"spec": spec})
