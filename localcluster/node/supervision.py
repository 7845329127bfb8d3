"""What the supervisor knows about the node's processes."""

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from localcluster.node.layout import SERVICE_DIR
from localcluster.node.machine import Machine
from localcluster.node.services import services

SETTLED_SECONDS = 5
VERSIONED = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "containerd",
    "runc",
    "kubelet",
    "kube-proxy",
    "metrics-server",
    "network-policy",
)


class ServiceStatus(BaseModel):
    """One process of the node. `pid` is the node's own count; `restarts` since its start, up to 100."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    up: bool
    pid: int | None
    seconds: int
    restarts: int


def look(machine: Machine, more: Sequence[str] = ()) -> tuple[ServiceStatus, ...]:
    """Every process, or none when the supervisor does not answer (yet)."""
    ask = (
        f"cd {SERVICE_DIR} || exit; for name in *; do "
        'echo "$name $(s6-svstat -o up,pid,updownfor $name) $(s6-svdt $name | wc -l)"; done'
    )
    return parse(machine.run("sh", "-c", ask).stdout, more)


def versions(machine: Machine) -> dict[str, str]:
    """What each program answers to `--version`; one that answers nothing usable is left out."""
    ask = "; ".join(f'echo "{name} $({name} --version 2>&1)"' for name in VERSIONED)
    return parse_versions(machine.run("sh", "-c", ask).stdout)


def parse_versions(text: str) -> dict[str, str]:
    """The first thing that looks like a version on each line that begins with a program's name."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name = line.partition(" ")[0]
        version = re.search(r"\bv?(\d+\.\d+\.\d+[^\s,]*)", line)
        if name in VERSIONED and name not in found and version:
            found[name] = version[1]
    return found


def parse(text: str, more: Sequence[str] = ()) -> tuple[ServiceStatus, ...]:
    """Lines of `name up pid seconds deaths`, in the order of `services()` and `more`; others are left out."""
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
    known = (*(service.name for service in services()), *more)
    return tuple(found[name] for name in known if name in found)


def suspect(seen: tuple[ServiceStatus, ...]) -> ServiceStatus | None:
    """The process most likely to be why the node is not ready: down, or restarted again and again."""
    needed = {service.name for service in services() if not service.optional}
    failing = [
        one
        for one in seen
        if one.name in needed and (not one.up or (one.restarts > 1 and one.seconds < SETTLED_SECONDS))
    ]
    return max(failing, key=lambda one: one.restarts, default=None)
