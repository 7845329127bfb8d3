"""Puts the Istio add-on's stand-in on the cluster and takes it away, revision by revision."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster.azure.backing import BehindError, Say
from localcluster.azure.behind import mesh
from localcluster.azure.behind.kubectl import Kubectl
from localcluster.azure.behind.mesh import Chart
from localcluster.node.layout import KUBERNETES_VERSION

ROLLOUT_SECONDS = 180.0
RENDER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Addon:
    """The add-on on one cluster; every call may be cut off and made again."""

    renderer: Path
    charts: Path
    kubectl: Kubectl
    chaining: bool
    say: Say

    def install(self, revisions: Sequence[str], gateways: Sequence[str]) -> None:
        """Has every revision and gateway be there and ready.

        Raises:
            BehindError: one is not ready in three minutes.
        """
        self.kubectl.apply(mesh.namespaces())
        for chart in mesh.base(chaining=self.chaining):
            self._apply(chart)
        planes = [mesh.control_plane(revision, chaining=self.chaining) for revision in revisions]
        self._have_ready(planes)
        # A gateway's pods get their proxy from the webhook of their revision: after istiod, and never before.
        self._have_ready([mesh.gateway(kind, revision) for kind in gateways for revision in revisions])
        self.kubectl.apply(mesh.services(tuple(gateways)))

    def remove(self, revisions: Sequence[str], kinds: Sequence[str], every: Sequence[str]) -> None:
        """Has these revisions be gone, and these kinds of gateway in every revision."""
        for kind in mesh.KINDS:
            for revision in every if kind in kinds else revisions:
                self._delete(mesh.gateway(kind, revision))
        self.kubectl.delete(mesh.services(tuple(kinds)))
        for revision in revisions:
            self._delete(mesh.control_plane(revision, chaining=self.chaining))

    def _have_ready(self, planned: Sequence[Chart]) -> None:
        for chart in planned:
            self.say(f"installing {chart.name}")
            self._apply(chart)
        for chart in planned:
            if chart.deployment:
                self.say(f"waiting for {chart.deployment}")
                self.kubectl.wait_rolled_out(chart.namespace, chart.deployment, ROLLOUT_SECONDS)

    def _apply(self, chart: Chart) -> None:
        self.kubectl.apply_text(self._render(chart), f"--namespace={chart.namespace}")

    def _delete(self, chart: Chart) -> None:
        self.say(f"removing {chart.name}")
        self.kubectl.delete_text(self._render(chart), f"--namespace={chart.namespace}")

    def _render(self, chart: Chart) -> str:
        folder = self.charts / chart.chart
        done = subprocess.run(
            [self.renderer, folder, chart.name, chart.namespace, KUBERNETES_VERSION],
            input=json.dumps(chart.values),
            capture_output=True,
            text=True,
            check=False,
            timeout=RENDER_SECONDS,
        )
        if done.returncode:
            raise BehindError(f"chart {chart.chart} cannot be rendered: {done.stderr.strip()[-300:]}")
        return done.stdout
