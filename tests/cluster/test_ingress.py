"""The way in with a certificate: HTTPS answers, plain HTTP is sent on, old TLS is refused; and no way out."""

import json
import ssl
from collections.abc import Callable, Iterator

import httpx2
import pytest
import trustme
from lightkube.models.core_v1 import Container, PodSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Pod, Secret, Service

from components.model import istio
from components.model.checks import plan_for
from components.model.render import dump
from localcluster import images
from ops.kube import Kube, PodRef, wait_for
from ops.measure import STATISTICS_PORT
from tests.cluster.conftest import Running
from tests.cluster.lab import HOST, Lab, kubectl_apply, settings

OUTSIDER = "tls-client"


@pytest.fixture
def outsider(lab: Lab) -> Iterator[PodRef]:
    labels = {"sidecar.istio.io/inject": "false", "app": OUTSIDER}
    pod = Pod(
        metadata=ObjectMeta(name=OUTSIDER, namespace="default", labels=labels),
        spec=PodSpec(containers=[Container(name="fortio", image=images.fortio(), args=["server"])]),
    )
    lab.kube.client.create(pod)
    try:
        yield wait_for(
            "the client", 60, lambda: next(iter(lab.kube.ready_pods("default", {"app": OUTSIDER})), None)
        )
    finally:
        lab.kube.client.delete(Pod, OUTSIDER, namespace="default", grace_period=0)


def gateway_address(kube: Kube) -> str:
    service = kube.client.get(Service, istio.GATEWAY_RELEASE, namespace=istio.GATEWAY_NAMESPACE)
    assert service.spec is not None
    return str(service.spec.clusterIP)


def from_this_machine(running: Running) -> str:
    """The page as a person of this machine gets it, over the forwarded port for TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # who signed it is not the question here
    url = f"https://127.0.0.1:{running.cluster.https_port}/"
    with httpx2.Client(verify=context, trust_env=False, timeout=10) as client:
        answer = client.get(url, headers={"Host": HOST}, extensions={"sni_hostname": HOST})
    return answer.raise_for_status().text


def test_the_way_in_speaks_tls(running: Running, lab: Lab, outsider: PodRef) -> None:
    plan = plan_for(settings([], tls={"kind": "values"}), "lab")
    (entry,) = plan.entries
    assert entry.certificate is not None
    authority = trustme.CA()
    made = authority.issue_cert(HOST)
    values = {
        "tlsCertificate": made.cert_chain_pems[0].bytes().decode(),
        "tlsKey": made.private_key_pem.bytes().decode(),
    }
    objects = [entry.certificate.document(values), entry.gateway.document(), entry.route.document()]
    kubectl_apply(lab.kubectl, lab.kubeconfig, dump(objects))
    address = gateway_address(lab.kube)

    def fetch(*arguments: str) -> str:
        return lab.kube.run(outsider, "fortio", "fortio", "curl", "-resolve", address, *arguments)

    try:
        page = wait_for("the gateway", 30, lambda: served(fetch))
        assert "Pitstop" in page
        if running.cluster.https_port:
            assert "Pitstop" in from_this_machine(running)
        with pytest.raises(Exception, match=r"(?i)exit|status|command"):
            fetch(f"https://{HOST}/")  # whoever does not know the authority is not to trust it
        with pytest.raises(Exception, match=r"(?i)exit|status|command"):
            fetch("-k", "https://other.example.org/")
    finally:
        lab.kube.client.delete(Secret, entry.certificate.name, namespace=entry.certificate.namespace)


def served(fetch: Callable[..., str]) -> str | None:
    """The page, once the gateway has its certificate."""
    try:
        return fetch("-k", f"https://{HOST}/")
    except Exception:  # noqa: BLE001 - the client's own error of a command that failed has no better type
        return None


def test_what_nobody_named_cannot_be_called(lab: Lab) -> None:
    """REGISTRY_ONLY: a host that no ServiceEntry names is not called at all; the sidecar ends it at once."""
    target = "http://192.0.2.77:8080/"
    said = lab.kube.run(lab.caller, "fortio", "fortio", "load", "-n", "4", "-c", "1", "-json", "-", target)
    refused = json.loads(said[said.index("{") :])
    assert set(refused["RetCodes"]) <= {"-1", "502"}, refused["RetCodes"]
    assert refused["DurationHistogram"]["Max"] < 1, "it was tried, and waited for"
    counted = lab.kube.pod_get(lab.caller, STATISTICS_PORT, "stats/prometheus")
    assert 'cluster_name="PassthroughCluster"' not in counted
