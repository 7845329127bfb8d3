"""Every Azure resource of the program is one that azure-native's own types take."""

from collections.abc import Callable

import pytest

from components.model import stackfile
from components.model.azure.plan import azure_plan as plan_of
from components.model.azure.resources import AzureResource
from components.model.outputs import PLACE
from localcluster.azure.sdk import argument_problems, problems
from ops.paths import CHECKOUT
from tests.model.azure import AKS, FULL, azure_plan
from tests.model.examples import Node
from tests.model.test_azure_plan import VARIANTS

Change = Callable[[Node], None]


def is_place(value: object) -> bool:
    return isinstance(value, str) and PLACE.fullmatch(value) is not None


def wrong(resources: tuple[AzureResource, ...]) -> list[str]:
    return [
        f"{one.key}: {line}" for one in resources for line in problems(one.token, one.inputs, opaque=is_place)
    ]


@pytest.mark.parametrize("variant", VARIANTS)
def test_inputs_are_of_the_sdks_types(variant: str) -> None:
    assert wrong(azure_plan(VARIANTS[variant], FULL).resources) == []


def test_a_bare_cluster_too() -> None:
    assert wrong(azure_plan(base=AKS).resources) == []


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_committed_environments_too(environment: str) -> None:
    found = plan_of(stackfile.load(stackfile.path_of(environment, CHECKOUT)))
    assert found is not None
    assert len(found.resources) > 20
    assert wrong(found.resources) == []


def test_the_function_is_asked_rightly() -> None:
    arguments = {"resourceGroupName": "rg", "resourceName": "aks", "format": "exec"}
    token = "containerservice:listManagedClusterUserCredentials"  # noqa: S105 - the name of a function
    assert argument_problems(token, arguments) == []
    assert argument_problems(token, arguments | {"formats": "exec"})


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("cluster", lambda inputs: inputs.update(kubernetesversion="1.34")),
        ("cluster", lambda inputs: inputs["networkProfile"].update(networkPlugin="cilium")),
        ("cluster", lambda inputs: inputs.pop("resourceGroupName")),
        ("pool-apps", lambda inputs: inputs.update(count="3")),
        ("registry", lambda inputs: inputs["sku"].clear()),
    ],
)
def test_what_the_sdk_would_refuse_is_found(key: str, change: Change) -> None:
    one = next(one for one in azure_plan().resources if one.key == key)
    broken: Node = {
        name: value.copy() if isinstance(value, dict) else value for name, value in one.inputs.items()
    }
    change(broken)
    assert problems(one.token, broken, opaque=is_place)
