"""Names and numbers of the embedded node. Pure: nothing here looks at the machine."""

from pathlib import PurePosixPath

from components.model.versions import KUBERNETES

NODE_NAME = "pitstop"
NODE_IP = "192.0.2.2"  # TEST-NET-1: no network anyone is on uses it
API_PORT = 6443
INGRESS_NODE_PORT = 30080
INGRESS_TLS_NODE_PORT = 30443

POD_CIDR = "10.244.0.0/24"
SERVICE_CIDR = "10.96.0.0/16"
NODE_PORTS = "30000-32767"  # the API server's default
KUBERNETES_SERVICE_IP = "10.96.0.1"
DNS_IP = "10.96.0.10"
DNS_DOMAIN = "cluster.local"

KUBERNETES_VERSION = KUBERNETES
# renovate: datasource=github-releases depName=coredns/coredns
COREDNS_VERSION = "1.15.0"
COREDNS_IMAGE = f"pitstop.local/coredns:{COREDNS_VERSION}"
# renovate: datasource=docker depName=registry.k8s.io/pause
PAUSE_VERSION = "3.10"
PAUSE_IMAGE = f"pitstop.local/pause:{PAUSE_VERSION}"

# Paths inside the node.
KUBERNETES_DIR = PurePosixPath("/etc/kubernetes")
PKI_DIR = KUBERNETES_DIR / "pki"
CONTAINERD_SOCKET = "unix:///run/containerd/containerd.sock"
CNI_CONF_DIR = PurePosixPath("/etc/cni/net.d")
CNI_BIN_DIR = PurePosixPath("/opt/cni/bin")
SERVICE_DIR = PurePosixPath("/run/service")
# Where the distribution keeps its CNI plugins; the one folder containerd looks into links to them.
CNI_PLUGINS_DIR = PurePosixPath("/usr/lib/cni")
CNI_PLUGINS = ("host-local", "loopback", "portmap", "ptp")

# Volumes are folders the node keeps; a claim that names no class gets one of them.
STORAGE_CLASS = "standard"
VOLUMES_DIR = PurePosixPath("/var/lib/volumes")

# Who the process that enforces NetworkPolicy is to the API server.
POLICY_USER = "pitstop:network-policy"
# Who measures pods for the metrics API, and where it answers for the API server.
METRICS_USER = "pitstop:metrics"
METRICS_PORT = 10260

# Programs the node needs, by the names the toolbox knows them by.
TOOLS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "metrics-server",
    "network-policy",
)
