"""A small environment beside the main one: its policies change at will, and are looked at through Envoy.

Its objects are the plan's own, applied by kubectl: what Pulumi registers is tested elsewhere, and a policy
takes a second here instead of an update.
"""

import json
import secrets
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TypedDict, Unpack
from urllib.parse import urlencode

from lightkube.resources.core_v1 import Namespace

from components.model import naming, routes, versions
from components.model.catalogue import CATALOGUE
from components.model.checks import plan_for
from components.model.explain import parse
from components.model.plan import Plan
from components.model.render import dump
from components.model.settings import Settings
from localcluster import images
from ops.kube import Kube, PodRef, wait_for
from ops.measure import LOAD_PORT, load_job
from tests.cluster import xds

NAMESPACE = "pitstop-lab"
API = "customermanagementapi"
PATH = "/api/customers"
UNTIL = (date.today() + timedelta(days=30)).isoformat()  # noqa: DTZ011 - a day, as in a stack file
CONTROLS = {"PITSTOP_STANDIN_CONTROLS": "true"}
Policy = Mapping[str, object]


HOST = "lab.example.org"


def settings(
    policies: Sequence[Policy], webapp: Sequence[Policy] = (), tls: Mapping[str, object] | None = None
) -> Settings:
    """The lab: a caller in two versions, an API in three, of which the last answers everything with 503."""
    live = {"kind": "bluegreen", "live": "v1"}
    split = [] if any(one["kind"] in ("split", "bluegreen") for one in policies) else [live]
    own = {"settings": CONTROLS}
    broken = {"settings": {"PITSTOP_FAIL_PERCENT": "100", "PITSTOP_FAIL_STATUS": "503"}}
    v3 = {**broken, "image": f"{versions.STANDIN_HUB}/{API}:2.0"}
    return parse(
        {
            "namespace": NAMESPACE,
            "cluster": {"kind": "local"},
            "mesh": {"kind": "existing"},
            "ingress": {"hosts": [HOST], **({"tls": tls} if tls else {})},
            "storage": {"kind": "ephemeral"},
            "services": {
                "webapp": {"versions": {"v1": {}, "v2": {}}, "traffic": [live, *webapp]},
                API: {
                    "versions": {"v1": {"replicas": 2, **own}, "v2": {"replicas": 2, **own}, "v3": v3},
                    "traffic": [*split, *policies],
                },
                "sqlserver": {},
                "rabbitmq": {},
            },
        }
    )


class Shape(TypedDict, total=False):
    """What the requests of a run are like, where it is not a plain GET of the API's list."""

    service: str
    path: str
    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    connections: int


@dataclass(frozen=True)
class Answer:
    """What came back from one run of requests."""

    run: str
    codes: Mapping[str, int]
    shortest: float  # seconds
    longest: float

    @property
    def total(self) -> int:
        return sum(self.codes.values())


