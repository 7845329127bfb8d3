"""RabbitMQ's image on a node of its own, under the rules every pod of Pitstop runs by."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster import images
from localcluster.node import rootfs, select
from localcluster.node.embedded import EmbeddedNode
from localcluster.node.layout import TOOLS
from localcluster.tools import charts, toolbox
from ops.errors import UserError
from ops.paths import cache_root
from ops.progress import Progress
from tests.node.harness import Cluster, eventually

pytestmark = [pytest.mark.node, pytest.mark.timeout(900, func_only=True)]
MANIFESTS = Path(__file__).with_name("broker.yaml")
DATA = "/var/lib/kubelet/rabbitmq"


class Broker:
    """RabbitMQ in a cluster, and a pod beside it that asks."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def kubectl(self, *arguments: str, text: str = "") -> str:
        return self.cluster.kubectl("--namespace=broker", *arguments, text=text)

    def ctl(self, *arguments: str) -> str:
        return self.kubectl("exec", "rabbitmq-0", "--", "rabbitmqctl", "--quiet", *arguments)

    def sh(self, script: str) -> str:
        return self.kubectl("exec", "client", "--container=client", "--", "sh", "-c", script).strip()

    def ready(self) -> None:
        self.kubectl("rollout", "status", "statefulset/rabbitmq", "--timeout=100s")

    def fetch(self, path: str, user: str = "") -> str:
        """What the management API answers, or that it refuses."""
        login = f"--header 'Authorization: Basic {base64.b64encode(user.encode()).decode()}'"
        return self.sh(f"wget -qO- {login} http://rabbitmq:{path} 2>&1 || true")

    def opens(self, port: int) -> bool:
        address = self.kubectl("get", "pod", "rabbitmq-0", "--output=jsonpath={.status.podIP}")
        return self.sh(f"timeout 2 nc {address} {port} </dev/null >/dev/null 2>&1; echo $?") == "0"


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    try:
        choice = select.decide(select.look())
    except UserError as error:
        pytest.skip(str(error))
    if not isinstance(choice, select.Embedded):
        pytest.skip("another cluster was named")
    progress = Progress()
    programs = toolbox.ensure((*images.TOOLS, *TOOLS, "kubeadm"), progress)
    archive = images.ensure(programs, rootfs.ensure(progress), charts.istio_file(images.BOOTSTRAP), progress)
    cluster = Cluster(EmbeddedNode(cache_root() / "tests" / f"rabbitmq-{os.getpid()}"), programs, (archive,))
    try:
        cluster.start()
        cluster.node.run("mkdir", "-p", DATA)
        cluster.kubectl("apply", "--filename=-", text=MANIFESTS.read_text())
        made = Broker(cluster)
        made.ready()
        made.kubectl("wait", "pod/client", "--for=condition=Ready", "--timeout=60s")
        yield made
    finally:
        cluster.node.destroy()


def test_the_given_user_and_no_other_gets_in(broker: Broker) -> None:
    assert '"product_name":"RabbitMQ"' in broker.fetch("15672/api/overview", "rabbitmquser:right")
    for wrong in ("rabbitmquser:wrong", "guest:guest"):
        assert "401" in broker.fetch("15672/api/overview", wrong)


def test_metrics_are_there_without_a_password(broker: Broker) -> None:
    assert 'rabbitmq_version="3' in broker.fetch("15692/metrics")


def test_waiting_ends_at_an_answer_and_at_nothing_less(broker: Broker) -> None:
    probe = "printf 'AMQP\\0\\0\\11\\1' | timeout 3 nc {} | head -c 1 | od -An -tx1 | grep -q 01; echo $?"
    server = "nc -l -p 7777 -e {} >/dev/null 2>&1 & sleep 1;"
    for before, address, expected in (
        ("", "rabbitmq 5672", "0"),
        ("", "rabbitmq 15672", "1"),  # answers, with something else
        ("", "127.0.0.1 7777", "1"),  # nobody there
        (server.format("sleep 5"), "127.0.0.1 7777", "1"),  # says nothing
        (server.format("true"), "127.0.0.1 7777", "1"),  # hangs up at once
        (server.format("printf '\\1'"), "127.0.0.1 7777", "0"),  # the three above listen indeed
    ):
        assert broker.sh(before + probe.format(address)).splitlines()[-1] == expected, before + address


def test_what_nodes_say_to_each_other_stays_in_the_pod(broker: Broker) -> None:
    assert broker.opens(5672)
    assert not broker.opens(4369)
    assert not broker.opens(25672)


def test_its_settings_and_its_logs_are_where_they_should_be(broker: Broker) -> None:
    assert "300MB" in broker.ctl("environment")
    assert "Server startup complete" in broker.kubectl("logs", "rabbitmq-0")


def test_data_and_users_outlive_the_pod_and_it_ends_in_order(broker: Broker) -> None:
    broker.ctl("add_vhost", "kept")
    before = broker.kubectl("get", "pod", "rabbitmq-0", "--output=jsonpath={.metadata.uid}")
    broker.kubectl("exec", "rabbitmq-0", "--", "sh", "-c", "kill -TERM 1")
    state = "--output=jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}"
    assert eventually(lambda: broker.kubectl("get", "pod", "rabbitmq-0", state) == "0", 60)
    said = broker.kubectl("logs", "rabbitmq-0", "--previous")
    assert "SIGTERM received - shutting down" in said
    assert "stopped TCP listener" in said
    broker.ready()
    broker.kubectl("delete", "pod", "rabbitmq-0")
    broker.ready()
    assert broker.kubectl("get", "pod", "rabbitmq-0", "--output=jsonpath={.metadata.uid}") != before
    assert "kept" in broker.ctl("list_vhosts")
    assert "never-there" not in broker.ctl("list_vhosts")
    assert '"product_name":"RabbitMQ"' in broker.fetch("15672/api/overview", "rabbitmquser:right")
