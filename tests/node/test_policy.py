"""Network policies are enforced between pods, and nothing else is touched."""

import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from localcluster.node.embedded import EmbeddedNode
from localcluster.node.layout import API_PORT, DNS_IP, KUBERNETES_SERVICE_IP, NODE_IP
from localcluster.node.machine import Machine
from localcluster.node.policy import obstacle
from localcluster.node.services import GIVES_UP
from localcluster.node.state import Tools
from ops.progress import Progress
from tests.node.harness import Cluster, eventually

PORT = 7005
NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata: {{name: {name}, labels: {{name: {name}}}}}
---
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: webapp
      image: pitstop.local/standin/webapp:1.0
      ports: [{{name: http, containerPort: 7005}}]
      readinessProbe: {{httpGet: {{path: /hc, port: 7005}}, periodSeconds: 1}}
---
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: server, namespace: guarded}
spec: {selector: {app: server}, ports: [{port: 80, targetPort: 7005}]}
"""
WORLD = (
    "".join(NAMESPACE.format(name=name) for name in ("guarded", "free"))
    + "".join(POD.format(name=name, namespace="guarded") for name in ("server", "friend", "stranger"))
    + "".join(POD.format(name=name, namespace="free") for name in ("one", "other"))
    + SERVICE
)
POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}, namespace: guarded}}
spec: {spec}
"""
DENY_INGRESS = "{podSelector: {}, policyTypes: [Ingress]}"
ALLOW_FRIEND = """
{podSelector: {matchLabels: {app: server}}, policyTypes: [Ingress],
 ingress: [{from: [{podSelector: {matchLabels: {app: friend}}}], ports: [{port: 7005}]}]}
"""
ALLOW_FREE = """
{podSelector: {matchLabels: {app: server}}, policyTypes: [Ingress],
 ingress: [{from: [{namespaceSelector: {matchLabels: {name: free}}, podSelector: {matchLabels: {app: one}}}],
            ports: [{port: http}]}]}
"""
DENY_EGRESS = "{podSelector: {matchLabels: {app: friend}}, policyTypes: [Egress]}"
ALLOW_DNS = """
{podSelector: {matchLabels: {app: friend}}, policyTypes: [Egress],
 egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}},
                 podSelector: {matchLabels: {k8s-app: kube-dns}}}],
           ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}]}
"""
ALLOW_API = f"""
{{podSelector: {{matchLabels: {{app: friend}}}}, policyTypes: [Egress],
 egress: [{{to: [{{ipBlock: {{cidr: {NODE_IP}/32}}}}], ports: [{{port: {API_PORT}}}]}}]}}
"""
NOBODY = """
apiVersion: v1
kind: Service
metadata: {name: nobody, namespace: free}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
"""
CONNECT = """
import socket, sys
socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2).close()
"""
# Ends well when the connection is refused at once.
REFUSED = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1)
except ConnectionRefusedError:
    sys.exit()
sys.exit("not refused")
"""
# Asks for the address of kubernetes.default; ends well when the answer has one.
RESOLVE = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
    asking.settimeout(2)
    asking.connect((sys.argv[1], 53))
    asking.send(bytes.fromhex(sys.argv[2]))
    sys.exit(socket.inet_aton(sys.argv[3]) not in asking.recv(512))
"""


class World:
    """Pods in a namespace with policies and in one without, and what reaches what."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._addresses: dict[str, str] = {}

    def apply(self, **policies: str) -> None:
        for name, spec in policies.items():
            text = POLICY.format(name=name.replace("_", "-"), spec=" ".join(spec.split()))
            self.cluster.kubectl("apply", "--filename=-", text=text)

    def address(self, pod: str) -> str:
        namespace, _, name = pod.partition("/")
        found = self.cluster.objects("pod", name, f"--namespace={namespace}")["status"]["podIP"]
        return str(found)

    def service(self, service: str) -> str:
        namespace, _, name = service.partition("/")
        return str(self.cluster.objects("service", name, f"--namespace={namespace}")["spec"]["clusterIP"])

    def refused(self, source: str, address: str, port: int) -> bool:
        """Whether a pod is told at once that nobody answers there."""
        return self._inside(source, REFUSED, address, str(port))

    def reaches(self, source: str, target: str, port: int = PORT) -> bool:
        """Whether a pod gets a connection to a pod (`namespace/name`) or an address."""
        address = self.address(target) if "/" in target else target
        return self._inside(source, CONNECT, address, str(port))

    def resolves(self, source: str) -> bool:
        """Whether a pod gets an answer from the cluster's DNS."""
        labels = ("kubernetes", "default", "svc", "cluster", "local")
        name = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
        query = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1)
        return self._inside(source, RESOLVE, DNS_IP, query.hex(), KUBERNETES_SERVICE_IP)

    def _inside(self, pod: str, script: str, *arguments: str) -> bool:
        """Whether a script ends well in the network of a pod, with its address and its rules."""
        find = (
            'for one in /run/netns/*; do case "$(nsenter --net=$one ip -4 -o address)" in '
            f'*" {self.address(pod)}/"*) echo $one ;; esac; done'
        )
        namespace = self.cluster.node.run("sh", "-c", find).strip()
        assert namespace.startswith("/run/netns/"), f"{pod} has no network"
        root = f"/proc/{self.cluster.node.status().pid}/root"
        command = ["nsenter", f"--net={root}{namespace}", sys.executable, "-c", script, *arguments]
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0

    def ready(self, pod: str) -> bool:
        namespace, _, name = pod.partition("/")
        conditions = self.cluster.objects("pod", name, f"--namespace={namespace}")["status"]["conditions"]
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def wait(self, namespace: str) -> None:
        wait = ("wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s")
        self.cluster.kubectl(*wait, f"--namespace={namespace}")


