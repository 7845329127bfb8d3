"""Prod, whole: previewed from nothing, made in spite of a failure, repaired, grown, protected, gone.

The tests of this file are one story and run in their order; user pools are pretended nodes.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from lightkube.resources.core_v1 import Node

from components.model.checks import plan_for
from localcluster.azure import faults, state
from localcluster.tools import charts, toolbox
from ops.errors import UserError
from ops.kube import Kube
from ops.progress import Progress
from ops.stack import Needs, Stack
from tests.rehearsal.whole import Config, Whole, possible
from tests.review.secrets_of_a_run import leaks_of_rehearsal

pytestmark = pytest.mark.rehearsal
POOL = "containerservice:AgentPool"
ZONE = "topology.kubernetes.io/zone"
CLUSTER = "containerservice:ManagedCluster"


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    possible()
    whole = Whole("prod", "1", tmp_path_factory.mktemp("prod"))
    whole.make("down", "--yes")
    yield whole
    whole.make("down", "--yes")


def expected(whole: Whole) -> Counter[str]:
    """What the plan registers, by type; components and providers are not in it."""
    plan = plan_for(whole.settings, "somebody")
    assert plan.azure is not None
    found = Counter(f"azure-native:{one.token}" for one in plan.azure.resources)
    for one in plan.objects():
        group = one.api_version if "/" in one.api_version else f"core/{one.api_version}"
        found[f"kubernetes:{group}:{one.kind}"] += 1
    found["kubernetes:core/v1:Secret"] += len([*plan.secrets()])
    found["kubernetes:helm.sh/v3:Release"] += len(plan.mesh.releases) if plan.mesh else 0
    return found


def test_the_first_preview_lists_every_object_before_there_is_a_cluster(prod: Whole) -> None:
    prod.make("preview")
    steps = json.loads(prod.pulumi("preview", "--json").stdout)["steps"]
    assert {step["op"] for step in steps} == {"create"}
    types = Counter(str(step["urn"]).split("::")[2].rpartition("$")[2] for step in steps)
    listed = {kind: count for kind, count in types.items() if not kind.startswith(("pitstop:", "pulumi:"))}
    assert listed == {kind: count for kind, count in expected(prod).items() if count}
    assert prod.made() == {}


def test_a_failure_half_way_says_what_and_the_next_update_goes_on(prod: Whole) -> None:
    bad_day = prod.folder / "faults.json"
    bad_day.write_text(json.dumps([{"token": POOL, "kind": "quota", "times": 1}]))
    failed = prod.pulumi("up", "--yes", "--skip-preview", check=False, more={faults.VARIABLE: str(bad_day)})
    assert failed.returncode != 0
    assert "InsufficientVCPUQuota" in failed.stdout + failed.stderr
    assert CLUSTER in prod.made().values()
    assert POOL not in prod.made().values()
    said = prod.make("up")
    assert "nothing here is Azure" in said.stdout + said.stderr
    assert POOL in prod.made().values()


def test_the_next_update_finds_nothing_to_do(prod: Whole) -> None:
    prod.pulumi("up", "--yes", "--skip-preview", "--refresh", "--expect-no-changes")


def test_nothing_shows_a_secret_value(prod: Whole, tmp_path: Path) -> None:
    assert leaks_of_rehearsal(prod, tmp_path / "scratch") == []


def test_pods_are_where_the_pools_are(prod: Whole) -> None:
    with Kube(prod.rehearsal.node.kubeconfig, None) as kube:
        pods = kube.ready_pods(prod.settings.namespace, {"app": "webapp"})
        nodes = [*kube.client.list(Node, labels={"agentpool": "apps"})]
    zones = {((node.metadata and node.metadata.labels) or {})[ZONE] for node in nodes}
    assert len(pods) == 3
    assert zones == {"westeurope-1", "westeurope-2", "westeurope-3"}


def test_drift_is_seen_and_repaired(prod: Whole) -> None:
    cluster, look = prod.one(CLUSTER), ("refresh", "--preview-only", "--expect-no-changes")
    prod.pulumi(*look)
    opened = {"apiServerAccessProfile.authorizedIPRanges": ["192.0.2.0/24"]}
    state.drift(prod.rehearsal.folder, cluster, opened)
    seen = prod.pulumi(*look, check=False)
    assert seen.returncode != 0
    assert "ManagedCluster" in seen.stdout
    prod.pulumi("up", "--yes", "--skip-preview", "--refresh")
    prod.pulumi(*look)


def test_four_pools_are_four_and_go_again(prod: Whole) -> None:
    def grown(config: Config) -> None:
        for name in ("batch", "memory", "spot"):
            config["pitstop:cluster"]["pools"][name] = {"vmSize": "Standard_D2ds_v5", "min": 1, "max": 2}

    four = prod.stack_file("four", grown)
    prod.pulumi("up", "--yes", "--skip-preview", config=four)
    assert Counter(prod.made().values())[POOL] == 4
    prod.pulumi("up", "--yes", "--skip-preview")
    assert Counter(prod.made().values())[POOL] == 1


def test_a_replaced_cluster_is_seen_in_the_preview_and_refused(prod: Whole) -> None:
    def moved(config: Config) -> None:
        config["pitstop:cluster"]["network"] = {"podCidr": "10.200.0.0/16"}

    other = prod.stack_file("moved", moved)
    refused = prod.pulumi("up", "--yes", "--skip-preview", config=other, check=False)
    assert refused.returncode != 0
    assert "unable to replace resource" in refused.stdout + refused.stderr
    assert CLUSTER in prod.made().values()


def test_what_is_protected_is_not_destroyed(prod: Whole) -> None:
    before = prod.made()
    tools = toolbox.ensure(("engine",), Progress())
    stack = Stack(prod.name, Needs(tools, charts.ensure(Progress()), rehearsal=prod.rehearsal))
    with pytest.raises(UserError, match=r"protected are .*ManagedCluster cluster.*; nothing was removed"):
        stack.destroy()
    assert prod.made() == before


def test_unprotected_all_of_it_goes(prod: Whole) -> None:
    def unprotected(config: Config) -> None:
        config["pitstop:guardrails"]["production"] = False  # which asks for protection
        config["pitstop:azure"]["protect"] = False
        config["pitstop:storage"]["retain"] = False

    free = prod.stack_file("free", unprotected)
    prod.pulumi("up", "--yes", "--skip-preview", config=free)
    prod.pulumi("destroy", "--yes", "--skip-preview", config=free)
    assert prod.made() == {}
    assert not prod.rehearsal.node.exists()
