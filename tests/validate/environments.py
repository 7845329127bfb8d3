"""Fixed environments that between them hold everything the program can write."""

from datetime import date
from typing import Any

from components.model.catalogue import CATALOGUE, Kind
from components.model.checks import plan_for
from components.model.explain import parse
from components.model.plan import Plan
from tests.model.azure import AZURE, CLUSTER

TODAY = date(2026, 11, 25)
OWNER = "pitstop.test"
Node = dict[str, Any]

API = "customermanagementapi"
TWO: Node = {"v1": {}, "v2": {}}
PAIRS: Node = {"v1": {"replicas": 2}, "v2": {"replicas": 2}}
SPLIT: Node = {"kind": "split", "weights": {"v1": 75, "v2": 25}}
GREEN: Node = {"kind": "bluegreen", "live": "v2"}
HELM: Node = {"kind": "helm", "size": "small", "gateway": {"service": "NodePort", "nodePort": 30080}}
FAULT: Node = {"kind": "fault", "until": "2026-12-31", "abort": {"percent": 25, "status": 503}}


def base(**changes: object) -> Node:
    """An environment with the webapp, one API and what the two need."""
    return {
        "namespace": "pitstop",
        "cluster": {"kind": "local"},
        "mesh": HELM,
        "services": {"webapp": {}, API: {}, "sqlserver": {}, "rabbitmq": {}},
        **changes,
    }


def api(*traffic: Node, versions: Node = TWO, **changes: object) -> Node:
    """That environment with these policies on the API."""
    services = {**base()["services"], API: {"versions": versions, "traffic": [*traffic]}}
    return base(services=services, **changes)


def whole(**own: Node) -> Node:
    """Every service there is."""
    return base(services={name: own.get(name, {}) for name in CATALOGUE})


def aks(**changes: object) -> Node:
    """That environment on a managed cluster with a key vault, and names of its own."""
    cluster: Node = {
        "kind": "aks",
        "version": "1.34",
        "access": {"kind": "private"},
        "admins": ["5b0c1c0e-3d1e-4a53-9f3c-0d3c5f2f7a11"],
        "system": {"vmSize": "Standard_D4ds_v5", "min": 3, "max": 5},
        "pools": {"apps": {"vmSize": "Standard_D4ds_v5", "min": 1, "max": 6}},
        "addons": {"vault": {}},
    }
    azure: Node = {
        "subscription": "9c1f6a0e-5d24-4c1b-8e52-2f7a3b6d9e10",
        "tenant": "2f0d6c55-8a1b-4c7e-9f64-7f1d3c2b5a90",
        "location": "westeurope",
        "name": "test",
        "vault": {},
        "dns": {"zone": "example.org", "resourceGroup": "rg-dns"},
    }
    return base(cluster=cluster, azure=azure, images="upstream", mesh={"kind": "helm"}, **changes)


def _http() -> list[str]:
    return [name for name, service in CATALOGUE.items() if service.kind is Kind.HTTP]


