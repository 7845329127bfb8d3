"""The Kubernetes API as the commands use it: a typed client, and requests to a pod's own ports."""

import json
import queue
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

import httpx2
from httpx2.websockets import WebSocketDisconnect, WebSocketNetworkError, WebSocketSession
from lightkube import ApiError, Client, KubeConfig
from lightkube.config import client_adapter
from lightkube.core.exceptions import ConfigError
from lightkube.models.core_v1 import Pod as PodModel
from lightkube.resources.core_v1 import Pod

from components.model.naming import KUBECONFIG_VARIABLE
from ops.errors import UserError

TIMEOUT_SECONDS = 10.0
# A cluster that is changing answers with these for a while.
PASSING_ERRORS = (ApiError, httpx2.HTTPError)

Found = TypeVar("Found")


EXEC_PROTOCOL = "v5.channel.k8s.io"
EXEC_SECONDS = 30.0
OUTPUT_CHANNEL, ERROR_CHANNEL, STATUS_CHANNEL = 1, 2, 3


class PodRef(NamedTuple):
    """Which pod."""

    namespace: str
    name: str


class Kube:
    """One cluster. Use as a context manager; connections close at its end."""

    def __init__(self, kubeconfig: Path, context: str | None = None) -> None:
        """Read the kubeconfig; nothing is sent yet.

        Raises:
            UserError: there is no such file or context.
        """
        try:
            config = KubeConfig.from_file(kubeconfig).get(context)
        except ConfigError as error:
            raise UserError(
                f"kubeconfig {kubeconfig}: {error}; valid: another cluster.path in the stack file, "
                f"or {KUBECONFIG_VARIABLE}=PATH#CONTEXT"
            ) from None
        if config is None:
            raise UserError(f"kubeconfig {kubeconfig}: no context is chosen, e.g. {kubeconfig}#kind-x")
        self._name = f"{kubeconfig}#{config.context_name}"
        self.context = config.context_name
        self.client = Client(config=config)
        timeout = httpx2.Timeout(TIMEOUT_SECONDS)
        self._http = client_adapter.Client(config, client_adapter.ConnectionParams(timeout=timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._http.close()

    def version(self) -> str:
        """The version of the API server, e.g. `v1.36.3`; also the way to ask whether it is there.

        Raises:
            UserError: it does not answer, or does not let us in.
        """
        try:
            answer = self._http.get("/version")
            answer.raise_for_status()
        except httpx2.HTTPError as error:
            raise UserError(
                f"kubeconfig {self._name}: the cluster does not answer ({error or type(error).__name__})"
            ) from error
        return str(answer.json()["gitVersion"])

    def ready_pods(self, namespace: str, labels: Mapping[str, str]) -> tuple[PodRef, ...]:
        """The pods with these labels that serve and have not been told to end."""
        pods = self.client.list(Pod, namespace=namespace, labels=dict(labels))
        names = [pod.metadata.name for pod in pods if pod.metadata and pod.metadata.name and is_ready(pod)]
        return tuple(PodRef(namespace, name) for name in sorted(names))

    def pod_get(self, pod: PodRef, port: int, path: str, timeout: float = TIMEOUT_SECONDS) -> str:
        """GET from a port of a pod, through the API server; no route to the pod is needed.

        Raises:
            httpx2.HTTPError: the pod, or the API server, did not answer with success in `timeout` seconds.
        """
        url = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}:{port}/proxy/{path.lstrip('/')}"
        answer = self._http.get(url, timeout=timeout)
        answer.raise_for_status()
        return answer.text

    def run(self, pod: PodRef, container: str, *command: str) -> str:
        """Standard output of a command in a container.

        Raises:
            UserError: it fails, or takes over 30 s.
        """
        asked: list[tuple[str, str | int | float | bool | None]] = [("command", part) for part in command]
        asked += [("container", container), ("stdout", True), ("stderr", True)]
        url = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/exec"
        with self._http.websocket(url, params=asked, subprotocols=[EXEC_PROTOCOL]) as socket:
            said = _until_closed(socket)
        status = json.loads(said[STATUS_CHANNEL] or b"{}")
        if status.get("status") != "Success":
            reason = said[ERROR_CHANNEL].decode(errors="replace").strip() or status.get("message", "cut off")
            raise UserError(
                f"{command[0]} in pod {pod.name} failed ({status.get('message')}): {reason[-300:]}"
            )
        return said[OUTPUT_CHANNEL].decode(errors="replace")

    def log(self, pod: PodRef, container: str, seconds: int) -> tuple[str, ...]:
        """The lines a container logged in the last `seconds`."""
        return tuple(
            self.client.log(
                pod.name, namespace=pod.namespace, container=container, since=seconds, newlines=False
            )
        )


def _until_closed(socket: WebSocketSession) -> dict[int, bytes]:
    """What came in each channel, until the server ends the connection.

    To its very end: a thread of the library still reads when a connection is closed from this side, and
    would then read from whichever connection gets the same file descriptor next. Seen as TLS errors,
    "bad record mac" and "wrong version number", of requests that had nothing to do with it.
    """
    said = {OUTPUT_CHANNEL: b"", ERROR_CHANNEL: b"", STATUS_CHANNEL: b""}
    deadline = time.monotonic() + EXEC_SECONDS
    while True:
        try:
            message = socket.receive_bytes(timeout=max(0.0, deadline - time.monotonic()))
        except (WebSocketDisconnect, WebSocketNetworkError):
            return said
        except queue.Empty:
            raise UserError(f"the command did not end in {EXEC_SECONDS:.0f} s") from None
        if message and message[0] in said:
            said[message[0]] += message[1:]


def is_ready(pod: PodModel) -> bool:
    """Whether a pod serves and has not been told to end."""
    if pod.metadata is None or pod.metadata.deletionTimestamp is not None or pod.status is None:
        return False
    return any(
        condition.type == "Ready" and condition.status == "True" for condition in pod.status.conditions or []
    )


def wait_for(what: str, seconds: float, look: Callable[[], Found | None], pause: float = 0.5) -> Found:
    """Look until there is something, for at most `seconds`; errors of the API count as nothing yet.

    Raises:
        UserError: it did not happen; says what was waited for, and the last error.
    """
    deadline = time.monotonic() + seconds
    while True:
        reason = ""
        try:
            found = look()
        except PASSING_ERRORS as error:
            found, reason = None, f": {error}"
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise UserError(f"waited {seconds:.0f} s for {what}{reason}")
        time.sleep(pause)
