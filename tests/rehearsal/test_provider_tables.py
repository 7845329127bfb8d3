"""The committed tables against the SDK: every name is one of its names, and every rule has a source."""

import pytest

from localcluster.azure import computed, kinds, outputs, paths, replacement, schema
from localcluster.azure.computed import Facts
from localcluster.azure.schema import Many, Named, Properties, Type

GROUP = "/subscriptions/s/resourceGroups/g"


def leads_somewhere(known: Properties, pattern: str) -> bool:
    """Whether a path or pattern leads to a property of a type."""
    level: Properties | Type = known
    for step in paths.parse(pattern.replace("[]", "[0]")):
        if isinstance(level, Named) and not schema.enum_values(level):
            level = schema.members(level)
        if isinstance(level, Many):
            level = level.item
        elif isinstance(level, dict) or hasattr(level, "get"):
            if step not in level:  # type: ignore[operator]  # it is a mapping
                return False
            level = level[step].type  # type: ignore[index]  # likewise
        else:
            return False
    return True


def test_a_path_that_leads_nowhere_is_seen() -> None:
    known = schema.inputs_of("containerservice:ManagedCluster")
    assert leads_somewhere(known, "agentPoolProfiles[].vmSize")
    assert leads_somewhere(known, "addonProfiles.any.enabled")
    assert not leads_somewhere(known, "agentPoolProfiles[].vmsize")
    assert not leads_somewhere(known, "dnsPrefix.more")


@pytest.mark.parametrize("token", kinds.KINDS)
def test_names_of_a_kind_are_inputs(token: str) -> None:
    kind, known = kinds.KINDS[token], schema.inputs_of(token)
    for name in (*kind.names, *filter(None, [kind.under])):
        assert known[name].type == schema.Scalar("str")


@pytest.mark.parametrize("token", replacement.REPLACES)
def test_what_replaces_is_an_input_and_has_a_source(token: str) -> None:
    for path, source in replacement.forces(token).items():
        if path not in {"location", "resourceGroupName"}:
            assert leads_somewhere(schema.inputs_of(token), path), path
        assert source.startswith("https://")


@pytest.mark.parametrize("token", replacement.REFUSED)
def test_what_is_refused_is_an_input_and_has_a_source(token: str) -> None:
    for path, source in replacement.refuses(token).items():
        assert leads_somewhere(schema.inputs_of(token), path), path
        assert source.startswith("https://")
        assert not replacement.covered(path, replacement.forces(token))


@pytest.mark.parametrize("token", computed.COMPUTED)
def test_what_is_computed_is_an_output(token: str) -> None:
    asked: dict[str, object] = {
        "oidcIssuerProfile": {"enabled": True},
        "apiServerAccessProfile": {"enablePrivateCluster": True},
        "addonProfiles": {"azurepolicy": {"enabled": True}},
        "publicIPAllocationMethod": "Static",
        "dnsSettings": {"domainNameLabel": "here"},
        "zoneName": "example.org",
        "privateZoneName": "example.org",
        "registryName": "r",
    }
    identity = f"{GROUP}/providers/Microsoft.KeyVault/vaults/v/secrets/name"
    facts = Facts(identity, asked, "westeurope", "s", "t", "1")
    known = schema.outputs_of(token)
    for path in leaves(computed.COMPUTED[token](facts), ()):
        assert leads_somewhere(known, paths.text(path)), path
    assert outputs.outputs(token, facts)


def leaves(value: object, path: paths.Path) -> list[paths.Path]:
    if isinstance(value, dict):
        return [leaf for name, item in value.items() for leaf in leaves(item, (*path, name))]
    if isinstance(value, list):
        return [leaf for index, item in enumerate(value) for leaf in leaves(item, (*path, index))]
    return [path]


@pytest.mark.parametrize(
    ("token", "inputs", "identity"),
    [
        ("resources:ResourceGroup", {"resourceGroupName": "rg"}, "/subscriptions/s/resourceGroups/rg"),
        (
            "network:Subnet",
            {"resourceGroupName": "rg", "virtualNetworkName": "v", "subnetName": "n"},
            "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/n",
        ),
        (
            "dns:RecordSet",
            {"resourceGroupName": "rg", "zoneName": "z.org", "recordType": "A", "relativeRecordSetName": "@"},
            "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/dnsZones/z.org/A/@",
        ),
        (
            "authorization:RoleAssignment",
            {"scope": f"{GROUP}/providers/A/b/c", "roleAssignmentName": "n"},
            f"{GROUP}/providers/A/b/c/providers/Microsoft.Authorization/roleAssignments/n",
        ),
        (
            "storage:BlobContainer",
            {"resourceGroupName": "rg", "accountName": "a", "containerName": "c"},
            (
                "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/a"
                "/blobServices/default/containers/c"
            ),
        ),
        (
            "compute:VirtualMachine",
            {"resourceGroupName": "rg", "vmName": "m"},
            "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/m",
        ),
    ],
)
def test_ids_are_azures(token: str, inputs: dict[str, object], identity: str) -> None:
    assert kinds.identity(token, inputs, "s") == identity


@pytest.mark.parametrize(
    ("identity", "above"),
    [
        (GROUP, ""),
        (f"{GROUP}/providers/A/b/c", GROUP),
        (f"{GROUP}/providers/A/b/c/d/e", f"{GROUP}/providers/A/b/c"),
        (f"{GROUP}/providers/A/b/c/providers/M/locks/l", f"{GROUP}/providers/A/b/c"),
        ("/subscriptions/s/providers/M/roleAssignments/r", "/subscriptions/s"),
    ],
)
def test_what_a_resource_is_in(identity: str, above: str) -> None:
    assert kinds.parent(identity) == above


@pytest.mark.parametrize(
    ("token", "inputs", "line"),
    [
        ("containerservice:AgentPool", {"resourceName": "a", "agentPoolName": "W"}, '"W": must be 1 to 12'),
        ("containerservice:AgentPool", {"resourceName": "a", "agentPoolName": "w" * 13}, "must be 1 to 12"),
        ("keyvault:Vault", {"vaultName": "a--b"}, "must be 3 to 24 letters"),
        ("authorization:RoleAssignment", {"roleAssignmentName": "reader"}, "must be a GUID"),
        ("containerregistry:Registry", {"registryName": "pit-stop"}, "must be 5 to 50 letters and digits"),
        ("containerregistry:Registry", {}, "registryName: missing; azure-native would make one up"),
    ],
)  # fmt: skip
def test_names_that_azure_refuses(token: str, inputs: dict[str, object], line: str) -> None:
    (found,) = kinds.name_problems(token, inputs)
    assert line in found


def test_paths_are_read_and_written_as_pulumi_does() -> None:
    for text in ("a", "a.b", "a[0].b", 'tags["a.b"].c', 'a["x[0]"]'):
        assert paths.text(paths.parse(text)) == text
    with pytest.raises(ValueError, match="not a path"):
        paths.parse("a[b]")
