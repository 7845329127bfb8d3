"""The managed cluster's kubeconfig, out of what Azure answers."""

import base64
import binascii
from collections.abc import Mapping

import yaml

from components.model.kubeconfig import Target, target_of

# A cluster, or the group it is in, that is not there: what the provider says, and what Azure calls it.
ABSENT = ("ResourceNotFound", "ResourceGroupNotFound", "NotFound", "not found", "Status=404")


def kubeconfig(answer: Mapping[str, object]) -> str:
    """The first kubeconfig of an answer of `listManagedClusterUserCredentials`.

    Raises:
        ValueError: there is none.
    """
    entries = answer.get("kubeconfigs")
    first = entries[0] if isinstance(entries, list | tuple) and entries else {}
    value = first.get("value") if isinstance(first, Mapping) else None
    if not value:
        raise ValueError("the cluster gives no kubeconfig")
    try:
        return base64.b64decode(str(value), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("the cluster's kubeconfig is not in base64") from None


def target(text: str, said_by: str, identity: str) -> Target:
    """The cluster of a kubeconfig's current context.

    Raises:
        RefusedError: it does not hold one.
    """
    return target_of(yaml.safe_load(text), said_by, identity)


def absent(message: str) -> bool:
    """Whether an error says that there is no such cluster."""
    return any(word in message for word in ABSENT)
