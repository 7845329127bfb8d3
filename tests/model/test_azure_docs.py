"""What docs/azure.md has people register is what the program uses."""

import re

from ops.paths import CHECKOUT
from tests.model.azure import FULL, azure_plan

# The module of a type token, and the name Azure registers it under. Azure has these two from the start:
# Microsoft.Resources and Microsoft.Authorization.
NAMESPACES = {
    "applicationinsights": "Insights",
    "containerregistry": "ContainerRegistry",
    "containerservice": "ContainerService",
    "dashboard": "Dashboard",
    "dns": "Network",
    "keyvault": "KeyVault",
    "managedidentity": "ManagedIdentity",
    "monitor": "Monitor",
    "network": "Network",
    "operationalinsights": "OperationalInsights",
    "privatedns": "Network",
    "sql": "Sql",
}
ALWAYS = {"resources", "authorization"}


def test_every_kind_of_resource_is_registered_first() -> None:
    text = (CHECKOUT / "docs/azure.md").read_text()
    block = re.search(r"for one in (.*?); do\n", text, re.DOTALL)
    assert block is not None
    listed = set(block.group(1).replace("\\", " ").split())
    changes = {
        "azure.vault": {},
        "azure.dns": {"zone": "example.org", "resourceGroup": "dns"},
        "ingress": {"hosts": ["pitstop.example.org"]},
    }
    used = {one.token.partition(":")[0] for one in azure_plan(changes, FULL).resources}
    assert {NAMESPACES[module] for module in used - ALWAYS} <= listed
    assert {"containerservice", "keyvault", "sql", "dns"} <= used


def test_the_group_and_its_cluster_are_found_by_the_outputs_the_page_names() -> None:
    text = (CHECKOUT / "docs/azure.md").read_text()
    named = set(re.findall(r"pulumi stack output (\w+)", text))
    assert named <= {"group", "managedCluster"}
    assert named