@pytest.fixture(scope="module")
def pods(cluster: Cluster) -> Iterator[World]:
    cluster.kubectl("apply", "--filename=-", text=WORLD)
    made = World(cluster)
    for namespace in ("guarded", "free"):
        made.wait(namespace)
    yield made
    cluster.kubectl("delete", "namespace", "guarded", "free", "--timeout=60s")


@pytest.fixture
def world(pods: World) -> Iterator[World]:
    """Everything reaches everything when a test begins, which shows that policies are undone too."""
    pods.cluster.kubectl("delete", "networkpolicy", "--all", "--namespace=guarded")
    for source in ("guarded/friend", "guarded/stranger", "free/one"):
        assert eventually(lambda source=source: pods.reaches(source, "guarded/server"), 10)  # type: ignore[misc]
    assert pods.resolves("guarded/friend")
    yield pods
    assert pods.reaches("free/one", "free/other")
    assert pods.resolves("free/one")


@pytest.mark.node
def test_default_deny_refuses_what_worked_and_a_label_lets_exactly_one_in(world: World) -> None:
    world.apply(deny=DENY_INGRESS)
    assert eventually(lambda: not world.reaches("guarded/stranger", "guarded/server"), 10)
    assert not world.reaches("guarded/friend", "guarded/server")
    assert not world.reaches("free/one", "guarded/server")
    assert not world.reaches("guarded/stranger", world.service("guarded/server"), 80)
    assert world.reaches("guarded/stranger", "free/one")

    world.apply(friend=ALLOW_FRIEND)
    assert eventually(lambda: world.reaches("guarded/friend", "guarded/server"), 10)
    assert world.reaches("guarded/friend", world.service("guarded/server"), 80)
    assert not world.reaches("guarded/stranger", "guarded/server")
    assert not world.reaches("guarded/friend", "guarded/stranger")
    assert not world.reaches("free/one", "guarded/server")

    world.apply(friend=ALLOW_FREE)
    assert eventually(lambda: world.reaches("free/one", "guarded/server"), 10)
    assert not world.reaches("free/other", "guarded/server")
    assert not world.reaches("guarded/friend", "guarded/server")


@pytest.mark.node
def test_the_node_itself_reaches_guarded_pods(world: World) -> None:
    """Probes of the kubelet, requests the API server forwards, and what comes in over the node's port."""
    world.apply(deny=DENY_INGRESS)
    assert eventually(lambda: not world.reaches("guarded/stranger", "guarded/server"), 10)

    proxied = f"/api/v1/namespaces/guarded/pods/server:{PORT}/proxy/hc"
    assert world.cluster.kubectl("get", "--raw", proxied)
    world.cluster.kubectl("delete", "pod", "server", "--namespace=guarded")
    world.cluster.kubectl("apply", "--filename=-", text=POD.format(name="server", namespace="guarded"))
    assert eventually(lambda: world.ready("guarded/server"), 30)
    assert eventually(lambda: not world.reaches("guarded/stranger", "guarded/server"), 10)
    assert world.cluster.answers()


@pytest.mark.node
@pytest.mark.parametrize("policies", [{}, {"deny": DENY_INGRESS}])
def test_a_service_that_nobody_serves_is_refused_at_once(world: World, policies: dict[str, str]) -> None:
    """As on a node without policies: kube-proxy's rules still say so, before and after rules are written."""
    world.cluster.kubectl("apply", "--filename=-", text=NOBODY)
    world.apply(**policies)
    for source in ("free/one", "guarded/stranger"):
        assert eventually(lambda source=source: world.refused(source, world.service("free/nobody"), 80), 10)  # type: ignore[misc]
    served = world.service("guarded/server")
    assert eventually(lambda: world.refused("free/one", served, 80) is bool(policies), 10)
    assert world.cluster.node.run("cat", "/proc/sys/net/ipv4/conf/all/route_localnet") == "0\n"


