"""The stand-in's strictness: azure-native's own types decide, and each rule has a case that breaks it."""

import gc
import inspect
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pulumi_azure_native.containerservice as real
import pytest
from pulumi._types import input_type_py_to_pulumi_names

from localcluster.azure import schema, sdk, values

CLUSTER = "containerservice:ManagedCluster"
RIGHT: dict[str, object] = {
    "resourceGroupName": "rg",
    "resourceName": "aks",
    "identity": {"type": "UserAssigned", "userAssignedIdentities": ["/subscriptions/s"]},
    "networkProfile": {"networkPlugin": "azure", "networkPluginMode": "overlay", "podCidr": "10.244.0.0/16"},
    "agentPoolProfiles": [
        {"name": "system", "mode": "System", "count": 3.0, "availabilityZones": ["1", "2", "3"]}
    ],
    "addonProfiles": {"azurepolicy": {"enabled": True, "config": {"version": "v2"}}},
    "tags": {"environment": "dev"},
}


def secret(value: object) -> dict[str, object]:
    return {values.SIGNATURE: values.SECRET, "value": value}


def with_value(path: str, value: object) -> dict[str, object]:
    """The right inputs with one value changed: `a.b` or `a[0].b`."""
    changed = _copy(RIGHT)
    *way, last = path.replace("[0]", ".0").split(".")
    at: object = changed
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]  # type: ignore[index]
    at[last] = value  # type: ignore[index]
    assert isinstance(changed, dict)
    return changed


def _copy(value: object) -> object:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def test_what_is_right_is_accepted() -> None:
    assert sdk.problems(CLUSTER, RIGHT) == []
    assert sdk.problems(f"azure-native:{CLUSTER}", RIGHT) == []


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("kubernetesVersio", "1", 'kubernetesVersio = "1": unknown property; did you mean kubernetesV'),
        ("kubernetes_version", "1.33", "did you mean kubernetesVersion?"),
        ("networkProfile.podCIDR", "10.0.0.0/8", "did you mean podCidr?"),
        ("agentPoolProfiles[0].vmsize", "D4", '[0].vmsize = "D4": unknown property; did you mean vmSize?'),
        ("fqdn", "a", 'fqdn = "a": is read-only: containerservice:ManagedCluster computes it; remove it'),
        ("oidcIssuerProfile", {"issuerURL": "a"}, 'oidcIssuerProfile.issuerURL = "a": is read-only'),
        ("agentPoolProfiles[0].provisioningState", "a", 'provisioningState = "a": is read-only'),
        ("addonProfiles.azurepolicy.identity", {}, "addonProfiles.azurepolicy.identity: is read-only"),
        ("networkProfile.networkPlugin", "azur", '"azur": did you mean azure? valid: azure, kubenet, none'),
        ("networkProfile.networkPlugin", "Azure", '"Azure": did you mean azure?'),
        ("networkProfile.networkPlugin", 1, "networkProfile.networkPlugin = 1: valid: azure, kubenet, none"),
        ("identity.type", "system", 'identity.type = "system": did you mean SystemAssigned?'),
        ("agentPoolProfiles[0].count", "3", 'agentPoolProfiles[0].count = "3": must be a whole number'),
        ("agentPoolProfiles[0].count", 2.5, "must be a whole number"),
        ("agentPoolProfiles[0].count", float("inf"), "must be a whole number"),
        ("agentPoolProfiles[0].count", True, "must be a whole number"),
        ("agentPoolProfiles[0].availabilityZones", ["1", 2], "availabilityZones[1] = 2: must be a text"),
        ("agentPoolProfiles[0].name", None, "agentPoolProfiles[0].name: missing"),
        ("agentPoolProfiles", {"name": "system"}, "agentPoolProfiles: must be a list"),
        ("networkProfile", "azure", 'networkProfile = "azure": must be an object'),
        ("networkProfile", [], "networkProfile: must be an object"),
        ("addonProfiles.azurepolicy.enabled", "yes", "must be true or false"),
        ("addonProfiles.azurepolicy.enabled", None, "addonProfiles.azurepolicy.enabled: missing"),
        ("tags", ["a"], "tags: must be a map"),
        ("tags.environment", 1, "tags.environment = 1: must be a text"),
        ("resourceGroupName", None, "resourceGroupName: missing, and containerservice"),
    ],
)  # fmt: skip
def test_one_wrong_value_is_one_line(path: str, value: object, line: str) -> None:
    (found,) = sdk.problems(CLUSTER, with_value(path, value))
    assert line in found


def test_every_problem_is_told_at_once() -> None:
    assert len(sdk.problems(CLUSTER, {"a": 1, "tags": [], "networkProfile": {"networkPlugin": "x"}})) == 4


@pytest.mark.parametrize(
    "path", ["networkProfile", "networkProfile.networkPlugin", "agentPoolProfiles", "tags"]
)
def test_what_is_not_known_yet_is_accepted_anywhere(path: str) -> None:
    assert sdk.problems(CLUSTER, with_value(path, values.UNKNOWN)) == []
    assert sdk.problems(CLUSTER, with_value(path, secret(values.UNKNOWN))) == []
    assert sdk.problems(CLUSTER, with_value(path, {values.SIGNATURE: values.OUTPUT})) == []
    assert sdk.problems(CLUSTER, with_value(path, "${azure:a:b}")) or path == "tags.environment"
    assert (
        sdk.problems(CLUSTER, with_value(path, "${azure:a:b}"), lambda one: str(one).startswith("${")) == []
    )


