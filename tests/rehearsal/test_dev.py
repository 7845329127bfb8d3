"""Dev, whole, with pods that really run: the split is measured, and the add-on moves to its next revision.

The tests of this file are one story and run in their order.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lightkube.resources.core_v1 import Namespace, Pod

from ops.kube import Kube
from tests.cluster.test_revisions import wait_served_by
from tests.rehearsal.whole import Config, Whole, asking, possible
from tests.review.secrets_of_a_run import leaks_of_rehearsal

pytestmark = pytest.mark.rehearsal
OLD, NEW = "asm-1-27", "asm-1-28"


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    possible()
    whole = Whole("dev", "pods", tmp_path_factory.mktemp("dev"))
    whole.make("down", "--yes")
    yield whole
    whole.make("down", "--yes")


def _with(mesh: Config) -> Callable[[Config], None]:
    return lambda config: config.update({"pitstop:mesh": mesh})


def kube(whole: Whole) -> Kube:
    return Kube(whole.rehearsal.node.kubeconfig, None)


def test_it_comes_up_whole_and_the_split_is_measured(dev: Whole) -> None:
    said = dev.make("up", "--requests", "1000").stdout
    assert "reduced scale" in said
    assert "customermanagementapi" in said or "v2" in said
    with kube(dev) as cluster:
        pods = [*cluster.client.list(Pod, namespace=dev.settings.namespace)]
        nodes = {pod.spec.nodeName for pod in pods if pod.spec}
    assert len(nodes) == 1, "pods run on the one real node"


def test_the_next_update_finds_nothing_to_do(dev: Whole) -> None:
    dev.pulumi("up", "--yes", "--skip-preview", "--refresh", "--expect-no-changes")


def test_nothing_shows_a_secret_value(dev: Whole, tmp_path: Path) -> None:
    assert leaks_of_rehearsal(dev, tmp_path / "scratch") == []


def test_a_canary_upgrade_of_the_add_on_is_hitless(dev: Whole) -> None:
    """Both revisions, then the pods move, then the old one goes; requests run all the time."""
    port = dev.rehearsal.node.status().http_port
    namespace, (host, *_) = dev.settings.namespace, dev.settings.ingress.hosts

    def mesh(revisions: list[str], live: str) -> Config:
        return {"kind": "addon", "revisions": revisions, "live": live}

    steps = [mesh([OLD, NEW], OLD), mesh([OLD, NEW], NEW), mesh([NEW], NEW)]
    with asking(f"http://127.0.0.1:{port}/CustomerManagement", host) as answers:
        for number, step in enumerate(steps):
            file = dev.stack_file(str(number), _with(step))
            dev.pulumi("up", "--yes", "--skip-preview", config=file)
            with kube(dev) as cluster:
                wait_served_by(cluster, namespace, f"istiod-{step['live']}.aks-istio-system.svc:15012")
    with kube(dev) as cluster:
        space = cluster.client.get(Namespace, namespace)
        assert space.metadata is not None
        assert (space.metadata.labels or {})["istio.io/rev"] == NEW
        assert not cluster.ready_pods("aks-istio-system", {"istio.io/rev": OLD})
    assert answers["200"] > 50
    assert set(answers) == {"200"}, dict(answers)


def test_destroyed_it_leaves_nothing(dev: Whole) -> None:
    dev.pulumi("destroy", "--yes", "--skip-preview")
    assert dev.made() == {}
    assert not dev.rehearsal.node.exists()
