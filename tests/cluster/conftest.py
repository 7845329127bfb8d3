"""The environment of this checkout, brought up once for all tests here and left as it was found."""

import json
import secrets
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from lightkube.types import CascadeType

from localcluster import images
from localcluster.node.select import decide, look
from localcluster.tools import toolbox
from ops import clusters
from ops.environment import Environment
from ops.errors import UserError
from ops.kube import Kube, PodRef, wait_for
from ops.measure import load_job
from ops.paths import CHECKOUT
from ops.progress import Progress
from tests.cluster.lab import Lab, running_lab


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(900, func_only=True))


def pitstop(*arguments: str, cwd: Path = CHECKOUT, check: bool = True) -> subprocess.CompletedProcess[str]:
    """The project's own command, as a person calls it."""
    done = subprocess.run([cwd / "pitstop", *arguments], cwd=cwd, text=True, capture_output=True, check=False)
    if check and done.returncode:
        pytest.fail(
            f"./pitstop {shlex.join(arguments)}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
    return done


@dataclass(frozen=True)
class Running:
    """A running environment, and a plain shell beside it."""

    environment: Environment
    cluster: clusters.Cluster
    variables: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.cluster.http_port}"

    def kube(self) -> Kube:
        return Kube(self.cluster.kubeconfig, self.cluster.context)

    def pulumi(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The ordinary CLI in a shell that has evaluated `make -s env`."""
        command = ["pulumi", *arguments, "--non-interactive"]
        done = subprocess.run(
            command, cwd=CHECKOUT, env=self.variables, text=True, capture_output=True, check=False
        )
        if check and done.returncode:
            pytest.fail(f"{shlex.join(command)}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def state(self) -> object:
        """The resources in the stack's state."""
        return json.loads(self.pulumi("stack", "export").stdout)["deployment"].get("resources", [])


def variables_of(checkout: Path = CHECKOUT) -> dict[str, str]:
    """What a shell has after `eval "$(make -s env)"`."""
    script = 'eval "$(./pitstop env)" && env -0'
    done = subprocess.run(["bash", "-c", script], cwd=checkout, text=True, capture_output=True, check=True)
    return dict(entry.split("=", 1) for entry in done.stdout.split("\0") if "=" in entry)


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    try:
        choice = decide(look())
    except UserError as reason:
        pytest.skip(str(reason))
    found = clusters.running(choice)
    pitstop("up", "--yes", "--requests", "400")
    environment = Environment.read("local")
    yield Running(environment, clusters.current(environment.choice), variables_of())
    if not found:
        pitstop("down", "--yes")


@pytest.fixture(scope="module")
def lab(running: Running) -> Iterator[Lab]:
    """The small environment whose policies tests change, one for each module."""
    kubectl = toolbox.ensure(("kubectl",), Progress()).path("kubectl")
    with running.kube() as kube, running_lab(kube, kubectl, running.cluster.kubeconfig) as made:
        yield made


@pytest.fixture(scope="module")
def caller(running: Running) -> Iterator[tuple[Kube, PodRef]]:
    """A pod that calls with the webapp's identity, and the way to it."""
    namespace, name = running.environment.settings.namespace, f"caller-{secrets.token_hex(3)}"
    with running.kube() as kube:
        job = load_job(name, namespace, images.fortio(), "webapp")
        kube.client.create(job)
        try:
            yield (
                kube,
                wait_for(
                    "the caller", 90, lambda: next(iter(kube.ready_pods(namespace, {"job-name": name})), None)
                ),
            )
        finally:
            kube.client.delete(
                type(job), name, namespace=namespace, cascade=CascadeType.BACKGROUND, grace_period=0
            )
