"""Each policy does what it says behind a real Envoy: the routes istiod sent, and what load shows."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import httpx2
from lightkube.models.core_v1 import EnvVar
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod
from scipy.stats import binomtest

from components.model import routes
from components.model.matches import Caller, Request
from ops.kube import PodRef, wait_for
from tests.cluster import xds
from tests.cluster.conftest import Running
from tests.cluster.lab import API, HOST, NAMESPACE, PATH, UNTIL, Lab

ALPHA = 1e-6  # a correct mesh fails a comparison once in a million runs


def likely(count: int, of: int, share: float) -> bool:
    """Whether this count is what chance makes of a share; an exact binomial test."""
    return bool(binomtest(count, of, share).pvalue >= ALPHA)


def test_a_split_shares_requests(lab: Lab) -> None:
    lab.apply({"kind": "split", "weights": {"v1": 60, "v2": 40, "v3": 0}})
    seen = lab.served(lab.send(1000).run)
    assert seen.total() == 1000
    assert likely(seen["v1"], 1000, 0.6), seen
    assert not likely(seen["v1"], 1000, 0.75), seen  # the test can fail
    assert not seen["v3"]


def test_blue_green_is_all_or_nothing(lab: Lab) -> None:
    for live in ("v1", "v2"):
        lab.apply({"kind": "bluegreen", "live": live})
        assert lab.served(lab.send(100).run) == {live: 100}


def test_a_mirror_gets_copies_and_the_caller_never_notices(lab: Lab) -> None:
    # v3 answers every request with 503: a caller that got its answers would know.
    lab.apply({"kind": "mirror", "to": "v3", "percent": 50})
    read = lab.send(400)
    assert read.codes == {"200": 400}
    seen = lab.served(read.run)
    assert seen["v1"] == 400
    assert likely(seen["v3"], 400, 0.5), seen
    written = lab.send(50, method="POST")
    assert lab.served(written.run) == {"v1": 50}, "a copy of a write would write twice"


def test_headers_and_cookies_choose_a_version(lab: Lab) -> None:
    lab.apply(
        {"kind": "route", "to": "v2", "headers": {"x-beta": {"prefix": "te"}}},
        {"kind": "route", "to": "v2", "cookie": {"beta": "yes"}},
    )
    assert lab.served(lab.send(40).run) == {"v1": 40}
    assert lab.served(lab.send(40, headers={"x-beta": "test"}).run) == {"v2": 40}
    assert lab.served(lab.send(40, headers={"x-beta": "no"}).run) == {"v1": 40}
    assert lab.served(lab.send(40, headers={"cookie": "a=b; beta=yes; c=d"}).run) == {"v2": 40}
    assert lab.served(lab.send(40, headers={"cookie": "alphabeta=yes"}).run) == {"v1": 40}


def test_a_path_and_a_method_choose_a_version(lab: Lab) -> None:
    lab.apply({"kind": "route", "to": "v2", "path": {"prefix": "/api/customers/"}, "methods": ["GET"]})
    assert lab.served(lab.send(40).run) == {"v1": 40}
    assert lab.served(lab.send(40, path=f"{PATH}/nobody").run) == {"v2": 40}


def test_a_lane_keeps_to_its_version(running: Running, lab: Lab) -> None:
    chosen = lab.apply(
        {"kind": "lane", "caller": "webapp", "callerVersion": "v2", "to": "v2"},
        webapp=[{"kind": "route", "to": "v2", "headers": {"x-lane": "v2"}}],
    )
    (second,) = lab.kube.ready_pods(NAMESPACE, {"app": "webapp", "version": "2.0"})
    lane = routes.way_of(chosen.services[API], Request("GET", PATH, caller=Caller("webapp", "v2")))
    # For this proxy the lane takes everything, so istiod sends it no route behind.
    lab.wait_for_routes(API, (xds.expected(lane),), second)
    before = page_calls(lab)
    for version in ("v1", "v2"):
        wait_for(f"the page of {version}", 30, partial(shown, running, version))
    settled = page_calls(lab)
    for version in ("v1", "v2"):
        assert sum(page(running, version) for _ in range(20)) == 20
    after = page_calls(lab)
    assert {version: after[version] - settled[version] for version in after} == {"v1": 20, "v2": 20}
    assert settled != before, "the pages call nothing: nothing was tested"


def shown(running: Running, lane: str) -> bool | None:
    return page(running, lane) or None


def page(running: Running, lane: str) -> bool:
    """Whether a person sees the customers, by way of the gateway and of the webapp's version of this lane."""
    headers = {"Host": HOST, "x-lane": lane}
    answer = httpx2.get(f"{running.url}/CustomerManagement", headers=headers, timeout=20, trust_env=False)
    return answer.status_code == 200 and f'data-service="{API}" data-version="{lane[1]}.0"' in answer.text


