"""Claims get folders the node keeps; one whose claim is gone is emptied, one in use never touched."""

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster.node import volumes
from localcluster.node.layout import STORAGE_CLASS, VOLUMES_DIR
from tests.node.harness import Cluster, eventually


class Server:
    """Volumes and their phases, and what was asked for them, in order."""

    def __init__(self, **phases: str) -> None:
        self.phases = dict.fromkeys(volumes.NAMES, "Available") | phases
        self.refuses: str | None = None
        self.asked: list[str] = []

    def list_volumes(self) -> dict[str, Any]:
        if self.refuses == "list":
            return {}
        return {
            "items": [
                {"metadata": {"name": name}, "status": {"phase": phase}}
                for name, phase in self.phases.items()
            ]
        }

    def delete_volumes(self, names: Sequence[str]) -> str:
        self.asked.append(f"delete {' '.join(names)}")
        if self.refuses == "delete":
            return "timed out waiting"
        for name in names:
            del self.phases[name]
        return ""

    def apply(self, text: str) -> str:
        names = [one["metadata"]["name"] for one in yaml.safe_load_all(text)]
        self.asked.append(f"apply {' '.join(names)}")
        if self.refuses == "apply":
            return "refused"
        self.phases |= dict.fromkeys(names, "Available")
        return ""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folders, each with data in it."""
    volumes.make_folders(tmp_path / "volumes")
    for name in volumes.NAMES:
        (tmp_path / "volumes" / name / "data").write_text(name)
    return tmp_path / "volumes"


def kept(root: Path) -> set[str]:
    return {folder.name for folder in root.iterdir() if (folder / "data").exists()}


def test_the_first_time_every_volume_is_made(tmp_path: Path) -> None:
    server = Server()
    server.phases = {}
    assert volumes.renew(tmp_path, server) == ""
    assert set(server.phases) == set(volumes.NAMES)
    assert len(volumes.NAMES) == 16
    assert {path.name for path in tmp_path.iterdir()} == set(volumes.NAMES)


def test_any_user_may_write_and_a_folder_that_is_there_is_left_alone(root: Path) -> None:
    folder = root / "volume-07"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777
    folder.chmod(0o700)
    volumes.make_folders(root)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / "data").read_text() == "volume-07"


@pytest.mark.parametrize("phase", ["Bound", "Available", "Pending", "Failed", ""])
def test_a_volume_in_any_other_phase_is_not_touched(root: Path, phase: str) -> None:
    server = Server(**{"volume-03": phase})
    assert volumes.renew(root, server) == ""
    assert server.asked == []
    assert kept(root) == set(volumes.NAMES)


def test_a_released_volume_is_empty_before_it_is_offered_again(root: Path) -> None:
    server = Server(**{"volume-03": "Released", "volume-04": "Bound"})
    (root / "volume-03" / "deep").mkdir(mode=0o500)
    (root / "volume-03" / "link").symlink_to(root / "volume-04")
    (root / "volume-03").chmod(0o700)

    assert volumes.renew(root, server) == ""

    assert server.asked == ["delete volume-03", "apply volume-03"]
    assert list((root / "volume-03").iterdir()) == []
    assert stat.S_IMODE((root / "volume-03").stat().st_mode) == 0o777
    assert kept(root) == set(volumes.NAMES) - {"volume-03"}


def test_without_a_list_nothing_is_taken_for_gone(root: Path) -> None:
    server = Server()
    server.refuses = "list"
    assert "does not list" in volumes.renew(root, server)
    assert server.asked == []
    assert kept(root) == set(volumes.NAMES)


def test_an_object_that_does_not_go_keeps_its_data(root: Path) -> None:
    server = Server(**{"volume-03": "Released"})
    server.refuses = "delete"
    assert volumes.renew(root, server) == "timed out waiting"
    assert kept(root) == set(volumes.NAMES)


def test_what_was_cut_off_is_finished_by_the_next(root: Path) -> None:
    server = Server(**{"volume-03": "Released"})
    server.refuses = "apply"
    assert volumes.renew(root, server) == "refused"
    (root / "volume-03" / "data").write_text("as if it had been cut off before the folder was emptied")
    server.refuses = None

    assert volumes.renew(root, server) == ""

    assert server.phases["volume-03"] == "Available"
    assert kept(root) == set(volumes.NAMES) - {"volume-03"}


def test_the_objects_are_of_the_default_class_and_name_their_folders() -> None:
    first, *others = yaml.safe_load_all(volumes.manifests(volumes.NAMES))
    assert len(others) == volumes.COUNT - 1
    assert first["spec"]["storageClassName"] == STORAGE_CLASS
    assert first["spec"]["hostPath"] == {"path": f"{VOLUMES_DIR}/volume-00", "type": "Directory"}
    assert first["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert first["spec"]["capacity"] == {"storage": "8Gi"}


# From here on a real node.

NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata:
  name: volumes
  labels: {pod-security.kubernetes.io/enforce: restricted}
"""
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {name}, namespace: volumes}}
spec:
  accessModes: [ReadWriteOnce]
  resources: {{requests: {{storage: 1Gi}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: volumes}}
spec:
  securityContext:
    runAsNonRoot: true
    runAsUser: {user}
    fsGroup: 10001
    seccompProfile: {{type: RuntimeDefault}}
  terminationGracePeriodSeconds: 0
  containers:
    - name: shell
      image: {image}
      imagePullPolicy: Never
      command: [sh, -c, "while :; do sleep 1000; done"]
      securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
      volumeMounts: [{{name: data, mountPath: /data}}]
  volumes:
    - name: data
      persistentVolumeClaim: {{claimName: {name}}}
"""


class Claimant:
    """A claim and the pod that has it, under the same name."""

    def __init__(self, cluster: Cluster, image: str, name: str) -> None:
        self._cluster = cluster
        self._image = image
        self.name = name

    def kubectl(self, *arguments: str, text: str = "") -> str:
        return self._cluster.kubectl("--namespace=volumes", *arguments, text=text)

    def apply(self, user: int = 10001) -> None:
        manifest = CLAIM.format(name=self.name, user=user, image=self._image)
        self.kubectl("apply", "--filename=-", text=manifest)
        self.kubectl("wait", f"pod/{self.name}", "--for=condition=Ready", "--timeout=60s")

    def run(self, script: str) -> str:
        return self.kubectl("exec", self.name, "--", "sh", "-c", script).strip()

    def volume(self) -> str:
        return self.kubectl("get", "pvc", self.name, "--output=jsonpath={.spec.volumeName}")

    def delete(self, *kinds: str) -> None:
        for kind in kinds:
            self.kubectl("delete", kind, self.name, "--ignore-not-found", "--timeout=60s")


def phase(cluster: Cluster, volume: str) -> str:
    return str(cluster.objects("pv", volume)["status"]["phase"])


@pytest.fixture
def claims(cluster: Cluster, shell_image: str) -> tuple[Claimant, Claimant]:
    cluster.kubectl("apply", "--filename=-", text=NAMESPACE)
    return Claimant(cluster, shell_image, "one"), Claimant(cluster, shell_image, "two")


@pytest.mark.node
def test_what_a_claim_holds_outlives_pod_and_node_and_goes_with_the_claim(
    cluster: Cluster, claims: tuple[Claimant, Claimant]
) -> None:
    one, two = claims
    one.apply()
    assert one.run("echo first >/data/file && cat /data/file") == "first"
    one.delete("pod")
    one.apply(user=20002)
    assert one.run("cat /data/file; echo second >/data/other") == "first"
    assert one.volume() in volumes.NAMES
    two.apply()
    assert two.volume() != one.volume()
    two.run("echo stays >/data/file")

    cluster.node.stop()
    cluster.start()
    assert eventually(lambda: one.run("cat /data/file /data/other") == "first\nsecond")

    freed = one.volume()
    one.delete("pod", "pvc")
    assert eventually(lambda: phase(cluster, freed) == "Released")
    assert (cluster.home / "var/lib/volumes" / freed / "file").exists()
    cluster.start()  # the node is healthy: nothing but the volume is touched
    assert eventually(lambda: phase(cluster, freed) == "Available")
    assert list((cluster.home / "var/lib/volumes" / freed).iterdir()) == []
    assert phase(cluster, two.volume()) == "Bound"
    assert two.run("cat /data/file") == "stays"

    one.apply()
    assert one.run("cd /data; echo *") == "*"
    two.delete("pod", "pvc")
    one.delete("pod", "pvc")


@pytest.mark.node
def test_every_volume_is_there_at_the_end_of_a_start(cluster: Cluster) -> None:
    found = {one["metadata"]["name"]: one["spec"] for one in cluster.objects("pv")["items"]}
    assert set(found) == set(volumes.NAMES)
    (default,) = cluster.objects("storageclass")["items"]
    assert default["metadata"]["name"] == STORAGE_CLASS
