"""Measure how the mesh shares requests between versions, from inside it and through its gateway.

Counts come from the callers' own proxies, which know nothing of what answers; what answers is the
cross-check.
"""

import json
import re
import secrets
import ssl
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import reduce
from typing import cast
from urllib.parse import urlencode

import httpx2
from lightkube import ApiError
from lightkube.models.batch_v1 import JobSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.batch_v1 import Job
from lightkube.types import CascadeType
from pydantic import BaseModel, ConfigDict, Field

from components.model.naming import IDENTITY_LABEL
from ops.envoy import RequestCounts, request_counts, route_weights
from ops.errors import UserError
from ops.kube import PASSING_ERRORS, Kube, PodRef, wait_for
from ops.progress import Progress
from ops.split import SplitMeasurement

STATISTICS_PORT = 15020  # the sidecar's agent; the mesh leaves it open to whoever reaches the pod
LOAD_PORT = 8080
# A run that is killed leaves its job to these: it ends by itself, and is removed once it has ended.
JOB_SECONDS = 600
JOB_KEPT_SECONDS = 30
START_SECONDS = 90.0
ROUTES_SECONDS = 60.0
# Istio keeps few of Envoy's counters; this asks for those of every service called.
STATISTICS = {"sidecar.istio.io/statsInclusionPrefixes": "cluster.outbound"}

_ANSWERED_BY = re.compile(r'data-service="(?P<service>[^"]*)" data-version="(?P<version>[^"]*)"')


class Split(BaseModel):
    """A service whose requests are to be shared between versions, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    namespace: str
    service: str
    port: int
    path: str
    caller: str  # whose service account the requests are sent with
    weights: Mapping[str, int] = Field(min_length=1)  # for each subset, in percent
    versions: Mapping[str, str]  # for each subset, the `version` label of its pods

    @property
    def host(self) -> str:
        """The name the mesh knows the service by."""
        return f"{self.service}.{self.namespace}.svc.cluster.local"

    def subset_of(self, version: str) -> str:
        """The subset of a version, or the version itself where it has none."""
        return next((subset for subset, label in self.versions.items() if label == version), version)


class Entrance(BaseModel):
    """A way in from outside: a page whose every view makes one request to the service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    host: str | None = None  # where the gateway asks for a name: by the Host header, and in TLS
    caller: str = "webapp"