def page_calls(lab: Lab) -> dict[str, int]:
    """Requests for the customers' list that each version has logged, whoever sent them."""
    counts = {}
    for version, label in (("v1", "1.0"), ("v2", "2.0")):
        pods = lab.kube.ready_pods(NAMESPACE, {"app": API, "version": label})
        counts[version] = sum(PATH in line for pod in pods for line in lab.kube.log(pod, API, 900))
    return counts


def test_an_abort_hits_its_share_and_only_whom_it_is_meant_for(lab: Lab) -> None:
    lab.apply(
        {
            "kind": "fault",
            "abort": {"percent": 25, "status": 418},
            "headers": {"x-chaos": "yes"},
            "until": UNTIL,
        }
    )
    hit = lab.send(800, headers={"x-chaos": "yes"})
    assert set(hit.codes) == {"200", "418"}
    assert likely(hit.codes["418"], 800, 0.25), hit.codes
    assert not likely(hit.codes["418"], 800, 0.4)
    assert lab.send(100).codes == {"200": 100}
    assert lab.served(hit.run)["v1"] == hit.codes["200"], "an aborted request must not arrive"


def test_a_delay_holds_back(lab: Lab) -> None:
    lab.apply(
        {
            "kind": "fault",
            "delay": {"percent": 100, "duration": "400ms"},
            "headers": {"x-chaos": "yes"},
            "until": UNTIL,
        }
    )
    held = lab.send(12, headers={"x-chaos": "yes"})
    assert held.codes == {"200": 12}
    # Envoy counts from the time its event loop last read, so a timer may fire early by about a millisecond.
    assert held.shortest >= 0.39
    assert lab.send(12).shortest < 0.39


def test_retries_are_counted_at_the_server(lab: Lab) -> None:
    lab.apply({"kind": "retries", "attempts": 2, "perTry": "2s", "when": ["5xx"]})
    failing = {"standin-status": "503"}
    read = lab.send(20, query=failing)
    assert read.codes == {"503": 20}
    assert lab.served(read.run) == {"v1": 60}, "one try and two more for each"
    written = lab.send(20, query=failing, method="POST")
    assert lab.served(written.run) == {"v1": 20}, "what may have been carried out is not tried again"


def test_a_timeout_ends_the_wait(lab: Lab) -> None:
    slow = {"standin-delay": "1500ms"}
    lab.apply({"kind": "timeout", "duration": "500ms"})
    cut = lab.send(8, query=slow)
    assert cut.codes == {"504": 8}
    assert cut.longest < 1.5
    lab.apply({"kind": "timeout", "duration": "5s"})
    assert lab.send(8, query=slow).codes == {"200": 8}


def test_affinity_keeps_a_caller_with_one_pod(lab: Lab) -> None:
    lab.apply({"kind": "affinity", "header": "x-user"})
    runs = [lab.send(40, headers={"x-user": f"user-{number}"}).run for number in range(24)]
    for run in runs:
        assert len(pods_of(lab, run)) == 1
    assert len({pod for run in runs for pod in pods_of(lab, run)}) == 2, "everybody on one pod proves nothing"
    lab.apply()
    # A rule's policies are in no route, which is what `apply` waits for.
    wait_for(
        "both pods", 20, lambda: len(pods_of(lab, lab.send(60, headers={"x-user": "anna"}).run)) == 2 or None
    )


def pods_of(lab: Lab, run: str) -> set[str]:
    """The pods that logged requests of a run."""
    pods = lab.kube.ready_pods(NAMESPACE, {"app": API, "version": "1.0"})
    return {pod.name for pod in pods if any(f"run={run}" in line for line in lab.kube.log(pod, API, 600))}