@dataclass
class Lab:
    """The running lab, and a pod that calls with the webapp's identity."""

    kube: Kube
    kubectl: Path
    kubeconfig: Path
    caller: PodRef

    def apply(self, *policies: Policy, webapp: Sequence[Policy] = ()) -> Settings:
        """Make these the API's policies, and wait until the caller's proxy has exactly their routes."""
        chosen = settings(policies, webapp)
        plan = plan_for(chosen, "lab")
        kubectl_apply(self.kubectl, self.kubeconfig, routing(plan))
        for service in (API, "webapp"):
            wanted = tuple(
                xds.expected(way)
                for way in routes.ways(chosen.services[service])
                # Lanes are for their callers only: istiod leaves them out of other proxies' routes.
                if way.match.caller is None
            )
            self.wait_for_routes(service, wanted)
        return chosen

    def patch_rule(self, spec: Mapping[str, object]) -> None:
        """Change the API's DestinationRule in a way no stack file can."""
        kubectl = [str(self.kubectl), "--kubeconfig", str(self.kubeconfig), "--namespace", NAMESPACE]
        patch = ["patch", "destinationrule", API, "--type", "merge", "--patch", json.dumps({"spec": spec})]
        subprocess.run([*kubectl, *patch], check=True, capture_output=True)
        time.sleep(3)  # the change has no route to wait for

    def wait_for_routes(self, service: str, wanted: tuple[xds.Seen, ...], pod: PodRef | None = None) -> None:
        last: tuple[xds.Seen, ...] = ()

        def look() -> bool | None:
            nonlocal last
            last = self.routes(service, pod)
            return last == wanted or None

        try:
            wait_for(f"the routes of {service}", 30, look)
        except Exception as error:
            raise AssertionError(f"{service}: wanted {wanted}, the proxy has {last}") from error

    def routes(self, service: str, pod: PodRef | None = None) -> tuple[xds.Seen, ...]:
        """What a proxy does with requests for a service: the caller's, or another's."""
        query = "config_dump?resource=dynamic_route_configs"
        dump = self.kube.run(pod or self.caller, "istio-proxy", "pilot-agent", "request", "GET", query)
        return xds.routes(dump, naming.host(service, NAMESPACE), CATALOGUE[service].ports[0].number)

    def send(self, requests: int, **shape: Unpack[Shape]) -> Answer:
        """Send requests from the caller, bounded in number."""
        run, service = secrets.token_hex(4), shape.get("service", API)
        url = f"http://{naming.host(service, NAMESPACE)}:{CATALOGUE[service].ports[0].number}"
        query = urlencode({"run": run, **shape.get("query", {})})
        asked: list[tuple[str, str]] = [
            ("url", f"{url}{shape.get('path', PATH)}?{query}"),
            ("n", str(requests)),
            ("c", str(shape.get("connections", 4))),
            ("qps", "-1"),  # as fast as answers come
            ("timeout", "20s"),
            *(("H", f"{name}:{value}") for name, value in shape.get("headers", {}).items()),
        ]
        if method := shape.get("method"):
            asked += [("X", method), ("payload", '{"name": "n"}')]
        said = self.kube.pod_get(self.caller, LOAD_PORT, f"fortio/rest/run?{urlencode(asked)}", timeout=120)
        result = json.loads(said)
        assert "RetCodes" in result, result
        times = result["DurationHistogram"]
        return Answer(run, Counter(result["RetCodes"]), times["Min"], times["Max"])

    def served(self, run: str, service: str = API) -> Counter[str]:
        """Requests of one run that the pods of each version logged, copies and tries included."""
        counts: Counter[str] = Counter()
        for version in settings([]).services[service].versions:
            labels = {"app": service, "version": naming.version_label(version)}
            for pod in self.kube.ready_pods(NAMESPACE, labels):
                lines = self.kube.log(pod, service, 600)
                counts[version] += sum(f"run={run}" in line for line in lines)
        return +counts


def routing(plan: Plan) -> str:
    """The objects policies change, as YAML."""
    objects = [one for way in plan.routes for one in (way.destination, way.route)]
    objects += [one for entry in plan.entries for one in (entry.gateway, entry.route)]
    objects += plan.access.objects()
    return dump(one.document() for one in objects)


def kubectl_apply(kubectl: Path, kubeconfig: Path, text: str) -> None:
    command = [str(kubectl), "--kubeconfig", str(kubeconfig), "apply", "--server-side"]
    command += ["--force-conflicts", "-f", "-"]
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@contextmanager
def running_lab(kube: Kube, kubectl: Path, kubeconfig: Path) -> Iterator[Lab]:
    """The lab from nothing to its last pod; gone afterwards."""
    plan = plan_for(settings([]), "lab")
    values = "Aa1{}"
    text = dump(plan.documents(values))
    try:
        kubectl_apply(kubectl, kubeconfig, dump([plan.namespace.document()]))
        kubectl_apply(kubectl, kubeconfig, text)
        kube.client.create(load_job("lab-caller", NAMESPACE, images.fortio(), "webapp"))
        for load in plan.workloads:
            for version in load.versions:
                labels = {"app": load.service.name, "version": naming.version_label(version)}
                first_ready(kube, labels, 240)
        yield Lab(kube, kubectl, kubeconfig, first_ready(kube, {"job-name": "lab-caller"}, 90))
    finally:
        kube.client.delete(Namespace, NAMESPACE)
        wait_for("the lab to be gone", 120, lambda: _gone(kube))


def first_ready(kube: Kube, labels: Mapping[str, str], seconds: float) -> PodRef:
    """A pod of the lab that serves, waited for."""
    what = ", ".join(labels.values())
    return wait_for(what, seconds, lambda: next(iter(kube.ready_pods(NAMESPACE, labels)), None))


def _gone(kube: Kube) -> bool | None:
    return (
        all(space.metadata and space.metadata.name != NAMESPACE for space in kube.client.list(Namespace))
        or None
    )
