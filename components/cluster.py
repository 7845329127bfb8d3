"""The cluster an environment stands on, and the provider every object goes through."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pulumi

from components.azure import Azure, azure_provider, credentials, register_azure, running
from components.model.azure.plan import AzurePlan
from components.model.kubeconfig import Target
from components.model.plan import Plan
from components.registering import NOTHING, PROVIDER_VERSION, Known


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster as the program registers into it: its provider, and what its texts may name."""

    provider: pulumi.ProviderResource
    identity: str
    known: Known
    before_mesh: Sequence[pulumi.Resource] = ()
    before_pods: Sequence[pulumi.Resource] = ()


def stand(plan: Plan, target: Target | None, check: Callable[[Target], None], known: Known) -> Cluster:
    """The cluster of a plan: one that is there, or one that is made first.

    `target` is how a person says it is reached; `check` looks at a managed cluster that runs already.

    Raises:
        RefusedError: it runs, and is not to be changed.
    """
    if plan.azure is None:
        assert target is not None  # noqa: S101 - only what this stack makes may not be there yet
        return Cluster(_provider(_text(target), target.identity, ()), target.identity, NOTHING)
    azure = azure_provider(plan.azure)
    found = running(plan.azure, azure) if target is None else None
    if found is not None:
        check(found)
    made = register_azure(plan.azure, azure, plan.places(), known)
    return Cluster(
        _managed(plan.azure, made, target),
        plan.azure.cluster_id,
        made.known,
        made.before(plan.azure.before_mesh),
        made.before(plan.azure.before_pods),
    )


def _managed(plan: AzurePlan, azure: Azure, target: Target | None) -> pulumi.ProviderResource:
    kubeconfig = _text(target) if target else credentials(plan, azure)
    return _provider(kubeconfig, plan.cluster_id, azure.before(plan.before_objects))


def _text(target: Target) -> pulumi.Output[str]:
    return pulumi.Output.secret(json.dumps(target.kubeconfig(), sort_keys=True))


def _provider(
    kubeconfig: pulumi.Output[str], identity: str, before: Sequence[pulumi.Resource]
) -> pulumi.ProviderResource:
    """Its identity, not its kubeconfig, decides what is the same cluster."""
    inputs = {
        "kubeconfig": kubeconfig,
        "clusterIdentifier": identity,
        # Otherwise a Secret with another value is removed before it is made again.
        "enableSecretMutable": "true",
    }
    opts = pulumi.ResourceOptions(version=PROVIDER_VERSION, depends_on=list(before))
    return pulumi.ProviderResource("kubernetes", "cluster", inputs, opts)
