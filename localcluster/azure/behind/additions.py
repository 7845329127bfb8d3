"""The processes that the node of a rehearsal has beside those of any other; reads the stages' files."""

from pathlib import Path, PurePosixPath

from localcluster.node.layout import INGRESS_NODE_PORT, INGRESS_TLS_NODE_PORT, KUBERNETES_DIR, NODE_NAME
from localcluster.node.services import Addition, Service

# The cluster belongs to the rehearsal alone, and both act on what is everybody's: nodes, pods, Secrets.
KUBECONFIG = KUBERNETES_DIR / "super-admin.conf"
STAGES = ("node-initialize", "pod-ready", "pod-complete", "pod-delete")
STAGES_FILE = "kwok/stages.yaml"
POD_CIDR = "10.245.0.0/16"  # beside the real node's; nothing routes there, so a call fails at once
# On a file system in memory: written anew after each start of the node.
AZURE_FILE = PurePosixPath("/run/azure.json")


def additions(kwok: Path) -> tuple[Addition, ...]:
    """kwok, with the stages that lie beside its program, and what plays AKS's own parts."""
    stages = "---\n".join((kwok.parent / f"{name}.yaml").read_text() for name in STAGES)
    return (
        Addition(service=Service(name="kwok", command=_kwok()), files={STAGES_FILE: stages}),
        Addition(service=Service(name="aks-addons", command=_addons())),
    )


def _kwok() -> tuple[str, ...]:
    """It has no address to listen on: nobody asks a node without a machine for logs."""
    return (
        "kwok",
        f"--kubeconfig={KUBECONFIG}",
        f"--config=/etc/{STAGES_FILE}",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        f"--cidr={POD_CIDR}",
        "--node-lease-duration-seconds=40",
        "--v=WARN",
    )


def _addons() -> tuple[str, ...]:
    return (
        "aks-addons",
        f"--kubeconfig={KUBECONFIG}",
        f"--node={NODE_NAME}",
        f"--azure={AZURE_FILE}",
        f"--http={INGRESS_NODE_PORT}",
        f"--https={INGRESS_TLS_NODE_PORT}",
    )
