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
Change = Callable[[Spec], object]
Mutation = tuple[str, Change]  # in words, and what is done to a copy of the object's spec

MESHED = [name for name, content in ENVIRONMENTS.items() if content["mesh"]["kind"] != "none"]
NOBODY = "nobody.pitstop.svc.cluster.local"
# The rules over plans let anybody be called at these ports: a shadow's servers may be anywhere.
ANYWHERE = {1433, 25}


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


def of_route(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:  # noqa: ARG001 - all have one form
    ways: list[Spec] = spec_of(manifest)["http"]
    for number, way in enumerate(ways):
        for place, target in enumerate(way["route"]):
            lighter = target["weight"] + (1 if target["weight"] < 100 else -1)
            yield (
                "another weight",
                lambda s, n=number, p=place, w=lighter: s["http"][n]["route"][p].update(weight=w),
            )
            for key, value in (("subset", "v77"), ("host", NOBODY), ("host", "webapp")):
                yield (
                    f"another {key}",
                    lambda s, n=number, p=place, k=key, v=value: s["http"][n]["route"][p][
                        "destination"
                    ].update({k: v}),
                )
            yield (
                "no subset",
                lambda s, n=number, p=place: s["http"][n]["route"][p]["destination"].pop("subset"),
            )
        if "mirror" in way:
            yield "a mirror to no subset", lambda s, n=number: s["http"][n]["mirror"].update(subset="v77")
            yield "a mirror of everything", lambda s, n=number: s["http"][n].pop("mirrorPercentage")
        if "fault" in way:
            yield "a fault that is patient", lambda s, n=number: s["http"][n].update(timeout="1s")
        if "match" in way:
            yield "a route that takes everything", lambda s, n=number: s["http"][n].pop("match")
            yield (
                "a route there is already",
                lambda s, n=number: s["http"].insert(n, copy.deepcopy(s["http"][n])),
            )
    yield "no route for the rest", lambda s: s["http"].pop()
    yield (
        "the route for the rest asks something",
        lambda s: s["http"][-1].update(match=[{"method": {"exact": "GET"}}]),
    )
    yield "the route for the rest comes first", lambda s: s["http"].insert(0, copy.deepcopy(s["http"][-1]))
    yield "no route at all", lambda s: s.update(http=[])
    if "mesh" in spec_of(manifest)["gateways"]:
        yield "a short host", lambda s: s.update(hosts=[manifest.name])
    else:
        yield "another gateway", lambda s: s.update(gateways=["pitstop/nobody"])
        if spec_of(manifest)["hosts"] != ["*"]:
            yield "a host that is not opened", lambda s: s.update(hosts=["a.host.nobody.opens"])


def of_rule(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:  # noqa: ARG001 - all have one form
    for number, _ in enumerate(spec_of(manifest)["subsets"]):
        yield "a subset's label", lambda s, n=number: s["subsets"][n]["labels"].update(version="77.0")
        yield "a subset's name", lambda s, n=number: s["subsets"][n].update(name="v77")
        yield "a subset less", lambda s, n=number: s["subsets"].pop(n)
    yield "another host", lambda s: s.update(host=NOBODY)
    yield "a short host", lambda s: s.update(host=manifest.name)
    yield "plain text", lambda s: s.setdefault("trafficPolicy", {}).update(tls={"mode": "DISABLE"})


def of_address(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:
    yield "a pinned version", lambda s: s["selector"].update(version="77.0")
    yield "another app", lambda s: s["selector"].update(app="nobody")
    if manifest.name in {way.service for way in plan.routes}:
        yield "TCP", lambda s: s["ports"][0].update(appProtocol="tcp")
        yield "no protocol", lambda s: s["ports"][0].pop("appProtocol")


def of_workload(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:
    def pod(spec: Spec) -> Any:  # noqa: ANN401 - a pod's spec
        return spec["template"]["spec"]

    app = manifest.labels["app"]
    yield "another app", lambda s: s["template"]["metadata"]["labels"].update(app="nobody")
    yield "somebody's account", lambda s: pod(s).update(serviceAccountName="somebody")
    yield "root", lambda s: pod(s)["securityContext"].update(runAsUser=0)
    yield "a moving image", lambda s: pod(s)["containers"][0].update(image="docker.io/library/x:latest")
    yield "no bound", lambda s: pod(s)["containers"][0]["resources"].pop("limits")
    yield "a secret", lambda s: pod(s)["containers"][0].update(args=["{sqlPassword}"])
    if app in {way.service for way in plan.routes}:
        yield "another version", lambda s: s["template"]["metadata"]["labels"].update(version="77.0")
        yield "no pods", lambda s: s.update(replicas=0)
    versions = next(load.versions for load in plan.workloads if load.service.name == app)
    if len(versions) > 1:
        yield "all versions' pods", lambda s: s["selector"]["matchLabels"].pop("version")


def of_gateway(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:
    for number, _ in enumerate(spec_of(manifest)["servers"]):
        yield "another host", lambda s, n=number: s["servers"][n].update(hosts=["another.example.org"])
        if plan.mesh:
            yield "another port", lambda s, n=number: s["servers"][n]["port"].update(number=8443)


def of_authorization(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:  # noqa: ARG001 - all have one form
    spec = spec_of(manifest)
    if not spec:
        yield "allows something", lambda s: s.update(rules=[{"to": [{"operation": {"ports": ["80"]}}]}])
        return
    yield "other pods", lambda s: s["selector"]["matchLabels"].update(app="nobody")
    for number, rule in enumerate(spec["rules"]):
        yield (
            "a port nobody calls",
            lambda s, n=number: s["rules"][n]["to"][0]["operation"].update(ports=["77"]),
        )
        if "from" in rule:
            yield "anybody", lambda s, n=number: s["rules"][n].pop("from")
            source = rule["from"][0]["source"]
            stranger = {
                key: ["cluster.local/ns/pitstop/sa/stranger"] for key in source if key == "principals"
            }
            if stranger:
                yield (
                    "a stranger",
                    lambda s, n=number, v=stranger: s["rules"][n]["from"][0]["source"].update(v),
                )


def of_network(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:  # noqa: ARG001 - all have one form
    spec = spec_of(manifest)
    if manifest.name == "default-deny":
        yield "one way only", lambda s: s.update(policyTypes=["Ingress"])
        yield "everything", lambda s: s.update(ingress=[{}])
        return
    if not spec["podSelector"]:
        return  # names and the mesh, which no edge of the environment is
    for way in ("ingress", "egress"):
        for number, rule in enumerate(spec.get(way, [])):
            key = "from" if way == "ingress" else "to"
            if any("namespaceSelector" in peer for peer in rule.get(key, [])):
                continue  # somebody from outside of the environment
            yield f"a port of {way}", lambda s, w=way, n=number: s[w][n]["ports"][0].update(port=77)
            if key not in rule or rule["ports"][0]["port"] in ANYWHERE:
                continue
            yield f"no {way}", lambda s, w=way, n=number: s[w].pop(n)
            yield f"anybody's {way}", lambda s, w=way, n=number, k=key: s[w][n].update({k: []})


def of_mtls(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:  # noqa: ARG001 - all have one form
    yield "permissive", lambda s: s["mtls"].update(mode="PERMISSIVE")
    yield "off", lambda s: s["mtls"].update(mode="DISABLE")


def of_sidecar(manifest: Manifest, plan: Plan) -> Iterator[Mutation]:  # noqa: ARG001 - all have one form
    yield "every namespace", lambda s: s["egress"][0].update(hosts=["*/*"])
    yield "every host", lambda s: s["outboundTrafficPolicy"].update(mode="ALLOW_ANY")
    yield "some pods only", lambda s: s.update(workloadSelector={"labels": {"app": "webapp"}})


# --- done to a plan -----------------------------------------------------------------------------------


def spec_of(manifest: Manifest) -> Spec:
    found: Any = manifest.document().get("spec")
    return dict(found) if isinstance(found, dict) else {}


def with_instead(part: Any, old: Manifest, new: Manifest) -> Any:  # noqa: ANN401 - any part of a plan
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


@thoroughness(max_examples=200, deadline=None)
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
