"""Every check over a plan catches a compiler's mistake that nothing else catches."""

import copy
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import cache
from operator import delitem, setitem
from typing import Any, TypeVar

import pytest

from components.model.checks import PLANS, capacity, check_plan, reading
from components.model.manifests import Manifest
from components.model.plan import Plan
from components.model.types import mebibytes, millicores
from tests.model.azure import FULL
from tests.model.everything import EVERYTHING
from tests.model.examples import CANARY, WHOLE, Node, plan, settings

CUSTOMERS, CARS, SHOP = "customermanagementapi", "vehiclemanagementapi", "workshopmanagementapi"
HOST = f"{CUSTOMERS}.pitstop.svc.cluster.local"
Part = TypeVar("Part")
Change = Callable[[Node], None]
Break = Callable[[Plan], Plan]


@cache
def everything() -> Plan:
    """The plan with all there is; never changed, only copied."""
    return plan(base=EVERYTHING)


def edit(kind: str, name: str, change: Change) -> Break:
    """Changes the body of every object of a kind and name, its versions included, wherever a plan has it."""

    def apply(sound: Plan) -> Plan:
        found, count = changed(
            sound, lambda one: one.kind == kind and name in (one.name, one.labels.get("app"))
        )
        assert count, f"no {kind} {name}"
        return found

    def changed(value: Part, chosen: Callable[[Manifest], bool]) -> tuple[Part, int]:
        kept: Any = value
        if isinstance(value, Manifest):
            body: Node = copy.deepcopy({**value.body})
            if chosen(value):
                change(body)
            return replace(kept, body=body), chosen(value)
        if is_dataclass(value):
            parts = {one.name: changed(getattr(value, one.name), chosen) for one in fields(value)}
            made = replace(kept, **{name: part for name, (part, _) in parts.items()})
            return made, sum(count for _, count in parts.values())
        if isinstance(value, tuple):
            items: Any = [changed(one, chosen) for one in value]
            return tuple(one for one, _ in items), sum(count for _, count in items)  # type: ignore[return-value]
        return value, 0

    return apply


def at(path: str, act: Callable[[Any, Any], object]) -> Change:
    """Does something where a path such as `spec/http/0/name` leads: to the place, and to the key in it."""

    def change(body: Node) -> None:
        place: Any = body
        *keys, last = [int(key) if key.isdigit() else key for key in path.split("/")]
        for key in keys:
            place = place[key]
        act(place, last)

    return change


def put(path: str, value: object) -> Change:
    """Sets what stands at a path."""
    return at(path, lambda place, key: setitem(place, key, value))


def drop(path: str) -> Change:
    """Removes what stands at a path."""
    return at(path, delitem)


def twice(path: str) -> Change:
    """Puts the first item of a list into it once more, behind itself."""
    return at(path, lambda place, key: place[key].insert(1, copy.deepcopy(place[key][0])))


def more(path: str, item: object) -> Change:
    """Adds an item to a list."""
    return at(path, lambda place, key: place[key].append(item))


def container(path: str, value: object) -> Break:
    """Changes the webapp's container."""
    return edit("Deployment", "webapp", put(f"spec/template/spec/containers/0/{path}", value))


def pod(path: str, value: object) -> Break:
    """Changes the webapp's pod."""
    return edit("Deployment", "webapp", put(f"spec/template/spec/{path}", value))


def access(
    allow: Callable[[Plan], tuple[Manifest, ...]], deny: Callable[[Plan], tuple[Manifest, ...]]
) -> Break:
    """Changes which rules come first and which last."""
    return lambda sound: replace(sound, access=replace(sound.access, allow=allow(sound), deny=deny(sound)))


def also(kind: str, name: str, new: str) -> Break:
    """One more rule, the same as another under another name."""

    def apply(sound: Plan) -> Plan:
        same = next(one for one in sound.access.allow if (one.kind, one.name) == (kind, name))
        allow = (*sound.access.allow, replace(same, name=new))
        return replace(sound, access=replace(sound.access, allow=allow))

    return apply


