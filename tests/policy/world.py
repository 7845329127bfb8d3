"""A small stack that is nobody's: a shop on a meshed AKS cluster, as a provider sees it. Nothing is wrong.

It is the passing fixture of every rule; `tests/policy/breaks.py` has what breaks each.
"""

import copy
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from policy.rulebook.reading import plain
from policy.rulebook.registry import Resource

Node = dict[str, Any]
REMOVE = object()
ROLES = "/subscriptions/0/providers/Microsoft.Authorization/roleDefinitions"
DIGEST = "sha256:" + "5e" * 32
PSS = "pod-security.kubernetes.io"


@dataclass(frozen=True)
class One:
    """A resource as a program states it."""

    type: str
    name: str
    inputs: Node
    protect: bool = False
    after: tuple[str, ...] = ()  # names of what it depends on

    @property
    def key(self) -> str:
        """What a change calls it: Deployment/orders-v1."""
        return f"{self.type.rpartition(':')[2]}/{self.name}"

    @property
    def urn(self) -> str:
        return f"urn:pulumi:prod::shop::{self.type}::{self.name}"


Stack = dict[str, One]


def azure(kind: str, name: str, inputs: Node, after: tuple[str, ...] = (), *, protect: bool = False) -> One:
    return One(f"azure-native:{kind}", name, inputs, protect, after)


def kubernetes(kind: str, name: str, body: Node, namespace: str = "shop", **metadata: Node) -> One:
    where = {"namespace": namespace} if namespace else {}
    return One(f"kubernetes:{kind}", name, {"metadata": {"name": name, **where, **metadata}, **body})


def pool(name: str, mode: str) -> Node:
    return {
        "name": name,
        "mode": mode,
        "availabilityZones": ["1", "2", "3"],
        "nodeTaints": ["CriticalAddonsOnly=true:NoSchedule"] if mode == "System" else [],
        "enableAutoScaling": True,
        "minCount": 3,
        "maxCount": 6,
        "upgradeSettings": {"maxSurge": "33%"},
        "enableEncryptionAtHost": True,
        "osDiskType": "Ephemeral",
    }


CLUSTER: Node = {
    "resourceName": "shop",
    "sku": {"name": "Base", "tier": "Standard"},
    "identity": {"type": "UserAssigned", "userAssignedIdentities": ["/identities/shop"]},
    "disableLocalAccounts": True,
    "aadProfile": {"managed": True, "enableAzureRBAC": True},
    "oidcIssuerProfile": {"enabled": True},
    "securityProfile": {
        "workloadIdentity": {"enabled": True},
        "defender": {"securityMonitoring": {"enabled": True}, "logAnalyticsWorkspaceResourceId": "/logs"},
    },
    "apiServerAccessProfile": {"authorizedIPRanges": ["203.0.113.0/28"]},
    "networkProfile": {
        "networkPlugin": "azure",
        "networkPluginMode": "overlay",
        "networkDataplane": "cilium",
        "networkPolicy": "cilium",
    },
    "autoUpgradeProfile": {"upgradeChannel": "patch", "nodeOSUpgradeChannel": "NodeImage"},
    "addonProfiles": {
        "azurepolicy": {"enabled": True},
        "omsagent": {"enabled": True},
        "azureKeyvaultSecretsProvider": {"enabled": True, "config": {"enableSecretRotation": "true"}},
    },
    "serviceMeshProfile": {"mode": "Istio", "istio": {"revisions": ["asm-1-27"]}},
    "agentPoolProfiles": [pool("system", "System")],
}
VAULT: Node = {
    "vaultName": "shop",
    "properties": {
        "enablePurgeProtection": True,
        "enableRbacAuthorization": True,
        "publicNetworkAccess": "Disabled",
    },
}


def windows() -> Iterable[One]:
    for name in ("aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule"):
        inputs = {"configName": name, "resourceName": "shop"}
        yield azure("containerservice:MaintenanceConfiguration", name, inputs, ("ManagedCluster/shop",))


