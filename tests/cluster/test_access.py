"""Every edge of the call graph is open and every other one is closed, tried from a pod of each identity."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import cast

import pytest
from lightkube import ApiError
from lightkube.models.core_v1 import PodSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Pod

from components.model import access, naming, pods
from components.model.catalogue import CATALOGUE, Port
from components.model.versions import LOCAL_BUSYBOX_IMAGE
from ops.kube import Kube, PodRef, wait_for
from tests.cluster.conftest import Running

# Each protocol's first words; who is let in gets an answer, or is greeted. A connection alone tells nothing:
# the pod's own proxy takes every one.
PROBE = r"""
ask() { # name port words
    answer=$( (printf "$3"; sleep 3) | timeout 4 nc "$1" "$2" 2>/dev/null |
        head -n 1 | tr -d '\0' | head -c 60)
    case "$answer" in
    ''|*' 403 '*|*' 502 '*|*' 503 '*) echo "$1 $2 closed ${answer:-silence}" ;;
    *) echo "$1 $2 open" ;;
    esac
}
"""
WORDS = {
    "http": r"GET / HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n",
    "amqp": r"AMQP\0\0\11\1",
    "tds": r"\022\001\000\010\000\000\000\000",
    "smtp": r"",
}


@pytest.fixture(scope="module")
def probes(running: Running) -> Iterator[tuple[Kube, Mapping[str, PodRef]]]:
    """A pod for each identity that calls anything, and one for an identity that calls nothing."""
    settings = running.environment.settings
    names = sorted({edge.caller for edge in access.edges(settings)} | {"mailserver"})
    with running.kube() as kube:
        try:
            for name in names:
                remove(kube, name, settings.namespace)  # of a run that was cut off
                kube.client.create(probe(name, settings.namespace))
            yield kube, {name: await_probe(kube, settings.namespace, name) for name in names}
        finally:
            for name in names:
                remove(kube, name, settings.namespace)


def remove(kube: Kube, name: str, namespace: str) -> None:
    with suppress(ApiError):
        kube.client.delete(Pod, f"probe-{name}", namespace=namespace, grace_period=0)


def await_probe(kube: Kube, namespace: str, name: str) -> PodRef:
    def look() -> PodRef | None:
        return next(iter(kube.ready_pods(namespace, {"probe": name})), None)

    return wait_for(f"the probe of {name}", 120, look)


def probe(name: str, namespace: str) -> Pod:
    spec = {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "securityContext": pods.security(),
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "probe",
                "image": LOCAL_BUSYBOX_IMAGE,
                "command": ["sh", "-c", "sleep 1800"],
                "securityContext": pods.HARDENED,
                "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"memory": "64Mi"}},
            }
        ],
    }
    labels = {"probe": name, naming.IDENTITY_LABEL: name}
    metadata = ObjectMeta(name=f"probe-{name}", namespace=namespace, labels=labels)
    return Pod(metadata=metadata, spec=cast(PodSpec, PodSpec.from_dict(spec)))


def targets(running: Running) -> list[tuple[str, Port]]:
    return [
        (name, port)
        for name in sorted(running.environment.settings.services)
        for port in CATALOGUE[name].ports
    ]


def tried(kube: Kube, pod: PodRef, where: list[tuple[str, Port]]) -> set[tuple[str, int]]:
    """What a pod can reach."""
    lines = [f"ask {name} {port.number} '{words(name, port)}' &" for name, port in where]
    said = kube.run(pod, "probe", "sh", "-c", "\n".join([PROBE, *lines, "wait"]))
    answers = [line.split() for line in said.splitlines() if line.strip()]
    assert len(answers) == len(where), said
    return {(name, int(port)) for name, port, state, *_ in answers if state == "open"}


def words(name: str, port: Port) -> str:
    kind = "http" if port.protocol == "http" else port.name
    return WORDS[kind].replace("{name}", name).replace("{port}", str(port.number))


def test_every_edge_is_open_and_every_other_closed(
    running: Running, probes: tuple[Kube, Mapping[str, PodRef]]
) -> None:
    kube, found = probes
    settings, where = running.environment.settings, targets(running)
    wanted = {
        name: {(edge.service, edge.port.number) for edge in access.edges(settings) if edge.caller == name}
        for name in found
    }
    with ThreadPoolExecutor(4) as pool:
        reached = dict(zip(found, pool.map(lambda name: tried(kube, found[name], where), found), strict=True))
    assert reached == wanted
    assert any(wanted.values())
    assert not wanted["mailserver"], "an identity that calls nothing reaches nothing"