def scaled(sound: Plan) -> Plan:
    """A scaler for what must run alone."""
    scaler = next(one for load in sound.workloads for one in load.beside if one.kind == "ScaledObject")
    loads = [
        replace(load, beside=(scaler,)) if load.service.name == "timeservice" else load
        for load in sound.workloads
    ]
    return replace(sound, workloads=tuple(loads))


def beside_itself(sound: Plan) -> Plan:
    """Two versions of what must run alone, each with its own pods."""

    def version(workload: Manifest, name: str, label: str) -> Manifest:
        body: Any = copy.deepcopy(dict(workload.body))
        body["spec"]["selector"]["matchLabels"]["version"] = label
        body["spec"]["template"]["metadata"]["labels"]["version"] = label
        return replace(workload, name=name, body=body)

    def both(one: Manifest) -> tuple[Manifest, ...]:
        return version(one, one.name, "1.0"), version(one, f"{one.name}-v2", "2.0")

    loads = [
        replace(load, workloads=both(load.workloads[0])) if load.service.name == "timeservice" else load
        for load in sound.workloads
    ]
    return replace(sound, workloads=tuple(loads))


STRAY: Node = {
    "from": [{"source": {"principals": ["cluster.local/ns/pitstop/sa/invoiceservice"]}}],
    "to": [{"operation": {"ports": ["5100"]}}],
}
FREE: Node = {"to": [{"operation": {"ports": ["5100"]}}]}
VS, DR = "VirtualService", "DestinationRule"
BROKEN: dict[str, Break] = {
    # Upstream's committed canary: the Service leaves the second version without endpoints.
    "selector-leaves-out": edit("Service", CUSTOMERS, put("spec/selector/version", "1.0")),
    "port-hides-http": edit("Service", CUSTOMERS, put("spec/ports/0/appProtocol", "tcp")),
    "two-owners": lambda sound: replace(sound, routes=(*sound.routes, sound.routes[0])),
    "subset-without-pods: other labels": edit(
        DR, CUSTOMERS, put("spec/subsets/0/labels", {"version": "9.0"})
    ),
    "subset-without-pods: no replica": edit("Deployment", f"{CUSTOMERS}-v2", put("spec/replicas", 0)),
    "no-last-route: none for the rest": edit(VS, SHOP, put("spec/http/2/match", [{"uri": {"prefix": "/a"}}])),
    "no-last-route: two for the rest": edit(VS, CARS, drop("spec/http/0/match")),
    "no-last-route: none at all": edit(VS, CARS, put("spec/http", [])),
    "route-covered: the same": edit(VS, CUSTOMERS, twice("spec/http")),
    "route-covered: a narrower one": edit(
        VS,
        SHOP,
        put(
            "spec/http/1/match",
            [
                {
                    "headers": {"x-chaos": {"exact": "drill"}},
                    "sourceLabels": {"app": "webapp"},
                    "method": {"exact": "PUT"},
                }
            ],
        ),
    ),
    "weights": edit(VS, CARS, put("spec/http/0/route/0/weight", 90)),
    "no-such-subset: of a route": edit(VS, CUSTOMERS, put("spec/http/0/route/0/destination/subset", "v7")),
    "no-such-subset: of a mirror": edit(VS, CARS, put("spec/http/0/mirror/subset", "v7")),
    "fault-with-retries: retries": edit(VS, SHOP, put("spec/http/0/retries", {"attempts": 1})),
    "fault-with-retries: a timeout": edit(VS, SHOP, put("spec/http/0/timeout", "1s")),
    "mirror-all": edit(VS, CARS, drop("spec/http/0/mirrorPercentage")),
    "short-host: of a route": edit(VS, CUSTOMERS, put("spec/http/0/route/0/destination/host", CUSTOMERS)),
    "short-host: of a rule": edit(VS, CUSTOMERS, put("spec/hosts", [CUSTOMERS])),
    "gateway-hosts: a host": edit(VS, "webapp-ingress", put("spec/hosts", ["other.example.org"])),
    "gateway-hosts: a gateway": edit(VS, "webapp-ingress", put("spec/gateways", ["pitstop/other"])),
    "mtls-conflict: a rule": edit(DR, CUSTOMERS, put("spec/trafficPolicy/tls", {"mode": "DISABLE"})),
    "mtls-conflict: a subset": edit(
        DR, CUSTOMERS, put("spec/subsets/0/trafficPolicy", {"tls": {"mode": "SIMPLE"}})
    ),
    "mtls-conflict: a port": edit(
        DR, CUSTOMERS, put("spec/trafficPolicy/portLevelSettings", [{"tls": {"mode": "DISABLE"}}])
    ),
    "mtls-conflict: a port of everybody": edit("PeerAuthentication", "rabbitmq", drop("spec/selector")),
    "mtls-conflict: permissive": edit("PeerAuthentication", "default", put("spec/mtls/mode", "PERMISSIVE")),
    # Of somebody who calls nobody: whoever calls would be refused under another name.
    "hardened: an account of others": edit(
        "Deployment", "mailserver", put("spec/template/spec/serviceAccountName", "default")
    ),
    "hardened: a token": pod("automountServiceAccountToken", True),
    "hardened: root": pod("securityContext/runAsNonRoot", False),
    "hardened: a low user": pod("securityContext/runAsUser", 1000),
    "hardened: the sidecar's user": pod("securityContext/runAsUser", 1337),
    "hardened: system calls": pod("securityContext/seccompProfile", {"type": "Unconfined"}),
    "hardened: escalation": container("securityContext/allowPrivilegeEscalation", True),
    "hardened: capabilities": container("securityContext/capabilities", {"drop": ["NET_RAW"]}),
    "hardened: files": container("securityContext/readOnlyRootFilesystem", False),
    "hardened: no requests": container("resources/requests", {"cpu": "10m"}),
    "hardened: no limit": container("resources/limits", {}),
    "hardened: before the others": edit(
        "Deployment", CUSTOMERS, put("spec/template/spec/initContainers/0/securityContext", {})
    ),
    "hardened: the job": edit(
        "Job", "database-init", put("spec/template/spec/securityContext/runAsNonRoot", False)
    ),
    "image-latest: latest": container("image", "localhost:5000/webapp:latest"),
    "image-latest: no tag": container("image", "localhost:5000/webapp"),
    "no-secrets: a placeholder": container("env", [{"name": "A", "value": "x={rabbitmqPassword}"}]),
    "no-secrets: a password": container("env", [{"name": "Email__Pwd", "value": "x"}]),
    "no-secrets: a file": edit("ConfigMap", "rabbitmq", put("data/20-pitstop.conf", "default_pass = x\n")),
    "no-secrets: an annotation": edit(
        "Deployment", "webapp", put("spec/template/metadata/annotations/a", "{sqlPassword}")
    ),
    "singleton-worker: replicas": edit("StatefulSet", "rabbitmq", put("spec/replicas", 2)),
    "singleton-worker: an overlap": edit(
        "Deployment", "timeservice", put("spec/strategy", {"type": "RollingUpdate"})
    ),
    "singleton-worker: a scaler": scaled,
    "singleton-worker: another": beside_itself,
    "selector-adopts: each other's": edit("Deployment", CUSTOMERS, drop("spec/selector/matchLabels/version")),
    "selector-adopts: nobody's": edit("Deployment", "webapp", put("spec/selector/matchLabels/app", "web")),
    "edge-rules: refused by the mesh": edit("AuthorizationPolicy", CUSTOMERS, drop("spec/rules/0")),
    "edge-rules: allowed twice": also("AuthorizationPolicy", CUSTOMERS, "again"),
    "edge-rules: not let out": edit("NetworkPolicy", "webapp", drop("spec/egress/0")),
    "edge-rules: not let in": edit("NetworkPolicy", CUSTOMERS, drop("spec/ingress/0")),
    "edge-rules: no edge": edit("AuthorizationPolicy", CUSTOMERS, more("spec/rules", STRAY)),
    "edge-rules: everybody": edit("AuthorizationPolicy", CUSTOMERS, more("spec/rules", FREE)),
    "edge-rules: any port": edit("AuthorizationPolicy", "sqlserver", drop("spec/rules/0/to")),
    "edge-rules: any namespace": edit(
        "AuthorizationPolicy",
        CUSTOMERS,
        more("spec/rules", {"from": [{"source": {"namespaces": ["*"]}}], **FREE}),
    ),
    "edge-rules: the whole namespace": edit(
        "AuthorizationPolicy",
        CUSTOMERS,
        more("spec/rules", {"from": [{"source": {"namespaces": ["pitstop"]}}], **FREE}),
    ),
    "edge-rules: no certificate's name": edit(
        "AuthorizationPolicy",
        CUSTOMERS,
        more("spec/rules", {"from": [{"source": {"principals": ["sa/prober"]}}], **FREE}),
    ),
    "edge-rules: a pod of no edge": edit(
        "NetworkPolicy",
        CUSTOMERS,
        more(
            "spec/ingress",
            {
                "from": [{"podSelector": {"matchLabels": {"pitstop.dev/identity": "invoiceservice"}}}],
                "ports": [{"port": 5100}],
            },
        ),
    ),
    "edge-rules: every pod": edit(
        "NetworkPolicy", CUSTOMERS, more("spec/ingress", {"ports": [{"port": 5100}]})
    ),
    "edge-rules: every address": edit(
        "NetworkPolicy", CUSTOMERS, more("spec/egress", {"ports": [{"port": 4444, "protocol": "TCP"}]})
    ),
    "edge-rules: no gateway in the network": edit("NetworkPolicy", "webapp", put("spec/ingress", [])),
    "edge-rules: no gateway in the mesh": edit("AuthorizationPolicy", "webapp", put("spec/rules", [])),
    "deny-last: nothing": access(lambda sound: sound.access.allow, lambda _: ()),
    "deny-last: first": access(lambda sound: sound.access.objects(), lambda sound: sound.access.deny),
    "deny-last: something": access(
        lambda sound: sound.access.allow,
        lambda sound: (*sound.access.deny, replace(sound.access.allow[0], name="x")),
    ),
    "sidecar-scope: two": also("Sidecar", "default", "another"),
    "sidecar-scope: everything": edit("Sidecar", "default", put("spec/egress/0/hosts", ["*/*"])),
    "sidecar-scope: any host": edit("Sidecar", "default", drop("spec/outboundTrafficPolicy")),
}
HELM: dict[str, Break] = {
    "gateway-port": edit("Gateway", "webapp", put("spec/servers/0/port/number", 8443)),
    "edge-rules: not our gateway": edit(
        "AuthorizationPolicy",
        "webapp",
        put("spec/rules/0/from/0/source/principals", ["cluster.local/ns/istio-ingress/sa/other"]),
    ),
}
MESHLESS: dict[str, Break] = {
    "edge-rules: every pod": edit(
        "NetworkPolicy", CUSTOMERS, more("spec/ingress", {"ports": [{"port": 5100}]})
    ),
    "deny-last": access(lambda sound: sound.access.allow, lambda _: ()),
}


