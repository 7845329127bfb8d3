"""The processes of the node and how the supervisor runs them. Pure: text in, text out."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict

from localcluster.node.layout import (
    API_PORT,
    CONTAINERD_SOCKET,
    INGRESS_NODE_PORT,
    INGRESS_TLS_NODE_PORT,
    KUBERNETES_DIR,
    METRICS_PORT,
    NODE_IP,
    NODE_NAME,
    NODE_PORTS,
    PKI_DIR,
    SERVICE_CIDR,
)

# Set by boot.sh: the sockets that listen on the machine's loopback.
API_SOCKET = 3
HTTP_SOCKET = 4
HTTPS_SOCKET = 5
SOCKETS = (API_SOCKET, HTTP_SOCKET, HTTPS_SOCKET)
FIRST = 3  # where systemd's services look for the socket they are handed
LOG_BYTES = 2_000_000
LOG_FILES = 3
# The exit status of an optional process that cannot run on this kernel: it is not started again.
GIVES_UP = 100
METRICS_KUBECONFIG = KUBERNETES_DIR / "metrics-server.conf"


class Service(BaseModel):
    """One supervised process.

    `waits_until` is a command that has to succeed before it starts, so that a normal boot has no failed
    starts in it.
    `listens_on` is an inherited listening socket; it is handed on the way systemd hands sockets to services.
    `optional` is a process the node works without, where the kernel cannot do what it needs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    command: tuple[str, ...]
    waits_until: tuple[str, ...] = ()
    listens_on: int | None = None
    optional: bool = False


class Addition(BaseModel):
    """A process that only some nodes have. Its program comes from the toolbox, under the command's name.

    `files` are written below the node's /etc, by their path there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: Service
    files: Mapping[str, str] = {}

    @property
    def tool(self) -> str:
        """The program, by the name the toolbox knows it by."""
        return self.service.command[0]


def services() -> tuple[Service, ...]:
    """Every process that each node has, in the order a person reads them."""
    return (
        Service(name="etcd", command=_etcd()),
        Service(name="kube-apiserver", command=_apiserver()),
        Service(name="kube-controller-manager", command=_controller_manager()),
        Service(name="kube-scheduler", command=_scheduler()),
        Service(name="containerd", command=("containerd", "--config=/etc/containerd/config.toml")),
        Service(
            name="kubelet",
            command=_kubelet(),
            waits_until=("test", "-S", CONTAINERD_SOCKET.removeprefix("unix://")),
        ),
        Service(name="kube-proxy", command=("kube-proxy", f"--config={KUBERNETES_DIR}/kube-proxy.yaml")),
        Service(name="metrics-server", command=_metrics_server(), waits_until=_has_metrics_rights()),
        Service(name="network-policy", command=_network_policy(), optional=True),
        Service(name="forward-api", command=_forward(API_PORT), listens_on=API_SOCKET),
        Service(name="forward-http", command=_forward(INGRESS_NODE_PORT), listens_on=HTTP_SOCKET),
        Service(name="forward-https", command=_forward(INGRESS_TLS_NODE_PORT), listens_on=HTTPS_SOCKET),
    )


def run_script(service: Service) -> str:
    """The supervisor's `run` file.

    A killed s6-supervise must take its process along, otherwise the one that replaces it would start a
    second process beside the first: hence the parent-death signal.
    """
    lines = ["#!/bin/sh", "exec 2>&1", _hand_over(service.listens_on)]
    if service.waits_until:
        lines.append(f"until {shlex.join(service.waits_until)} >/dev/null 2>&1; do sleep 0.2; done")
    if service.listens_on is not None:
        lines.append("export LISTEN_FDS=1 LISTEN_PID=$$")
    lines.append(f"exec setpriv --pdeathsig=KILL {shlex.join(service.command)}")
    return "\n".join(lines) + "\n"


def finish_script() -> str:
    """The supervisor's `finish` file of an optional process; its first argument is the exit status."""
    return f'#!/bin/sh\n[ "$1" != {GIVES_UP} ] || exit 125\n'


def log_script(service: Service) -> str:
    """The supervisor's `log/run` file: rotated, with times, in /var/log/node."""
    folder = f"/var/log/node/{service.name}"
    return (
        "#!/bin/sh\n"
        f"{_hand_over(None)}\n"
        f"mkdir -p {folder}\n"
        f"exec s6-log -b n{LOG_FILES} s{LOG_BYTES} T {folder}\n"
    )


def service_tree(more: Sequence[Service] = ()) -> dict[PurePosixPath, str]:
    """Every file of the supervisor's folder; all of them are programs."""
    files = {PurePosixPath(".s6-svscan/finish"): "#!/bin/sh\nexit 0\n"}
    for service in (*services(), *more):
        files[PurePosixPath(service.name, "run")] = run_script(service)
        files[PurePosixPath(service.name, "log", "run")] = log_script(service)
        if service.optional:
            files[PurePosixPath(service.name, "finish")] = finish_script()
    return files


def _hand_over(socket: int | None) -> str:
    """The shell's way to keep one inherited socket, where it is looked for, and to close the others."""
    moved = f"{FIRST}<&{socket} " if socket not in {None, FIRST} else ""
    closed = SOCKETS if socket is None else [one for one in SOCKETS if one != FIRST]
    return f"exec {moved}{' '.join(f'{one}<&-' for one in closed)}"


