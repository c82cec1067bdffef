"""Every name and version of the cluster, in one place; what depends on a version gets a new name with it."""

from __future__ import annotations

import os

# The variable is kind's own: a second checkout can have a second cluster.
CLUSTER = os.environ.get("KIND_CLUSTER_NAME") or "skerry"
NODE = f"{CLUSTER}-control-plane"
CONTEXT = f"kind-{CLUSTER}"
NAMESPACE = "skerry"

KUBERNETES = "1.34.4"
ETCD = "3.6.5"
ETCD_IMAGE = f"{ETCD}-0"
PAUSE = "3.10.1"
COREDNS = "1.12.1"
LOCAL_PATH = "0.0.30"
# kind 0.30 is the last release whose files fit a Debian 12 node and a host with cgroup v1.
KIND = "0.30.0"
# Helm 3.19 is built on the client of Kubernetes 1.34 and needs no newer Go than that.
HELM = "3.19.5"
GO = (1, 24)

# Calico's Go module has no tags that Go accepts: the pseudo-version is the commit of v3.28.5.
CALICO = "3.28.5"
CALICO_MODULE = "v1.11.0-cni-plugin.0.20250813170300-a0db560f0520"
CALICO_API_MODULE = "v0.0.0-20240708202104-e3f70b269c2c"
CALICO_MANIFEST = f"https://raw.githubusercontent.com/projectcalico/calico/v{CALICO}/manifests/calico.yaml"
CALICO_NODE_IMAGE = f"docker.io/skerry/calico-node:v{CALICO}"

DEBIAN = "bookworm"
DEBIAN_MIRROR = "http://deb.debian.org/debian"
PUBLIC_BASE_IMAGE = f"debian:{DEBIAN}-slim"

# Asked once, with a short timeout: does anything answer where kind's node image comes from?
REGISTRY_PROBE = "https://registry-1.docker.io/v2/"
