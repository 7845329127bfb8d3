"""The few questions a starting node is asked, over the way everybody else will use: loopback."""

import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from localcluster.node import files
from localcluster.node.layout import NODE_NAME
from localcluster.node.state import State

PAUSE_SECONDS = 0.2
CALL_SECONDS = 30.0
DELETE_SECONDS = 20.0
# Our own objects: the schema that a validation would fetch is the slowest part of it.
APPLY = ("apply", "--server-side", "--force-conflicts", "--validate=false", "--filename=-")

JsonObject = dict[str, Any]
"""What the API server sends; only this module looks into it."""


class Client:
    """Talks to the API server of one node; `alive` in its waits ends them when the node does."""

    def __init__(self, kubectl: Path, state: State) -> None:
        self._kubectl = kubectl
        self._state = state

    def wait_api(self, timeout: float, alive: Callable[[], bool]) -> bool:
        """Whether the API server answers that it is ready, within `timeout` seconds."""
        return _wait(timeout, alive, self._api_ready)

    def wait_ready(self, timeout: float, since: float, alive: Callable[[], bool]) -> bool:
        """Whether API server and node are ready; a report of the node from before `since` does not count."""
        return self.wait_api(timeout, alive) and _wait(timeout, alive, lambda: self._node_ready(since))

    def wait_dns(self, timeout: float, alive: Callable[[], bool]) -> bool:
        """Whether names are resolved: nothing in a cluster starts without."""
        return _wait(
            timeout, alive, lambda: serves(self._get("deployment", "coredns", "--namespace=kube-system"))
        )

    def wait_metrics(self, timeout: float, alive: Callable[[], bool]) -> bool:
        """Whether the metrics API answers: while it does not, no namespace can be removed."""
        return _wait(
            timeout,
            alive,
            lambda: (
                _condition(self._get("apiservice", "v1beta1.metrics.k8s.io"), "Available").get("status")
                == "True"
            ),
        )

    def wait_pods(self, timeout: float, since: float, alive: Callable[[], bool]) -> bool:
        """Whether every pod that was there before `since` is ready again, within `timeout` seconds."""
        return _wait(timeout, alive, lambda: are_back(self._get("pods", "--all-namespaces"), since))

    def apply_addons(self, timeout: float, alive: Callable[[], bool]) -> str:
        """Apply what every node has; why it could not be done within `timeout` seconds, or nothing.

        The administrator gets its rights here, so another identity applies it.
        """
        kubeconfig = self._state.kubernetes / "super-admin.conf"
        said = [""]

        def applied() -> bool:
            status, _, said[0] = self._run(kubeconfig, *APPLY, text=files.addons())
            return status == 0

        return "" if _wait(timeout, alive, applied) else said[0]

    def list_volumes(self) -> JsonObject:
        """Every PersistentVolume; no `items` where the server gives none."""
        return self._get("persistentvolumes")

    def delete_volumes(self, names: Sequence[str]) -> str:
        """Delete PersistentVolumes and wait until they are gone; why that failed, or nothing."""
        if not names:
            return ""
        delete = ("delete", "persistentvolume", "--ignore-not-found", f"--timeout={DELETE_SECONDS:.0f}s")
        status, _, said = self._run(self._state.kubeconfig, *delete, *names)
        return said if status else ""

    def apply(self, text: str) -> str:
        """Apply objects of the node's own; why that failed, or nothing."""
        status, _, said = self._run(self._state.kubeconfig, *APPLY, text=text)
        return said if status else ""

    def _server(self) -> str:
        record = self._state.record()
        return f"https://127.0.0.1:{record.api_port if record else 0}"

    def _api_ready(self) -> bool:
        try:
            trust = ssl.create_default_context(cafile=self._state.kubernetes / "pki" / "ca.crt")
            with urllib.request.urlopen(f"{self._server()}/readyz", timeout=5, context=trust) as answer:  # noqa: S310  # always https
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError, ssl.SSLError):
            return False

    def _node_ready(self, since: float) -> bool:
        return is_ready(self._get("node", NODE_NAME), since)

    def _get(self, *what: str) -> JsonObject:
        """An object or a list; empty where the server gives none."""
        status, output, _ = self._run(self._state.kubeconfig, "get", *what, "--output=json")
        answer: JsonObject = json.loads(output) if status == 0 else {}
        return answer

    def _run(self, kubeconfig: Path, *arguments: str, text: str = "") -> tuple[int, str, str]:
        """Status, output and errors of kubectl; one that does not end has failed like any other."""
        command = [str(self._kubectl), f"--kubeconfig={kubeconfig}", f"--server={self._server()}", *arguments]
        try:
            done = subprocess.run(
                command, input=text, capture_output=True, text=True, check=False, timeout=CALL_SECONDS
            )
        except subprocess.TimeoutExpired:
            return 1, "", f"no answer in {CALL_SECONDS:.0f} s"
        return done.returncode, done.stdout, done.stderr.strip()


def is_ready(node: JsonObject, since: float) -> bool:
    """Whether a Node says Ready in a report made after `since`; its times are whole seconds."""
    ready = _condition(node, "Ready")
    return ready.get("status") == "True" and _time(ready["lastHeartbeatTime"]) >= int(since)


def serves(deployment: JsonObject) -> bool:
    """Whether a Deployment has a ready pod of its newest template."""
    status, metadata = deployment.get("status", {}), deployment.get("metadata", {})
    if "generation" not in metadata or status.get("observedGeneration") != metadata["generation"]:
        return False
    return bool(status.get("readyReplicas", 0) and status.get("updatedReplicas", 0))


def are_back(pods: JsonObject, since: float) -> bool:
    """Whether each pod of a list is ready in containers begun after `since`, or ends or has ended for good.

    Until the kubelet has looked, the API server repeats what was true before the reboot: hence the times.
    """
    return "items" in pods and all(_is_back(pod, since) for pod in pods["items"])


def _is_back(pod: JsonObject, since: float) -> bool:
    if pod.get("spec", {}).get("nodeName", NODE_NAME) != NODE_NAME:
        return True  # on a node without a machine, which has not been away
    if "deletionTimestamp" in pod["metadata"] or pod["status"].get("phase") in {"Succeeded", "Failed"}:
        return True
    containers = pod["status"].get("containerStatuses", [])
    begun = [one.get("state", {}).get("running", {}).get("startedAt") for one in containers]
    return (
        bool(begun)
        and all(start is not None and _time(start) >= int(since) for start in begun)
        and _condition(pod, "Ready").get("status") == "True"
    )


def _condition(thing: JsonObject, kind: str) -> JsonObject:
    conditions = thing.get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == kind), {})


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _wait(timeout: float, alive: Callable[[], bool], check: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + timeout
    while not check():
        if time.monotonic() > deadline or not alive():
            return False
        time.sleep(PAUSE_SECONDS)
    return True
