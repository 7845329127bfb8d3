"""The key vault, who reads it from where, and the names that lead to the gateway."""

import pytest

from components.model import keeper
from components.model.azure import address
from components.model.azure.address import relative
from components.model.azure.identity import ROLES
from components.model.outputs import places
from tests.model.azure import AKS, FULL, TENANT, azure_plan, inputs, resource
from tests.model.examples import Node, items, objects, pick, plan, settings
from tests.model.test_keeper import CERTIFIED, VAULT

ZONE: Node = {
    "azure.dns": {"zone": "example.org", "resourceGroup": "rg-dns"},
    "ingress.hosts": ["pitstop.example.org", "*.pitstop.example.org", "example.org"],
}


def test_the_vault_goes_by_roles_and_keeps_what_was_deleted() -> None:
    properties = inputs(azure_plan(VAULT), "vault")["properties"]
    assert pick(properties, "enableRbacAuthorization") is True
    assert pick(properties, "enablePurgeProtection") is True
    assert pick(properties, "softDeleteRetentionInDays") == 90
    assert pick(properties, "tenantId") == TENANT
    assert "accessPolicies" not in str(properties)
    fleeting = {**VAULT, "azure.vault": {"purgeProtection": False, "softDeleteDays": 7}}
    short = inputs(azure_plan(fleeting), "vault")["properties"]
    assert "enablePurgeProtection" not in str(short)  # Azure refuses `false`
    assert pick(short, "softDeleteRetentionInDays") == 7


@pytest.mark.parametrize("protect", [True, False])
def test_what_cannot_be_made_again_is_protected_and_outlives_the_stack(protect: bool) -> None:
    found = resource(azure_plan({**VAULT, "azure.protect": protect, "guardrails": {}}), "vault")
    assert found.protect is found.retain is protect


def test_a_private_vault_has_an_address_in_the_network_and_no_other() -> None:
    found = azure_plan(VAULT)
    properties = inputs(found, "vault")["properties"]
    assert pick(properties, "publicNetworkAccess") == "Disabled"
    assert pick(properties, "networkAcls", "defaultAction") == "Deny"
    assert inputs(found, "vault-zone")["privateZoneName"] == "privatelink.vaultcore.azure.net"
    assert "vault" in resource(found, "vault-endpoint").after
    assert {"vault-zone-group", "vault-zone-link"} <= set(found.before_pods)
    assert "serviceEndpoints" not in inputs(found, "nodes")


def test_a_public_vault_is_reached_from_the_nodes_and_from_who_is_named() -> None:
    found = azure_plan(
        {**VAULT, "azure.vault": {"network": {"kind": "public", "ranges": ["203.0.113.0/24"]}}}
    )
    properties = inputs(found, "vault")["properties"]
    assert pick(properties, "publicNetworkAccess") == "Enabled"
    assert pick(properties, "networkAcls", "defaultAction") == "Deny"
    assert pick(properties, "networkAcls", "ipRules") == [{"value": "203.0.113.0/24"}]
    (rule,) = items(properties, "networkAcls", "virtualNetworkRules")
    assert str(pick(rule, "id")).endswith("/subnets/nodes")
    # Without it, Azure would not know the nodes by their subnet.
    assert inputs(found, "nodes")["serviceEndpoints"] == [{"service": "Microsoft.KeyVault"}]
    assert "vault-endpoint" not in {one.key for one in found.resources}


def test_values_are_secret_places_and_their_versions_are_plain() -> None:
    found = resource(azure_plan(VAULT), "vault-secret-rabbitmqPassword")
    assert found.inputs["secretName"] == "rabbitmqPassword"
    assert pick(found.inputs["properties"], "value") == "${secret:rabbitmqPassword}"
    assert found.plain == ("properties.secretUriWithVersion",)
    assert "vault" in found.after


def test_the_reader_may_read_secrets_of_this_vault_and_nothing_else() -> None:
    found = azure_plan(VAULT)
    role = inputs(found, "role-vault-reader-on-vault")
    assert str(role["roleDefinitionId"]).endswith(ROLES["Key Vault Secrets User"])
    assert str(role["scope"]).endswith(f"/vaults/{inputs(found, 'vault')['vaultName']}")
    assert role["principalId"] == "${azure:vault-reader:principalId}"
    others = [one for one in found.resources if "vault-reader:principalId" in str(one.inputs)]
    assert [one.key for one in others] == ["role-vault-reader-on-vault"]


