"""An environment that uses all there is: every service, every policy and release, in somebody else's mesh."""

from tests.model.examples import Node

API, CARS, SHOP = "customermanagementapi", "vehiclemanagementapi", "workshopmanagementapi"
PAIR: Node = {"v1": {"replicas": 2}, "v2": {"replicas": 2}}

WEBAPP: Node = {
    "versions": PAIR,
    "traffic": [
        {"kind": "bluegreen", "live": "v1"},
        {"kind": "route", "to": "v2", "cookie": {"beta": "1"}},
        {"kind": "affinity", "cookie": {"name": "pitstop-pod", "ttl": "1h"}},
        {"kind": "timeout", "duration": "20s"},
    ],
}
CUSTOMERS: Node = {
    "versions": {"v1": {"scaling": {"kind": "cpu", "min": 2, "max": 4}}, "v2": {"replicas": 2}},
    "traffic": [
        {"kind": "split", "weights": {"v1": 90, "v2": 10}},
        {"kind": "lane", "caller": "webapp", "callerVersion": "v2", "to": "v2"},
        {"kind": "route", "to": "v2", "headers": {"x-tester": {"prefix": "beta-"}}, "methods": ["GET"]},
        {"kind": "timeout", "duration": "12s"},
        {"kind": "retries", "attempts": 2, "perTry": "4s"},
        {
            "kind": "circuitbreaker",
            "connections": {"max": 100, "pending": 50},
            "outliers": {"consecutive5xx": 5, "maxPercent": 50},
        },
        {"kind": "access", "callers": ["webapp"], "methods": ["GET", "POST"], "paths": ["/api/*"]},
        {"kind": "access", "outsiders": ["monitoring/prober"], "methods": ["GET"], "paths": ["/hc"]},
    ],
}
VEHICLES: Node = {
    "versions": PAIR,
    "traffic": [
        {"kind": "bluegreen", "live": "v1"},
        {"kind": "mirror", "to": "v2", "percent": 25},
        {"kind": "affinity", "header": "x-user"},
    ],
}
WORKSHOP: Node = {
    "traffic": [
        {
            "kind": "fault",
            "caller": "webapp",
            "headers": {"x-chaos": "drill"},
            "delay": {"percent": 50, "duration": "2s"},
            "abort": {"percent": 25, "status": 503},
            "until": "2026-12-31",
        },
        {"kind": "retries", "attempts": 1, "perTry": "5s"},
    ]
}
SHADOW: Node = {
    "kind": "shadow",
    "live": "v1",
    "shadow": "v2",
    "sqlHost": "shadow-sql.example.org",
    "mailHost": "shadow-mail.example.org",
}
EVERYTHING: Node = {
    "namespace": "pitstop",
    "cluster": {"kind": "kubeconfig", "context": "pitstop-aks"},
    "mesh": {
        "kind": "existing",
        "revision": "asm-1-27",
        "rootNamespace": "aks-istio-system",
        "gateway": {
            "selector": {"istio": "aks-istio-ingressgateway-external"},
            "namespace": "aks-istio-ingress",
        },
        "cni": False,
    },
    "images": "ghcr.io/acme/pitstop",
    "ingress": {"hosts": ["pitstop.example.org"], "tls": {"kind": "secret", "name": "pitstop-tls"}},
    "egress": [
        {
            "host": "shadow-sql.example.org",
            "port": 1433,
            "protocol": "TCP",
            "callers": ["notificationservice"],
        },
        {
            "host": "shadow-mail.example.org",
            "port": 25,
            "protocol": "TCP",
            "callers": ["notificationservice"],
        },
        {"host": "rates.example.org", "callers": ["invoiceservice", SHOP]},
    ],
    "storage": {"class": "managed-csi", "retain": True, "sizes": {"sqlserver": "32Gi"}},
    "quota": {"cpu": "12", "memory": "24Gi", "pods": 60},
    "guardrails": {"retryBudget": 20, "maxWeightStep": 25},
    "services": {
        "webapp": WEBAPP,
        API: CUSTOMERS,
        CARS: VEHICLES,
        SHOP: WORKSHOP,
        "workshopmanagementeventhandler": {
            "versions": {"v1": {"scaling": {"kind": "queue", "max": 4}}, "v2": {}},
            "release": {"kind": "share"},
        },
        "notificationservice": {"versions": {"v1": {}, "v2": {}}, "release": SHADOW},
        "invoiceservice": {"versions": {"v1": {}, "v2": {}}, "release": {"kind": "replace", "live": "v2"}},
        "auditlogservice": {"versions": {"v1": {}, "v2": {}}, "release": {"kind": "pause", "live": "v1"}},
        "timeservice": {"versions": {"v1": {}, "v2": {}}, "release": {"kind": "one", "live": "v1"}},
        "sqlserver": {},
        "rabbitmq": {"versions": {"v1": {"resources": {"memory": "1Gi", "memoryLimit": "2Gi"}}}},
        "mailserver": {},
        "logserver": {},
    },
}
