"""The stand-in under the real engine: what a person sees of a rehearsal."""

import json
import signal
import subprocess
import time

import pytest

from localcluster.azure.state import drift, inventory, vanish
from tests.rehearsal.conftest import GROUP, STACK, Lab, Resource, resource

pytestmark = pytest.mark.tools

IDENTITY = resource(
    "me", "managedidentity:UserAssignedIdentity", {"resourceName": "me"}, outputs=["principalId"]
)
NETWORK = resource(
    "network",
    "network:VirtualNetwork",
    {"virtualNetworkName": "vnet", "addressSpace": {"addressPrefixes": ["10.0.0.0/8"]}},
    outputs=["name"],
)
SUBNET = resource(
    "nodes",
    "network:Subnet",
    {"virtualNetworkName": "${network.name}", "subnetName": "nodes", "addressPrefix": "10.1.0.0/16"},
)


def cluster(count: int = 3, cidr: str = "10.244.0.0/16", **inputs: object) -> Resource:
    pool = {"name": "system", "mode": "System", "count": count, "vnetSubnetID": "${nodes.id}"}
    own = {
        "resourceName": "aks",
        "dnsPrefix": "aks",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": ["${me.id}"]},
        "agentPoolProfiles": [pool],
        "networkProfile": {"networkPlugin": "azure", "podCidr": cidr},
        "oidcIssuerProfile": {"enabled": True},
    }
    made = ["name", "oidcIssuerProfile", "location"]
    return resource("cluster", "containerservice:ManagedCluster", {**own, **inputs}, outputs=made)


def pool(name: str = "work", **inputs: object) -> Resource:
    own = {"resourceName": "${cluster.name}", "agentPoolName": name, "vmSize": "Standard_D2s_v5", "count": 2}
    return resource(name, "containerservice:AgentPool", {**own, **inputs})


def everything(*, count: int = 3, cidr: str = "10.244.0.0/16") -> list[Resource]:
    return [GROUP, IDENTITY, NETWORK, SUBNET, cluster(count, cidr), pool()]


def test_the_life_of_a_cluster(lab: Lab) -> None:
    lab.declare(
        *everything(), exports={"issuer": "${cluster.oidcIssuerProfile.issuerURL}", "id": "${cluster.id}"}
    )
    shown = lab.pulumi("preview").output
    assert "REHEARSAL: a stand-in answers for Azure" in shown
    assert "issuer: [unknown]" in shown
    assert "7 to create" in shown
    assert lab.there() == {}

    assert lab.up().counts() == {"created": 7}
    issuer = json.loads(lab.pulumi("stack", "output", "--json").output)["issuer"]
    assert issuer.startswith("https://westeurope.oic.prod-aks.azure.com/")
    assert lab.identity("/agentPools/work") == f"{lab.identity('/managedClusters/aks')}/agentPools/work"
    assert lab.up().counts() == {"unchanged": 7}
    assert lab.up("--refresh").counts() == {"unchanged": 7}

    lab.declare(*everything(count=5))
    assert lab.steps() == {"cluster": ("update", [])}
    assert lab.up().counts() == {"updated": 1, "unchanged": 6}
    assert lab.up("--refresh").counts() == {"unchanged": 7}

    lab.declare(*everything(count=5, cidr="10.200.0.0/16"))
    op, reasons = lab.steps()["cluster"]
    assert (op, reasons) == ("replace", ["networkProfile.podCidr"])
    assert "work" in lab.steps()  # what is in it goes and comes with it

    lab.pulumi("destroy", "--yes")
    assert lab.there() == {}


def test_drift_is_shown_and_repaired(lab: Lab) -> None:
    vault = {
        "vaultName": "vault-a",
        "properties": {
            "sku": {"family": "A", "name": "standard"},
            "tenantId": "t",
            "enableRbacAuthorization": True,
        },
        "tags": {"environment": "dev"},
    }
    secret = {
        "vaultName": "${vault.name}",
        "secretName": "password",
        "properties": {"value": "secret:hunter2"},
    }
    lab.declare(
        GROUP,
        IDENTITY,
        resource("vault", "keyvault:Vault", vault, outputs=["name"]),
        resource("password", "keyvault:Secret", secret),
    )
    lab.up()
    identity = lab.identity("/vaults/vault-a")
    drift(lab.cloud, identity, {"tags.owner": "somebody", "properties.enableRbacAuthorization": False})
    vanish(lab.cloud, lab.identity("/userAssignedIdentities/me"))
    assert lab.up().counts() == {"unchanged": 5}  # only a refresh looks
    shown = lab.pulumi("preview", "--refresh", "--diff").output
    assert '- owner: "somebody"' in shown
    assert "enableRbacAuthorization: false => true" in shown
    assert lab.up("--refresh").counts() == {"created": 1, "updated": 1, "unchanged": 3}
    assert lab.up("--refresh").counts() == {"unchanged": 5}
    state = lab.pulumi("stack", "export").output
    assert "hunter2" not in state
    assert "hunter2" in (lab.cloud / "cloud.json").read_text()
    assert (lab.cloud / "cloud.json").stat().st_mode & 0o777 == 0o600


