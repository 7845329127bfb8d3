"""The provider every object of an environment goes through."""

import json

import pulumi

from components.model.kubeconfig import Target
from components.registering import PROVIDER_VERSION


def provider(target: Target) -> pulumi.ProviderResource:
    """A provider for one cluster. Its identity, not its kubeconfig, decides what is the same cluster."""
    inputs = {
        "kubeconfig": pulumi.Output.secret(json.dumps(target.kubeconfig(), sort_keys=True)),
        "clusterIdentifier": target.identity,
    }
    opts = pulumi.ResourceOptions(version=PROVIDER_VERSION)
    return pulumi.ProviderResource("kubernetes", "cluster", inputs, opts)
