"""A vault's values become the Secrets that pods read, and pods wait until they have."""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from components.model import keeper
from components.model.checks import capacity
from components.model.keeper import KeeperPlan
from components.model.manifests import Document
from components.model.naming import DATABASE_INIT
from components.model.plan import Plan
from tests.model.azure import AKS, FULL, TENANT
from tests.model.examples import CANARY, Node, items, objects, pick, plan, raw, settings

VAULT: Node = {"azure.vault": {}, "secrets": {"kind": "vault"}, "cluster.addons.vault": {}}
VERSION = "0f3c6b1e2a594d7f8b0c1d2e3f405162"
PINNED: Node = {
    **VAULT,
    "secrets": {"kind": "vault", "values": "external", "versions": {"rabbitmqPassword": VERSION}},
}
CERTIFIED: Node = {
    "azure.vault": {},
    "cluster.addons.vault": {},
    "ingress.hosts": ["pitstop.example.org"],
    "ingress.tls": {"kind": "vault", "certificate": "pitstop-example-org"},
}


def kept(changes: Node, base: Node = AKS) -> KeeperPlan:
    found = plan(changes, base).keeper
    assert found is not None
    return found


def asked_for(source: Document) -> list[dict[str, str]]:
    """The objects that the driver's Azure half is told to mount, read as it reads them."""
    text = pick(source, "spec", "parameters", "objects")
    assert isinstance(text, str)
    return [yaml.safe_load(one) for one in yaml.safe_load(text)["array"]]


def references(environment: Plan) -> set[tuple[str, str]]:
    """The keys of Secrets that any pod's variables are filled from."""
    text = json.dumps([one.document() for one in environment.objects()])
    return set(re.findall(r'"secretKeyRef": \{"name": "([^"]+)", "key": "([^"]+)"\}', text))


@pytest.mark.parametrize("base", [CANARY, AKS, FULL], ids=["canary", "aks", "full"])
def test_without_a_vault_there_is_none_and_the_secrets_are_registered(base: Node) -> None:
    environment = plan(base=base)
    assert environment.keepers() == ()
    assert {(one.name, key) for one in environment.secrets() for key in one.holds} >= references(environment)


@pytest.mark.parametrize("base", [AKS, FULL], ids=["aks", "full"])
def test_the_secrets_made_from_the_vault_are_those_that_pods_read(base: Node) -> None:
    environment = plan(VAULT, base)
    source = kept(VAULT, base).source.document()
    made = {
        (str(one["secretName"]), str(entry["key"]))
        for one in items(source, "spec", "secretObjects")
        for entry in items(one, "data")
    }
    assert made == references(environment)
    assert (DATABASE_INIT, "sqlPassword") in made
    assert list(environment.secrets()) == []  # two owners of a Secret would fight
    mounted = {one["objectName"] for one in asked_for(source)}
    assert mounted == {
        str(entry["objectName"])
        for one in items(source, "spec", "secretObjects")
        for entry in items(one, "data")
    }


def test_every_object_is_read_as_a_secret_of_the_environments_vault_by_the_reader() -> None:
    source = kept(VAULT).source.document()
    assert {one["objectType"] for one in asked_for(source)} == {"secret"}
    parameters = pick(source, "spec", "parameters")
    assert isinstance(parameters, dict)
    assert parameters["clientID"] == "${azure:vault-reader:clientId}"
    assert parameters["tenantId"] == TENANT
    assert str(parameters["keyvaultName"]).startswith("kv-test-")
    assert all(isinstance(value, str) for value in parameters.values())


def test_values_of_configuration_are_put_into_the_vault_and_those_of_others_are_not_asked_for() -> None:
    environment = plan(VAULT, AKS)
    assert environment.azure is not None
    put = {one.inputs["secretName"] for one in environment.azure.resources if one.token.endswith(":Secret")}
    assert put == set(keeper.kept(settings(VAULT, AKS))) == set(environment.secrets_needed())
    theirs = plan(PINNED, AKS)
    assert theirs.azure is not None
    assert [one for one in theirs.azure.resources if one.token.endswith(":Secret")] == []
    assert theirs.secrets_needed() == ()
    assert theirs.versions_needed() == environment.versions_needed() == ()