def test_only_the_keepers_service_accounts_are_the_reader() -> None:
    both: Node = {**VAULT, **CERTIFIED}
    found, environment = azure_plan(both), plan(both, FULL)
    federated = {
        one.key: one for one in found.resources if one.token.endswith(":FederatedIdentityCredential")
    }
    subjects = {one.inputs["subject"] for one in federated.values()}
    assert subjects == {
        f"system:serviceaccount:{one.account.namespace}:{one.account.name}" for one in environment.keepers()
    }
    for kept in environment.keepers():  # and the pods run as that account
        spec = pick(kept.deployment.document(), "spec", "template", "spec")
        assert pick(spec, "serviceAccountName") == kept.account.name
    for one in federated.values():
        assert one.inputs["issuer"] == "${azure:cluster:oidcIssuerProfile.issuerURL}"
        assert one.inputs["audiences"] == ["api://AzureADTokenExchange"]
    # Azure refuses two changes of one identity at a time.
    assert federated["vault-reader-environment"].key in federated["vault-reader-gateway"].after
    assert set(federated) <= set(found.before_pods)


def test_a_vault_that_nobody_reads_has_no_reader() -> None:
    keys = {one.key for one in azure_plan({"azure.vault": {}}).resources}
    assert "vault" in keys
    assert not [key for key in keys if key.startswith(("vault-reader", "vault-secret", "role-vault"))]


def test_the_plan_knows_of_every_place_its_pods_wait_for() -> None:
    environment = plan(VAULT, FULL)
    named = {place for one in environment.objects() for place in places(one.document())}
    assert {str(place) for place in named} == {
        "${azure:vault-reader:clientId}",
        *(
            f"${{azure:vault-secret-{name}:properties.secretUriWithVersion}}"
            for name in keeper.kept(settings(VAULT, FULL))
        ),
    }
    assert named <= set(environment.places())


# --- names and the gateway's address ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "record"),
    [
        ("pitstop.example.org", "pitstop"),
        ("a.b.example.org", "a.b"),
        ("*.example.org", "*"),
        ("example.org", "@"),
        ("example.com", None),
        ("myexample.org", None),
        ("*", None),
    ],
)
def test_a_host_as_a_record_of_the_zone(host: str, record: str | None) -> None:
    assert relative(host, "example.org") == record


def test_every_host_leads_to_the_gateways_address() -> None:
    found = azure_plan(ZONE)
    records = [one for one in found.resources if one.token.endswith(":RecordSet")]
    assert [one.inputs["relativeRecordSetName"] for one in records] == ["pitstop", "*.pitstop", "@"]
    (target,) = {str(pick(one.inputs["targetResource"], "id")) for one in records}
    assert target.endswith(f"/publicIPAddresses/{inputs(found, 'gateway-address')['publicIpAddressName']}")
    for one in records:
        assert one.inputs["resourceGroupName"] == "rg-dns"
        assert (one.inputs["zoneName"], one.inputs["recordType"]) == ("example.org", "A")
        assert "gateway-address" in one.after


def test_the_gateways_service_asks_for_that_address_and_the_cluster_may_give_it() -> None:
    found, environment = azure_plan(ZONE), plan(ZONE, FULL)
    assert environment.mesh is not None
    (gateway,) = [one for one in environment.mesh.releases if one.chart == "gateway"]
    annotations = pick(gateway.values["service"], "annotations")
    assert annotations == {
        "service.beta.kubernetes.io/azure-load-balancer-resource-group": "rg-pitstop-test",
        "service.beta.kubernetes.io/azure-pip-name": inputs(found, "gateway-address")["publicIpAddressName"],
    }
    role = inputs(found, "role-control-plane-on-addresses")
    assert role["principalId"] == "${azure:control-plane:principalId}"
    assert str(role["scope"]).endswith("/resourceGroups/rg-pitstop-test")
    assert {"gateway-address", "role-control-plane-on-addresses"} <= set(found.before_mesh)


def test_without_a_zone_the_load_balancer_takes_any_address() -> None:
    environment = plan(base=FULL)
    assert environment.mesh is not None
    (gateway,) = [one for one in environment.mesh.releases if one.chart == "gateway"]
    assert "annotations" not in str(gateway.values["service"])
    assert address.gateway_annotations(settings(base=AKS)) == {}
    assert not [one for one in azure_plan().resources if one.part == "dns"]


def test_secrets_of_a_vault_are_in_no_object_but_by_name() -> None:
    environment = plan(VAULT, FULL)
    assert objects(environment, "Secret") == {}
