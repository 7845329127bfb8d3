"""The running services of an environment, and the databases they find."""

from collections.abc import Mapping, Sequence

import pulumi

from components.model.database import DatabasePlan
from components.model.naming import DATABASE_INIT
from components.model.plan import Plan, WorkloadPlan
from components.registering import Ground, child, on_its_way, register, register_secret


class Workload(pulumi.ComponentResource):
    """One service: identity, secret, files, data, address, and a workload for each version.

    `ready` are its workloads: Pulumi holds them until their pods answer their probes.
    """

    ready: tuple[pulumi.Resource, ...]

    def __init__(
        self,
        name: str,
        *,
        plan: WorkloadPlan,
        ground: Ground,
        retain: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("pitstop:workloads:Workload", name, None, opts)
        own = child(self, ground.namespace)
        kept = pulumi.ResourceOptions.merge(own, pulumi.ResourceOptions(retain_on_delete=retain))
        before = [register(manifest, own) for manifest in (plan.account, *plan.files)]
        before += [register(claim, kept) for claim in plan.claims]
        if plan.secret:
            before.append(register_secret(plan.secret, ground.known, own))
        if plan.address:
            register(plan.address, own)
        self.ready = tuple(
            register(one, child(self, *before, *ground.ready), ground.known) for one in plan.workloads
        )
        for manifest in plan.beside:
            register(manifest, child(self, ground.namespace, *self.ready))
        self.register_outputs({})


class Database(pulumi.ComponentResource):
    """The job that makes databases and logins; `ready` is its end."""

    ready: tuple[pulumi.Resource, ...]

    def __init__(
        self,
        name: str,
        *,
        plan: DatabasePlan,
        ground: Ground,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("pitstop:workloads:Database", name, None, opts)
        own = child(self, ground.namespace)
        before = [register(plan.account, own), register(plan.script, own)]
        if plan.secret:
            before.append(register_secret(plan.secret, ground.known, own))
        self.ready = (register(plan.job, child(self, *before, *ground.ready), ground.known),)
        self.register_outputs({})


async def workloads(
    plan: Plan, ground: Ground, opts: pulumi.ResourceOptions
) -> Mapping[str, Sequence[pulumi.Resource]]:
    """All services, each after those it cannot start without; what to wait for, by name."""
    ready: dict[str, Sequence[pulumi.Resource]] = {}
    for load in plan.workloads:
        if plan.database and DATABASE_INIT in load.after and DATABASE_INIT not in ready:
            server = ground.after(ready.get("sqlserver", ()))
            made = Database(DATABASE_INIT, plan=plan.database, ground=server, opts=opts)
            ready[DATABASE_INIT] = made.ready
        needed = ground.after(resource for name in load.after for resource in ready[name])
        name = load.service.name
        ready[name] = Workload(name, plan=load, ground=needed, retain=plan.retain, opts=opts).ready
        await on_its_way()
    return ready
