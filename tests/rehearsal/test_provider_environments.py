"""The Azure half of the committed environments against the stand-in: made, unchanged, gone."""

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import pytest

from components.model import stackfile
from components.model.azure.plan import azure_plan
from components.model.azure.resources import AzureResource
from components.model.outputs import Place, filled, places
from components.model.settings import Settings
from localcluster.azure import paths
from localcluster.azure.errors import Made
from localcluster.azure.service import Account, Azure
from localcluster.azure.state import inventory
from ops import presumed
from ops.paths import CHECKOUT

ENVIRONMENTS = sorted(
    path.name.split(".")[1]
    for path in CHECKOUT.glob("Pulumi.*.yaml")
    if stackfile.load(path).azure is not None
)


def needs(resource: AzureResource) -> set[str]:
    """What a resource waits for: what it says, and whose outputs it takes."""
    return {*resource.after, *(place.name for place in places(resource.inputs) if place.kind == "azure")}


def known(place: Place, made: dict[str, Made]) -> object:
    if place.kind != "azure":
        return f"Value-of-{place.name}"
    there = made[place.name]
    value = there.identity if place.path == ("id",) else paths.at(there.outputs, place.path)
    assert value is not None, place
    return value


def make(azure: Azure, resource: AzureResource, made: dict[str, Made]) -> Made:
    """What the engine asks for: a check, a preview and a creation."""
    inputs = filled(resource.inputs, {place: known(place, made) for place in places(resource.inputs)})
    assert isinstance(inputs, dict)
    checked, problems = azure.check(resource.token, inputs)
    assert problems == [], resource.key
    azure.preview(resource.token, checked)
    return azure.create(resource.token, checked, print)


@pytest.fixture(params=ENVIRONMENTS)
def settings(request: pytest.FixtureRequest) -> Settings:
    """An environment's stack file."""
    return stackfile.load(stackfile.path_of(request.param, CHECKOUT))


@pytest.fixture
def resources(settings: Settings) -> list[AzureResource]:
    """Its Azure half."""
    plan = azure_plan(settings)
    assert plan is not None
    return list(plan.resources)


@pytest.fixture
def azure(settings: Settings, tmp_path: Path) -> Azure:
    """A cloud with what the environment takes for granted."""
    assert settings.azure is not None
    presumed.presume(tmp_path, settings)
    return Azure(tmp_path, Account(settings.azure.subscription, settings.azure.tenant, "c", ""), {})


def everything(azure: Azure, resources: list[AzureResource]) -> dict[str, Made]:
    """Everything at once that waits for nothing else, as the engine does, until all is there."""
    made: dict[str, Made] = {}
    todo = {one.key: one for one in resources}
    while todo:
        ready = [one for one in todo.values() if needs(one) <= made.keys()]
        assert ready, f"waiting for one another: {', '.join(todo)}"
        with ThreadPoolExecutor(len(ready)) as workers:
            done = list(workers.map(make, repeat(azure), ready, repeat(made)))
        made |= {one.key: result for one, result in zip(ready, done, strict=True)}
        todo = {key: one for key, one in todo.items() if key not in made}
    return made


def test_environments_on_azure_are_committed() -> None:
    assert {"dev", "prod"} <= set(ENVIRONMENTS)


def test_an_environment_comes_whole_and_goes_whole(
    azure: Azure, settings: Settings, resources: list[AzureResource], tmp_path: Path
) -> None:
    there = presumed.identities(settings)
    made = everything(azure, resources)
    assert len(inventory(tmp_path).keys() - there) == len(resources)
    left = {one.key: one for one in resources}
    for one in resources:
        result = made[one.key]
        found = azure.read(one.token, result.identity, result.outputs, result.inputs)
        assert found is not None
        assert azure.diff(one.token, found.inputs, result.inputs, found.outputs) == []
    while left:
        free = [key for key in left if not any(key in needs(one) for one in left.values())]
        for key in free:
            azure.delete(left.pop(key).token, made[key].identity, print)
    assert inventory(tmp_path).keys() <= there


def test_a_resource_that_waits_for_too_little_is_seen(azure: Azure, resources: list[AzureResource]) -> None:
    hasty = [one for one in resources if one.token != "resources:ResourceGroup"]  # noqa: S105 - a type token
    alone = next(one for one in hasty if not {*needs(one)} - {"group"} and "resourceGroupName" in one.inputs)
    with pytest.raises(Exception, match="ResourceGroupNotFound"):
        make(azure, alone, {})
