"""The stack file of an environment that lives as long as a pull request: a namespace on another's cluster."""

from pathlib import Path
from typing import Any

import yaml

from components.model import istio, naming, stackfile
from components.model.checks import plan_for
from components.model.explain import PROJECT
from components.model.findings import RefusedError
from components.model.settings import AddonMesh, ExistingMesh, HelmMesh, Settings
from ops.errors import UserError
from ops.paths import CHECKOUT

KEPT = ("services", "guardrails", "egress")  # what a pull request is about, as the other environment has it


def name_of(pull: int) -> str:
    """The stack, and the namespace, of a pull request."""
    return f"pr{pull}"


def write(like: str, pull: int, context: str, folder: Path = CHECKOUT) -> Path:
    """Writes the stack file of a pull request's environment, made from that of a whole one.

    Its services and their traffic are the other's. It joins the other's cluster and mesh, in a namespace and
    under host names of its own; it keeps no data, asks for little, and owns nothing cluster-wide.

    Raises:
        RefusedError: the other's stack file is wrong, or what would be written is.
        UserError: the other has no mesh that could be joined.
    """
    source = stackfile.path_of(like, folder)
    settings = stackfile.load(source)
    given = stackfile.decoded(source.read_text())["config"]
    name = name_of(pull)
    config = {
        "namespace": name,
        "cluster": {"kind": "kubeconfig", "context": context},
        "mesh": _joined(settings),
        "images": settings.image_source,
        "ingress": {"hosts": [f"{name}.{_suffix(settings)}"]},
        "storage": {"kind": "ephemeral"},
        "quota": {"cpu": "4", "memory": "12Gi", "pods": 60},
        **{key: given[f"pitstop:{key}"] for key in KEPT if f"pitstop:{key}" in given},
    }
    return _written(stackfile.path_of(name, folder), {f"pitstop:{key}": item for key, item in config.items()})


def _written(file: Path, config: dict[str, Any]) -> Path:
    """The file, if it is one that the program takes."""
    file.write_text(yaml.safe_dump({"config": config}, sort_keys=False))
    try:
        plan_for(stackfile.load(file), naming.owner(PROJECT, stackfile.name_of(file)))
    except RefusedError:
        file.unlink()
        raise
    return file


def _suffix(settings: Settings) -> str:
    """The first whole host name of the other environment; locally there is only `*`."""
    return next((host for host in settings.ingress.hosts if "*" not in host), "localhost")


def _joined(settings: Settings) -> dict[str, Any]:
    match settings.mesh:
        case HelmMesh(live=live):
            return {"kind": "existing", **({"revision": live} if live else {})}
        case AddonMesh() as addon:
            gateway = {
                "selector": dict(istio.addon_gateway(addon.gateways[0])),
                "namespace": istio.ADDON_GATEWAY_NAMESPACE,
            }
            return {
                "kind": "existing",
                "revision": addon.carrying,
                "rootNamespace": istio.ADDON_NAMESPACE,
                "gateway": gateway,
                "cni": False,
            }
        case ExistingMesh() as mesh:
            return mesh.model_dump(mode="json", by_alias=True, exclude_none=True)
        case _:
            raise UserError(
                "pitstop:mesh.kind = none: there is no mesh to join; valid: another one, e.g. --like dev"
            )
