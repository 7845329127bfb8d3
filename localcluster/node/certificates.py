"""Certificates and kubeconfigs, one identity for each part of the node; kubeadm's phases make them."""

import subprocess
from pathlib import Path

from localcluster.node import files
from ops.errors import UserError
from ops.paths import atomic_dir


def ensure(kubeadm: Path, target: Path) -> None:
    """Fill `target` (the node's /etc/kubernetes) once: all of it or, when interrupted, nothing.

    Raises:
        UserError: kubeadm refuses.
    """
    if target.is_dir():
        return
    with atomic_dir(target) as scratch:
        config = scratch / "kubeadm.yaml"
        config.write_text(files.kubeadm(scratch / "pki"))
        _run(kubeadm, "init", "phase", "certs", "all", f"--config={config}")
        _run(
            kubeadm, "init", "phase", "kubeconfig", "all", f"--config={config}", f"--kubeconfig-dir={scratch}"
        )
        # kubeadm runs kube-proxy as a pod and has no phase for it; this user is the one RBAC already knows.
        proxy = _run(kubeadm, "kubeconfig", "user", "--client-name=system:kube-proxy", f"--config={config}")
        _private(scratch / "kube-proxy.conf", proxy)


def _private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _run(kubeadm: Path, *arguments: str) -> str:
    done = subprocess.run([kubeadm, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise UserError(f"kubeadm {' '.join(arguments[:4])} failed: {reason}")
    return done.stdout
