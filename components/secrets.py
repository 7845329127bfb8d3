"""A vault's values as Secrets: where they come from, and what keeps them in the cluster."""

import pulumi

from components.model.keeper import KeeperPlan
from components.registering import Ground, child, register


class Keeper(pulumi.ComponentResource):
    """What mounts a vault's values; `ready` once the Secrets made of them are what the vault has."""

    ready: tuple[pulumi.Resource, ...]

    def __init__(
        self,
        name: str,
        *,
        plan: KeeperPlan,
        ground: Ground,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("pitstop:secrets:Keeper", name, None, opts)
        before = [register(one, child(self, *ground.ready), ground.known) for one in plan.before()]
        kept = register(plan.deployment, child(self, *before, *ground.ready), ground.known)
        register(plan.budget, child(self, kept))
        self.ready = (kept,)
        self.register_outputs({})
