"""The provider every object of an environment goes through."""

import json

import pulumi
import pulumi_kubernetes as kubernetes

from components.model.kubeconfig import Target


def provider(target: Target) -> kubernetes.Provider:
    """A provider for one cluster. Its identity, not its kubeconfig, decides what is the same cluster."""
    return kubernetes.Provider(
        "cluster",
        kubeconfig=pulumi.Output.secret(json.dumps(target.kubeconfig(), sort_keys=True)),
        cluster_identifier=target.identity,
    )
