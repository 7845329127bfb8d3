"""A whole Pitstop environment: settings -> plan -> checks -> resources."""

import asyncio
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
    known = {**secrets.known(), **secrets.versions(plan.versions_needed(), around.owner)}
    with ThreadPoolExecutor(max_workers=1) as meanwhile:
        checked = meanwhile.submit(check, target) if target else None
        # The SDK takes as long to import as the cluster to answer.
        from components.cluster import stand
        from components.environment import register_environment

        if checked:
            checked.result()

    for note in plan.notes():
        pulumi.log.info(note)
    ground = stand(plan, target, check, known)
    rest = asyncio.ensure_future(register_environment(plan, known, charts, ground))

    pulumi.export("namespace", plan.namespace.name)
    pulumi.export("cluster", ground.identity)
    for name, value in plan.whereabouts().items():
        pulumi.export(name, value)
    pulumi.export("asked", {name: dict(shares) for name, shares in plan.asked.items()})
    pulumi.export("versions", plan.versions())
    # The stack ends when its outputs are known: after the rest, and what fails there fails the program.
    pulumi.export("entries", pulumi.Output.from_input(rest))


try:
    main()
except RefusedError as refused:
    for line in refused.lines[:-1]:
        pulumi.log.error(line)
    raise pulumi.RunError(refused.lines[-1]) from None
