"""Istio's own validation and every one of its analyzers, on every fixed environment with its pods.

What they say is nothing, or is explained here; each broken environment makes them say what it should.
"""

import copy
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from components.model import istio
from components.model.manifests import Document
from localcluster.tools import toolbox
from ops.progress import Progress
from tests.validate.analysis import Message, analyze, cluster, definitions
from tests.validate.environments import ENVIRONMENTS, plan

pytestmark = pytest.mark.tools

Objects = list[Document]
Break = Callable[[Objects], object]

AT_ONCE = 2
ADDRESS = "istiod gives it an address, in its status."
NO_SIDECARS = "No sidecars are asked for here."
# What is said about a sound environment, and why it is right all the same.
EXPLAINED: dict[tuple[str, str], str] = {
    (
        "IST0102",
        "Namespace istio-ingress",
    ): "The gateway's pods ask for injection themselves, by their label.",
    ("IST0102", "Namespace aks-istio-ingress"): "The same, in somebody else's namespace.",
    (
        "IST0102",
        "Namespace aks-istio-system",
    ): "A control plane has no sidecars; only istio-system is known as one.",
}
EXPLAINED_IN: dict[str, dict[tuple[str, str], str]] = {
    "no-mesh": {("IST0102", "Namespace pitstop"): NO_SIDECARS},
    "certificate-in-the-cluster": {
        ("IST0101", "Gateway pitstop/webapp"): "Its owner puts the Secret there; it is no part of the plan."
    },
    "certificate-of-its-own": {
        (
            "IST0161",
            "Gateway pitstop/webapp",
        ): "Rendered, the Secret has placeholders for certificate and key."
    },
    "vault": {("IST0161", "Gateway pitstop/webapp"): "The certificate is in the vault, and none here."},
    "egress": {("IST0134", "ServiceEntry pitstop/smtp-example-org-25"): ADDRESS},
    "queues": {
        ("IST0134", f"ServiceEntry pitstop/{host}-shadow-example-org-{port}"): ADDRESS
        for host, port in (("sql", 1433), ("mail", 25))
    },
}


@pytest.fixture(scope="session")
def istioctl() -> Path:
    return toolbox.ensure(("validate",), Progress()).path("istioctl")


@pytest.fixture(scope="session")
def said(istioctl: Path) -> Mapping[str, list[Message]]:
    """What is said about each environment, sound or broken."""
    definitions()  # once, before several ask for them at a time
    worlds = {name: objects_of(name) for name in ENVIRONMENTS}
    for case, (name, broken, _, _) in BROKEN.items():
        worlds[case] = objects_of(name)
        broken(worlds[case])
    with ThreadPoolExecutor(AT_ONCE) as several:
        return dict(zip(worlds, several.map(partial(analyze, istioctl), worlds.values()), strict=True))


def objects_of(name: str) -> Objects:
    return copy.deepcopy(cluster(plan(name)))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_nothing_is_said_that_is_not_explained(name: str, said: Mapping[str, list[Message]]) -> None:
    explained = EXPLAINED | EXPLAINED_IN.get(name, {})
    assert [str(one) for one in said[name] if (one.code, one.origin) not in explained] == []


def test_every_explanation_is_needed(said: Mapping[str, list[Message]]) -> None:
    seen = {(one.code, one.origin) for name in ENVIRONMENTS for one in said[name]}
    assert set(EXPLAINED) <= seen
    for name, explained in EXPLAINED_IN.items():
        assert set(explained) <= {(one.code, one.origin) for one in said[name]}


# --- broken on purpose --------------------------------------------------------------------------------


def the(objects: Objects, kind: str, name: str = "customermanagementapi") -> Any:  # noqa: ANN401 - any object
    return next(one for one in objects if one["kind"] == kind and named(one) == name)


def named(one: Document) -> object:
    metadata = one["metadata"]
    return metadata["name"] if isinstance(metadata, dict) else None


def remove(kind: str, name: str) -> Break:
    def broken(objects: Objects) -> None:
        objects.remove(the(objects, kind, name))

    return broken


def edit(kind: str, change: Callable[[Any], object], name: str = "customermanagementapi") -> Break:
    def broken(objects: Objects) -> None:
        change(the(objects, kind, name))

    return broken


def twin(kind: str, name: str, change: Callable[[Any], object] | None = None) -> Break:
    """A second object of another name."""

    def broken(objects: Objects) -> None:
        second = copy.deepcopy(the(objects, kind, name))
        second["metadata"]["name"] = "twin"
        if change:
            change(second)
        objects.append(second)

    return broken


def destination(service: Any) -> Any:  # noqa: ANN401 - a part of an object
    return service["spec"]["http"][0]["route"][0]["destination"]


def unnamed_protocol(service: Any) -> None:  # noqa: ANN401 - an object
    port = service["spec"]["ports"][0]
    del port["appProtocol"]
    port["name"] = "web"


def without_proxy(pod: Any) -> None:  # noqa: ANN401 - an object
    pod["spec"]["initContainers"] = [
        one for one in pod["spec"]["initContainers"] if one["name"] != "istio-proxy"
    ]


def same_twice(service: Any) -> None:  # noqa: ANN401 - an object
    service["spec"]["http"].append(copy.deepcopy(service["spec"]["http"][0]))


