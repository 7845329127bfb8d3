"""A changed password starts exactly the pods anew that use it, and they can log in with it."""

import json
import re
from pathlib import Path

import pytest
from lightkube.resources.core_v1 import Pod, Secret

from components.model.catalogue import BROKER_USER
from ops.errors import UserError
from ops.kube import Kube, PodRef, wait_for
from ops.paths import CHECKOUT
from tests.cluster.conftest import Running

NEW = "Aa1-another-password-of-a-test"
RUNS_PODS = {"Deployment", "StatefulSet", "Job"}
Changes = dict[tuple[str, str], str]  # by kind and logical name, what is done
STACK_FILE = CHECKOUT / "Pulumi.local.yaml"


@pytest.fixture
def config(running: Running, tmp_path: Path) -> Path:
    """A copy of the stack file, for secret values of a test's own."""
    del running  # the salt that encrypts them is the running stack's
    path = tmp_path / "rotated.yaml"
    path.write_text(STACK_FILE.read_text())
    return path


def pods(kube: Kube, namespace: str) -> dict[str, str]:
    """The pods that are there, by their uids, each with the service it belongs to."""
    found: dict[str, str] = {}
    for pod in kube.client.list(Pod, namespace=namespace):
        metadata = pod.metadata
        assert metadata is not None
        if metadata.deletionTimestamp is None:
            found[str(metadata.uid)] = str((metadata.labels or {})["app"])
    return found


def changes(running: Running, config: Path) -> Changes:
    """What a preview would do to what, by kind and logical name."""
    said = running.pulumi("preview", "--json", "--config-file", str(config)).stdout
    steps = json.loads(said[said.index("{") :])["steps"]
    found: Changes = {}
    for step in steps:
        kind, name = re.split("::", step["urn"])[-2:]
        if step["op"] not in {"same", "read"}:
            found[kind.rsplit(":", 1)[-1], name] = step["op"]
    return found


def readers(running: Running, name: str) -> set[tuple[str, str]]:
    """What runs pods that read a value, as the state says it now."""
    state = running.state()
    assert isinstance(state, list)
    return {
        (str(one["type"]).rsplit(":", 1)[-1], str(one["urn"]).rsplit("::", 1)[-1])
        for one in state
        if str(one["type"]).rsplit(":", 1)[-1] in RUNS_PODS
        and f'"key": "{name}"' in json.dumps(one["inputs"])
    }


def rotate(running: Running, kube: Kube, config: Path, name: str) -> Changes:
    """Changes a value: exactly those pods start anew that read it. Answers what was foreseen."""
    namespace = running.environment.settings.namespace
    expected = readers(running, name)
    running.pulumi("config", "set", "--secret", f"pitstop:{name}", NEW, "--config-file", str(config))
    foreseen = changes(running, config)
    assert {one for one in foreseen if one[0] in RUNS_PODS} == expected
    assert {kind for kind, _ in foreseen} <= RUNS_PODS | {"Secret", "Stack"}
    before = pods(kube, namespace)
    running.pulumi("up", "--yes", "--config-file", str(config))
    # A Deployment is done when its new pods serve; the last old one may still be about to go.
    started, kept = wait_for(
        "every pod of these services to be a new one", 60, lambda: renewed(before, pods(kube, namespace))
    )
    assert started == {app_of(name) for _, name in expected}
    assert kept == set(before.values()) - started
    assert NEW not in running.pulumi("stack", "export").stdout
    running.pulumi("preview", "--refresh", "--expect-no-changes", "--config-file", str(config))
    return foreseen


def renewed(before: dict[str, str], after: dict[str, str]) -> tuple[set[str], set[str]] | None:
    """The services with new pods and those with old ones; None while one has both."""
    started = {after[uid] for uid in after.keys() - before.keys()}
    kept = {after[uid] for uid in after.keys() & before.keys()}
    return None if started & kept else (started, kept)


def app_of(workload: str) -> str:
    return re.sub(r"-v\d+$", "", workload)


def broker(kube: Kube, namespace: str) -> PodRef:
    return wait_for(
        "the broker", 120, lambda: next(iter(kube.ready_pods(namespace, {"app": "rabbitmq"})), None)
    )


def held(kube: Kube, namespace: str, name: str, key: str) -> str | None:
    """A value of a Secret as it is in the cluster, encoded."""
    return (kube.client.get(Secret, name, namespace=namespace).data or {}).get(key)


def test_the_brokers_password(running: Running, config: Path) -> None:
    namespace = running.environment.settings.namespace
    try:
        with running.kube() as kube:
            old = held(kube, namespace, "rabbitmq", "rabbitmqPassword")
            rotate(running, kube, config, "rabbitmqPassword")
            assert held(kube, namespace, "rabbitmq", "rabbitmqPassword") != old
            pod = broker(kube, namespace)
            # Its volume has the user with the password before: only a start that changes it lets this in.
            kube.run(pod, "rabbitmq", "rabbitmqctl", "--quiet", "authenticate_user", BROKER_USER, NEW)
            with pytest.raises(UserError):
                kube.run(pod, "rabbitmq", "rabbitmqctl", "--quiet", "authenticate_user", BROKER_USER, "wrong")
            wait_for("every queue to have its consumer", 120, lambda: consumed(kube, pod))
    finally:
        running.pulumi("up", "--yes")


def consumed(kube: Kube, pod: PodRef) -> bool | None:
    said = kube.run(pod, "rabbitmq", "rabbitmqctl", "--quiet", "list_queues", "--formatter=json", "consumers")
    counts = [one["consumers"] for one in json.loads(said)]
    return (len(counts) == 4 and all(counts)) or None


def test_a_logins_password(running: Running, config: Path) -> None:
    try:
        with running.kube() as kube:
            foreseen = rotate(running, kube, config, "sqlCustomersPassword")
        kinds = {kind: done for (kind, _), done in foreseen.items()}
        assert kinds["Job"] in {"replace", "create-replacement", "delete-replaced"}
        assert kinds["Deployment"] == "update"
    finally:
        running.pulumi("up", "--yes")


def test_no_preview_shows_a_value(running: Running, config: Path) -> None:
    running.pulumi("config", "set", "--secret", "pitstop:seqPassword", NEW, "--config-file", str(config))
    shown = running.pulumi("preview", "--diff", "--config-file", str(config)).stdout
    assert "secret.pitstop.dev/seqPassword" in shown  # what changes is named
    assert NEW not in shown
