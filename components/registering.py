"""From a manifest to a registered resource. Native kinds are typed resources, Istio's are custom ones."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import Namespace, Secret, Service, ServiceAccount

from components.model.manifests import Manifest, SecretTemplate

NATIVE: Mapping[str, Callable[..., pulumi.Resource]] = {
    "Deployment": Deployment,
    "Namespace": Namespace,
    "Service": Service,
    "ServiceAccount": ServiceAccount,
}


@dataclass(frozen=True, slots=True)
class Ground:
    """What the parts of an environment stand on: its namespace, and all that must be ready before pods."""

    namespace: pulumi.Resource
    ready: tuple[pulumi.Resource, ...]

    def after(self, more: Iterable[pulumi.Resource]) -> "Ground":
        """The same ground with more to wait for."""
        return Ground(self.namespace, (*self.ready, *more))


_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def child(parent: pulumi.Resource, *depends_on: pulumi.Resource) -> pulumi.ResourceOptions:
    """Options of a part of a component; the provider is inherited."""
    return pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on))


def register(manifest: Manifest, opts: pulumi.ResourceOptions) -> pulumi.Resource:
    """One object of the plan."""
    document = manifest.document()
    if manifest.kind in NATIVE:
        fields = {_HUMP.sub("_", key).lower(): document[key] for key in manifest.body}
        return NATIVE[manifest.kind](manifest.key, metadata=document["metadata"], **fields, opts=opts)
    return CustomResource(
        manifest.key,
        api_version=manifest.api_version,
        kind=manifest.kind,
        metadata=manifest.metadata,
        spec=document["spec"],
        opts=opts,
    )


def register_secret(
    template: SecretTemplate, values: Mapping[str, pulumi.Output[str]], opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    """A Kubernetes Secret; its texts are filled in where the values are known, and stay secret."""
    needed = {name: values[name] for name in template.values_needed()}
    texts = pulumi.Output.all(**needed).apply(template.filled)
    metadata = template.document(dict.fromkeys(needed, ""))["metadata"]
    build: Callable[..., pulumi.Resource] = Secret
    return build(template.key, metadata=metadata, string_data=pulumi.Output.secret(texts), opts=opts)
