"""Physical names, made in one place from catalogue keys and settings."""

import re

from components.model.versions import (
    BUSYBOX_IMAGE,
    LOCAL_BUSYBOX_IMAGE,
    LOCAL_RABBITMQ_IMAGE,
    STANDIN_HUB,
    UPSTREAM_HUB,
)

LABEL_VALUE = re.compile(r"[^A-Za-z0-9._-]")
# What the program is told outside the stack file.
KUBECONFIG_VARIABLE = "PITSTOP_KUBECONFIG"  # PATH or PATH#CONTEXT; wins over the stack file
CHARTS_VARIABLE = "PITSTOP_CHARTS"  # folder with Istio's charts
SECRETS_VARIABLE = "PITSTOP_SECRETS"  # file with values generated for this checkout, mode 0600
PROVIDER_VARIABLE = "PITSTOP_SECRETS_PROVIDER"  # what encrypts the state of a stack that is made
OWNER_VARIABLE = "PITSTOP_OWNER"  # tells one checkout's stacks from another's of the same name
REHEARSAL_VARIABLE = "PITSTOP_REHEARSAL"  # folder of a rehearsal, in which a stand-in answers for Azure

OWNER_LABEL = "pitstop.dev/owner"
# Whose calls a pod makes. NetworkPolicies go by it and Services do not, so that a pod may call as a service
# without being sent its requests.
IDENTITY_LABEL = "pitstop.dev/identity"
DATABASE_INIT = "database-init"
# A pod template names the version of each secret value its pods use: another one starts them anew.
VERSION_ANNOTATION = "secret.pitstop.dev/"


def workload(service: str, version: str = "") -> str:
    """Each version is a workload of its own, `webapp-v1`; what never has two at a time is just `rabbitmq`."""
    return f"{service}-{version}" if version else service


def version_label(version: str) -> str:
    """`v2` as images and the `version` label have it: 2.0."""
    return f"{int(version.removeprefix('v'))}.0"


def host(service: str, namespace: str) -> str:
    """The full name of a Service: short names would be read in the namespace of whoever reads the rule."""
    return f"{service}.{namespace}.svc.cluster.local"


def image(service: str, version: str, source: str, published: str = "", commit: str = "") -> str:
    """The image of a service from `standin`, `upstream` or a registry; `published` is not ours to build.

    `commit` is what it was built from, where this environment builds.
    """
    if source == "standin":
        return (
            LOCAL_RABBITMQ_IMAGE
            if service == "rabbitmq"
            else f"{STANDIN_HUB}/{service}:{version_label(version)}"
        )
    hub = UPSTREAM_HUB if source == "upstream" else source
    tag = built_tag(version, commit) if commit else version_label(version)
    return published or f"{hub}/{service}:{tag}"


def built_tag(version: str, commit: str) -> str:
    """The tag of an image built from a commit: another commit is another image, so that nodes pull it."""
    return f"{version_label(version)}-{commit[:12]}"


def waiting_image(source: str) -> str:
    """What init containers wait with."""
    return LOCAL_BUSYBOX_IMAGE if source == "standin" else BUSYBOX_IMAGE


def principal(namespace: str, account: str) -> str:
    """A service account as the mesh's certificates name it, in the default trust domain."""
    return f"cluster.local/ns/{namespace}/sa/{account}"


def owner(project: str, stack: str) -> str:
    """Who owns a namespace, as a label's value: at most 63 characters of a small alphabet."""
    return LABEL_VALUE.sub("-", f"{project}.{stack}")[:63].strip("._-")
