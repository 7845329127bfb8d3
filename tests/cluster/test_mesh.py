"""What the mesh keeps out: plaintext clients, and pods that ask for more than `restricted` allows."""

from collections.abc import Iterator

import pytest
from lightkube import ApiError
from lightkube.models.core_v1 import Container, PodSpec, SecurityContext
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Pod

from localcluster import images
from ops.kube import Kube, PodRef, wait_for
from tests.cluster.conftest import Running

PLAINTEXT = "plaintext-client"


@pytest.fixture
def outsider(running: Running) -> Iterator[tuple[Kube, PodRef]]:
    """A pod without a sidecar, outside the environment's namespace."""
    pod = Pod(
        metadata=ObjectMeta(name=PLAINTEXT, namespace="default", labels={"sidecar.istio.io/inject": "false"}),
        spec=PodSpec(containers=[Container(name="fortio", image=images.fortio(), args=["server"])]),
    )
    with running.kube() as kube:
        kube.client.create(pod)
        try:
            yield kube, wait_for("the client", 60, lambda: ready(kube))
        finally:
            kube.client.delete(Pod, PLAINTEXT, namespace="default", grace_period=0)


def ready(kube: Kube) -> PodRef | None:
    return next(iter(kube.ready_pods("default", {"sidecar.istio.io/inject": "false"})), None)


def test_a_plaintext_client_is_refused(running: Running, outsider: tuple[Kube, PodRef]) -> None:
    kube, pod = outsider
    # The client itself works: it reaches what is not in the mesh.
    assert "Fortio" in kube.run(pod, "fortio", "fortio", "curl", "http://127.0.0.1:8080/fortio/")
    host = f"customermanagementapi.{running.environment.settings.namespace}.svc.cluster.local"
    with pytest.raises(Exception, match=r"(?i)exit code|command|status|reset"):
        kube.run(pod, "fortio", "fortio", "curl", f"http://{host}:5100/api/customers")


def test_a_privileged_pod_is_refused(running: Running) -> None:
    namespace = running.environment.settings.namespace
    container = Container(
        name="root", image=images.fortio(), securityContext=SecurityContext(privileged=True)
    )
    pod = Pod(
        metadata=ObjectMeta(name="privileged", namespace=namespace), spec=PodSpec(containers=[container])
    )
    with running.kube() as kube, pytest.raises(ApiError, match="violates PodSecurity"):
        kube.client.create(pod)
