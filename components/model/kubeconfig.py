"""Which cluster is meant: one context of a kubeconfig, cut out so that nothing else of the file travels."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from components.model.explain import key_path
from components.model.findings import Finding, RefusedError
from components.model.naming import KUBECONFIG_VARIABLE as VARIABLE
from components.model.settings import Cluster, LocalCluster

# Keys of a kubeconfig that name files, which may be relative to the kubeconfig's own folder.
FILE_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")

Entry = dict[str, object]


@dataclass(frozen=True, slots=True)
class Target:
    """One cluster and how to talk to it. `said_by` is the key or variable that named it."""

    said_by: str
    context: str
    server: str
    cluster: Mapping[str, object]
    user: Mapping[str, object]
    local: bool = False

    @property
    def identity(self) -> str:
        """What stays the same while certificates and ports change: a new identity replaces everything."""
        return "local" if self.local else f"context:{self.context}"

    def kubeconfig(self) -> Entry:
        """A kubeconfig with this one context and no other."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.context, "cluster": dict(self.cluster)}],
            "users": [{"name": self.context, "user": dict(self.user)}],
            "contexts": [{"name": self.context, "context": {"cluster": self.context, "user": self.context}}],
            "current-context": self.context,
        }


def target(cluster: Cluster, environ: Mapping[str, str]) -> Target:
    """The cluster to talk to: PITSTOP_KUBECONFIG=PATH[#CONTEXT] wins over the stack.

    Raises:
        RefusedError: no kubeconfig is named, or it does not hold what is asked of it.
    """
    if named := environ.get(VARIABLE):
        path, _, context = named.partition("#")
        return _read(Path(path), context, VARIABLE, local=isinstance(cluster, LocalCluster))
    if isinstance(cluster, LocalCluster):
        raise RefusedError(
            [
                Finding(
                    "no-kubeconfig",
                    VARIABLE,
                    'not set, and the local cluster is found through it; e.g. eval "$(make -s env)", '
                    f"or {VARIABLE}=~/.kube/config#kind-pitstop",
                )
            ]
        )
    return _read(Path(cluster.path), cluster.context, key_path(("cluster",)), local=False)


def _read(path: Path, context: str, said_by: str, *, local: bool) -> Target:
    def refuse(message: str, value: object) -> RefusedError:
        return RefusedError([Finding("kubeconfig", said_by, message, str(value))])

    path = Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises for an unknown user
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise refuse(f"cannot be read ({error.strerror}); valid: the path of a kubeconfig", path) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise refuse("is not YAML; valid: the path of a kubeconfig", path) from None
    if not isinstance(content, dict):
        raise refuse("is not a kubeconfig", path)
    chosen = context or str(content.get("current-context") or "")
    contexts = _named(content, "contexts", "context")
    if chosen not in contexts:
        known = ", ".join(sorted(contexts)) or "none"
        raise refuse(f"has no context {chosen or '(none chosen)'}; contexts are {known}", path)
    link = contexts[chosen]
    cluster = _named(content, "clusters", "cluster").get(str(link.get("cluster")))
    user = _named(content, "users", "user").get(str(link.get("user")), {})
    if not cluster or not cluster.get("server"):
        raise refuse(f"context {chosen} has no server", path)
    folder = path.resolve().parent
    return Target(
        said_by, chosen, str(cluster["server"]), _absolute(cluster, folder), _absolute(user, folder), local
    )


def _named(content: Entry, group: str, item: str) -> dict[str, Entry]:
    entries = content.get(group)
    return {
        str(entry["name"]): entry[item]
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and "name" in entry and isinstance(entry.get(item), dict)
    }


def _absolute(entry: Entry, folder: Path) -> Entry:
    return {key: str(folder / str(value)) if key in FILE_KEYS else value for key, value in entry.items()}
