"""A whole Pitstop environment: settings -> plan -> checks -> resources."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pulumi

from components import config, login, preflight
from components.model import kubeconfig
from components.model.checks import plan_for
from components.model.findings import RefusedError


def main() -> None:
    """Decides everything first; from the first registered resource on there is nothing left to refuse."""
    settings = config.settings()
    around = config.surroundings()
    plan = plan_for(settings, around.owner)
    login.check(plan.azure, pulumi.get_stack(), os.environ)
    secrets = config.secrets(plan.secrets_needed())
    charts = around.charts_for(plan)
    target = kubeconfig.known(settings.cluster, os.environ, plan.azure.cluster_id if plan.azure else "")
    check = partial(preflight.check, plan, around.owner)
    with ThreadPoolExecutor(max_workers=2) as meanwhile:
        checked = meanwhile.submit(check, target) if target else None
        versions = meanwhile.submit(secrets.versions, plan.versions_needed(), around.owner)
        # The SDK takes as long to import as the cluster to answer.
        from components.cluster import stand
        from components.environment import register_environment

        if checked:
            checked.result()

    for note in plan.notes():
        pulumi.log.info(note)
    known = {**secrets.known(), **versions.result()}
    ground = stand(plan, target, check, known)
    register_environment(plan, known, charts, ground)

    pulumi.export("namespace", plan.namespace.name)
    pulumi.export("cluster", ground.identity)
    for name, value in plan.whereabouts().items():
        pulumi.export(name, value)
    pulumi.export("asked", {name: dict(shares) for name, shares in plan.asked.items()})
    pulumi.export("versions", plan.versions())
    pulumi.export("entries", plan.entry_points())


try:
    main()
except RefusedError as refused:
    for line in refused.lines[:-1]:
        pulumi.log.error(line)
    raise pulumi.RunError(refused.lines[-1]) from None
