"""A plan becomes resources. Nothing is decided here."""

from pathlib import Path

import pulumi

from components.config import Secrets
from components.mesh import Mesh
from components.model.plan import Plan
from components.registering import Ground, register
from components.routing import Entry, Routing
from components.workloads import workloads


def register_environment(
    plan: Plan, secrets: Secrets, charts: Path, provider: pulumi.ProviderResource
) -> None:
    """Registers everything of a plan through one provider."""
    opts = pulumi.ResourceOptions(provider=provider)
    mesh = Mesh("mesh", plan=plan.mesh, charts=charts, opts=opts) if plan.mesh else None
    namespace = register(plan.namespace, opts)
    # Named on every object and not only on their parents: the order of removal follows from it.
    ground = Ground(namespace, (namespace, *(mesh.ready if mesh else ())))
    register(plan.mtls, pulumi.ResourceOptions(provider=provider, depends_on=ground.ready))
    loads = workloads(plan.workloads, secrets, ground, opts)
    routes = {
        way.service: Routing(way.service, plan=way, ground=ground, pods=loads[way.service].ready, opts=opts)
        for way in plan.routes
    }
    for entry in plan.entries:
        pods = [routes[entry.service].destination, *loads[entry.service].ready]
        Entry(entry.service, plan=entry, ground=ground, pods=pods, opts=opts)
