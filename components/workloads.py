"""The running services of an environment."""

from collections.abc import Mapping, Sequence

import pulumi

from components.config import Secrets
from components.model.plan import WorkloadPlan
from components.registering import Ground, child, register, register_secret


class Workload(pulumi.ComponentResource):
    """One service: identity, secret, address, and a Deployment for each version.

    `ready` are its Deployments: Pulumi holds them until their pods answer their probes.
    """

    ready: tuple[pulumi.Resource, ...]

    def __init__(
        self,
        name: str,
        *,
        plan: WorkloadPlan,
        secrets: Secrets,
        ground: Ground,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("pitstop:workloads:Workload", name, None, opts)
        before = [register(plan.account, child(self, ground.namespace))]
        if plan.secret:
            before.append(register_secret(plan.secret, secrets, child(self, ground.namespace)))
        if plan.address:
            register(plan.address, child(self, ground.namespace))
        self.ready = tuple(register(one, child(self, *before, *ground.ready)) for one in plan.deployments)
        self.register_outputs({})


def workloads(
    plans: Sequence[WorkloadPlan],
    secrets: Secrets,
    ground: Ground,
    opts: pulumi.ResourceOptions,
) -> Mapping[str, Workload]:
    """All services, each after those it cannot start without."""
    made: dict[str, Workload] = {}
    for plan in plans:
        needed = [resource for name in plan.after for resource in made[name].ready]
        made[plan.service.name] = Workload(
            plan.service.name,
            plan=plan,
            secrets=secrets,
            ground=ground.after(needed),
            opts=opts,
        )
    return made