@pytest.mark.node
def test_denied_egress_is_refused_and_dns_can_be_allowed_alone(world: World) -> None:
    assert world.reaches("guarded/friend", KUBERNETES_SERVICE_IP, 443)
    world.apply(deny=DENY_EGRESS)
    assert eventually(lambda: not world.reaches("guarded/friend", "guarded/server"), 10)
    assert not world.reaches("guarded/friend", "free/one")
    assert not world.reaches("guarded/friend", KUBERNETES_SERVICE_IP, 443)
    assert not world.resolves("guarded/friend")
    assert world.reaches("guarded/stranger", "guarded/server")
    assert world.reaches("guarded/stranger", "guarded/friend")

    world.apply(dns=ALLOW_DNS)
    assert eventually(lambda: world.resolves("guarded/friend"), 10)
    assert not world.reaches("guarded/friend", "guarded/server")
    assert not world.reaches("guarded/friend", KUBERNETES_SERVICE_IP, 443)

    world.apply(api=ALLOW_API)
    assert eventually(lambda: world.reaches("guarded/friend", KUBERNETES_SERVICE_IP, 443), 10)
    assert not world.reaches("guarded/friend", "free/one")


@pytest.mark.node
def test_policies_hold_while_their_process_is_gone_and_after_a_reboot(world: World) -> None:
    world.apply(deny=DENY_INGRESS, friend=ALLOW_FRIEND)
    assert eventually(lambda: not world.reaches("guarded/stranger", "guarded/server"), 10)
    down = "s6-svc -wD -T 5000 -d /run/service/network-policy"
    world.cluster.node.run("sh", "-c", down)
    assert not world.reaches("guarded/stranger", "guarded/server")
    assert world.reaches("guarded/friend", "guarded/server")

    world.cluster.node.stop()
    world.cluster.start()
    for namespace in ("guarded", "free"):
        world.wait(namespace)
    assert eventually(lambda: not world.reaches("guarded/stranger", "guarded/server"), 10)
    assert eventually(lambda: world.reaches("guarded/friend", "guarded/server"), 10)


def check(cluster: Cluster, before: str) -> subprocess.CompletedProcess[str]:
    """The agent's own check, with a folder of programs that are found before all others."""
    path = f"PATH={before}:/node/bin:/run/bin:/usr/sbin:/usr/bin"
    return cluster.node._machine.run("env", path, "network-policy", "--check")


@pytest.mark.node
def test_the_check_names_what_the_kernel_refuses_and_leaves_nothing(cluster: Cluster) -> None:
    good = check(cluster, "/nowhere")
    assert (good.returncode, good.stderr) == (0, "")
    refusing = (
        "mkdir -p /run/refusing && cd /run/refusing && "
        "printf '#!/bin/sh\\necho no chain or target >&2\\nexit 1\\n' >iptables-restore && "
        "printf '#!/bin/sh\\necho the kernel has no sets >&2\\nexit 1\\n' >ipset && chmod +x *"
    )
    cluster.node.run("sh", "-c", refusing)
    bad = check(cluster, "/run/refusing")
    assert bad.returncode == GIVES_UP
    assert bad.stderr.splitlines() == ["ipset: exit status 1 (the kernel has no sets)"]
    cluster.node.run("rm", "/run/refusing/ipset")
    bad = check(cluster, "/run/refusing")
    assert bad.returncode == GIVES_UP
    assert "no chain or target" in bad.stderr
    cluster.node.run("rm", "-r", "/run/refusing")
    rules = cluster.node.run("iptables-save") + cluster.node.run("ipset", "list", "-name")
    assert "PROBE" not in rules


REFUSING = f"""#!/bin/sh
echo 'ipset: exit status 1 (the kernel has no sets)' >&2
exit {GIVES_UP}
"""


class Without(Tools):
    """The tools, with an agent of network policies that finds a kernel it cannot work on."""

    def __init__(self, tools: Tools, folder: Path) -> None:
        self._tools = tools
        self._agent = folder / "network-policy"
        self._agent.write_text(REFUSING)
        self._agent.chmod(0o755)

    def path(self, name: str) -> Path:
        return self._agent if name == "network-policy" else self._tools.path(name)


class Notes(Progress):
    """Remembers what a person is told."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.node
def test_a_node_whose_kernel_cannot_enforce_comes_up_and_says_so(
    tools: Tools, homes: Path, tmp_path: Path
) -> None:
    node, told = EmbeddedNode(homes / "without"), Notes()
    try:
        node.start(Without(tools, tmp_path), told)
        said = "NetworkPolicy is not enforced by this node: ipset: exit status 1 (the kernel has no sets)"
        assert told.notes == [said]

        def settled() -> bool:
            states = {one.name: one.up for one in node.status().services}
            return [name for name, up in states.items() if not up] == ["network-policy"]

        assert eventually(settled, 20)
        began = {one.name: one.restarts for one in node.status().services}["network-policy"]
        assert began <= 1
    finally:
        node.destroy()


class Answering(Machine):
    """A machine whose programs all end the same way."""

    def __init__(self, status: int, said: str) -> None:
        self._answer = subprocess.CompletedProcess[str]((), status, "", said)

    def run(
        self, *command: str, stdin: IO[bytes] | int = subprocess.DEVNULL, timeout: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        del command, stdin, timeout
        return self._answer


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (0, "", ""),
        (GIVES_UP, "ipset: no such file\n", "ipset: no such file"),
        (1, "one\ntwo\n", "two"),
        (1, "", "no reason given"),
    ],
)
def test_an_obstacle_is_the_last_line_that_was_said(status: int, said: str, expected: str) -> None:
    assert obstacle(Answering(status, said)) == expected
