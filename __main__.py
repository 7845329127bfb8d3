"""A whole Pitstop environment: settings -> plan -> checks -> resources."""

import os
from concurrent.futures import ThreadPoolExecutor

import pulumi

from components import config, preflight
from components.model import kubeconfig
from components.model.checks import plan_for
from components.model.findings import RefusedError


def main() -> None:
    """Decides everything first; from the first registered resource on there is nothing left to refuse."""
    settings = config.settings()
    around = config.surroundings()
    plan = plan_for(settings, around.owner)
    secrets = config.secrets(plan.secrets_needed())
    charts = around.charts_for(plan)
    target = kubeconfig.target(settings.cluster, os.environ)
    with ThreadPoolExecutor(max_workers=1) as meanwhile:
        checked = meanwhile.submit(preflight.check, plan, around.owner, target)
        # The SDK takes as long to import as the cluster to answer.
        from components.cluster import provider
        from components.environment import register_environment

        checked.result()

    for note in plan.notes():
        pulumi.log.info(note)
    register_environment(plan, secrets, charts, provider(target))

    pulumi.export("namespace", plan.namespace.name)
    pulumi.export("cluster", target.identity)
    pulumi.export("asked", {name: dict(shares) for name, shares in plan.asked.items()})
    pulumi.export("versions", plan.versions())
    pulumi.export("entries", plan.entry_points())


try:
    main()
except RefusedError as refused:
    for line in refused.lines[:-1]:
        pulumi.log.error(line)
    raise pulumi.RunError(refused.lines[-1]) from None
