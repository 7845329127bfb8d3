"""Every version the program itself chooses. Go modules are pinned in go.mod, Python in requirements.txt."""

# renovate: datasource=github-releases depName=kubernetes/kubernetes
KUBERNETES = "v1.36.3"

# The level of the Pod Security Standards is pinned to a minor release, so that a cluster upgrade never
# changes what is admitted.
POD_SECURITY = "v1.36"

# Istio has no release of the pinned commit: images are assembled from the module's own binaries and
# tagged with the commit.
ISTIO = "1.31-dev"
ISTIO_HUB = "pitstop.local/istio"
ISTIO_TAG = "eed52ebb66ad"
# What clusters run that can pull images: the release of the same minor version.
# renovate: datasource=docker depName=istio/pilot
ISTIO_RELEASE_TAG = "1.31.4"
ISTIO_RELEASE_HUB = "docker.io/istio"

STANDIN_HUB = "pitstop.local/standin"
# Made from Debian's packages: real servers, where only stand-ins could be had otherwise.
DEBIAN_HUB = "pitstop.local/debian"
LOCAL_RABBITMQ_IMAGE = f"{DEBIAN_HUB}/rabbitmq:3"
LOCAL_BUSYBOX_IMAGE = f"{DEBIAN_HUB}/busybox:1"

# What upstream publishes its own images as, and the servers beside them in the releases it uses.
UPSTREAM_HUB = "docker.io/pitstop"
# renovate: datasource=docker depName=mcr.microsoft.com/mssql/server
SQLSERVER_IMAGE = "mcr.microsoft.com/mssql/server:2022-CU20-ubuntu-22.04"
# renovate: datasource=docker depName=rabbitmq
RABBITMQ_IMAGE = "docker.io/library/rabbitmq:3.13-management-alpine"
# renovate: datasource=docker depName=maildev/maildev
MAILSERVER_IMAGE = "docker.io/maildev/maildev:1.1.0"
# renovate: datasource=docker depName=datalust/seq
LOGSERVER_IMAGE = "docker.io/datalust/seq:2025.2"
# renovate: datasource=docker depName=busybox
BUSYBOX_IMAGE = "docker.io/library/busybox:1.37.0"