class Load(BaseModel):
    """How much to send."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: int = Field(default=2000, ge=1, le=100_000)
    connections: int = Field(default=4, ge=1, le=64)

    def quarter(self) -> "Load":
        """A fourth of the requests."""
        return self.model_copy(update={"requests": max(1, self.requests // 4)})


def measure(
    kube: Kube, split: Split, entrance: Entrance | None, image: str, load: Load, progress: Progress
) -> tuple[SplitMeasurement, ...]:
    """Measure one split from inside the mesh and, where there is a way in, from outside.

    Args:
        kube: the cluster.
        split: what was asked for.
        entrance: where a person would reach the page that calls the service.
        image: fortio, as the cluster knows it.
        load: how much to send inside the mesh; a quarter of it goes through the way in.
        progress: told about both parts.

    Raises:
        UserError: something did not start, or the mesh does not follow the weights, within a minute or two.
    """
    try:
        with progress.step(f"measuring {split.service} from inside the mesh"):
            measured = [_once_more(progress, lambda: inside(kube, split, load, image))]
        if entrance is not None:
            with progress.step(f"measuring {split.service} through the ingress gateway"):
                measured.append(_once_more(progress, lambda: through(kube, split, entrance, load.quarter())))
    except PASSING_ERRORS as error:
        raise UserError(f"measuring {split.service}: the cluster answered: {error}") from error
    return tuple(measured)


def _once_more(progress: Progress, attempt: Callable[[], SplitMeasurement]) -> SplitMeasurement:
    """A measurement whose connection to the API server broke counts nothing: said, and made again, once."""
    try:
        return attempt()
    except PASSING_ERRORS as error:
        progress.note(f"the connection broke ({error}); measuring again")
        return attempt()


def inside(kube: Kube, split: Split, load: Load, image: str) -> SplitMeasurement:
    """Send requests from a pod with a sidecar of its own in the environment's namespace.

    Raises:
        UserError: the pod does not start, its sidecar does not get the weights, or the load fails.
    """
    with _load_pod(kube, split.namespace, image, split.caller) as pod:
        _await_routes(kube, pod, split)
        run = secrets.token_hex(4)
        query = {
            "url": f"http://{split.host}:{split.port}{split.path}?run={run}",
            "n": str(load.requests),
            "c": str(load.connections),
            "qps": "-1",  # as fast as answers come
        }

        def send() -> None:
            answer = json.loads(
                kube.pod_get(pod, LOAD_PORT, f"fortio/rest/run?{urlencode(query)}", timeout=300)
            )
            if "RetCodes" not in answer:
                raise UserError(f"the load on {split.service} failed: {answer.get('message', answer)}")

        counted = _counted(kube, (pod,), split, send)
    return SplitMeasurement(
        via="in the mesh",
        host=split.host,
        asked=split.weights,
        counts=counted.requests,
        errors=counted.errors,
        cross_check=_logged(kube, split, run),
    )


def through(kube: Kube, split: Split, entrance: Entrance, load: Load) -> SplitMeasurement:
    """View a page from here, as a person would; the counts are those of the page's own service.

    Raises:
        UserError: the page's service does not run, or the page does not answer.
    """
    pods = kube.ready_pods(split.namespace, {"app": entrance.caller})
    if not pods:
        raise UserError(f"no pod of {entrance.caller} is ready in namespace {split.namespace}")
    for pod in pods:
        _await_routes(kube, pod, split)
    seen: Counter[str] = Counter()

    def send() -> None:
        seen.update(_view(entrance, split, load))

    counted = _counted(kube, pods, split, send)
    return SplitMeasurement(
        via="gateway",
        host=split.host,
        asked=split.weights,
        counts=counted.requests,
        errors=counted.errors,
        cross_check=dict(seen) or None,
    )


def _view(entrance: Entrance, split: Split, load: Load) -> Counter[str]:
    """Which versions the pages say answered; empty where pages do not say."""
    headers = {"Host": entrance.host} if entrance.host else {}
    named = {"sni_hostname": entrance.host} if entrance.host else {}
    limits = httpx2.Limits(max_connections=load.connections)
    with (
        # Proxies of the machine have no business with a cluster's own address.
        httpx2.Client(
            headers=headers, limits=limits, timeout=30, trust_env=False, verify=_anybody()
        ) as client,
        ThreadPoolExecutor(load.connections) as pool,
    ):

        def view(_: int) -> str | None:
            answer = client.get(entrance.url, extensions=named)
            answer.raise_for_status()
            found = _ANSWERED_BY.search(answer.text)
            return found["version"] if found and found["service"] == split.service else None

        try:
            versions = list(pool.map(view, range(load.requests)))
        except httpx2.HTTPError as error:
            raise UserError(f"{entrance.url} does not answer: {error}") from error
    return Counter(split.subset_of(version) for version in versions if version is not None)


def _anybody() -> ssl.SSLContext:
    """Takes every certificate: requests are counted here, and nobody knows who signed a local one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _counted(kube: Kube, pods: tuple[PodRef, ...], split: Split, send: Callable[[], None]) -> RequestCounts:
    """What the proxies of these pods sent to the service while `send` ran."""

    def read(pod: PodRef) -> RequestCounts:
        return request_counts(kube.pod_get(pod, STATISTICS_PORT, "stats/prometheus"), split.host, split.port)

    before = [read(pod) for pod in pods]
    send()
    after = [read(pod) for pod in pods]
    added = (later.since(earlier) for earlier, later in zip(before, after, strict=True))
    return reduce(RequestCounts.plus, added)


