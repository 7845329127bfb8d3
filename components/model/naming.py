"""Physical names, made in one place from catalogue keys and settings."""

import re

from components.model.versions import STANDIN_HUB

LABEL_VALUE = re.compile(r"[^A-Za-z0-9._-]")
# What the program is told outside the stack file.
KUBECONFIG_VARIABLE = "PITSTOP_KUBECONFIG"  # PATH or PATH#CONTEXT; wins over the stack file
CHARTS_VARIABLE = "PITSTOP_CHARTS"  # folder with Istio's charts
SECRETS_VARIABLE = "PITSTOP_SECRETS"  # file with values generated for this checkout, mode 0600
OWNER_VARIABLE = "PITSTOP_OWNER"  # tells one checkout's stacks from another's of the same name

OWNER_LABEL = "pitstop.dev/owner"


def deployment(service: str, version: str) -> str:
    """Each version is a Deployment of its own: `webapp-v1`."""
    return f"{service}-{version}"


def version_label(version: str) -> str:
    """`v2` as images and the `version` label have it: 2.0."""
    return f"{int(version.removeprefix('v'))}.0"


def host(service: str, namespace: str) -> str:
    """The full name of a Service: short names would be read in the namespace of whoever reads the rule."""
    return f"{service}.{namespace}.svc.cluster.local"


def image(service: str, version: str) -> str:
    """The stand-in image of a service."""
    return f"{STANDIN_HUB}/{service}:{version_label(version)}"


def owner(project: str, stack: str) -> str:
    """Who owns a namespace, as a label's value: at most 63 characters of a small alphabet."""
    return LABEL_VALUE.sub("-", f"{project}.{stack}")[:63].strip("._-")
