"""A scaler scales: pods are measured, more come with work, and an update leaves their number alone."""

from pathlib import Path
from urllib.parse import urlencode

import yaml
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler

from components.model import naming
from ops.kube import Kube, PodRef, wait_for
from ops.measure import LOAD_PORT
from ops.paths import CHECKOUT
from tests.cluster.conftest import Running

API = "customermanagementapi"
CPU = "40m"  # a pod that starts takes a quarter of it, one that answers these requests more than all
PERCENT = 50
RATE = 500  # requests a second
SECONDS = 150  # of load at most: a scaler looks every 15 seconds at what was measured every 15


def stack_file(folder: Path) -> Path:
    content = yaml.safe_load((CHECKOUT / "Pulumi.local.yaml").read_text())
    scaling = {"kind": "cpu", "min": 1, "max": 2, "percent": PERCENT}
    content["config"]["pitstop:services"][API]["versions"]["v1"] = {
        "resources": {"cpu": CPU},
        "scaling": scaling,
    }
    path = folder / "scaling.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def measured(kube: Kube, namespace: str) -> int | None:
    """Percent of what its pods ask for, as the scaler knows it."""
    status = kube.client.get(HorizontalPodAutoscaler, naming.workload(API, "v1"), namespace=namespace).status
    for metric in (status.currentMetrics or []) if status else []:
        if metric.containerResource:
            return metric.containerResource.current.averageUtilization
    return None


def pods(kube: Kube, namespace: str) -> int:
    status = kube.client.get(Deployment, naming.workload(API, "v1"), namespace=namespace).status
    return (status.readyReplicas or 0) if status else 0


def test_more_pods_come_with_work_and_an_update_leaves_them(
    running: Running, caller: tuple[Kube, PodRef], tmp_path: Path
) -> None:
    (kube, pod), namespace = caller, running.environment.settings.namespace
    config = stack_file(tmp_path)
    load = {
        "url": f"http://{naming.host(API, namespace)}:5100/api/customers",
        "t": f"{SECONDS}s",
        "c": "8",
        "qps": str(RATE),
        "async": "on",
    }
    try:
        running.pulumi("up", "--yes", "--config-file", str(config))
        quiet = wait_for("the pods to be measured", 120, lambda: measured(kube, namespace))
        assert quiet < PERCENT
        assert pods(kube, namespace) == 1
        kube.pod_get(pod, LOAD_PORT, f"fortio/rest/run?{urlencode(load)}")
        wait_for("a second pod", SECONDS, lambda: pods(kube, namespace) == 2 or None)
        running.pulumi("up", "--yes", "--expect-no-changes", "--config-file", str(config))
        assert pods(kube, namespace) == 2
    finally:
        # A scaler goes at the end of an update: busy, it would have its way once more in the middle of it.
        kube.pod_get(pod, LOAD_PORT, "fortio/rest/stop")
        wait_for("the work to end", 120, lambda: (measured(kube, namespace) or 0) < PERCENT or None)
        running.pulumi("up", "--yes")
    assert pods(kube, namespace) == 1
    running.pulumi("preview", "--expect-no-changes")