def cloud() -> Iterable[One]:
    yield azure("resources:ResourceGroup", "shop", {}, protect=True)
    yield azure("containerservice:ManagedCluster", "shop", CLUSTER, protect=True)
    yield azure("containerservice:AgentPool", "work", pool("work", "User"), ("ManagedCluster/shop",))
    yield from windows()
    registry = {"sku": {"name": "Premium"}, "adminUserEnabled": False, "anonymousPullEnabled": False}
    yield azure("containerregistry:Registry", "shop", registry, protect=True)
    pull = {"roleDefinitionId": f"{ROLES}/7f951dda-4ed3-4680-a7ca-43fe172d538d"}
    yield azure("authorization:RoleAssignment", "pull", pull, ("Registry/shop", "ManagedCluster/shop"))
    yield azure("keyvault/v20230701:Vault", "shop", VAULT, protect=True)
    yield azure("network:PrivateEndpoint", "vault", {}, ("Vault/shop",))


def container(name: str) -> Node:
    return {
        "name": name,
        "image": f"shop.azurecr.io/{name}:2.1@{DIGEST}",
        "ports": [{"containerPort": 8080}],
        "env": [
            {"name": "Queue__Password", "valueFrom": {"secretKeyRef": {"name": name, "key": "password"}}},
            {"name": "TokenLifetime", "value": "a quarter of an hour"},
        ],
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi", "ephemeral-storage": "64Mi"},
            "limits": {"memory": "256Mi", "ephemeral-storage": "128Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "startupProbe": {"tcpSocket": {"port": 8080}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 5},
        "livenessProbe": {"httpGet": {"path": "/alive", "port": 8080}, "periodSeconds": 10},
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
    }


def deployment(app: str, version: str, replicas: int | None = 2) -> One:
    labels = {"app": app, "version": version}
    spread = [
        {"topologyKey": key, "maxSkew": 1, "labelSelector": {"matchLabels": labels}}
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]
    pod = {
        "serviceAccountName": app,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": spread,
        "containers": [container(app)],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    spec: Node = {
        "selector": {"matchLabels": labels},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return kubernetes("apps/v1:Deployment", f"{app}-{version}", {"spec": spec})


def app(name: str) -> Iterable[One]:
    port = {"name": "web", "port": 80, "targetPort": 8080, "appProtocol": "http"}
    yield kubernetes("core/v1:Service", name, {"spec": {"selector": {"app": name}, "ports": [port]}})
    budget = {"minAvailable": 1, "selector": {"matchLabels": {"app": name}}}
    yield kubernetes("policy/v1:PodDisruptionBudget", name, {"spec": budget})


def web() -> Iterable[One]:
    yield from app("web")
    yield deployment("web", "v1", replicas=None)
    yield kubernetes(
        "autoscaling/v2:HorizontalPodAutoscaler",
        "web",
        {
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web-v1"},
                "minReplicas": 2,
                "maxReplicas": 6,
            }
        },
    )


ORDERS = "orders.shop.svc.cluster.local"
DEFAULT_ROUTE: Node = {
    "name": "default",
    "timeout": "10s",
    "retries": {"attempts": 2, "perTryTimeout": "2s", "retryOn": "connect-failure"},
    "route": [
        {"destination": {"host": ORDERS, "subset": "v1"}, "weight": 90},
        {"destination": {"host": ORDERS, "subset": "v2"}, "weight": 10},
    ],
}
DRILL: Node = {
    "name": "drill",
    "match": [{"headers": {"x-drill": {"exact": "yes"}}}],
    "fault": {"delay": {"percentage": {"value": 5}, "fixedDelay": "2s"}},
    "route": [{"destination": {"host": "orders", "subset": "v1"}}],
}


def orders() -> Iterable[One]:
    yield from app("orders")
    for version in ("v1", "v2"):
        yield deployment("orders", version)
    subsets = [{"name": one, "labels": {"version": one}} for one in ("v1", "v2")]
    outliers = {"consecutive5xxErrors": 5, "consecutiveGatewayErrors": 3, "maxEjectionPercent": 50}
    rule = {"host": ORDERS, "subsets": subsets, "trafficPolicy": {"outlierDetection": outliers}}
    yield kubernetes("networking.istio.io/v1:DestinationRule", "orders", {"spec": rule})
    routes = {"hosts": [ORDERS], "gateways": ["mesh"], "http": [DRILL, DEFAULT_ROUTE]}
    until: Node = {"fault-until": "2026-12-01"}
    yield kubernetes("networking.istio.io/v1:VirtualService", "orders", {"spec": routes}, annotations=until)


def allowed(service: str, principal: str) -> One:
    rule = {
        "from": [{"source": {"principals": [f"cluster.local/ns/{principal}"]}}],
        "to": [{"operation": {"ports": ["8080"]}}],
    }
    spec = {"selector": {"matchLabels": {"app": service}}, "action": "ALLOW", "rules": [rule]}
    return kubernetes("security.istio.io/v1:AuthorizationPolicy", service, {"spec": spec})


def mesh() -> Iterable[One]:
    strict = {"spec": {"mtls": {"mode": "STRICT"}}}
    yield kubernetes("security.istio.io/v1:PeerAuthentication", "mesh", strict, "aks-istio-system")
    yield kubernetes("security.istio.io/v1:AuthorizationPolicy", "nothing", {"spec": {}})
    yield allowed("web", "aks-istio-ingress/sa/gateway")
    yield allowed("orders", "shop/sa/web")
    scope = {
        "egress": [{"hosts": ["./*", "aks-istio-system/*"]}],
        "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},
    }
    yield kubernetes("networking.istio.io/v1:Sidecar", "default", {"spec": scope})
    plain_http = {
        "port": {"number": 80, "protocol": "HTTP"},
        "hosts": ["shop.example.org"],
        "tls": {"httpsRedirect": True},
    }
    encrypted = {
        "port": {"number": 443, "protocol": "HTTPS"},
        "hosts": ["shop.example.org"],
        "tls": {"mode": "SIMPLE", "credentialName": "shop", "minProtocolVersion": "TLSV1_2"},
    }
    yield kubernetes("networking.istio.io/v1:Gateway", "web", {"spec": {"servers": [plain_http, encrypted]}})
    way = {"timeout": "15s", "route": [{"destination": {"host": "web.shop.svc.cluster.local"}}]}
    entry = {"hosts": ["shop.example.org"], "gateways": ["shop/web"], "http": [way]}
    yield kubernetes("networking.istio.io/v1:VirtualService", "web", {"spec": entry})


def namespace() -> Iterable[One]:
    labels: Node = {
        f"{PSS}/enforce": "restricted",
        f"{PSS}/enforce-version": "v1.36",
        "istio.io/rev": "asm-1-27",
    }
    yield kubernetes("core/v1:Namespace", "shop", {}, "", labels=labels)
    nothing = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    yield kubernetes("networking.k8s.io/v1:NetworkPolicy", "nothing", {"spec": nothing})
    names = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"ports": [{"port": 53}]}]}
    yield kubernetes("networking.k8s.io/v1:NetworkPolicy", "names", {"spec": names})
    files = {"data": {"settings.json": '{"greeting": "hello", "host": "mail.example.org:25"}'}}
    yield kubernetes("core/v1:ConfigMap", "orders", files)


