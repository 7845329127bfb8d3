"""The managed cluster's kubeconfig, out of what Azure answers."""

import base64
import binascii
import json
import re
from collections.abc import Mapping

import yaml

from components.model.kubeconfig import Target, target_of

LOGIN = "--login"
# What Azure calls a cluster, or the group it is in, that is not there. A subscription, a tenant or a
# program that is not found says nothing of the cluster.
ABSENT = re.compile(r"\bResource(Group)?NotFound\b")


def kubeconfig(answer: Mapping[str, object]) -> str:
    """The first kubeconfig of an answer of `listManagedClusterUserCredentials`, as JSON.

    Azure's names kubelogin, and has it ask a person for a code. Here it takes the login that the rest of the
    program has, which people and pipelines alike have by `az`; `AAD_LOGIN_METHOD` still says otherwise.
    Source: https://azure.github.io/kubelogin/concepts/login-modes/azurecli.html

    Raises:
        ValueError: there is none.
    """
    entries = answer.get("kubeconfigs")
    first = entries[0] if isinstance(entries, list | tuple) and entries else {}
    value = first.get("value") if isinstance(first, Mapping) else None
    if not value:
        raise ValueError("the cluster gives no kubeconfig")
    try:
        content = yaml.safe_load(base64.b64decode(str(value), validate=True))
    except (binascii.Error, UnicodeDecodeError, yaml.YAMLError):
        raise ValueError("the cluster's kubeconfig cannot be read") from None
    if not isinstance(content, dict):
        raise ValueError("the cluster's kubeconfig cannot be read")  # noqa: TRY004 - what Azure says is wrong
    for user in content.get("users") or ():
        arguments = user.get("user", {}).get("exec", {}).get("args") or []
        if LOGIN in arguments[:-1]:
            arguments[arguments.index(LOGIN) + 1] = "azurecli"
    return json.dumps(content, sort_keys=True)


def target(text: str, said_by: str, identity: str) -> Target:
    """The cluster of a kubeconfig's current context.

    Raises:
        RefusedError: it does not hold one.
    """
    return target_of(json.loads(text), said_by, identity)


def absent(message: str) -> bool:
    """Whether an error says that there is no such cluster."""
    return ABSENT.search(message) is not None
