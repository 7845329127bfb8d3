"""What may stand behind the managed clusters of a rehearsal.

A rehearsal answers for Azure; whether there is a real cluster behind a `ManagedCluster` is told by an
environment variable that names a function. Without it the credentials lead to a port nobody listens on.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Protocol

BEHIND_VARIABLE = "PITSTOP_REHEARSAL_BEHIND"  # module:function

Say = Callable[[str], None]  # a line of progress, shown by the engine
Inputs = Mapping[str, object]  # azure-native's own, in camelCase, secrets as plain values
Vaults = Callable[[], Mapping[str, Mapping[str, str]]]  # vault -> secret -> current value


class BehindError(Exception):
    """A cluster could not be made as asked; the message is shown as the resource's error."""


class Behind(Protocol):
    """Real clusters, by the Azure ids they stand for.

    Every method may be called again with the same id, from another process, and from several threads at
    once. Errors: `BehindError`, or `ops.errors.UserError`.
    """

    def cluster(self, identity: str, inputs: Inputs) -> None:
        """Has a cluster be as asked, and returns when it answers. An update calls it with the new inputs."""

    def pool(self, identity: str, inputs: Inputs) -> None:
        """Has a pool of a cluster be as asked; its id is the cluster's, `/agentPools/` and a name."""

    def remove(self, identity: str) -> None:
        """Has a cluster or pool be gone; one that never was is no error."""

    def kubeconfig(self, identity: str) -> str:
        """YAML that leads to a cluster, self-contained."""

    def secrets(self) -> None:
        """A secret of a vault has changed: whoever reads it is to have the new value."""


Entry = Callable[[Say, Vaults], Behind]


class Nowhere:
    """No cluster at all: what is asked for is taken as done."""

    def cluster(self, identity: str, inputs: Inputs) -> None:
        """Do nothing."""

    def pool(self, identity: str, inputs: Inputs) -> None:
        """Do nothing."""

    def remove(self, identity: str) -> None:
        """Do nothing."""

    def kubeconfig(self, identity: str) -> str:
        """Credentials for the discard port of this machine: refused at once."""
        name = identity.rpartition("/")[2]
        return (
            "apiVersion: v1\nkind: Config\n"
            f"current-context: {name}\n"
            f"contexts: [{{name: {name}, context: {{cluster: {name}, user: {name}}}}}]\n"
            f'clusters: [{{name: {name}, cluster: {{server: "https://127.0.0.1:9"}}}}]\n'
            f"users: [{{name: {name}, user: {{}}}}]\n"
        )

    def secrets(self) -> None:
        """Do nothing."""


def behind(entry: str | None, say: Say, vaults: Vaults) -> Behind:
    """What an entry names, made by calling it.

    Raises:
        BehindError: there is no such module or function.
    """
    if not entry:
        return Nowhere()
    module, _, function = entry.partition(":")
    try:
        found: Entry = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise BehindError(
            f"{BEHIND_VARIABLE} = {entry}: {error}; valid: module:function, "
            "e.g. localcluster.azure.behind:clusters"
        ) from None
    return found(say, vaults)
