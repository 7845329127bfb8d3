"""What a run that was cut off leaves behind, and what Helm and Istio keep on purpose: found and removed."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

import httpx2
import psutil
from lightkube import ALL_NS, ApiError, Client

from components.model.istio import Release
from components.model.kubeconfig import Target
from components.model.naming import OWNER_LABEL
from ops.kinds import ConfigMap, Definition, Namespace, Secret
from ops.kube import answering, connection

SECONDS = 10.0
# Helm keeps one Secret for each revision of a release; these states are final, every other one means
# that somebody is at work on the release, or was killed.
SETTLED = {"deployed", "superseded", "failed", "uninstalled"}
# Helm leaves CRDs on purpose, because removing them removes everyone's objects, and istiod leaves what
# it put into every namespace.
CRD_RELEASE = "istio-base"
ISTIOD_CONFIG = {"istio.io/config": "true"}


def end_orphans(marker: str, value: str) -> list[int]:
    """Ends plugins whose engine was killed: they would go on writing to the cluster.

    A plugin is ours when its environment holds `marker` with `value`, and orphaned when no engine is its
    parent any more.
    """
    orphans = [
        process for process in psutil.process_iter(["name", "pid"]) if _orphaned(process, marker, value)
    ]
    family = {process for orphan in orphans for process in (orphan, *_children(orphan))}
    for process in family:
        _end(process)
    _, alive = psutil.wait_procs(family, timeout=SECONDS)
    for process in alive:
        process.kill()
    return sorted(process.pid for process in family)


def _orphaned(process: psutil.Process, marker: str, value: str) -> bool:
    try:
        if not process.name().startswith("pulumi-"):
            return False
        if process.environ().get(marker) != value:
            return False
        parent = process.parent()
        return parent is None or not parent.name().startswith("pulumi")
    except psutil.Error:
        return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _end(process: psutil.Process) -> None:
    try:
        process.terminate()
    except psutil.NoSuchProcess:
        return


def connect(target: Target) -> Client:
    """A client for one cluster.

    Raises:
        UserError: the kubeconfig cannot be used.
    """
    return Client(config=connection(target), timeout=httpx2.Timeout(SECONDS))


def _asked(client: Client, what: str) -> AbstractContextManager[None]:
    """A cluster that does not answer, or not any more, is one line."""
    config = client.config
    return answering(f"context {config.context_name} ({config.cluster.server})", what)


def forget_releases(client: Client, operations: Mapping[str, str], releases: Iterable[Release]) -> list[str]:
    """Takes Helm's record of a release that was cut off away, so that it can be installed or changed again.

    `operations` says, by release name, what was going on: creating, updating or deleting. What the release
    had already made stays; Helm takes it over, because it carries the release's name.
    """
    removed = []
    for release in releases:
        operation = operations.get(release.name)
        if not operation:
            continue
        with _asked(client, f"Helm's record of {release.name}"):
            for record in client.list(
                Secret, namespace=release.namespace, labels={"owner": "helm", "name": release.name}
            ):
                said = (record.metadata.labels if record.metadata else None) or {}
                if operation == "creating" or said.get("status") not in SETTLED:
                    name = str(record.metadata.name) if record.metadata else ""
                    client.delete(Secret, name, namespace=release.namespace)
                    removed.append(name)
    return removed


def other_owners(client: Client, owner: str) -> list[str]:
    """Other environments on the cluster, by the owner each of their namespaces names."""
    with _asked(client, "the owners of its namespaces"):
        spaces = list(client.list(Namespace))
    owners = {str((one.metadata.labels or {}).get(OWNER_LABEL, owner)) for one in spaces if one.metadata}
    return sorted(owners - {owner})


def remove_mesh_remains(client: Client) -> None:
    """Removes what outlives Istio's removal: its CRDs, and its root certificate in every namespace."""
    with _asked(client, "what Istio leaves"):
        for definition in list(client.list(Definition)):
            metadata = definition.metadata
            if metadata and (metadata.annotations or {}).get("meta.helm.sh/release-name") == CRD_RELEASE:
                with _absent_is_fine():
                    client.delete(Definition, str(metadata.name))
        for one in list(client.list(ConfigMap, namespace=ALL_NS, labels=dict(ISTIOD_CONFIG))):
            if one.metadata and str(one.metadata.name).startswith("istio-ca-"):
                with _absent_is_fine():
                    client.delete(ConfigMap, str(one.metadata.name), namespace=str(one.metadata.namespace))


@contextmanager
def _absent_is_fine() -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        if error.status.code != httpx2.codes.NOT_FOUND:
            raise
