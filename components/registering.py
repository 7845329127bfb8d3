"""From a manifest to a registered resource.

Resources are named by their type token, `kubernetes:apps/v1:Deployment`, and not made through the SDK's
class of that name: engine, provider, policies and diffs see the same typed resource, and importing the
classes would take longer (0.4 s of processor time) than everything else the program does before its
first registration. What the classes would check, builders and mypy have.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

import pulumi

from components.model.manifests import Manifest, SecretTemplate

Inputs = Mapping[str, object]

PROVIDER_VERSION = version("pulumi-kubernetes")  # looked up once: it reads the package's files


@dataclass(frozen=True, slots=True)
class Ground:
    """What the parts of an environment stand on: its namespace, and all that must be ready before pods."""

    namespace: pulumi.Resource
    ready: tuple[pulumi.Resource, ...]

    def after(self, more: Iterable[pulumi.Resource]) -> "Ground":
        """The same ground with more to wait for."""
        return Ground(self.namespace, (*self.ready, *more))


def child(parent: pulumi.Resource, *depends_on: pulumi.Resource) -> pulumi.ResourceOptions:
    """Options of a part of a component; the provider is inherited."""
    return pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on))


def kubernetes(kind: str, name: str, inputs: Inputs, opts: pulumi.ResourceOptions) -> pulumi.Resource:
    """A resource of the Kubernetes provider, in the version that belongs to the SDK."""
    pinned = pulumi.ResourceOptions(version=PROVIDER_VERSION)
    return pulumi.CustomResource(
        f"kubernetes:{kind}", name, dict(inputs), pulumi.ResourceOptions.merge(opts, pinned)
    )


def register(manifest: Manifest, opts: pulumi.ResourceOptions) -> pulumi.Resource:
    """One object of the plan."""
    return kubernetes(_token(manifest.api_version, manifest.kind), manifest.key, manifest.document(), opts)


def register_secret(
    template: SecretTemplate, values: Mapping[str, pulumi.Output[str]], opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    """A Kubernetes Secret; its texts are as secret as the values they are filled with."""
    needed = {name: values[name] for name in template.values_needed()}
    texts: pulumi.Output[dict[str, str]] = pulumi.Output.all(**needed).apply(template.filled)
    document = template.document(dict.fromkeys(needed, ""))
    hidden = pulumi.ResourceOptions(additional_secret_outputs=["data", "stringData"])
    opts = pulumi.ResourceOptions.merge(opts, hidden)
    return kubernetes("core/v1:Secret", template.key, {**document, "stringData": texts}, opts)


def _token(api_version: str, kind: str) -> str:
    """The core group has no name in Kubernetes and is called `core` in Pulumi."""
    return f"{api_version if '/' in api_version else f'core/{api_version}'}:{kind}"
