"""A plan with one thing wrong in it is caught, whatever that is and wherever."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import settings as thoroughness
from hypothesis import strategies as st

from components.model.checks import check_plan
from components.model.manifests import Manifest
from components.model.plan import Plan
from tests.validate.environments import ENVIRONMENTS
from tests.validate.environments import plan as plan_of

Spec = dict[str, Any]
Part = Any  # of a spec, or of a plan
Change = Callable[[Spec], object]
Mutation = tuple[str, Change]  # in words, and what is done to a copy of the object's spec

MESHED = [name for name, content in ENVIRONMENTS.items() if content["mesh"]["kind"] != "none"]
STRANGER = "cluster.local/ns/pitstop/sa/stranger"
NOBODY = "nobody.pitstop.svc.cluster.local"


# --- what can go wrong with an object -----------------------------------------------------------------


def mutations(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:
    """Everything that can be done to an object such that requests, or pods, would go wrong."""
    found = {
        "VirtualService": of_route,
        "DestinationRule": of_rule,
        "Service": of_address,
        "Deployment": of_workload,
        "StatefulSet": of_workload,
        "Gateway": of_gateway,
        "AuthorizationPolicy": of_authorization,
        "NetworkPolicy": of_network,
        "PeerAuthentication": of_mtls,
        "Sidecar": of_sidecar,
    }.get(manifest.kind)
    if found:
        yield from found(manifest, plan)


def put(words: str, value: object, *path: str | int) -> Mutation:
    """Something else at a place of the spec."""

    def change(spec: Spec) -> None:
        at(spec, path[:-1])[path[-1]] = copy.deepcopy(value)

    return words, change


def drop(words: str, *path: str | int) -> Mutation:
    """Nothing at a place of the spec."""

    def change(spec: Spec) -> None:
        del at(spec, path[:-1])[path[-1]]

    return words, change


def at(part: Part, path: tuple[str | int, ...]) -> Part:
    for key in path:
        part = part[key]
    return part


def of_route(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:  # noqa: ARG001 - all have one form
    spec = spec_of(manifest)
    ways: list[Spec] = spec["http"]
    for number, way in enumerate(ways):
        yield from of_way(way, "http", number)
        if "match" in way:
            yield put("a route there is already", [*ways[:number], way, *ways[number:]], "http")
    yield put("no route for the rest", ways[:-1], "http")
    yield put("the route for the rest asks something", [{"method": {"exact": "GET"}}], "http", -1, "match")
    yield put("the route for the rest comes first", [ways[-1], *ways], "http")
    yield put("no route at all", [], "http")
    if "mesh" in spec["gateways"]:
        yield put("a short host", [manifest.name], "hosts")
        return
    yield put("another gateway", ["pitstop/nobody"], "gateways")
    if spec["hosts"] != ["*"]:
        yield put("a host that is not opened", ["a.host.nobody.opens"], "hosts")


def of_way(way: Spec, *path: str | int) -> Iterator[Mutation]:
    for place, target in enumerate(way["route"]):
        here = (*path, "route", place)
        yield put("another weight", target["weight"] + (1 if target["weight"] < 100 else -1), *here, "weight")
        yield put("another subset", "v77", *here, "destination", "subset")
        yield put("another host", NOBODY, *here, "destination", "host")
        yield put("a short host", "webapp", *here, "destination", "host")
        yield drop("no subset", *here, "destination", "subset")
    if "mirror" in way:
        yield put("a mirror to no subset", "v77", *path, "mirror", "subset")
        yield drop("a mirror of everything", *path, "mirrorPercentage")
    if "fault" in way:
        yield put("a fault that is patient", "1s", *path, "timeout")
    if "match" in way:
        yield drop("a route that takes everything", *path, "match")


def of_rule(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:  # noqa: ARG001 - all have one form
    for number, _ in enumerate(spec_of(manifest)["subsets"]):
        yield put("a subset's label", "77.0", "subsets", number, "labels", "version")
        yield put("a subset's name", "v77", "subsets", number, "name")
        yield drop("a subset less", "subsets", number)
    yield put("another host", NOBODY, "host")
    yield put("a short host", manifest.name, "host")
    yield put("plain text", {"tls": {"mode": "DISABLE"}}, "trafficPolicy")


def of_address(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:
    yield put("a pinned version", "77.0", "selector", "version")
    yield put("another app", "nobody", "selector", "app")
    if manifest.name in {way.service for way in plan.routes}:
        yield put("TCP", "tcp", "ports", 0, "appProtocol")
        yield drop("no protocol", "ports", 0, "appProtocol")


def of_workload(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:
    app, pod, labels = manifest.labels["app"], ("template", "spec"), ("template", "metadata", "labels")
    yield put("another app", "nobody", *labels, "app")
    yield put("somebody's account", "somebody", *pod, "serviceAccountName")
    yield put("root", 0, *pod, "securityContext", "runAsUser")
    yield put("a moving image", "docker.io/library/x:latest", *pod, "containers", 0, "image")
    yield drop("no bound", *pod, "containers", 0, "resources", "limits")
    yield put("a secret", ["{sqlPassword}"], *pod, "containers", 0, "args")
    if app in {way.service for way in plan.routes}:
        yield put("another version", "77.0", *labels, "version")
        yield put("no pods", 0, "replicas")
    versions = next((load.versions for load in plan.workloads if load.service.name == app), ())
    if len(versions) > 1:
        yield drop("all versions' pods", "selector", "matchLabels", "version")


def of_gateway(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:
    for number, _ in enumerate(spec_of(manifest)["servers"]):
        yield put("another host", ["another.example.org"], "servers", number, "hosts")
        if plan.mesh and plan.mesh.releases:  # the add-on's gateways have ports that Azure knows
            yield put("another port", 8443, "servers", number, "port", "number")


def of_authorization(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:  # noqa: ARG001 - all have one form
    spec = spec_of(manifest)
    if not spec:
        yield put("allows something", [{"to": [{"operation": {"ports": ["80"]}}]}], "rules")
        return
    yield put("other pods", "nobody", "selector", "matchLabels", "app")
    for number, rule in enumerate(spec["rules"]):
        yield put("a port nobody calls", ["77"], "rules", number, "to", 0, "operation", "ports")
        if "from" in rule:
            yield drop("anybody", "rules", number, "from")
            yield put("a stranger", {"principals": [STRANGER]}, "rules", number, "from", 0, "source")


def of_network(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:
    spec = spec_of(manifest)
    entries = [one for one in plan.objects() if one.kind == "ServiceEntry"]
    outside = {port["number"] for one in entries for port in spec_of(one)["ports"]}
    if manifest.name == "default-deny":
        yield put("one way only", ["Ingress"], "policyTypes")
        yield put("everything", [{}], "ingress")
    if not spec["podSelector"]:
        return  # names and the mesh, which no edge of the environment is
    for way, peers in (("ingress", "from"), ("egress", "to")):
        for number, rule in enumerate(spec.get(way, [])):
            yield put(f"a port of {way}", 77, way, number, "ports", 0, "port")
            others = any("namespaceSelector" in peer for peer in rule.get(peers, []))
            if others or peers not in rule or rule["ports"][0]["port"] in outside:
                continue  # somebody outside of the environment, whose address nobody knows
            yield drop(f"no {way}", way, number)
            yield put(f"anybody's {way}", [], way, number, peers)


def of_mtls(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:  # noqa: ARG001 - all have one form
    yield put("permissive", "PERMISSIVE", "mtls", "mode")
    yield put("off", "DISABLE", "mtls", "mode")


def of_sidecar(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:  # noqa: ARG001 - all have one form
    yield put("every namespace", ["*/*"], "egress", 0, "hosts")
    yield put("every host", "ALLOW_ANY", "outboundTrafficPolicy", "mode")
    yield put("some pods only", {"labels": {"app": "webapp"}}, "workloadSelector")


# --- done to a plan -----------------------------------------------------------------------------------


def spec_of(manifest: Manifest) -> Spec:
    found: Any = manifest.document().get("spec")
    return dict(found) if isinstance(found, dict) else {}


def with_instead(part: Part, old: Manifest, new: Manifest) -> Part:
    """The same plan with another object in place of one."""
    if isinstance(part, Manifest):
        return new if part is old else part
    if isinstance(part, tuple):
        return tuple(with_instead(item, old, new) for item in part)
    if is_dataclass(part) and not isinstance(part, type):
        return replace(
            part, **{one.name: with_instead(getattr(part, one.name), old, new) for one in fields(part)}
        )
    return part


@cache
def sound(name: str) -> tuple[Plan, list[tuple[Manifest, list[Mutation]]]]:
    """A plan, and its objects to which something can be done."""
    plan = plan_of(name)
    found = [(one, list(mutations(one, plan))) for one in plan.objects()]
    return plan, [(one, many) for one, many in found if many]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, Plan]:
    """A plan in which one thing is wrong, with what that is."""
    name = draw(st.sampled_from(MESHED))
    plan, objects = sound(name)
    kind = draw(st.sampled_from(sorted({one.kind for one, _ in objects})))
    manifest, many = draw(st.sampled_from([pair for pair in objects if pair[0].kind == kind]))
    words, change = draw(st.sampled_from(many))
    spec = copy.deepcopy(spec_of(manifest))
    change(spec)
    changed = replace(manifest, body={**manifest.body, "spec": spec})
    return f"{name}, {manifest.kind} {manifest.name}: {words}", with_instead(plan, manifest, changed)


@thoroughness(max_examples=120, deadline=None)
@given(mutated())
def test_a_plan_with_one_thing_wrong_is_caught(found: tuple[str, Plan]) -> None:
    what, plan = found
    assert list(check_plan(plan)), f"nobody notices: {what}"


def test_the_plans_are_sound_before() -> None:
    assert [name for name in MESHED if list(check_plan(sound(name)[0]))] == []


def test_every_kind_that_decides_where_requests_go_is_tried() -> None:
    kinds = {one.kind for name in MESHED for one, _ in sound(name)[1]}
    assert kinds == {
        "AuthorizationPolicy",
        "Deployment",
        "DestinationRule",
        "Gateway",
        "NetworkPolicy",
        "PeerAuthentication",
        "Service",
        "Sidecar",
        "StatefulSet",
        "VirtualService",
    }