def world() -> Stack:
    """All of it, by key."""
    ones = (*cloud(), *namespace(), *web(), *orders(), *mesh())
    # No two places share a document: a change of one is a change of one.
    return {one.key: replace(one, inputs=json.loads(json.dumps(one.inputs))) for one in ones}


CONFIG: Mapping[str, object] = {
    "pack": {"environment": "prod"},
    "W3": {"registries": ["shop.azurecr.io"]},
    "M2-graph": {"edges": ["aks-istio-ingress/gateway -> shop/web:8080", "shop/web -> shop/orders:8080"]},
}


def changed(stack: Stack, key: str, path: str, value: object) -> Stack:
    """The stack with one value another; without a path, with the resource gone (REMOVE) or unprotected."""
    if not path:
        return {name: one for name, one in stack.items() if name != key}
    inputs = copy.deepcopy(stack[key].inputs)
    *steps, last = re.findall(r"[^.\[\]\"]+|\"[^\"]+\"", path)
    place: Any = inputs
    for step in steps:
        place = _at(place, step)
    final = _key(place, last)
    if value is REMOVE:
        del place[final]
    elif isinstance(place, list) and final == len(place):
        place.append(value)
    else:
        place[final] = value
    return {**stack, key: replace(stack[key], inputs=inputs)}


def _at(place: Any, step: str) -> Any:  # noqa: ANN401 - a document
    return place[int(step)] if isinstance(place, list) else place.setdefault(_key(place, step), {})


def _key(place: Any, step: str) -> str | int:  # noqa: ANN401 - a document
    return int(step) if isinstance(place, list) else step.strip('"')


def resources(stack: Stack) -> tuple[Resource, ...]:
    """As the rules judge them."""
    found = []
    for one in stack.values():
        inputs = plain(one.inputs, one.urn)
        assert isinstance(inputs, Mapping)
        after = frozenset(stack[name].urn for name in one.after if name in stack)
        found.append(Resource(one.type, one.name, one.urn, inputs, protect=one.protect, after=after))
    return tuple(found)