ENVIRONMENTS: dict[str, Node] = {
    "canary": api(SPLIT),
    "whole": whole(),
    "two-of-each": whole(**{name: {"versions": TWO, "traffic": [SPLIT]} for name in _http()}),
    "bluegreen": api(GREEN),
    "routes": api(
        SPLIT,
        {"kind": "route", "to": "v2", "headers": {"x-beta": "yes", "x-team": {"prefix": "blue-"}}},
        {"kind": "route", "to": "v2", "headers": {"user-agent": {"regex": ".*Firefox/[0-9]+.*"}}},
        {"kind": "route", "to": "v1", "cookie": {"beta": "no"}, "methods": ["GET", "HEAD"]},
        {"kind": "route", "to": "v2", "path": {"prefix": "/api/customers"}},
        {"kind": "route", "to": "v1", "path": "/hc"},
    ),
    "lanes": base(
        services={
            "webapp": {"versions": TWO, "traffic": [SPLIT]},
            API: {
                "versions": TWO,
                "traffic": [GREEN, {"kind": "lane", "caller": "webapp", "callerVersion": "v1", "to": "v1"}],
            },
            "sqlserver": {},
            "rabbitmq": {},
        }
    ),
    "mirror": api(
        {"kind": "bluegreen", "live": "v1"},
        {"kind": "mirror", "to": "v2", "percent": 0.5, "methods": ["GET"]},
    ),
    "faults": api(
        SPLIT,
        {**FAULT, "headers": {"x-chaos": "abort"}},
        {
            "kind": "fault",
            "until": "2026-12-31",
            "delay": {"percent": 50, "duration": "5s"},
            "caller": "webapp",
            "headers": {"x-chaos": "delay"},
        },
    ),
    "patience": api(
        SPLIT,
        {"kind": "timeout", "duration": "10s"},
        {"kind": "retries", "attempts": 2, "perTry": "2s"},
    ),
    "breaker": api(
        SPLIT,
        {
            "kind": "circuitbreaker",
            "connections": {
                "max": 100,
                "pending": 50,
                "requests": 100,
                "perConnection": 10,
                "connectTimeout": "3s",
            },
            "outliers": {"consecutive5xx": 5, "consecutiveGatewayErrors": 3, "maxPercent": 50},
        },
        versions=PAIRS,
    ),
    "affinity-by-cookie": api(
        GREEN, {"kind": "affinity", "cookie": {"name": "pitstop", "ttl": "1h"}}, versions=PAIRS
    ),
    "affinity-by-header": api(GREEN, {"kind": "affinity", "header": "x-user"}, versions=PAIRS),
    "access": api(
        SPLIT,
        {
            "kind": "access",
            "callers": ["webapp"],
            "methods": ["GET", "POST"],
            "paths": ["/customers", "/customers/*"],
        },
        {"kind": "access", "outsiders": ["monitoring/prometheus"], "methods": ["GET"], "paths": ["/hc"]},
    ),
    "everything-at-once": api(
        {"kind": "bluegreen", "live": "v1"},
        {"kind": "route", "to": "v2", "headers": {"x-beta": "yes"}},
        {"kind": "mirror", "to": "v2", "percent": 10},
        {**FAULT, "headers": {"x-chaos": "abort"}},
        {"kind": "timeout", "duration": "10s"},
        {"kind": "retries", "attempts": 1, "perTry": "2s"},
        {"kind": "circuitbreaker", "outliers": {}},
        versions=PAIRS,
    ),
    "two-control-planes": base(
        mesh={
            "kind": "helm",
            "revisions": [{"name": "stable", "tag": "1.30.2"}, {"name": "canary"}],
            "live": "canary",
        },
    ),
    "joined-mesh": base(
        mesh={
            "kind": "existing",
            "revision": "asm-1-27",
            "rootNamespace": "aks-istio-system",
            "gateway": {"selector": {"istio": "aks"}, "namespace": "aks-istio-ingress"},
        },
    ),
    "add-on": base(
        cluster=CLUSTER,
        azure=AZURE,
        images="upstream",
        mesh={
            "kind": "addon",
            "revisions": ["asm-1-27", "asm-1-28"],
            "live": "asm-1-28",
            "gateways": ["internal", "external"],
            "accessLog": True,
        },
    ),
    "no-mesh": base(
        mesh={"kind": "none", "gateway": {"service": "NodePort", "nodePort": 30080}},
        services={**base()["services"], API: {"versions": TWO, "traffic": [GREEN]}},
    ),
    "certificate-in-the-cluster": base(
        ingress={
            "hosts": ["pitstop.example.org", "*.example.com"],
            "tls": {"kind": "secret", "name": "web-tls"},
        }
    ),
    "certificate-of-its-own": base(
        ingress={"hosts": ["shop.example.org"], "tls": {"kind": "values", "redirect": False}}
    ),
    "egress": base(
        egress=[
            {"host": "smtp.example.org", "port": 25, "protocol": "TCP", "callers": ["webapp"]},
            {"host": "api.example.org", "callers": ["webapp", API]},
            {"host": "sni.example.org", "protocol": "TLS", "callers": [API]},
            {"host": "plain.example.org", "port": 8080, "protocol": "HTTP", "callers": [API]},
        ]
    ),
    "scaled": base(
        services={
            "webapp": {"versions": {"v1": {"scaling": {"kind": "cpu", "max": 4}}}},
            API: {"versions": PAIRS, "traffic": [SPLIT]},
            "auditlogservice": {},
            "notificationservice": {"versions": {"v1": {"scaling": {"kind": "queue", "max": 5}}}},
            "mailserver": {},
            "sqlserver": {},
            "rabbitmq": {},
        },
        quota={"cpu": "20", "memory": "40Gi", "pods": 100},
        storage={"class": "managed-csi", "retain": True, "sizes": {"sqlserver": "16Gi"}},
    ),
    "queues": whole(
        workshopmanagementeventhandler={"versions": TWO, "release": {"kind": "pause", "live": "v2"}},
        notificationservice={"versions": TWO, "release": {"kind": "share"}},
        invoiceservice={
            "versions": TWO,
            "release": {
                "kind": "shadow",
                "live": "v1",
                "shadow": "v2",
                "sqlHost": "sql.shadow.example.org",
                "mailHost": "mail.shadow.example.org",
            },
        },
        auditlogservice={"versions": TWO, "release": {"kind": "replace", "live": "v2"}},
        timeservice={"versions": TWO, "release": {"kind": "one", "live": "v2"}},
    )
    | {
        "egress": [
            {
                "host": "sql.shadow.example.org",
                "port": 1433,
                "protocol": "TCP",
                "callers": ["invoiceservice"],
            },
            {"host": "mail.shadow.example.org", "port": 25, "protocol": "TCP", "callers": ["invoiceservice"]},
        ]
    },
    "vault": aks(
        secrets={"kind": "vault", "values": "external", "versions": {"rabbitmqPassword": "0" * 32}},
        ingress={
            "hosts": ["pitstop.example.org"],
            "tls": {"kind": "vault", "certificate": "pitstop-example-org"},
        },
    ),
    "upstream-images": whole(
        webapp={
            "versions": {
                "v1": {
                    "image": f"ghcr.io/acme/webapp@sha256:{'0' * 64}",
                    "settings": {"Serilog__MinimumLevel": "Debug"},
                    "resources": {"cpu": 1, "memory": "512Mi", "memoryLimit": "1Gi"},
                }
            }
        }
    )
    | {"images": "upstream", "mesh": {"kind": "helm"}, "storage": {"kind": "ephemeral"}},
}


def plan(name: str) -> Plan:
    """The checked plan of one of them."""
    return plan_of(ENVIRONMENTS[name])


def plan_of(content: Node) -> Plan:
    """The checked plan of an environment, as of a fixed day."""
    return plan_for(parse(content), OWNER, TODAY)