# --- versions -----------------------------------------------------------------------------------------


def versions(document: Document) -> dict[str, str]:
    prefix = "secret.pitstop.dev/"
    found = pick(document, "spec", "template", "metadata", "annotations")
    assert isinstance(found, dict)
    return {key.removeprefix(prefix): str(text) for key, text in found.items() if key.startswith(prefix)}


def test_pods_and_their_keeper_start_anew_with_the_vaults_own_versions() -> None:
    environment = plan(VAULT, AKS)
    place = "${azure:vault-secret-rabbitmqPassword:properties.secretUriWithVersion}"
    assert versions(objects(environment, "StatefulSet")["rabbitmq"]) == {"rabbitmqPassword": place}
    assert versions(kept(VAULT).deployment.document())["rabbitmqPassword"] == place


def test_versions_of_somebody_elses_values_are_those_of_the_stack_file() -> None:
    environment = plan(PINNED, AKS)
    assert versions(objects(environment, "StatefulSet")["rabbitmq"]) == {"rabbitmqPassword": VERSION}
    assert versions(objects(environment, "StatefulSet")["sqlserver"]) == {"sqlPassword": "latest"}
    mounted = {
        one["objectName"]: one.get("objectVersion") for one in asked_for(kept(PINNED).source.document())
    }
    assert mounted["rabbitmqPassword"] == VERSION
    assert set(mounted.values()) == {VERSION, None}  # without one, the driver takes the newest


def test_another_version_starts_exactly_its_readers_and_the_keeper_anew() -> None:
    other = raw({"secrets.versions.rabbitmqPassword": VERSION[::-1]}, raw(PINNED, AKS))
    before, after = plan(PINNED, AKS), plan(base=other)
    changed = {
        one.name
        for one, new in zip(before.objects(), after.objects(), strict=True)
        if one.kind in {"Deployment", "StatefulSet", "Job"} and one.document() != new.document()
    }
    readers = {load.service.name for load in before.workloads if load.service.broker} | {"rabbitmq"}
    assert {name.removesuffix("-v1").removesuffix("-v2") for name in changed} == readers | {keeper.KEEPER}


# --- the keeper's pod ---------------------------------------------------------------------------------


def test_the_keeper_is_no_part_of_the_mesh_and_is_never_gone_with_one_node() -> None:
    deployment = kept(VAULT).deployment.document()
    assert pick(deployment, "spec", "template", "metadata", "labels", "sidecar.istio.io/inject") == "false"
    assert pick(deployment, "spec", "replicas") == keeper.REPLICAS >= 2
    assert len(items(deployment, "spec", "template", "spec", "topologySpreadConstraints")) == 2
    # The driver needs five seconds to note that a new pod needs a Secret, which goes with the last that did.
    seconds = pick(deployment, "spec", "minReadySeconds")
    assert isinstance(seconds, int)
    assert seconds > 5


def test_it_starts_anew_when_there_is_something_else_to_mount() -> None:
    few = kept(VAULT, raw({"services": {"rabbitmq": {}}}, AKS)).deployment.document()
    path = ("spec", "template", "metadata", "annotations", "pitstop.dev/config")
    assert pick(few, *path) != pick(kept(VAULT).deployment.document(), *path)


def test_its_pods_count() -> None:
    without = capacity.needed(settings({"secrets": {"kind": "configuration"}}, AKS))
    with_it = capacity.needed(settings(VAULT, AKS))
    assert with_it.pods == without.pods + keeper.REPLICAS + 1
    assert with_it.memory == without.memory + (keeper.REPLICAS + 1) * 16


def run_pairs(folder: Path, *pairs: str) -> subprocess.Popen[str]:
    """The keeper's own script on folders of the test's."""
    text = keeper.COMPARE.replace("sleep 5", "sleep 0.1")
    for path in (keeper.MOUNTED, keeper.SYNCED, keeper.AGREES):
        text = text.replace(path, f"{folder}{path}")
    return subprocess.Popen(["sh", "-c", text, "sh", *pairs], stdout=subprocess.PIPE, text=True)


