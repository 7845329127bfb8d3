"""Only what is ours, and only what was cut off, is ended and removed."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

import psutil
import pytest
from lightkube import Client
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import Cluster, Context
from lightkube.generic_resource import GenericNamespacedResource

from components.model.istio import Release
from components.model.kubeconfig import Target
from ops import leftovers
from ops.errors import UserError

MARKER = "PITSTOP_OWNER"
RELEASES = (
    Release("istio-base", "base", "istio-system", {}),
    Release("istiod", "istiod", "istio-system", {}),
)


@contextmanager
def plugin(folder: Path, owner: str, parent: str) -> Iterator[int]:
    """What looks like a plugin, below a process of the given name; orphaned when `parent` is empty."""
    program, name = folder / "pulumi-resource-test", folder / (parent or "short")
    for link, target in ((program, "/bin/sleep"), (name, sys.executable)):
        if not link.exists():
            link.symlink_to(target)
    code = (
        "import subprocess, sys; "
        f"p = subprocess.Popen([{str(program)!r}, '60']); print(p.pid, flush=True); "
        f"p.wait() if {bool(parent)} else None"
    )
    with subprocess.Popen(
        [name, "-c", code], stdout=subprocess.PIPE, text=True, env={MARKER: owner}
    ) as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        process.stdout.close()
        if not parent:
            process.wait()
        try:
            yield pid
        finally:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()


def test_only_orphans_of_this_checkout_are_ended(tmp_path: Path) -> None:
    with (
        plugin(tmp_path, "me", "") as ours,
        plugin(tmp_path, "you", "") as another,
        plugin(tmp_path, "me", "pulumi") as working,
    ):
        assert leftovers.end_orphans(MARKER, "me") == [ours]
        assert psutil.pid_exists(another)
        assert psutil.pid_exists(working)
        assert leftovers.end_orphans(MARKER, "me") == []


class Records:
    """A cluster that has Helm's records."""

    config = SingleConfig("here", Context(cluster="c"), Cluster(server="https://cluster.example"))

    def __init__(self, *records: tuple[str, str, str]) -> None:
        self.records = records
        self.deleted: list[str] = []

    def list(
        self, _kind: object, *, namespace: str, labels: dict[str, str]
    ) -> list[GenericNamespacedResource]:
        assert labels["owner"] == "helm"
        assert namespace == "istio-system"
        return [
            GenericNamespacedResource.from_dict(
                {"metadata": {"name": f"{release}.{revision}", "labels": {"status": status}}}
            )
            for release, revision, status in self.records
            if release == labels["name"]
        ]

    def delete(self, _kind: object, name: str, *, namespace: str) -> None:
        assert namespace == "istio-system"
        self.deleted.append(name)


def forget(records: Records, **operations: str) -> list[str]:
    found = leftovers.forget_releases(cast(Client, records), operations, RELEASES)
    assert found == records.deleted
    return found


def test_a_release_whose_creation_was_cut_off_is_forgotten_whatever_helm_says() -> None:
    for status in ("pending-install", "deployed"):
        assert forget(Records(("istiod", "v1", status)), istiod="creating") == ["istiod.v1"]


def test_of_a_change_that_was_cut_off_only_the_unfinished_record_goes() -> None:
    records = Records(("istiod", "v1", "deployed"), ("istiod", "v2", "pending-upgrade"))
    assert forget(records, istiod="updating") == ["istiod.v2"]
    assert forget(Records(("istiod", "v1", "uninstalling")), istiod="deleting") == ["istiod.v1"]


def test_other_releases_and_other_resources_are_left_alone() -> None:
    assert forget(Records(("istio-base", "v1", "deployed")), istiod="creating") == []
    assert forget(Records(("istiod", "v1", "pending-install")), webapp="creating") == []


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (
            lambda client: leftovers.forget_releases(client, {"istiod": "creating"}, RELEASES),
            "Helm's record of istiod",
        ),
        (lambda client: leftovers.other_owners(client, "me"), "the owners of its namespaces"),
        (leftovers.remove_mesh_remains, "what Istio leaves"),
    ],
)
def test_a_cluster_that_does_not_answer_is_one_line(ask: Callable[[Client], object], what: str) -> None:
    server = "http://127.0.0.1:9"
    client = leftovers.connect(Target("test", "here", server, {"server": server}, {}))
    line = (
        rf"^context here \({server}\): the cluster does not answer \(.+\), asked for {what}; see that it runs"
    )
    with pytest.raises(UserError, match=line):
        ask(client)