@contextmanager
def rogue(lab: Lab) -> Iterator[PodRef]:
    """A third pod of v1, which answers everything with 503."""
    template = lab.kube.client.get(Deployment, f"{API}-v1", namespace=NAMESPACE).spec.template
    assert template.spec is not None
    assert template.metadata is not None
    env = template.spec.containers[0].env or []
    template.spec.containers[0].env = [
        *env,
        EnvVar("PITSTOP_FAIL_PERCENT", "100"),
        EnvVar("PITSTOP_FAIL_STATUS", "503"),
    ]
    metadata = ObjectMeta(
        name="rogue",
        namespace=NAMESPACE,
        labels=template.metadata.labels,
        annotations=template.metadata.annotations,
    )
    lab.kube.client.create(Pod(metadata=metadata, spec=template.spec))
    try:
        wait_for("the rogue", 90, lambda: PodRef(NAMESPACE, "rogue") in ready_v1(lab) or None)
        time.sleep(2)  # endpoints reach the proxies
        yield PodRef(NAMESPACE, "rogue")
    finally:
        lab.kube.client.delete(Pod, "rogue", namespace=NAMESPACE, grace_period=0)
        wait_for("the rogue to go", 60, lambda: PodRef(NAMESPACE, "rogue") not in ready_v1(lab) or None)


def ready_v1(lab: Lab) -> tuple[PodRef, ...]:
    return lab.kube.ready_pods(NAMESPACE, {"app": API, "version": "1.0"})


def arrived(lab: Lab, pod: PodRef, run: str) -> int:
    return sum(f"run={run}" in line for line in lab.kube.log(pod, API, 600))


def test_a_failing_pod_is_ejected_and_comes_back(lab: Lab) -> None:
    outliers = {"consecutive5xx": 3, "interval": "1s", "ejection": "6s", "maxPercent": 50}
    lab.apply({"kind": "circuitbreaker", "outliers": outliers})
    with rogue(lab) as pod:
        first = lab.send(120)
        assert arrived(lab, pod, first.run) >= 3, "it must have failed to be ejected"
        time.sleep(2)  # an interval, and the next look
        without = lab.send(120)
        assert without.codes == {"200": 120}
        assert arrived(lab, pod, without.run) == 0
        time.sleep(9)  # longer than the ejection
        again = lab.send(120)
        assert arrived(lab, pod, again.run) >= 1, "it never came back"


def test_too_small_a_percentage_never_ejects(lab: Lab) -> None:
    """Why outlier-percent refuses it: of three pods, 10 % is none (Envoy's always_eject_one_host is off)."""
    patch = {"consecutive5xx": 3, "interval": "1s", "ejection": "6s", "maxPercent": 50}
    lab.apply({"kind": "circuitbreaker", "outliers": patch})
    lab.patch_rule({"trafficPolicy": {"outlierDetection": {"maxEjectionPercent": 10}}})
    with rogue(lab) as pod:
        lab.send(120)
        time.sleep(2)
        later = lab.send(120)
        assert arrived(lab, pod, later.run) >= 20
        assert later.codes["503"] >= 20


def test_a_circuit_breaker_refuses_what_would_pile_up(lab: Lab) -> None:
    slow = {"standin-delay": "300ms"}
    lab.apply({"kind": "circuitbreaker", "connections": {"max": 1, "pending": 1, "perConnection": 1}})

    def crowd() -> Mapping[str, int]:
        return lab.send(40, query=slow, connections=12).codes

    # A rule's policies are in no route, which is what `apply` waits for.
    crowded = wait_for("the limits", 30, lambda: codes if "503" in (codes := crowd()) else None)
    assert crowded.get("200", 0) > 0
    lab.apply()
    wait_for("the limits to go", 30, lambda: crowd() == {"200": 40} or None)


def test_access_narrowed_to_reading(lab: Lab) -> None:
    lab.apply({"kind": "access", "callers": ["webapp"], "methods": ["GET"], "paths": ["/api/*"]})
    wait_for("the rule", 20, lambda: set(lab.send(4, method="POST").codes) == {"403"} or None)
    assert lab.send(20).codes == {"200": 20}
    assert lab.send(20, method="POST").codes == {"403": 20}
    assert lab.send(20, path="/hc").codes == {"403": 20}
    lab.apply()
    wait_for("the rule to go", 20, lambda: set(lab.send(4, path="/hc").codes) == {"200"} or None)