def eventually(path: Path, *, there: bool) -> bool:
    deadline = time.monotonic() + 10
    while path.exists() != there:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_it_is_ready_while_the_secrets_are_what_the_vault_has(tmp_path: Path) -> None:
    ready = tmp_path / "state" / "agrees"
    write(ready, "")  # left by a container before
    write(tmp_path / "vault" / "word", "new")
    write(tmp_path / "synced" / "webapp" / "word", "old")
    process = run_pairs(tmp_path, "word=webapp/word")
    try:
        assert eventually(ready, there=False)
        write(tmp_path / "synced" / "webapp" / "word", "new")
        assert eventually(ready, there=True)
        write(tmp_path / "vault" / "word", "newer")
        assert eventually(ready, there=False)
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=10)
    assert process.returncode == 0  # it ends when it is told to, and need not be killed
    assert "not yet what the vault has: webapp/word" in said


def test_it_looks_at_every_value_of_every_secret() -> None:
    deployment = kept(VAULT).deployment.document()
    pairs = pick(deployment, "spec", "template", "spec", "containers", 0, "args")
    assert isinstance(pairs, list)
    compared = {tuple(str(pair).partition("=")[2].split("/")) for pair in pairs}
    assert compared == references(plan(VAULT, AKS))
    sources = items(
        next(
            one for one in items(deployment, "spec", "template", "spec", "volumes") if one["name"] == "synced"
        ),
        "projected",
        "sources",
    )
    paths = {str(entry["path"]) for one in sources for entry in items(one, "secret", "items")}
    assert paths == {"/".join(pair) for pair in compared}


# --- the gateway's certificate ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mesh", "namespace"),
    [
        ({"kind": "helm"}, "istio-ingress"),
        ({"kind": "addon", "revisions": ["asm-1-27"]}, "aks-istio-ingress"),
    ],
    ids=["helm", "addon"],
)
def test_a_certificate_is_kept_beside_the_gateways_pods(mesh: Node, namespace: str) -> None:
    environment = plan({**CERTIFIED, "mesh": mesh}, AKS)
    (entry,) = environment.entries
    assert entry.keeper is not None
    assert {one.namespace for one in entry.keeper.objects()} == {namespace}
    (made,) = items(entry.keeper.source.document(), "spec", "secretObjects")
    assert made["type"] == "kubernetes.io/tls"
    assert made["data"] == [
        {"objectName": "pitstop-example-org", "key": "tls.crt"},
        {"objectName": "pitstop-example-org", "key": "tls.key"},
    ]
    servers = items(entry.gateway.document(), "spec", "servers")
    named = {pick(one, "tls", "credentialName") for one in servers if "credentialName" in str(one)}
    assert named == {made["secretName"]}
    assert entry.certificate is None
    assert environment.keeper is None  # the passwords come from configuration as before


def test_nobody_speaks_to_what_holds_the_certificate() -> None:
    """The environment's own namespace refuses everything that is not allowed; the gateway's does not."""
    environment = plan({**VAULT, **CERTIFIED}, AKS)
    (entry,) = environment.entries
    assert entry.keeper is not None
    (policy,) = entry.keeper.network
    labels = pick(entry.keeper.deployment.document(), "spec", "template", "metadata", "labels")
    assert policy.document()["spec"] == {
        "podSelector": {"matchLabels": {"app": pick(labels, "app")}},
        "policyTypes": ["Ingress", "Egress"],
    }
    assert environment.keeper is not None
    assert environment.keeper.network == ()
    assert "default-deny" in objects(environment, "NetworkPolicy")


def test_another_version_of_a_certificate_starts_no_pod_anew() -> None:
    (entry,) = plan(CERTIFIED, AKS).entries
    assert entry.keeper is not None
    assert versions(entry.keeper.deployment.document()) == {}
    container = items(entry.keeper.deployment.document(), "spec", "template", "spec", "containers")[0]
    assert container["args"] == []  # its halves are no files of the vault's


def test_names_fit_however_long_the_namespace_is() -> None:
    both = {**VAULT, **CERTIFIED, "namespace": "n" * 63}
    for one in plan(both, AKS).keepers():
        for manifest in one.objects():
            assert len(manifest.name) <= keeper.LONGEST
            assert all(len(value) <= 63 for value in manifest.labels.values())