def test_a_failure_half_way_is_kept_and_the_next_update_goes_on(lab: Lab) -> None:
    lab.declare(*everything())
    lab.faults({"token": "containerservice:ManagedCluster", "kind": "halfway"})
    failed = lab.up(status=1)
    assert 'Code="ProvisioningFailed"' in failed.output
    assert "containerservice:AgentPool work" not in failed.output  # what waits for it is not begun
    assert lab.state()["cluster"]["id"] == lab.identity("/managedClusters/aks")
    assert lab.up().counts() == {"created": 1, "updated": 1, "unchanged": 5}
    assert lab.up().counts() == {"unchanged": 7}


def test_what_azure_may_answer_on_a_bad_day(lab: Lab) -> None:
    lab.declare(*everything())
    lab.faults(
        {"token": "resources:ResourceGroup", "kind": "throttling", "times": 2},
        {"token": "containerservice:AgentPool", "name": "wor*", "kind": "quota"},
        {"token": "managedidentity:*", "kind": "throttling", "times": 4},
    )
    failed = lab.up("--continue-on-error", status=1).output
    assert 'Status=429 Code="TooManyRequests"' in failed  # as often as it was tried
    assert "group created" in failed  # two of four attempts were refused
    failed = lab.up(status=1).output
    assert 'Status=400 Code="ErrCode_InsufficientVCPUQuota"' in failed
    assert lab.up().counts() == {"created": 1, "unchanged": 6}


def test_what_is_protected_stays(lab: Lab) -> None:
    lab.declare(GROUP, {**IDENTITY, "options": {"protect": True}})
    lab.up()
    refused = lab.pulumi("destroy", "--yes", status=1).output
    assert "protect" in refused
    assert set(lab.there().values()) == {"resources:ResourceGroup", "managedidentity:UserAssignedIdentity"}
    lab.declare(GROUP, {**IDENTITY, "options": {"protect": False}})
    lab.up()
    lab.pulumi("destroy", "--yes")
    assert lab.there() == {}


def test_mistakes_are_said_before_anything_is_made(lab: Lab) -> None:
    wrong = {"networkProfile": {"podCIDR": "b"}, "fqdn": "c"}
    lab.declare(GROUP, resource("wrong", "containerservice:ManagedCluster", wrong))
    shown = lab.pulumi("preview", status=1).output
    assert 'networkProfile.podCIDR = "b": unknown property; did you mean podCidr?' in shown
    assert 'fqdn = "c": is read-only' in shown
    assert "resourceName: missing; azure-native would make one up" in shown
    assert "Traceback" not in shown


def test_functions(lab: Lab) -> None:
    arguments = {"resourceGroupName": "rg", "resourceName": "aks"}
    lab.declare(
        *everything(),
        invokes={"me": ["authorization:getClientConfig", {}]},
        exports={"subscription": "${group.id}"},
    )
    lab.environ["ARM_SUBSCRIPTION_ID"] = "11111111-0000-0000-0000-000000000000"
    lab.up()
    outputs = json.loads(lab.pulumi("stack", "output", "--json").output)
    assert outputs["me"]["subscriptionId"] == "11111111-0000-0000-0000-000000000000"
    assert outputs["subscription"] == "/subscriptions/11111111-0000-0000-0000-000000000000/resourceGroups/rg"
    credentials = "containerservice:listManagedClusterUserCredentials"
    lab.declare(*everything(), invokes={"all": [credentials, arguments]})
    assert lab.up().counts() == {"unchanged": 7}
    (answer,) = json.loads(lab.pulumi("stack", "output", "--json").output)["all"]["kubeconfigs"]
    assert answer["name"] == "clusterUser"
    lab.declare(*everything(), invokes={"all": [credentials, {**arguments, "resourceName": "other"}]})
    assert 'Code="ResourceNotFound"' in lab.up(status=1).output


def test_an_interrupted_update_goes_on(lab: Lab) -> None:
    lab.environ["PITSTOP_REHEARSAL_DELAY"] = "30"
    lab.declare(*everything())
    running = subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", STACK],
        cwd=lab.folder / "program",
        env=lab.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    deadline = time.monotonic() + 60
    while "containerservice:ManagedCluster" not in inventory(lab.cloud).values():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=60)
    assert running.returncode != 0
    assert "interrupted; the next update goes on from here" in output
    lab.environ["PITSTOP_REHEARSAL_DELAY"] = "0"
    assert lab.up().counts() == {"created": 1, "updated": 1, "unchanged": 5}
