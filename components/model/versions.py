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

STANDIN_HUB = "pitstop.local/standin"
