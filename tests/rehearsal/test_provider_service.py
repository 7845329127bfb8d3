"""What answers in Azure's place, without an engine: outputs, drift, bad days, functions, what is behind."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
import yaml

from localcluster.azure import backing, paths
from localcluster.azure.backing import BehindError, Say, Vaults
from localcluster.azure.errors import HalfwayError
from localcluster.azure.service import Account
from localcluster.azure.state import Cloud, drift, vanish
from localcluster.azure.values import SECRET, SIGNATURE, UNKNOWN
from ops.errors import UserError
from tests.rehearsal.sky import (
    CLUSTER,
    GROUP,
    IDENTITY,
    POOL,
    VAULT,
    Sky,
    refused,
)

# --- what comes back ------------------------------------------------------------------------------------


def test_outputs_are_the_same_whenever_they_are_made(tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        cloud = Sky(tmp_path / name)
        cloud.make(GROUP)
        made.append(cloud.azure.create(IDENTITY, cloud.inputs(IDENTITY), cloud.said.append).outputs)
    assert made[0] == made[1]
    assert made[0]["location"] == "westeurope"  # the group's
    assert {"clientId", "principalId", "tenantId", "name", "type", "azureApiVersion"} <= set(made[0])


def test_a_cluster_knows_the_ids_of_its_identities(cloud: Sky) -> None:
    identity = cloud.azure.create(IDENTITY, cloud.inputs(IDENTITY), cloud.said.append)
    asked = {"type": "UserAssigned", "userAssignedIdentities": [identity.identity]}
    made = cloud.azure.create(CLUSTER, cloud.inputs(CLUSTER, identity=asked), cloud.said.append).outputs
    known = made["identity"]["userAssignedIdentities"][identity.identity]  # type: ignore[index]
    assert known == {name: identity.outputs[name] for name in ("clientId", "principalId")}


def test_a_preview_knows_what_is_asked_for_and_nothing_else(cloud: Sky) -> None:
    asked = cloud.inputs(CLUSTER, oidcIssuerProfile={"enabled": True}, tags={"a": UNKNOWN})
    shown = cloud.azure.preview(CLUSTER, asked)
    assert shown["dnsPrefix"] == "aks"
    assert shown["oidcIssuerProfile"] == {"enabled": True, "issuerURL": UNKNOWN}
    assert shown["tags"] == {"a": UNKNOWN}
    assert {shown[name] for name in ("fqdn", "name", "nodeResourceGroup", "provisioningState")} == {UNKNOWN}
    cluster = cloud.make(CLUSTER)
    shown = cloud.azure.preview(CLUSTER, cloud.inputs(CLUSTER, dnsPrefix=UNKNOWN), cluster)
    assert shown["name"] == "aks"
    assert shown["fqdn"] == UNKNOWN


def test_secrets_come_back_as_secrets_or_not_at_all(cloud: Sky) -> None:
    cloud.make(VAULT)
    hidden = {SIGNATURE: SECRET, "value": "hunter2"}
    inputs = {
        "resourceGroupName": "rg",
        "vaultName": "vault-a",
        "secretName": "s",
        "properties": {"value": hidden},
    }
    made = cloud.azure.create("keyvault:Secret", inputs, cloud.said.append)
    assert "hunter2" not in json.dumps(made.outputs)
    found = cloud.azure.read("keyvault:Secret", made.identity, made.outputs, inputs)
    assert found is not None
    assert found.inputs == inputs
    tagged = cloud.inputs(IDENTITY, tags={"a": hidden})
    made = cloud.azure.create(IDENTITY, tagged, cloud.said.append)
    assert made.outputs["tags"] == {"a": hidden}
    found = cloud.azure.read(IDENTITY, made.identity, made.outputs, tagged)
    assert found is not None
    assert found.outputs["tags"] == {"a": hidden}


def test_a_changed_secret_has_another_version(cloud: Sky) -> None:
    cloud.make(VAULT)
    inputs: dict[str, object] = {"vaultName": "vault-a", "secretName": "s", "properties": {"value": "1"}}
    made = cloud.azure.create("keyvault:Secret", cloud.inputs("keyvault:Secret", **inputs), cloud.said.append)
    changed = cloud.change("keyvault:Secret", made.identity, **{**inputs, "properties": {"value": "2"}})
    first, second = made.outputs["properties"], changed["properties"]
    assert first["secretUri"] == second["secretUri"]  # type: ignore[index]
    assert first["secretUriWithVersion"] != second["secretUriWithVersion"]  # type: ignore[index]


def test_drift(cloud: Sky) -> None:
    cluster = cloud.make(CLUSTER, agentPoolProfiles=[{"name": "system", "count": 1}])
    drift(cloud.folder, cluster, {"agentPoolProfiles[0].count": 5, "tags.owner": "me"})
    found = cloud.azure.read(CLUSTER, cluster.upper(), {}, {})
    assert found is not None
    assert found.inputs["agentPoolProfiles"] == [{"name": "system", "count": 5}]
    assert found.outputs["tags"] == {"owner": "me"}
    with pytest.raises(LookupError, match=r"nothing at agentPoolProfiles\[4\]"):
        drift(cloud.folder, cluster, {"agentPoolProfiles[4].count": 5})
    with pytest.raises(LookupError, match="not in this rehearsal; there are"):
        drift(cloud.folder, "/other", {"a": 1})
    vanish(cloud.folder, cluster)
    assert cloud.azure.read(CLUSTER, cluster, {}, {}) is None


def test_an_update_of_what_is_gone_makes_it_again(cloud: Sky) -> None:
    identity = cloud.make(IDENTITY)
    vanish(cloud.folder, identity)
    cloud.change(IDENTITY, identity)
    assert identity in cloud.there()


# --- bad days -------------------------------------------------------------------------------------------


def failing(tmp_path: Path, *faults: Mapping[str, object], **environ: str) -> Sky:
    path = tmp_path / "faults.json"
    path.write_text(json.dumps(faults))
    return Sky(tmp_path / "cloud", PITSTOP_REHEARSAL_FAULTS=str(path), **environ)


def test_throttling_is_waited_for(tmp_path: Path) -> None:
    cloud = failing(tmp_path, {"token": GROUP, "kind": "throttling", "times": 3})
    cloud.make(GROUP)
    assert cloud.said == [f"throttled; attempt {number} of 4" for number in (2, 3, 4)]
    cloud = failing(tmp_path / "cloud", {"token": GROUP, "kind": "throttling", "times": 4})
    refused("TooManyRequests", cloud.make, GROUP)
    assert cloud.there() == []
    cloud.make(GROUP)


def test_failures_strike_what_they_are_meant_for(tmp_path: Path) -> None:
    cloud = failing(
        tmp_path,
        {"token": "containerservice:*", "name": "w*", "kind": "quota", "times": 2},
        {"token": CLUSTER, "kind": "conflict", "operation": "update"},
        {"token": CLUSTER, "kind": "conflict", "operation": "delete"},
    )
    cloud.make(GROUP)
    cluster = cloud.make(CLUSTER)
    refused("ErrCode_InsufficientVCPUQuota", cloud.make, POOL)
    cloud.make(POOL, agentPoolName="other")
    refused("ErrCode_InsufficientVCPUQuota", cloud.make, POOL)
    cloud.make(POOL)
    refused("AnotherOperationInProgress", cloud.change, CLUSTER, cluster)
    cloud.change(CLUSTER, cluster)
    refused("AnotherOperationInProgress", cloud.remove, CLUSTER, cluster)
    cloud.remove(CLUSTER, cluster)


def test_a_failure_half_way_leaves_something(tmp_path: Path) -> None:
    cloud = failing(tmp_path, {"token": GROUP, "kind": "halfway"}, {"token": CLUSTER, "kind": "halfway"})
    with pytest.raises(HalfwayError) as failed:
        cloud.make(GROUP)
    assert failed.value.made.outputs["properties"] == {"provisioningState": "Succeeded"}
    cloud.change(GROUP, failed.value.identity)
    with pytest.raises(HalfwayError) as failed:
        cloud.make(CLUSTER)
    assert failed.value.made.outputs["provisioningState"] == "Failed"
    assert failed.value.made.identity in cloud.there()
    assert cloud.change(CLUSTER, failed.value.identity)["provisioningState"] == "Succeeded"


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[{}]",
        '[{"kind": "fire"}]',
        '[{"kind": "quota", "when": 1}]',
        '[{"kind": "quota", "operation": "look"}]',
    ],
)
def test_a_list_of_failures_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "faults.json").write_text(text)
    with pytest.raises(ValueError, match=r"PITSTOP_REHEARSAL_FAULTS = .*faults\.json: "):
        Sky(tmp_path, PITSTOP_REHEARSAL_FAULTS=str(tmp_path / "faults.json"))


@pytest.mark.parametrize("text", ["soon", "-1", "61", "nan"])
def test_a_delay_that_is_none(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=f"PITSTOP_REHEARSAL_DELAY = {text}: must be 0 to 60 seconds"):
        Sky(tmp_path, PITSTOP_REHEARSAL_DELAY=text)


def test_slow_work_is_told_and_can_be_stopped(tmp_path: Path) -> None:
    cloud = Sky(tmp_path, PITSTOP_REHEARSAL_DELAY="0.04")
    cloud.make(GROUP)
    assert cloud.said == []
    cloud.make(CLUSTER)
    assert cloud.said[0] == "Creating: 0.0 of 0.0 s"
    assert len(cloud.said) == 4
    cloud.azure.stopped.set()
    with pytest.raises(HalfwayError, match="interrupted"):
        cloud.make(POOL)


def test_what_a_killed_run_left_half_made_is_taken_over(cloud: Sky) -> None:
    with Cloud(cloud.folder).change() as state:
        state.resources["/subscriptions/s/resourcegroups/rg"].state = "Creating"
    cloud.make(GROUP)
    assert cloud.said == ["found half made by a run that was killed; Azure's would have to be imported first"]
    refused("Conflict", cloud.make, GROUP)


# --- functions and the cluster behind -------------------------------------------------------------------


class Spy:
    """A cluster that only remembers what it was asked."""

    asked: ClassVar[list[tuple[str, str]]] = []
    seen: ClassVar[dict[str, Mapping[str, str]]] = {}

    def __init__(self, say: Say, vaults: Vaults) -> None:
        self._say, self._vaults = say, vaults

    def cluster(self, identity: str, inputs: Mapping[str, object]) -> None:
        self._say("the real one starts")
        self.asked.append((f"cluster {identity.rpartition('/')[2]}", str(inputs["dnsPrefix"])))
        if inputs["dnsPrefix"] == "broken":
            raise UserError("no room")

    def pool(self, identity: str, inputs: Mapping[str, object]) -> None:
        self.asked.append((f"pool {identity.rpartition('/')[2]}", str(inputs["vmSize"])))

    def remove(self, identity: str) -> None:
        self.asked.append(("remove", identity.rpartition("/")[2]))

    def kubeconfig(self, identity: str) -> str:
        return f"real: {identity}"

    def secrets(self) -> None:
        type(self).seen = dict(self._vaults())


@pytest.fixture
def real(tmp_path: Path) -> Sky:
    Spy.asked.clear()
    made = Sky(tmp_path, PITSTOP_REHEARSAL_BEHIND=f"{__name__}:Spy")
    made.make(GROUP)
    return made


def test_a_cluster_behind_follows(real: Sky) -> None:
    cluster = real.make(CLUSTER)
    real.make(POOL)
    real.change(CLUSTER, cluster)
    assert "the real one starts" in real.said
    real.remove(GROUP, "/subscriptions/s/resourceGroups/rg")
    assert Spy.asked == [
        ("cluster aks", "aks"),
        ("pool work", "D2"),
        ("cluster aks", "aks"),
        ("remove", "work"),
        ("remove", "aks"),
    ]


def test_a_cluster_behind_that_fails_is_a_failure_half_way(real: Sky) -> None:
    with pytest.raises(HalfwayError, match="no room"):
        real.make(CLUSTER, dnsPrefix="broken")
    with pytest.raises(HalfwayError, match="no room"):
        real.change(CLUSTER, real.there()[-1], dnsPrefix="broken")
    real.change(CLUSTER, real.there()[-1])


def test_a_cluster_behind_is_told_of_secrets(real: Sky) -> None:
    real.make(VAULT)
    inputs: dict[str, object] = {"vaultName": "vault-a", "secretName": "s", "properties": {"value": "1"}}
    secret = real.make("keyvault:Secret", **inputs)
    assert Spy.seen == {"vault-a": {"s": "1"}}
    real.change("keyvault:Secret", secret, **{**inputs, "properties": {"value": "2"}})
    assert Spy.seen == {"vault-a": {"s": "2"}}
    real.remove("keyvault:Secret", secret)
    assert Spy.seen == {}


@pytest.mark.parametrize("entry", ["nowhere:clusters", f"{__name__}:nobody", "nothing"])
def test_a_cluster_behind_that_is_not_there(entry: str) -> None:
    with pytest.raises(BehindError, match=f"PITSTOP_REHEARSAL_BEHIND = {entry}: .*valid: module:function"):
        backing.behind(entry, print, dict)


def credentials(cloud: Sky, whose: str = "User", **more: object) -> str:
    arguments = {"resourceGroupName": "rg", "resourceName": "aks", **more}
    answer, wrong = cloud.azure.invoke(
        f"containerservice:listManagedCluster{whose}Credentials", arguments, cloud.said.append
    )
    assert wrong == []
    return base64.b64decode(str(paths.at(answer, "kubeconfigs[0].value"))).decode()


def test_credentials_lead_to_the_cluster_behind(real: Sky, tmp_path: Path) -> None:
    cluster = real.make(CLUSTER)
    assert credentials(real) == f"real: {cluster}"
    cloud = Sky(tmp_path / "other")
    cloud.make(GROUP)
    cloud.make(CLUSTER)
    config = yaml.safe_load(credentials(cloud))
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:9"


def test_credentials_of_local_accounts_that_are_off(cloud: Sky) -> None:
    refused("ResourceNotFound", credentials, cloud)
    cluster = cloud.make(CLUSTER)
    credentials(cloud, "Admin")
    cloud.change(CLUSTER, cluster, disableLocalAccounts=True)
    refused("BadRequest", credentials, cloud, "Admin")
    credentials(cloud)


def test_arguments_of_functions_are_checked(cloud: Sky) -> None:
    _, wrong = cloud.azure.invoke("azure-native:authorization:getClientConfig", {"a": 1}, cloud.said.append)
    assert wrong == ["a = 1: unknown property; there is none to set"]
    _, wrong = cloud.azure.invoke("authorization:getClientConfigs", {}, cloud.said.append)
    assert "did you mean getClientConfig?" in wrong[0]
    refused(
        "NotInRehearsal",
        cloud.azure.invoke,
        "storage:listStorageAccountKeys",
        {"accountName": "a", "resourceGroupName": "rg"},
        str,
    )


def test_what_exists_can_be_looked_up(cloud: Sky) -> None:
    arguments = {"resourceGroupName": "rg", "resourceName": "me"}
    function = "managedidentity:getUserAssignedIdentity"
    refused("ResourceNotFound", cloud.azure.invoke, function, arguments, cloud.said.append)
    made = cloud.azure.create(IDENTITY, cloud.inputs(IDENTITY), cloud.said.append)
    answer, _ = cloud.azure.invoke(function, arguments, cloud.said.append)
    assert answer["id"] == made.identity
    assert answer["principalId"] == made.outputs["principalId"]


def test_an_account_is_the_configured_one_or_that_of_the_variables() -> None:
    account = Account.of({"subscriptionId": "a"}, {"ARM_SUBSCRIPTION_ID": "b", "ARM_TENANT_ID": "c"})
    assert (account.subscription, account.tenant) == ("a", "c")
    assert Account.of({}, {}) == Account.of({}, {})
