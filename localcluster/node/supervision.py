"""What the supervisor knows about the node's processes."""

from pydantic import BaseModel, ConfigDict

from localcluster.node.layout import SERVICE_DIR
from localcluster.node.machine import Machine
from localcluster.node.services import services

SETTLED_SECONDS = 5


class ServiceStatus(BaseModel):
    """One process of the node. `pid` is the node's own count; `restarts` since its start, up to 100."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    up: bool
    pid: int | None
    seconds: int
    restarts: int


def look(machine: Machine) -> tuple[ServiceStatus, ...]:
    """Every process, or none when the supervisor does not answer (yet)."""
    ask = (
        f"cd {SERVICE_DIR} || exit; for name in *; do "
        'echo "$name $(s6-svstat -o up,pid,updownfor $name) $(s6-svdt $name | wc -l)"; done'
    )
    return parse(machine.run("sh", "-c", ask).stdout)


def parse(text: str) -> tuple[ServiceStatus, ...]:
    """Lines of `name up pid seconds deaths`, in the order of `services()`; others are left out."""
    found: dict[str, ServiceStatus] = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 5:
            name, up, pid, seconds, deaths = fields
            found[name] = ServiceStatus(
                name=name,
                up=up == "true",
                pid=int(pid) if int(pid) > 0 else None,
                seconds=int(seconds),
                restarts=int(deaths),
            )
    return tuple(found[service.name] for service in services() if service.name in found)


def suspect(seen: tuple[ServiceStatus, ...]) -> ServiceStatus | None:
    """The process most likely to be why the node is not ready: down, or restarted again and again."""
    failing = [one for one in seen if not one.up or (one.restarts > 1 and one.seconds < SETTLED_SECONDS)]
    return max(failing, key=lambda one: one.restarts, default=None)
