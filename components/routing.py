"""Who gets which requests: subsets first, then the routes that use them."""

from collections.abc import Sequence

import pulumi

from components.model.plan import EntryPlan, RoutePlan
from components.registering import Ground, child, register, register_secret
from components.secrets import Keeper


class Routing(pulumi.ComponentResource):
    """The routes to one service. A route changes only when every pod it may choose is ready."""

    def __init__(
        self,
        name: str,
        *,
        plan: RoutePlan,
        ground: Ground,
        pods: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("pitstop:routing:Routing", name, None, opts)
        destination = register(plan.destination, child(self, *ground.ready))
        register(plan.route, child(self, destination, *ground.ready, *pods))
        self.destination = destination
        self.register_outputs({})


class Entry(pulumi.ComponentResource):
    """The way in from outside; `keeping` is what a certificate's keeper stands on."""

    def __init__(
        self,
        name: str,
        *,
        plan: EntryPlan,
        ground: Ground,
        keeping: Ground,
        pods: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("pitstop:routing:Entry", name, None, opts)
        before: list[pulumi.Resource] = []
        if plan.certificate:
            before.append(register_secret(plan.certificate, ground.known, child(self, *ground.ready)))
        if plan.keeper:
            keeper = Keeper(name, plan=plan.keeper, ground=keeping, opts=child(self))
            before += keeper.ready
        gateway = register(plan.gateway, child(self, *ground.ready, *before))
        register(plan.route, child(self, gateway, *ground.ready, *pods))
        self.register_outputs({})
