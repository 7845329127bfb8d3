"""The configuration files of the node. Pure: every function answers text."""

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from string import Template

import yaml

from localcluster.node.layout import (
    API_PORT,
    CNI_BIN_DIR,
    CNI_CONF_DIR,
    CONTAINERD_SOCKET,
    COREDNS_IMAGE,
    DNS_DOMAIN,
    DNS_IP,
    KUBERNETES_DIR,
    KUBERNETES_VERSION,
    METRICS_PORT,
    METRICS_USER,
    NODE_IP,
    NODE_NAME,
    PAUSE_IMAGE,
    PKI_DIR,
    POD_CIDR,
    POLICY_USER,
    SERVICE_CIDR,
    STORAGE_CLASS,
)
from localcluster.node.services import Addition, service_tree

ADDONS = Path(__file__).with_name("addons.yaml")


def kubeadm(pki: Path) -> str:
    """What kubeadm's certificate and kubeconfig phases read; `pki` is where the files are written now."""
    return _documents(
        {
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": NODE_IP, "bindPort": API_PORT},
            "nodeRegistration": {"name": NODE_NAME, "criSocket": CONTAINERD_SOCKET},
        },
        {
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "ClusterConfiguration",
            "kubernetesVersion": KUBERNETES_VERSION,
            "clusterName": NODE_NAME,
            "certificatesDir": str(pki),
            "encryptionAlgorithm": "ECDSA-P256",
            # As long as its authority: nobody renews the certificates of a cluster on a laptop.
            "certificateValidityPeriod": "87600h0m0s",
            "networking": {"serviceSubnet": SERVICE_CIDR, "podSubnet": POD_CIDR, "dnsDomain": DNS_DOMAIN},
            "apiServer": {"certSANs": ["127.0.0.1", "localhost"]},
        },
    )


def kubelet() -> str:
    """Pods are not nested in cgroups of the kubelet's own, so that cgroup v1 and v2 need the same settings.

    Images are made here and can be pulled from nowhere: a full disk must not make the kubelet delete them.
    """
    return _documents(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{PKI_DIR}/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "cgroupsPerQOS": False,
            "clusterDNS": [DNS_IP],
            "clusterDomain": DNS_DOMAIN,
            "containerRuntimeEndpoint": CONTAINERD_SOCKET,
            "enforceNodeAllocatable": [],
            "evictionHard": {
                "imagefs.available": "500Mi",
                "memory.available": "100Mi",
                "nodefs.available": "500Mi",
            },
            "failCgroupV1": False,
            "failSwapOn": False,
            "imageGCHighThresholdPercent": 100,
            "oomScoreAdj": 0,
            "resolvConf": "/etc/resolv.conf",
            "rotateCertificates": False,
        }
    )


def kube_proxy() -> str:
    """Limits of connection tracking belong to the whole machine: zero leaves them alone.

    Without node ports on 127.0.0.1, which nobody uses here, the kernel itself keeps pods from that address.
    """
    return _documents(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": f"{KUBERNETES_DIR}/kube-proxy.conf"},
            "clusterCIDR": POD_CIDR,
            "conntrack": {"maxPerCore": 0, "min": 0},
            "hostnameOverride": NODE_NAME,
            "iptables": {"localhostNodePorts": False},
            "mode": "iptables",
            "oomScoreAdj": 0,
        }
    )


def containerd(snapshotter: str) -> str:
    """`restrict_oom_score_adj`: without CAP_SYS_RESOURCE a lower score is refused, and every pod with it."""
    return f"""version = 2
root = "/var/lib/containerd"
state = "/run/containerd"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{CNI_BIN_DIR}"
  conf_dir = "{CNI_CONF_DIR}"

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "{snapshotter}"
  default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
"""


def cni() -> str:
    """`ptp` and not `bridge`: every packet is routed, so no bridge needs the netfilter module to see it.

    Addresses are counted in /run, which a reboot empties like the sandboxes that held them.
    """
    ipam = {
        "type": "host-local",
        "dataDir": "/run/cni",
        "ranges": [[{"subnet": POD_CIDR}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugins = [
        {"type": "ptp", "ipMasq": False, "ipam": ipam},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return json.dumps({"cniVersion": "0.4.0", "name": NODE_NAME, "plugins": plugins}, indent=2) + "\n"


def addons() -> str:
    """What a cluster needs before anything else is put on it: rights, DNS, a class of volumes, metrics."""
    values = {
        "COREDNS_IMAGE": COREDNS_IMAGE,
        "DNS_DOMAIN": DNS_DOMAIN,
        "DNS_IP": DNS_IP,
        "METRICS_PORT": str(METRICS_PORT),
        "METRICS_USER": METRICS_USER,
        "NODE_IP": NODE_IP,
        "NODE_NAME": NODE_NAME,
        "POLICY_USER": POLICY_USER,
        "STORAGE_CLASS": STORAGE_CLASS,
    }
    return Template(ADDONS.read_text()).substitute(values)


def etc(snapshotter: str, additions: Sequence[Addition] = ()) -> dict[PurePosixPath, str]:
    """Files below /etc that are written anew at every start. Those in `service` are programs."""
    files = {
        PurePosixPath("passwd"): "root:x:0:0:root:/root:/bin/sh\n",
        PurePosixPath("group"): "root:x:0:\n",
        PurePosixPath("hosts"): f"127.0.0.1 localhost\n{NODE_IP} {NODE_NAME}\n",
        # No name outside the cluster resolves, and none has to: there is no way out.
        PurePosixPath("resolv.conf"): "",
        PurePosixPath("containerd/config.toml"): containerd(snapshotter),
        PurePosixPath("kubernetes/kubelet.yaml"): kubelet(),
        PurePosixPath("kubernetes/kube-proxy.yaml"): kube_proxy(),
    }
    for addition in additions:
        files |= {PurePosixPath(path): text for path, text in addition.files.items()}
    tree = service_tree([addition.service for addition in additions])
    return files | {PurePosixPath("service") / path: text for path, text in tree.items()}


def _documents(*documents: dict[str, object]) -> str:
    return yaml.safe_dump_all(documents, sort_keys=False)
