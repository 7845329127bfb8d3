"""What the program registers where secret values come from a key vault."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime import proto

from components import preflight
from components.model import keeper
from tests.model.azure import FULL
from tests.model.examples import Node, plan, raw, settings
from tests.model.test_keeper import CERTIFIED, PINNED, VAULT
from tests.program.conftest import SECRETS, execute, surround
from tests.program.test_azure_registered import ABSENT, Made, unasked
from tests.program.test_registered import is_secret
from tests.program.test_rotation import RUNS_PODS, Resources, annotations, changed, readers, told

ENVIRONMENT: Node = raw({**VAULT, **CERTIFIED}, FULL)


class Vaults(Made):
    """An engine whose Azure names a version for each value, as a key vault does, and an issuer."""

    def RegisterResource(  # noqa: N802 - the protocol's name
        self, request: proto.RegisterResourceRequest
    ) -> proto.RegisterResourceResponse:
        answer = super().RegisterResource(request)
        if request.type == "azure-native:keyvault:Secret":
            # Its own, and not the last of what other threads register meanwhile.
            own = next(one for one in reversed(self.requests) if one.name == request.name)
            value = json.dumps(own.inputs["properties"], sort_keys=True)
            version = hashlib.sha256(f"not a digest of Azure's: {value}".encode()).hexdigest()[:32]
            uri = f"https://vault.example/secrets/{request.name}/{version}"
            answer.object["properties"]["secretUriWithVersion"] = uri
        if request.type == "azure-native:containerservice:ManagedCluster":
            answer.object["oidcIssuerProfile"]["issuerURL"] = "https://issuer.example"
        return answer


def resources(made: Vaults) -> Resources:
    """What one run registers, by kind and name; the releases name each run's own folder of charts."""
    own = (one for one in made.requests if one.custom and one.kind != "Release")
    return {(one.kind, one.name): one.inputs for one in own}


def register(content: Node, folder: Path, values: dict[str, str]) -> Vaults:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(preflight, "look", unasked)
        folder = folder / "surroundings"
        folder.mkdir()
        surround(folder, monkeypatch)
        (folder / "secrets.json").write_text(json.dumps(values))
        monkeypatch.delenv("PITSTOP_KUBECONFIG")
        monkeypatch.setenv("PITSTOP_REHEARSAL", str(folder))
        recorder = Vaults(ABSENT)
        execute(content, recorder, monkeypatch)
        return recorder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Vaults:
    return register(ENVIRONMENT, tmp_path_factory.mktemp("vault"), SECRETS)


def test_values_are_in_the_vault_as_secrets_and_nowhere_else(made: Vaults) -> None:
    stored = [one for one in made.requests if one.type == "azure-native:keyvault:Secret"]
    assert {one.inputs["secretName"] for one in stored} == set(keeper.kept(settings(base=ENVIRONMENT)))
    for one in stored:
        properties: Any = one.inputs["properties"]
        assert is_secret(properties["value"])
        assert SECRETS[str(one.inputs["secretName"])] in json.dumps(one.inputs)
    assert not [one for one in made.requests if one.type == "kubernetes:core/v1:Secret"]
    # The database server is told its administrator's password too.
    others = [one.inputs for one in made.requests if one.kind not in {"Secret", "Server", "kubernetes"}]
    for name, value in SECRETS.items():
        assert told(json.dumps(others), value, ("", name)) == []


def test_versions_are_the_vaults_and_plain(made: Vaults) -> None:
    found = annotations(resources(made)["StatefulSet", "rabbitmq"])
    version = found["secret.pitstop.dev/rabbitmqPassword"]
    assert isinstance(version, str)  # in something that is marked secret, it would be a map
    assert version.startswith("https://vault.example/secrets/vault-secret-rabbitmqPassword/")


def test_pods_wait_for_their_secrets_and_the_keeper_for_the_vault(made: Vaults) -> None:
    mine = ("Deployment", keeper.KEEPER)
    assert {
        ("SecretProviderClass", keeper.KEEPER),
        ("ServiceAccount", keeper.KEEPER),
        ("Secret", "vault-secret-rabbitmqPassword"),
        ("RoleAssignment", "role-vault-reader-on-vault"),
        ("FederatedIdentityCredential", "vault-reader-environment"),
        ("PrivateDnsZoneGroup", "vault-zone-group"),
        ("Namespace", "environment"),
    } <= made.waits(*mine)
    for kind, name in resources(made):
        if kind in RUNS_PODS and name not in {keeper.KEEPER, "pitstop-certificate"}:
            assert mine in made.waits(kind, name), name
    assert ("PodDisruptionBudget", keeper.KEEPER) in resources(made)


def test_the_gateway_waits_for_its_certificate(made: Vaults) -> None:
    waits = made.waits("Gateway", "webapp")
    assert {("Deployment", "pitstop-certificate"), ("Release", "istio-ingressgateway")} <= waits
    assert ("FederatedIdentityCredential", "vault-reader-gateway") in waits


def test_the_reader_is_the_identity_that_azure_made(made: Vaults) -> None:
    source: Any = resources(made)["SecretProviderClass", keeper.KEEPER]
    assert source["spec"]["parameters"]["clientID"] == "vault-reader-client"


def test_another_password_changes_the_vault_and_starts_exactly_its_readers_anew(
    made: Vaults, tmp_path: Path
) -> None:
    other = register(ENVIRONMENT, tmp_path, SECRETS | {"rabbitmqPassword": "another-value"})
    expected = readers(resources(made), "rabbitmqPassword")
    assert len(expected) > 8
    assert changed(resources(made), resources(other)) == {
        *expected,
        ("Secret", "vault-secret-rabbitmqPassword"),
        ("Deployment", keeper.KEEPER),
    }


def test_the_same_values_change_nothing(made: Vaults, tmp_path: Path) -> None:
    assert changed(resources(made), resources(register(ENVIRONMENT, tmp_path, SECRETS))) == set()


def test_values_of_somebody_else_are_not_asked_for(tmp_path: Path) -> None:
    found = register(raw(PINNED, FULL), tmp_path, {"sqlPassword": SECRETS["sqlPassword"]})  # the server's
    assert not [one for one in found.requests if one.type == "azure-native:keyvault:Secret"]
    assert len(plan(PINNED, FULL).keepers()) == 1
