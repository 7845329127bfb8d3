"""A plan becomes resources. Nothing is decided here."""

from pathlib import Path

import pulumi

from components.cluster import Cluster
from components.mesh import Mesh
from components.model.plan import Plan
from components.registering import Ground, Known, child, on_its_way, register
from components.routing import Entry, Routing
from components.secrets import Keeper
from components.workloads import workloads


async def register_environment(
    plan: Plan, known: Known, charts: Path, cluster: Cluster
) -> dict[str, dict[str, list[str]]]:
    """Registers everything of a plan through one provider; returns where one comes in."""
    opts = pulumi.ResourceOptions(provider=cluster.provider)
    await on_its_way()
    nodes = cluster.before_mesh
    mesh = Mesh("mesh", plan=plan.mesh, charts=charts, after=nodes, opts=opts) if plan.mesh else None
    await on_its_way()
    namespace = register(plan.namespace, opts)
    # Named on every object and not only on their parents: the order of removal follows from it.
    wide = mesh.ready if mesh else ()
    bare = Ground(namespace, (namespace,), {**known, **cluster.known})
    access = Access("access", plan=plan, ground=bare.after(wide), opts=opts)
    await on_its_way()
    ground = bare.after((*wide, *access.ready, *cluster.before_pods))
    outside = ground.after(mesh.gateway if mesh else ())
    # A keeper's pods have no sidecar: they need nodes and the vault, and the mesh may come meanwhile.
    keeping = bare.after((*cluster.before_mesh, *cluster.before_pods))
    if plan.keeper:
        kept = Keeper("secrets", plan=plan.keeper, ground=keeping, opts=opts)
        ground = ground.after(kept.ready)
        await on_its_way()
    ready = await workloads(plan, ground, opts)
    routes: dict[str, Routing] = {}
    for way in plan.routes:
        pods = ready[way.service]
        routes[way.service] = Routing(way.service, plan=way, ground=ground, pods=pods, opts=opts)
        await on_its_way()
    beside = keeping.after(mesh.namespaces if mesh else ())
    for entry in plan.entries:
        pods = [routes[entry.service].destination, *ready[entry.service]]
        Entry(entry.service, plan=entry, ground=outside, keeping=beside, pods=pods, opts=opts)
    return plan.entry_points()


class Access(pulumi.ComponentResource):
    """Who may talk to whom, and how much there may be. What refuses the rest comes last."""

    ready: tuple[pulumi.Resource, ...]

    def __init__(
        self, name: str, *, plan: Plan, ground: Ground, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("pitstop:access:Access", name, None, opts)
        first = (*plan.quota, *((plan.mtls,) if plan.mtls else ()), *plan.access.allow)
        allowed = [register(manifest, child(self, *ground.ready)) for manifest in first]
        denied = [register(manifest, child(self, *ground.ready, *allowed)) for manifest in plan.access.deny]
        self.ready = (*allowed, *denied)
        self.register_outputs({})
