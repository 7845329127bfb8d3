"""On which cluster a stack's objects are, kept beside its state.

Taken down with another one in mind, they would stay where they are, and the state that knows of them go.
"""

from pathlib import Path

from components.model.naming import KUBECONFIG_VARIABLE
from components.model.settings import Settings
from localcluster.node.select import External
from ops.clusters import Choice
from ops.errors import UserError
from ops.paths import checkout_dir, write_private

OWN = "the cluster of this checkout"


def remember(stack: str, settings: Settings, choice: Choice) -> None:
    """Said before the first object is made. Where the stack file names the cluster, the state tells it."""
    if settings.cluster.kind == "local":
        _folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(_file(stack), _name(choice))


def forget(stack: str) -> None:
    """Nothing of the stack is anywhere any more."""
    _file(stack).unlink(missing_ok=True)


def check(stack: str, settings: Settings, choice: Choice, *, every: bool = False) -> None:
    """Nothing was made on another cluster than this one; by `every` stack of this checkout, or by this one.

    Raises:
        UserError: something was; a line for each stack says where, and what to set.
    """
    if settings.cluster.kind != "local":
        return
    files = sorted(_folder().glob("*.cluster")) if every else [_file(stack)]
    if said := tuple(line for file in files if (line := _elsewhere(file, _name(choice)))):
        raise UserError(*said)


def _elsewhere(file: Path, named: str) -> str:
    known = file.read_text() if file.exists() else named
    if known == named:
        return ""
    way = (
        f"unset {KUBECONFIG_VARIABLE}, or make down without it first"
        if known == OWN
        else f"set {KUBECONFIG_VARIABLE}={known}, or, where that cluster is gone, remove {file}"
    )
    return f"stack {file.stem}: what it made is on {known}, and {named} was chosen; {way}"


def _name(choice: Choice) -> str:
    if not isinstance(choice, External):
        return OWN
    return f"{choice.kubeconfig}#{choice.context}" if choice.context else str(choice.kubeconfig)


def _file(stack: str) -> Path:
    return _folder() / f"{stack}.cluster"


def _folder() -> Path:
    return checkout_dir() / "pulumi"
