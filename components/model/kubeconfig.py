"""Which cluster is meant: one context of a kubeconfig, cut out so that nothing else of the file travels."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from components.model.azure.settings import AksCluster
from components.model.explain import key_path
from components.model.findings import Finding, RefusedError
from components.model.naming import KUBECONFIG_VARIABLE as VARIABLE
from components.model.settings import Cluster, KubeconfigCluster, LocalCluster

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
    known_by: str = ""

    @property
    def identity(self) -> str:
        """What stays the same while certificates and ports change: a new identity replaces everything."""
        if self.known_by:
            return self.known_by
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


def known(cluster: Cluster, environ: Mapping[str, str], identity: str) -> Target | None:
    """The cluster to talk to; None where this stack makes it and nobody says how it is reached.

    `identity` is what a cluster that this stack makes is known by.

    Raises:
        RefusedError: as `target`.
    """
    if isinstance(cluster, AksCluster):
        return replace(target(cluster, environ), known_by=identity) if environ.get(VARIABLE) else None
    return target(cluster, environ)


def target(cluster: Cluster, environ: Mapping[str, str]) -> Target:
    """The cluster to talk to: PITSTOP_KUBECONFIG=PATH[#CONTEXT] wins over the stack.

    Raises:
        RefusedError: no kubeconfig is named, or it does not hold what is asked of it.
    """
    if text := environ.get(VARIABLE):
        return read(*named(text), VARIABLE, local=isinstance(cluster, LocalCluster))
    if isinstance(cluster, KubeconfigCluster):
        return read(expanded(cluster.path), cluster.context, key_path(("cluster",)))
    ways = {
        "local": 'the local cluster is found through it; e.g. eval "$(make -s env)", '
        f"or {VARIABLE}=~/.kube/config#kind-pitstop",
        "aks": "a managed cluster is found through it; az aks get-credentials writes a kubeconfig, "
        f"e.g. {VARIABLE}=~/.kube/config#aks-pitstop-dev",
    }
    raise RefusedError([Finding("no-kubeconfig", VARIABLE, f"not set, and {ways[cluster.kind]}")])


def named(text: str) -> tuple[Path, str]:
    """The file and the context that PATH or PATH#CONTEXT names; without a context the file's current one."""
    path, _, context = text.partition("#")
    return expanded(path), context


def expanded(path: str) -> Path:
    """A path as a person writes it."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises for an unknown user


def read(path: Path, context: str, said_by: str, *, local: bool = False) -> Target:
    """One context of a kubeconfig; '' is its current one.

    Raises:
        RefusedError: it cannot be read, or does not hold the context.
    """

    def refuse(message: str, value: object) -> RefusedError:
        return RefusedError([Finding("kubeconfig", said_by, message, str(value))])

    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise refuse(f"cannot be read ({error.strerror}); valid: the path of a kubeconfig", path) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise refuse("is not YAML; valid: the path of a kubeconfig", path) from None
    found = _context(content, context)
    if isinstance(found, str):
        raise refuse(found, path)
    chosen, cluster, user = found
    folder = path.resolve().parent
    return Target(
        said_by, chosen, str(cluster["server"]), _absolute(cluster, folder), _absolute(user, folder), local
    )


def target_of(content: object, said_by: str, identity: str) -> Target:
    """The cluster of the current context of a kubeconfig that is no file.

    Raises:
        RefusedError: it does not hold one.
    """
    found = _context(content, "")
    if isinstance(found, str):
        raise RefusedError([Finding("kubeconfig", said_by, f"its kubeconfig {found}", identity)])
    chosen, cluster, user = found
    return Target(said_by, chosen, str(cluster["server"]), cluster, user, known_by=identity)


def _context(content: object, wanted: str) -> tuple[str, Entry, Entry] | str:
    """A context's name, cluster and user; or what is wrong."""
    if not isinstance(content, dict):
        return "is not a kubeconfig"
    chosen = wanted or str(content.get("current-context") or "")
    contexts = _named(content, "contexts", "context")
    if chosen not in contexts:
        known = ", ".join(sorted(contexts)) or "none"
        return f"has no context {chosen or '(none chosen)'}; contexts are {known}"
    link = contexts[chosen]
    cluster = _named(content, "clusters", "cluster").get(str(link.get("cluster")))
    user = _named(content, "users", "user").get(str(link.get("user")), {})
    if not cluster or not cluster.get("server"):
        return f"context {chosen} has no server"
    return chosen, cluster, user


def _named(content: Entry, group: str, item: str) -> dict[str, Entry]:
    entries = content.get(group)
    return {
        str(entry["name"]): entry[item]
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and "name" in entry and isinstance(entry.get(item), dict)
    }


def _absolute(entry: Entry, folder: Path) -> Entry:
    return {key: str(folder / str(value)) if key in FILE_KEYS else value for key, value in entry.items()}
