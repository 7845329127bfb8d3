"""From a manifest to a registered resource.

Resources are named by their type token, `kubernetes:apps/v1:Deployment`, and not made through the SDK's
class of that name: engine, provider, policies and diffs see the same typed resource, and importing the
classes would take longer (0.4 s of processor time) than everything else the program does before its
first registration. What the classes would check, builders and mypy have.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version

import pulumi

from components.model import outputs
from components.model.manifests import Manifest, SecretTemplate
from components.model.outputs import Place

Inputs = Mapping[str, object]
# What the places of a plan are filled with. A secret value fills Secrets and Azure's inputs, never another
# object's text.
Known = Mapping[Place, "pulumi.Input[object]"]
NOTHING: Known = {}

PROVIDER_VERSION = version("pulumi-kubernetes")  # looked up once: it reads the package's files

# Of the event loop; what a registration needs of them before its call to the engine stands in a thread.
TURNS = 30


@dataclass(frozen=True, slots=True)
class Ground:
    """What the parts of an environment stand on: its namespace, what is ready before them, what is known."""

    namespace: pulumi.Resource
    ready: tuple[pulumi.Resource, ...]
    known: Known

    def after(self, more: Iterable[pulumi.Resource]) -> "Ground":
        """The same ground with more to wait for."""
        return replace(self, ready=(*self.ready, *more))


async def on_its_way() -> None:
    """Lets what is registered go to the engine now, while the next part is built, and not all at the end.

    The first to profit is the provider: its plugin takes as long to start as the rest to be built.
    """
    for _ in range(TURNS):
        await asyncio.sleep(0)


def child(parent: pulumi.Resource, *depends_on: pulumi.Resource) -> pulumi.ResourceOptions:
    """Options of a part of a component; the provider is inherited."""
    return pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on))


def kubernetes(kind: str, name: str, inputs: Inputs, opts: pulumi.ResourceOptions) -> pulumi.Resource:
    """A resource of the Kubernetes provider, in the version that belongs to the SDK."""
    pinned = pulumi.ResourceOptions(version=PROVIDER_VERSION)
    return pulumi.CustomResource(
        f"kubernetes:{kind}", name, dict(inputs), pulumi.ResourceOptions.merge(opts, pinned)
    )


def register(manifest: Manifest, opts: pulumi.ResourceOptions, known: Known = NOTHING) -> pulumi.Resource:
    """One object of the plan, with its places filled."""
    fitting = {place: value for place, value in known.items() if place.kind != "secret"}
    document = fill(manifest.document(), fitting) if fitting else manifest.document()
    return kubernetes(_token(manifest.api_version, manifest.kind), manifest.key, document, opts)


def fill(document: Inputs, known: Known) -> dict[str, object]:
    """The document with what is known in its places; places that nothing is known for stay texts.

    It keeps its shape: only a text with a place becomes an output, and only when what belongs there is one.
    """
    return {
        key: outputs.each_text(value, lambda text: _filled(text, known)) for key, value in document.items()
    }


def _filled(text: str, known: Known) -> object:
    found = {place: known[place] for place in outputs.places(text) if place in known}
    later = {str(place): value for place, value in found.items() if isinstance(value, pulumi.Output)}
    if not later:
        return outputs.filled_text(text, found)
    return pulumi.Output.all(**later).apply(
        lambda made: outputs.filled_text(text, {place: made.get(str(place), found[place]) for place in found})
    )


def register_secret(template: SecretTemplate, known: Known, opts: pulumi.ResourceOptions) -> pulumi.Resource:
    """A Kubernetes Secret; its texts are as secret as the values they are filled with."""
    needed = {name: known[Place("secret", name)] for name in template.values_needed()}
    texts: pulumi.Output[dict[str, str]] = pulumi.Output.all(**needed).apply(template.filled)
    document = template.document(dict.fromkeys(needed, ""))
    hidden = pulumi.ResourceOptions(additional_secret_outputs=["data", "stringData"])
    opts = pulumi.ResourceOptions.merge(opts, hidden)
    return kubernetes("core/v1:Secret", template.key, {**document, "stringData": texts}, opts)


def _token(api_version: str, kind: str) -> str:
    """The core group has no name in Kubernetes and is called `core` in Pulumi."""
    return f"{api_version if '/' in api_version else f'core/{api_version}'}:{kind}"
