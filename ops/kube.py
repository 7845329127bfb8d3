"""The Kubernetes API as the commands use it: a typed client, and requests to a pod's own ports."""

import json
import queue
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple, Self, TypeVar, cast

import httpx2
from httpx2.websockets import WebSocketDisconnect, WebSocketNetworkError, WebSocketSession
from lightkube import ApiError, Client, KubeConfig
from lightkube.config import client_adapter
from lightkube.config.kubeconfig import SingleConfig
from lightkube.core.exceptions import ConfigError
from lightkube.models.core_v1 import Pod as PodModel
from lightkube.resources.core_v1 import Pod

from components.model.kubeconfig import Target, read
from ops.errors import UserError

TIMEOUT_SECONDS = 10.0
# A cluster that is changing answers with these for a while, and so does what a kubeconfig calls for a token.
PASSING_ERRORS = (ApiError, httpx2.HTTPError, ConfigError)

Found = TypeVar("Found")


EXEC_PROTOCOL = "v5.channel.k8s.io"
EXEC_SECONDS = 30.0
OUTPUT_CHANNEL, ERROR_CHANNEL, STATUS_CHANNEL = 1, 2, 3


class PodRef(NamedTuple):
    """Which pod."""

    namespace: str
    name: str


def connection(target: Target) -> SingleConfig:
    """How the library reaches a cluster; what of its certificates and programs is missing is found here.

    Raises:
        UserError: the kubeconfig cannot be used.
    """
    asks = target.user.get("exec")
    program = asks.get("command") if isinstance(asks, Mapping) else None
    if program and not shutil.which(str(program)):
        raise UserError(f"{target.said_by}: context {target.context} calls {program}, which is not on PATH")
    try:
        # None only where no context is the current one, and a target's is.
        config = cast(SingleConfig, KubeConfig.from_dict(target.kubeconfig()).get())
        client_adapter.Client(config, client_adapter.ConnectionParams()).close()
    except (ConfigError, OSError, ValueError, TypeError) as error:
        raise UserError(f"{target.said_by}: context {target.context} cannot be used ({error})") from None
    return config


@contextmanager
def answering(cluster: str, what: str) -> Iterator[None]:
    """A cluster that does not answer is one line: which, what it was asked for, and what to do.

    Raises:
        UserError: it does not answer, or does not let us in.
    """
    try:
        yield
    except (*PASSING_ERRORS, OSError, ValueError) as error:
        reason = error if str(error) else type(error).__name__
        raise UserError(
            f"{cluster}: the cluster does not answer ({reason}), asked for {what}; "
            "see that it runs and lets you in, then run the same command again"
        ) from error


class Kube:
    """One cluster. Use as a context manager; connections close at its end."""

    def __init__(self, kubeconfig: Path, context: str | None = None) -> None:
        """Read the kubeconfig; nothing is sent yet.

        Raises:
            UserError: it cannot be used, or has no such context.
        """
        config = connection(read(kubeconfig, context or "", f"kubeconfig {kubeconfig}"))
        self.context = config.context_name
        self._name = f"kubeconfig {kubeconfig}#{self.context}"
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
        with self.answering("its version"):
            answer = self._http.get("/version")
            answer.raise_for_status()
            return str(answer.json()["gitVersion"])

    def answering(self, what: str) -> AbstractContextManager[None]:
        """For what is asked once: errors that pass are not waited out, but told.

        Raises:
            UserError: as `answering` of the module.
        """
        return answering(self._name, what)

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
