"""A node under test and what the tests ask of it."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localcluster.node.embedded import EmbeddedNode
from localcluster.node.state import Tools
from ops.progress import Progress

WEBAPP = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: webapp, namespace: default}
spec:
  selector: {matchLabels: {app: webapp}}
  template:
    metadata: {labels: {app: webapp}}
    spec:
      containers:
        - name: webapp
          image: pitstop.local/standin/webapp:1.0
          readinessProbe: {httpGet: {path: /hc, port: 7005}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: webapp, namespace: default}
spec:
  type: NodePort
  selector: {app: webapp}
  ports: [{port: 7005, nodePort: 30080}]
"""


class Cluster:
    """A node under test and what a test asks of it."""

    def __init__(self, node: EmbeddedNode, tools: Tools, archives: tuple[Path, ...]) -> None:
        self.node = node
        self.tools = tools
        self.archives = archives

    @property
    def home(self) -> Path:
        """The folder the node keeps, on this machine."""
        return self.node._state.home

    def start(self) -> None:
        self.node.start(self.tools, Progress(), self.archives)

    def kubectl(self, *arguments: str, text: str = "") -> str:
        command = [str(self.tools.path("kubectl")), f"--kubeconfig={self.node.kubeconfig}", *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def objects(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "--output=json"))
        return found

    def answers(self) -> bool:
        """Whether the stand-in answers over the loopback port of the ingress."""
        try:
            address = f"http://127.0.0.1:{self.node.status().http_port}/hc"
            with urllib.request.urlopen(address, timeout=3) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def eventually(check: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether `check` holds within the given time."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
