"""The mesh moves from one control plane to another and back, and requests go on being answered."""

from pathlib import Path

import pytest
import yaml
from lightkube.resources.core_v1 import Namespace, Pod

from ops.kube import Kube, wait_for
from ops.paths import CHECKOUT
from tests.cluster.conftest import Running
from tests.cluster.test_recovery import answers, embedded

SIDECAR = "istio-proxy"


def stack_file(folder: Path, revisions: list[str], live: str) -> Path:
    content = yaml.safe_load((CHECKOUT / "Pulumi.local.yaml").read_text())
    content["config"]["pitstop:mesh"] |= {"revisions": [{"name": name} for name in revisions], "live": live}
    path = folder / f"{'-'.join(revisions)}-{live}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def served_by(kube: Kube, namespace: str) -> set[str]:
    """The control planes the sidecars of a namespace ask."""
    found = set()
    for pod in kube.client.list(Pod, namespace=namespace):
        assert pod.spec is not None
        assert pod.metadata is not None
        ended = pod.status is not None and pod.status.phase in ("Succeeded", "Failed")
        gone = ended or pod.metadata.deletionTimestamp is not None
        proxies = [] if gone else [*pod.spec.containers, *(pod.spec.initContainers or [])]
        for container in proxies:
            if container.name == SIDECAR:
                found |= {str(one.value) for one in container.env or [] if one.name == "CA_ADDR"}
    return found


def wait_served_by(kube: Kube, namespace: str, address: str) -> None:
    """Deployments are ready before the last old pod has been told to end."""
    wait_for(f"every sidecar to ask {address}", 60, lambda: served_by(kube, namespace) == {address} or None)


def test_a_control_plane_is_followed_by_another(running: Running, tmp_path: Path) -> None:
    embedded(running)
    namespace = running.environment.settings.namespace
    first, second = "first", "second"
    steps = (stack_file(tmp_path, [first], first), stack_file(tmp_path, [first, second], second))
    try:
        for config, live in zip(steps, (first, second), strict=True):
            running.pulumi("up", "--yes", "--config-file", str(config))
            with running.kube() as kube:
                space = kube.client.get(Namespace, namespace)
                assert space.metadata is not None
                assert (space.metadata.labels or {})["istio.io/rev"] == live
                wait_served_by(kube, namespace, f"istiod-{live}.istio-system.svc:15012")
            assert answers(running)
        running.pulumi("preview", "--expect-no-changes", "--config-file", str(steps[1]))
    finally:
        running.pulumi("up", "--yes")
    with running.kube() as kube:
        wait_served_by(kube, namespace, "istiod.istio-system.svc:15012")
    assert answers(running)


@pytest.mark.parametrize("live", ["third"])
def test_a_live_revision_that_is_not_there(running: Running, tmp_path: Path, live: str) -> None:
    done = running.pulumi("preview", "--config-file", str(stack_file(tmp_path, ["first"], live)), check=False)
    assert done.returncode != 0
    assert 'pitstop:mesh.live = "third": must be one of the revisions' in " ".join(
        (done.stdout + done.stderr).split()
    )