def codes(broken: Plan) -> set[str]:
    return {finding.code for finding in check_plan(broken)}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plan_is_caught_by_one_check_alone(name: str) -> None:
    assert codes(BROKEN[name](everything())) == {name.partition(":")[0]}


@pytest.mark.parametrize("name", HELM)
def test_a_broken_plan_of_our_own_mesh_is_caught_by_one_check_alone(name: str) -> None:
    assert codes(HELM[name](plan(base=CANARY))) == {name.partition(":")[0]}


@pytest.mark.parametrize("name", MESHLESS)
def test_a_broken_plan_without_a_mesh_is_caught_by_one_check_alone(name: str) -> None:
    sound = plan(
        {"mesh": {"kind": "none"}, f"services.{CUSTOMERS}.traffic": [{"kind": "bluegreen", "live": "v1"}]}
    )
    assert codes(sound) == set()
    assert codes(MESHLESS[name](sound)) == {name.partition(":")[0]}


def backwards(sound: Plan) -> Plan:
    """The cluster before its identities."""
    assert sound.azure is not None
    made = sound.azure.resources
    cluster = next(one for one in made if one.key == "cluster")
    return replace(
        sound, azure=replace(sound.azure, resources=(cluster, *(one for one in made if one is not cluster)))
    )


def waiting_for_nobody(sound: Plan) -> Plan:
    """A Kubernetes object with a text of a resource that is not made."""
    return edit("ConfigMap", "rabbitmq", put("data/vault", "${azure:vaults:properties.vaultUri}"))(sound)