def _await_routes(kube: Kube, pod: PodRef, split: Split) -> None:
    """Wait until the pod's proxy shares requests as asked: a change takes a moment to reach it."""
    asked = {subset: weight for subset, weight in split.weights.items() if weight}
    last: dict[str, int] | None = None

    def look() -> bool | None:
        nonlocal last
        query = "config_dump?resource=dynamic_route_configs"
        dump = kube.run(pod, "istio-proxy", "pilot-agent", "request", "GET", query)
        last = route_weights(dump, split.host, split.port)
        return {subset: weight for subset, weight in (last or {}).items() if weight} == asked or None

    try:
        wait_for(f"the proxy of {pod.name} to share {split.service} as {asked}", ROUTES_SECONDS, look)
    except UserError as error:
        raise UserError(f"{error}; it has {last or 'no route to the versions'}") from None


def _logged(kube: Kube, split: Split, run: str) -> dict[str, int] | None:
    """Requests of one run that the pods of each version logged; None where pods do not log requests."""
    marker = f"run={run}"
    counts = {
        subset: sum(
            sum(marker in line for line in kube.log(pod, split.service, JOB_SECONDS))
            for pod in kube.ready_pods(split.namespace, {"app": split.service, "version": version})
        )
        for subset, version in split.versions.items()
    }
    return counts if any(counts.values()) else None


@contextmanager
def _load_pod(kube: Kube, namespace: str, image: str, caller: str) -> Iterator[PodRef]:
    """A pod that sends load as a service does, when asked to; gone afterwards, however this ends."""
    name = f"measure-{secrets.token_hex(4)}"
    try:
        # Created inside the guard: an interruption may come after the cluster has it.
        kube.client.create(load_job(name, namespace, image, caller))
        yield wait_for(
            f"pod {name} in namespace {namespace} to start",
            START_SECONDS,
            lambda: next(iter(kube.ready_pods(namespace, {"job-name": name})), None),
        )
    finally:
        try:
            kube.client.delete(Job, name, namespace=namespace, cascade=CascadeType.BACKGROUND, grace_period=0)
        except ApiError as error:
            if error.status.code != 404:
                raise


def load_job(name: str, namespace: str, image: str, caller: str) -> Job:
    """A job whose pod waits for load runs to be asked for, within Pod Security's restricted level.

    It has the caller's identity, for the mesh and for the network: what lets the caller through lets it
    through, and nothing had to be opened for measuring.
    """
    pod = {
        "serviceAccountName": caller,
        "automountServiceAccountToken": False,
        "containers": [_fortio(image)],
        "restartPolicy": "Never",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 1,
    }
    annotations = {
        **STATISTICS,
        # The API server asks for the load, and it has no identity in the mesh.
        "traffic.sidecar.istio.io/excludeInboundPorts": str(LOAD_PORT),
    }
    labels = {
        "app": "measure",
        "app.kubernetes.io/managed-by": "pitstop-measure",
        IDENTITY_LABEL: caller,
    }
    spec = {
        "activeDeadlineSeconds": JOB_SECONDS,
        "backoffLimit": 0,
        "ttlSecondsAfterFinished": JOB_KEPT_SECONDS,
        "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod},
    }
    metadata = ObjectMeta(name=name, namespace=namespace, labels=labels)
    # lightkube's annotation is wider than what the method answers.
    return Job(metadata=metadata, spec=cast(JobSpec, JobSpec.from_dict(spec)))


def _fortio(image: str) -> dict[str, object]:
    """Fortio as a server that runs what it is asked to."""
    disabled = [f"-{kind}-port=disabled" for kind in ("grpc", "tcp", "udp", "redirect")]
    return {
        "name": "fortio",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["server", f"-http-port={LOAD_PORT}", *disabled],
        "ports": [{"name": "http", "containerPort": LOAD_PORT}],
        "readinessProbe": {"httpGet": {"path": "/fortio/", "port": LOAD_PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
