"""What of Istio this stack owns: all of it where Helm installs it, its configuration where Azure does."""

from collections.abc import Sequence
from pathlib import Path

import pulumi

from components.model.istio import GATEWAY_RELEASE, INSTALL_SECONDS, MeshPlan, Release
from components.registering import child, kubernetes, register


class Mesh(pulumi.ComponentResource):
    """The control plane, the CNI plugin and the ingress gateway.

    `ready` is what meshed pods wait for, `gateway` what only the way in from outside waits for, and
    `namespaces` what is put beside them needs.
    """

    namespaces: tuple[pulumi.Resource, ...]
    ready: tuple[pulumi.Resource, ...]
    gateway: tuple[pulumi.Resource, ...]

    def __init__(
        self,
        name: str,
        *,
        plan: MeshPlan,
        charts: Path,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("pitstop:mesh:Mesh", name, None, opts)
        namespaces = {manifest.name: register(manifest, child(self)) for manifest in plan.namespaces}
        releases: dict[str, pulumi.Resource] = {}
        for release in plan.releases:
            before = (namespaces[release.namespace], *(releases[other] for other in release.after))
            releases[release.name] = self._install(release, charts, (*before, *after))
        config = [register(manifest, child(self)) for manifest in plan.config]
        self.namespaces = tuple(namespaces.values())
        gateway = releases.pop(GATEWAY_RELEASE, None)
        mtls = register(plan.mtls, child(self, *releases.values()))
        self.ready = (*releases.values(), *config, mtls)
        self.gateway = (gateway,) if gateway else ()
        self.register_outputs({})

    def _install(self, release: Release, charts: Path, after: tuple[pulumi.Resource, ...]) -> pulumi.Resource:
        inputs = {
            "name": release.name,
            "chart": str(charts / release.chart),
            "namespace": release.namespace,
            "values": dict(release.values),
            "timeout": INSTALL_SECONDS,
            # All or nothing: half a release that was interrupted would pass for whole at the next update.
            "atomic": True,
            "compat": "true",  # with the releases of Helm 3
        }
        return kubernetes("helm.sh/v3:Release", release.name, inputs, child(self, *after))