def _forward(port: int) -> tuple[str, ...]:
    return ("/usr/lib/systemd/systemd-socket-proxyd", "--connections-max=1024", f"{NODE_IP}:{port}")


def _etcd() -> tuple[str, ...]:
    url, peer = "https://127.0.0.1:2379", "https://127.0.0.1:2380"
    pki = PKI_DIR / "etcd"
    return (
        "etcd",
        f"--name={NODE_NAME}",
        "--data-dir=/var/lib/etcd",
        f"--advertise-client-urls={url}",
        f"--listen-client-urls={url}",
        f"--initial-advertise-peer-urls={peer}",
        f"--listen-peer-urls={peer}",
        f"--initial-cluster={NODE_NAME}={peer}",
        "--client-cert-auth=true",
        f"--trusted-ca-file={pki}/ca.crt",
        f"--cert-file={pki}/server.crt",
        f"--key-file={pki}/server.key",
        "--peer-client-cert-auth=true",
        f"--peer-trusted-ca-file={pki}/ca.crt",
        f"--peer-cert-file={pki}/peer.crt",
        f"--peer-key-file={pki}/peer.key",
    )


def _apiserver() -> tuple[str, ...]:
    return (
        "kube-apiserver",
        f"--advertise-address={NODE_IP}",
        f"--secure-port={API_PORT}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",  # as everywhere: Pod Security decides who may
        "--enable-admission-plugins=NodeRestriction",
        f"--client-ca-file={PKI_DIR}/ca.crt",
        "--etcd-servers=https://127.0.0.1:2379",
        f"--etcd-cafile={PKI_DIR}/etcd/ca.crt",
        f"--etcd-certfile={PKI_DIR}/apiserver-etcd-client.crt",
        f"--etcd-keyfile={PKI_DIR}/apiserver-etcd-client.key",
        f"--kubelet-client-certificate={PKI_DIR}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={PKI_DIR}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--proxy-client-cert-file={PKI_DIR}/front-proxy-client.crt",
        f"--proxy-client-key-file={PKI_DIR}/front-proxy-client.key",
        f"--requestheader-client-ca-file={PKI_DIR}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        "--enable-aggregator-routing=true",  # the metrics API is reached without kube-proxy
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={PKI_DIR}/sa.pub",
        f"--service-account-signing-key-file={PKI_DIR}/sa.key",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        f"--tls-cert-file={PKI_DIR}/apiserver.crt",
        f"--tls-private-key-file={PKI_DIR}/apiserver.key",
        "--profiling=false",
    )


def _controller_manager() -> tuple[str, ...]:
    kubeconfig = KUBERNETES_DIR / "controller-manager.conf"
    return (
        "kube-controller-manager",
        "--bind-address=127.0.0.1",
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--client-ca-file={PKI_DIR}/ca.crt",
        f"--requestheader-client-ca-file={PKI_DIR}/front-proxy-ca.crt",
        f"--cluster-signing-cert-file={PKI_DIR}/ca.crt",
        f"--cluster-signing-key-file={PKI_DIR}/ca.key",
        f"--root-ca-file={PKI_DIR}/ca.crt",
        f"--service-account-private-key-file={PKI_DIR}/sa.key",
        "--use-service-account-credentials=true",
        "--controllers=*,bootstrapsigner,tokencleaner",
        "--leader-elect=false",
        "--profiling=false",
    )


def _scheduler() -> tuple[str, ...]:
    kubeconfig = KUBERNETES_DIR / "scheduler.conf"
    return (
        "kube-scheduler",
        "--bind-address=127.0.0.1",
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--profiling=false",
    )


def _kubelet() -> tuple[str, ...]:
    return (
        "kubelet",
        f"--config={KUBERNETES_DIR}/kubelet.yaml",
        f"--kubeconfig={KUBERNETES_DIR}/kubelet.conf",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={NODE_IP}",
    )


def _metrics_server() -> tuple[str, ...]:
    """Nodes without a machine have nothing to measure, so only this one is asked."""
    return (
        "metrics-server",
        f"--kubeconfig={METRICS_KUBECONFIG}",
        f"--authentication-kubeconfig={METRICS_KUBECONFIG}",
        f"--authorization-kubeconfig={METRICS_KUBECONFIG}",
        f"--bind-address={NODE_IP}",
        f"--secure-port={METRICS_PORT}",
        "--cert-dir=/run/metrics-server",
        f"--node-selector=kubernetes.io/hostname={NODE_NAME}",
        "--kubelet-preferred-address-types=InternalIP",
        "--kubelet-insecure-tls",  # the kubelet signs its own certificate, for the API server too
        "--metric-resolution=15s",
    )


def _has_metrics_rights() -> tuple[str, ...]:
    """What it reads first, and what it ends without: its rights come with the add-ons."""
    first = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    return ("kubectl", f"--kubeconfig={METRICS_KUBECONFIG}", "get", f"--raw={first}")


def _network_policy() -> tuple[str, ...]:
    return (
        "network-policy",
        f"--kubeconfig={KUBERNETES_DIR}/network-policy.conf",
        f"--node={NODE_NAME}",
        f"--services={SERVICE_CIDR}",
        f"--node-ports={NODE_PORTS}",
    )
