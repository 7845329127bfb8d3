"""The Azure half of a plan becomes resources. Nothing is decided here.

As with Kubernetes, resources are registered by type token (decision 9): of the SDK, whose modules take
seconds to import, only the version is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version

import pulumi

from components.model.azure.credentials import absent, kubeconfig, target
from components.model.azure.plan import AzurePlan
from components.model.azure.resources import AzureResource
from components.model.explain import key_path
from components.model.findings import Finding, RefusedError
from components.model.kubeconfig import Target
from components.model.outputs import Place
from components.registering import Known, fill

PACKAGE = "azure-native"
CREDENTIALS = f"{PACKAGE}:containerservice:listManagedClusterUserCredentials"


@dataclass(frozen=True, slots=True)
class Azure:
    """What was made, by key, and what later texts may name of it."""

    provider: pulumi.ProviderResource
    made: Mapping[str, pulumi.Resource]
    known: Known

    def before(self, keys: Iterable[str]) -> list[pulumi.Resource]:
        """The resources with these keys."""
        return [self.made[key] for key in keys]


class Part(pulumi.ComponentResource):
    """What belongs together of an environment's Azure resources."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions) -> None:
        super().__init__(f"pitstop:azure:{name.capitalize()}", name, None, opts)


def register_azure(
    plan: AzurePlan, provider: pulumi.ProviderResource, wanted: Iterable[Place], known: Known
) -> Azure:
    """Registers every Azure resource, each after what it needs.

    `wanted` are the places anybody names, which say what has to be kept of each; `known` fills the others.
    """
    opts = pulumi.ResourceOptions(provider=provider)
    parts = {name: Part(name, opts) for name in dict.fromkeys(one.part for one in plan.resources)}
    named: dict[str, set[Place]] = {}
    for place in wanted:
        if place.kind == "azure":
            named.setdefault(place.name, set()).add(place)
    made: dict[str, pulumi.Resource] = {}
    found: dict[Place, pulumi.Input[object]] = dict(known)
    for one in plan.resources:
        places = sorted(named.get(one.key, ()))
        inputs = {**_later(places), **fill(one.inputs, found)}
        resource = pulumi.CustomResource(
            f"{PACKAGE}:{one.token}", one.key, inputs, _options(one, parts[one.part], made)
        )
        made[one.key] = resource
        found |= {place: _output(resource, place, one.plain) for place in places}
    for part in parts.values():
        part.register_outputs({})
    return Azure(provider, made, {place: value for place, value in found.items() if place.kind == "azure"})


def azure_provider(plan: AzurePlan) -> pulumi.ProviderResource:
    """The provider, held to the subscription the stack file names, whatever the login's own is."""
    inputs = {"subscriptionId": plan.subscription, "tenantId": plan.tenant, "location": plan.location}
    return pulumi.ProviderResource(PACKAGE, "azure", inputs, pulumi.ResourceOptions(version=package()))


def running(plan: AzurePlan, provider: pulumi.ProviderResource) -> Target | None:
    """The managed cluster as it is now; None where there is none yet.

    Raises:
        RefusedError: Azure does not say.
    """
    path, opts = key_path(("cluster",)), pulumi.InvokeOptions(provider=provider, version=package())
    try:
        answer = pulumi.runtime.invoke(CREDENTIALS, _asked(plan), opts)
    except Exception as error:  # noqa: BLE001 - the SDK raises no narrower one for a failed function
        if absent(str(error)):
            return None
        said = " ".join(str(error).split())[:400]
        raise RefusedError([Finding("no-credentials", path, f"Azure says: {said}", plan.cluster)]) from None
    try:
        return target(kubeconfig(answer.value), path, plan.cluster_id)
    except ValueError as error:
        raise RefusedError([Finding("no-credentials", path, str(error), plan.cluster)]) from None


def credentials(plan: AzurePlan, azure: Azure) -> pulumi.Output[str]:
    """The kubeconfig of the managed cluster, as a secret; a preview without a cluster does not know it.

    It names kubelogin, by which people and pipelines log in with Entra, and holds no credential itself.
    """
    opts = pulumi.InvokeOutputOptions(
        provider=azure.provider, version=package(), depends_on=azure.before([plan.cluster_key])
    )
    answer: pulumi.Output[Mapping[str, object]]
    answer = pulumi.runtime.invoke_output(CREDENTIALS, _asked(plan), opts)
    return pulumi.Output.secret(answer.apply(kubeconfig))


def _asked(plan: AzurePlan) -> dict[str, pulumi.Input[object]]:
    return {"resourceGroupName": plan.group, "resourceName": plan.cluster, "format": "exec"}


@cache
def package() -> str:
    """The version of the SDK, which is that of the provider; looked up once, it reads the package's files."""
    return version("pulumi-azure-native")


def _options(
    one: AzureResource, part: pulumi.Resource, made: Mapping[str, pulumi.Resource]
) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(
        parent=part,
        depends_on=[made[key] for key in one.after],
        protect=one.protect,
        retain_on_delete=one.retain,
        ignore_changes=list(one.ignore),
        additional_secret_outputs=list(one.secret_outputs),
        # Every name is ours: the old one must be gone before the new one can have it.
        delete_before_replace=True,
        version=package(),
    )


def _later(places: Iterable[Place]) -> dict[str, object]:
    """Properties without a value, which only the provider fills: the engine is told to keep them."""
    return {place.path[0]: None for place in places if place.path[0] != "id"}


def _output(
    resource: pulumi.CustomResource, place: Place, plain: Sequence[str] = ()
) -> pulumi.Output[object]:
    head, *below = place.path
    found: pulumi.Output[object] = resource.id if head == "id" else resource.__dict__[head]
    for step in below:
        found = found.apply(partial(_below, step))
    return pulumi.Output.unsecret(found) if ".".join(place.path) in plain else found


def _below(step: str, value: Mapping[str, object]) -> object:
    """What is at a step of an output. A preview knows of a map no more than what was put into it."""
    return pulumi.UNKNOWN if step not in value and pulumi.runtime.is_dry_run() else value[step]
