"""Physical names, and the ids that follow from them, with Azure's limits of each kind.

Names say what a thing is, of what, and of which environment: `aks-pitstop-prod`. Where a name is one of the
whole world's, a suffix made from subscription and environment keeps two of them apart, the same in every run.
Source: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
"""

import hashlib
import re
import uuid
from dataclasses import dataclass

from components.model.azure.settings import AzureSettings

APP = "pitstop"
SUFFIX = 6
# Role assignments are named by GUIDs; these follow from what is assigned, so that a second run finds its own.
ASSIGNMENTS = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/EdwinVW/pitstop#assignments")


@dataclass(frozen=True, slots=True)
class Form:
    """How names of a kind are made, and what Azure takes."""

    text: str  # {name}: the environment's short name, {suffix}: the world's
    valid: re.Pattern[str]
    longest: int


_DASHED = re.compile(r"[a-z][-a-z0-9]*[a-z0-9]")
FORMS = {
    "group": Form("rg-{app}-{name}", re.compile(r"[-\w().]*[-\w()]"), 90),
    "nodeGroup": Form("rg-{app}-{name}-nodes", re.compile(r"[-\w().]*[-\w()]"), 80),
    "network": Form("vnet-{app}-{name}", _DASHED, 64),
    "routes": Form("rt-{app}-{name}", _DASHED, 80),
    "outbound": Form("ng-{app}-{name}", _DASHED, 80),
    "gatewayAddress": Form("pip-{app}-{name}-gateway", _DASHED, 80),
    "address": Form("pip-{app}-{name}", _DASHED, 80),
    "identity": Form("id-{app}-{name}-{part}", _DASHED, 128),
    "cluster": Form("aks-{app}-{name}", _DASHED, 63),
    "dnsPrefix": Form("{app}-{name}-{suffix}", _DASHED, 54),
    "registry": Form("cr{app}{name}{suffix}", re.compile(r"[a-z0-9]{5,}"), 50),
    "vault": Form("kv-{name}-{suffix}", _DASHED, 24),
    "logs": Form("log-{app}-{name}", _DASHED, 63),
    "metrics": Form("amw-{app}-{name}", _DASHED, 44),
    "endpoint": Form("dce-{app}-{name}", _DASHED, 44),
    "rule": Form("dcr-{app}-{name}-{part}", _DASHED, 64),
    "grafana": Form("graf-{name}-{suffix}", _DASHED, 23),
    "insights": Form("appi-{app}-{name}", _DASHED, 260),
    "sql": Form("sql-{app}-{name}-{suffix}", _DASHED, 63),
    "privateEndpoint": Form("pe-{app}-{name}-{part}", _DASHED, 64),
}


def physical(kind: str, azure: AzureSettings, part: str = "") -> str:
    """The name of a kind of thing in an environment; `part` tells several of a kind apart."""
    return FORMS[kind].text.format(app=APP, name=azure.name, suffix=suffix(azure), part=part)


def suffix(azure: AzureSettings) -> str:
    """What keeps this environment's names apart from everybody else's."""
    return hashlib.sha256(f"{azure.subscription}/{azure.name}".encode()).hexdigest()[:SUFFIX]


def group_id(azure: AzureSettings) -> str:
    """The resource group's id."""
    return f"/subscriptions/{azure.subscription}/resourceGroups/{physical('group', azure)}"


def resource_id(azure: AzureSettings, kind: str, name: str) -> str:
    """The id of a thing in the environment's group, known before it is there."""
    return f"{group_id(azure)}/providers/{kind}/{name}"


def cluster_id(azure: AzureSettings) -> str:
    """The managed cluster's id: what stays the same while its credentials change."""
    return resource_id(azure, "Microsoft.ContainerService/managedClusters", physical("cluster", azure))


def registry_host(azure: AzureSettings) -> str:
    """Where images of the environment's own registry are pulled from."""
    return f"{physical('registry', azure)}.azurecr.io"


def role_id(azure: AzureSettings, role: str) -> str:
    """The id of one of Azure's own roles."""
    kind = "Microsoft.Authorization/roleDefinitions"
    return f"/subscriptions/{azure.subscription}/providers/{kind}/{role}"


def assignment(azure: AzureSettings, *parts: str) -> str:
    """The name of a role assignment: the same GUID for the same who, what and where."""
    return str(uuid.uuid5(ASSIGNMENTS, "/".join((azure.subscription, azure.name, *parts))))
