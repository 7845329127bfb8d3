"""Certificates and kubeconfigs, one identity for each part of the node; kubeadm's phases make them."""

import subprocess
from pathlib import Path

from localcluster.node import files
from localcluster.node.layout import METRICS_USER, POLICY_USER
from ops.errors import UserError
from ops.paths import atomic_dir

# kubeadm has no phase for these: it runs them as pods, kube-proxy under the name that RBAC already knows.
USERS = {
    "kube-proxy.conf": "system:kube-proxy",
    "metrics-server.conf": METRICS_USER,
    "network-policy.conf": POLICY_USER,
}


def ensure(kubeadm: Path, target: Path) -> None:
    """Fill `target` (the node's /etc/kubernetes) once: all of it or, when interrupted, nothing.

    A node made before one of the users existed gets that user's kubeconfig, from the authority it has.

    Raises:
        UserError: kubeadm refuses.
    """
    if not target.is_dir():
        with atomic_dir(target) as scratch:
            config = _config(scratch, scratch / "pki")
            _run(kubeadm, "init", "phase", "certs", "all", f"--config={config}")
            kubeconfigs = ("init", "phase", "kubeconfig", "all")
            _run(kubeadm, *kubeconfigs, f"--config={config}", f"--kubeconfig-dir={scratch}")
    missing = {name: user for name, user in USERS.items() if not (target / name).exists()}
    if missing:
        config = _config(target, target / "pki")
        for name, user in missing.items():
            made = _run(kubeadm, "kubeconfig", "user", f"--client-name={user}", f"--config={config}")
            _private(target / name, made)


def _config(folder: Path, pki: Path) -> Path:
    config = folder / "kubeadm.yaml"
    config.write_text(files.kubeadm(pki))
    return config


def _private(path: Path, text: str) -> None:
    """Write a private file in one rename."""
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)
    scratch.touch(mode=0o600)
    scratch.write_text(text)
    scratch.rename(path)


def _run(kubeadm: Path, *arguments: str) -> str:
    done = subprocess.run([kubeadm, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise UserError(f"kubeadm {' '.join(arguments[:4])} failed: {reason}")
    return done.stdout