AZURE = {"azure-order": backwards, "azure-place": waiting_for_nobody}


@pytest.mark.parametrize("name", AZURE)
def test_a_broken_plan_of_azure_is_caught_by_one_check_alone(name: str) -> None:
    sound = plan(base=FULL)
    assert codes(sound) == set()
    assert codes(AZURE[name](sound)) == {name}


def test_every_check_over_plans_has_a_case() -> None:
    cases = {name.partition(":")[0] for name in (*BROKEN, *HELM, *AZURE)}
    assert cases == {check.code for check in PLANS}


@pytest.mark.parametrize("base", [CANARY, WHOLE, EVERYTHING], ids=["canary", "whole", "everything"])
def test_the_room_a_quota_must_have_is_what_the_pods_ask_for(base: Node) -> None:
    asked = settings(base=base)
    made = plan(base=base)
    cpu, memory, pods = 0, 0, 0
    workloads = [(one, most(made, one)) for load in made.workloads for one in load.workloads]
    assert made.database
    for workload, count in [*workloads, (made.database.job, 1)]:
        spec: Any = workload.body["spec"]
        for one in spec["template"]["spec"]["containers"]:
            cpu += millicores(one["resources"]["requests"]["cpu"]) * count
            memory += mebibytes(one["resources"]["requests"]["memory"]) * count
        pods += count
    sidecar = (10, 64) if base is not EVERYTHING else (100, 128)
    surge = (10, 64) if base is not EVERYTHING else (50, 128)
    assert capacity.needed(asked) == capacity.Room(
        cpu + sidecar[0] * (pods + 1) + surge[0], memory + sidecar[1] * (pods + 1) + surge[1], pods + 1
    )


def test_no_connection_string_holds_its_databases_name_twice() -> None:
    # The services replace that word to find the master database.
    texts = {
        str(variable["value"])
        for load in everything().workloads
        for workload in load.workloads
        for container in reading.containers(workload)
        for variable in reading.maps(container.get("env"))
        if "database=" in str(variable.get("value"))
    }
    assert len(texts) == 8
    for text in texts:
        name = text.partition("database=")[2].partition(";")[0]
        assert text.count(name) == 1


def most(made: Plan, workload: Manifest) -> int:
    """The pods of a workload at its most: its replicas, or what its scaler says."""
    spec: Any = workload.body["spec"]
    for scaler in (one for load in made.workloads for one in load.beside if one.name == workload.name):
        own: Any = scaler.body["spec"]
        if "maxReplicas" in own or "maxReplicaCount" in own:
            return int(own.get("maxReplicas") or own["maxReplicaCount"])
    return int(spec["replicas"])