API = "customermanagementapi"
POD = f"{API}-v2-0"
RULE, ROUTE, GATEWAY = (
    f"DestinationRule pitstop/{API}",
    f"VirtualService pitstop/{API}",
    "Gateway pitstop/webapp",
)
# For each: the environment, what is broken in it, the code that is expected and the object it is about.
BROKEN: dict[str, tuple[str, Break, str, str]] = {
    "a subset's pods have another label": (
        "canary",
        edit("Pod", lambda pod: pod["metadata"]["labels"].update(version="3.0"), POD),
        "IST0173",
        RULE,
    ),
    "a subset without pods": ("canary", remove("Pod", POD), "IST0173", RULE),
    "a subset nobody defines": (
        "canary",
        edit("DestinationRule", lambda rule: rule["spec"]["subsets"].pop()),
        "IST0101",
        ROUTE,
    ),
    "a mirror to no subset": (
        "mirror",
        edit("VirtualService", lambda service: service["spec"]["http"][0]["mirror"].update(subset="v9")),
        "IST0101",
        ROUTE,
    ),
    "a misspelt host": (
        "canary",
        edit(
            "VirtualService", lambda service: destination(service).update(host="customermanagement.pitstop")
        ),
        "IST0101",
        ROUTE,
    ),
    "a rule for no host": (
        "canary",
        edit("DestinationRule", lambda rule: rule["spec"].update(host="nowhere.pitstop.svc.cluster.local")),
        "IST0174",
        RULE,
    ),
    "no pods behind the gateway": ("canary", remove("Pod", istio.GATEWAY_RELEASE), "IST0101", GATEWAY),
    "a gateway's port nobody reaches": (
        "canary",
        edit("Gateway", lambda gateway: gateway["spec"]["servers"][0]["port"].update(number=8443), "webapp"),
        "IST0162",
        GATEWAY,
    ),
    "two gateways for one host": (
        "canary",
        twin("Gateway", "webapp", lambda gateway: gateway["metadata"].update(namespace="istio-ingress")),
        "IST0145",
        GATEWAY,
    ),
    "a route for a gateway that is not there": (
        "canary",
        remove("Gateway", "webapp"),
        "IST0101",
        "VirtualService pitstop/webapp-ingress",
    ),
    "a route for a host the gateway does not open": (
        "certificate-of-its-own",
        edit("VirtualService", lambda one: one["spec"].update(hosts=["other.example.org"]), "webapp-ingress"),
        "IST0132",
        "VirtualService pitstop/webapp-ingress",
    ),
    "a certificate that is not there": (
        "certificate-of-its-own",
        remove("Secret", "pitstop-certificate"),
        "IST0101",
        GATEWAY,
    ),
    "a namespace without injection": (
        "canary",
        edit("Namespace", lambda space: space["metadata"]["labels"].pop("istio-injection"), "pitstop"),
        "IST0102",
        "Namespace pitstop",
    ),
    "a pod without a sidecar": ("canary", edit("Pod", without_proxy, POD), "IST0103", f"Pod pitstop/{POD}"),
    "a pod as the sidecar's own user": (
        "canary",
        edit("Pod", lambda pod: pod["spec"]["securityContext"].update(runAsUser=1337), POD),
        "IST0144",
        f"Pod pitstop/{POD}",
    ),
    "a negative weight": (
        "canary",
        edit("VirtualService", lambda service: service["spec"]["http"][0]["route"][0].update(weight=-1)),
        "IST0106",
        ROUTE,
    ),
    "a pattern RE2 does not know": (
        "routes",
        edit(
            "VirtualService",
            lambda service: service["spec"]["http"][0]["match"][0].update(
                headers={"x-a": {"regex": "(?=a)b"}}
            ),
        ),
        "IST0106",
        ROUTE,
    ),
    "a retry for a condition nobody knows": (
        "patience",
        edit(
            "VirtualService", lambda service: service["spec"]["http"][0]["retries"].update(retryOn="always")
        ),
        "IST0106",
        ROUTE,
    ),
    "a route nothing reaches": ("canary", edit("VirtualService", same_twice), "IST0130", ROUTE),
    "two routes for one host": ("canary", twin("VirtualService", API), "IST0109", ROUTE),
    "two rules over all sidecars": (
        "canary",
        twin("Sidecar", "default"),
        "IST0111",
        "Sidecar pitstop/default",
    ),
    "two Services for one pod": (
        "canary",
        twin("Service", API, lambda service: service["spec"]["ports"][0].update(protocol="UDP")),
        "IST0116",
        f"Deployment pitstop/{API}-v1",
    ),
    "a port that does not say what it speaks": (
        "canary",
        edit("Service", unnamed_protocol),
        "IST0118",
        f"Service pitstop/{API}",
    ),
    "a policy over no pods": (
        "canary",
        edit("AuthorizationPolicy", lambda one: one["spec"]["selector"]["matchLabels"].update(app="nobody")),
        "IST0127",
        f"AuthorizationPolicy pitstop/{API}",
    ),
    "an unknown namespace may call": (
        "joined-mesh",
        remove("Namespace", "aks-istio-ingress"),
        "IST0101",
        "AuthorizationPolicy pitstop/webapp",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_environment_is_told(case: str, said: Mapping[str, list[Message]]) -> None:
    name, _, code, origin = BROKEN[case]
    new = [one for one in said[case] if one not in said[name]]
    assert (code, origin) in {(one.code, one.origin) for one in new}, [str(one) for one in new]