def test_secrets_are_looked_into_and_not_shown() -> None:
    assert sdk.problems(CLUSTER, with_value("networkProfile", secret(RIGHT["networkProfile"]))) == []
    (found,) = sdk.problems(CLUSTER, with_value("networkProfile.networkPlugin", secret("hunter2")))
    assert found == "networkProfile.networkPlugin: valid: azure, kubenet, none"
    (found,) = sdk.problems(CLUSTER, with_value("networkProfile", secret({"podCidr": 31337})))
    assert "31337" not in found


def test_the_types_of_a_union_are_told_apart_by_their_constant() -> None:
    policy = "dataprotection:BackupPolicy"
    vault = {"dataStoreType": "VaultStore", "objectType": "DataStoreInfoBase"}
    rule = {
        "isDefault": True,
        "lifecycles": [
            {
                "deleteAfter": {"duration": "P7D", "objectType": "AbsoluteDeleteOption"},
                "sourceDataStore": vault,
            }
        ],
        "name": "Default",
        "objectType": "AzureRetentionRule",
    }

    def inputs(rule: Mapping[str, object]) -> dict[str, object]:
        properties = {"datasourceTypes": ["a"], "objectType": "BackupPolicy", "policyRules": [rule]}
        return {
            "resourceGroupName": "rg",
            "vaultName": "v",
            "backupPolicyName": "p",
            "properties": properties,
        }

    assert sdk.problems(policy, inputs(rule)) == []
    (found,) = sdk.problems(policy, inputs(rule | {"trigger": {}}))
    assert found.startswith("properties.policyRules[0].trigger: unknown property")
    assert sdk.problems(policy, inputs(rule | {"objectType": "AzureRetention"}))


@pytest.mark.parametrize(
    ("token", "line"),
    [
        ("containerservice:ManagedClusters", "has no such type; did you mean ManagedCluster?"),
        ("containerservice:managedCluster", "has no such type; did you mean ManagedCluster?"),
        (
            "containerservices:ManagedCluster",
            "has no module containerservices; did you mean containerservice?",
        ),
        ("containerservice/v20250901:ManagedCluster", "has no module containerservice/v20250901"),
        ("..:ManagedCluster", "has no module"),
    ],
)
def test_a_type_there_is_not(token: str, line: str) -> None:
    with pytest.raises(sdk.UnknownTokenError) as refused:
        sdk.problems(token, {})
    assert line in str(refused.value)


def test_arguments_of_functions() -> None:
    function = "containerservice:listManagedClusterUserCredentials"
    right = {"resourceGroupName": "rg", "resourceName": "aks", "format": "exec"}
    assert sdk.argument_problems(function, right) == []
    assert sdk.argument_problems("authorization:getClientConfig", {}) == []
    assert sdk.argument_problems(function, right | {"resourceName": None}) == [
        f"resourceName: missing, and {function} needs it"
    ]
    (found,) = sdk.argument_problems(function, right | {"forma": "exec"})
    assert "did you mean format?" in found


def test_configuration_of_the_provider() -> None:
    assert sdk.config_problems({"subscriptionId": "s", "location": "westeurope"}) == []
    (found,) = sdk.config_problems({"subscription": "s"})
    assert found == "subscription: unknown property; did you mean subscriptionId?"


@pytest.mark.parametrize("name", ["ManagedCluster", "AgentPool", "MaintenanceConfiguration"])
def test_what_is_read_is_what_the_package_says_when_it_is_imported(name: str) -> None:
    read = schema.inputs_of(f"containerservice:{name}")
    signature = inspect.signature(getattr(real, f"{name}Args").__init__).parameters
    names = input_type_py_to_pulumi_names(getattr(real, f"{name}Args"))
    imported = {names[one.name]: one.default is one.empty for one in signature.values() if one.name in names}
    assert {key: rule.required for key, rule in read.items()} == imported


def test_objects_and_enums_are_what_the_package_says_when_it_is_imported() -> None:
    seen = 0
    for name in schema._names("containerservice"):
        for rule in schema.inputs_of(f"containerservice:{name}").values() if name[0].isupper() else ():
            below = rule.type.item if isinstance(rule.type, schema.Many) else rule.type
            if not isinstance(below, schema.Named):
                continue
            seen += 1
            made = getattr(real, below.name)
            if values := schema.enum_values(below):
                assert set(values) == {one.value for one in made}
            else:
                assert set(schema.members(below)) == set(input_type_py_to_pulumi_names(made).values())
    assert seen > 50


def test_what_azure_documents_beyond_the_sdk_is_taken_and_nothing_near_it() -> None:
    def streams(name: str) -> list[str]:
        flow = {"streams": [name], "destinations": ["metrics"]}
        inputs = {"resourceGroupName": "group", "dataCollectionRuleName": "rule", "dataFlows": [flow]}
        return sdk.problems("monitor:DataCollectionRule", inputs)

    assert streams("Microsoft-PrometheusMetrics") == []
    (problem,) = streams("Microsoft-PrometheusMetric")
    assert "did you mean Microsoft-PrometheusMetrics?" in problem


def test_many_threads_may_read_the_package_at_once() -> None:
    tokens = [
        f"{module}:{name}"
        for module in ("keyvault", "sql")
        for name in schema._names(module)[:30]
        if name[0].isupper()
    ]
    for cached in (schema.inputs_of, schema.outputs_of, schema.members):
        cached.cache_clear()
    interval, often = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(5)  # threads change places when a collection calls something of Python's
    gc.callbacks.append(lambda _phase, _info: time.sleep(0))
    try:
        with ThreadPoolExecutor(16) as workers:
            assert len(list(workers.map(schema.outputs_of, tokens))) == len(tokens)
    finally:
        gc.callbacks.pop()
        gc.set_threshold(*often)
        sys.setswitchinterval(interval)
