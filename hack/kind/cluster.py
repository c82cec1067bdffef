"""The cluster itself: created once, with a CNI that enforces NetworkPolicies and a DNS that forgets quickly."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from . import host, parts, versions
from .cache import FILES, Cache
from .console import Console, Failure
from .parts import Builder

PRIVATE_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
# Seconds a client may keep an answer about a Service or a pod. A replaced pod has a new address.
DNS_TTL_S = 1
NO_SUCH_NAME = """.:53 {
    errors
    template ANY ANY {
       rcode NXDOMAIN
    }
}
"""
API_TIMEOUT_S = 120.0
READY_TIMEOUT = "--timeout=300s"
DNS_DEPLOYMENT = "deployment/coredns"
# Only in node images that were made here: their kubelet finds the images of files/calico.yaml.
CALICO_DEFINITIONS = "/kind/manifests/calico-crds.yaml"


def corefile(text: str, outside: bool) -> str:
    """Rewrite kubeadm's Corefile: short answers for the cluster's own names, and none of them cached.

    Where nothing is outside, no other name exists, and that is said at once. Forwarding such questions to nobody lets
    every look-up of a pod that is gone hang for seconds, because a resolver also tries its name as it stands.

    Raises Failure: the text is not of the shape that the pinned version writes.
    """
    changed, count = re.subn(r"(kubernetes [^{]*\{[^}]*\bttl )\d+", rf"\g<1>{DNS_TTL_S}", text)
    if count != 1:
        raise Failure("CoreDNS: the Corefile has no `kubernetes` block with a ttl; was versions.KUBERNETES changed?")
    cache = re.search(r"\bcache\b[^\n{]*(\{[^}]*\})?", changed)
    if cache and not all(f"disable {kind} cluster.local" in (cache[1] or "") for kind in ("success", "denial")):
        raise Failure("CoreDNS: the Corefile caches names of the cluster; was versions.KUBERNETES changed?")
    if outside:
        return changed
    zones = re.search(r"kubernetes ([^{]*?) *\{", changed)
    changed, forwards = re.subn(r"\n *forward [^{\n]*(\{[^}]*\})?", "", changed)
    if zones is None or forwards != 1 or changed.count(".:53 {") != 1:
        raise Failure("CoreDNS: the Corefile does not forward exactly once; was versions.KUBERNETES changed?")
    own = ", ".join(f"{zone}:53" for zone in zones[1].split())
    return changed.replace(".:53 {", f"{own} {{") + NO_SUCH_NAME


def default_interface(routes: str) -> str | None:
    """The interface of the default route in the text of /proc/net/route."""
    rows = (line.split() for line in routes.splitlines()[1:])
    return next((row[0] for row in rows if len(row) > 7 and row[1] == row[7] == "00000000"), None)


class Kubectl:
    """Runs kubectl for this cluster only: its own program and its own kubeconfig, whatever the terminal points at."""

    def __init__(self, cache: Cache, console: Console) -> None:
        self._console = console
        self._argv = [str(cache.bin / "kubectl"), "--kubeconfig", str(cache.kubeconfig)]

    def argv(self, *arguments: str) -> list[str]:
        return [*self._argv, *arguments]

    def run(self, *arguments: str, input_text: str | None = None) -> None:
        self._console.run(self.argv(*arguments), input_text=input_text)

    def capture(self, *arguments: str) -> str:
        return self._console.capture(self.argv(*arguments))

    def succeeds(self, *arguments: str) -> bool:
        return self._console.succeeds(self.argv(*arguments))


class Cluster:
    def __init__(self, cache: Cache, console: Console) -> None:
        self._cache = cache
        self._console = console
        self._kind = str(cache.bin / "kind")
        self.kubectl = Kubectl(cache, console)

    def install_tools(self) -> None:
        """Compile kind and Helm, once, into the cache's bin folder."""
        builder = Builder(self._cache, self._console)
        if any(not builder.path(tool).exists() for tool in parts.TOOLS):
            host.require_go(self._console)
        for tool in parts.TOOLS:
            self._cache.link(tool.name, builder.build(tool))

    def up(self, node_image: str | None, outside: bool) -> None:
        """Return when the cluster runs, its node is Ready and its own pods are.

        ``node_image``: a node image, made here or not; None for the one that this kind was released with.
            outside: whether the cluster may reach anything but itself.

        Raises Failure: kind, the CNI or the cluster's own pods do not come up.
        """
        state = self._state()
        if state is None:
            self._create(node_image)
        elif state != "running":
            with self._console.step(f"starting the stopped node {versions.NODE}"):
                self._console.run(["docker", "start", versions.NODE])
        else:
            self._console.say(f"cluster {versions.CLUSTER}: already running")
            self._say_if_outdated(node_image)
        self._kubeconfig()
        if state == "running" and self._own_pods_ready():
            return
        with self._console.step("waiting for the API server"):
            self._wait_for_api()
        if not self.kubectl.succeeds("-n", "kube-system", "get", "daemonset", "calico-node"):
            with self._console.step("installing Calico"):
                self._configure_dns(outside)
                self._install_calico()
        with self._console.step("waiting for the node and the cluster's own pods"):
            self.kubectl.run("wait", "--for=condition=Ready", "node", "--all", READY_TIMEOUT)
            for namespace, workload in (
                ("kube-system", "daemonset/calico-node"),
                ("kube-system", DNS_DEPLOYMENT),
                ("local-path-storage", "deployment/local-path-provisioner"),
            ):
                self.kubectl.run("-n", namespace, "rollout", "status", workload, READY_TIMEOUT)

    def down(self) -> None:
        """Delete the cluster and its kubeconfigs' entries; fine when there is none."""
        if not Path(self._kind).exists() or self._state() is None:
            self._console.say(f"cluster {versions.CLUSTER}: there is none")
        else:
            with self._console.step(f"deleting cluster {versions.CLUSTER}"):
                self._console.run([self._kind, "delete", "cluster", "--name", versions.CLUSTER])
        self._cache.kubeconfig.unlink(missing_ok=True)

    def keep_traffic_inside(self) -> None:
        """Drop what containers send to private networks beyond this machine: a test cluster has no business there."""
        interface = default_interface(Path("/proc/net/route").read_text())
        if interface is None:
            return
        if not host.is_root():
            self._console.say("traffic from the cluster to private networks is not blocked: that needs root")
            return
        for network in PRIVATE_NETWORKS:
            rule = ["DOCKER-USER", "-o", interface, "-d", network, "-j", "DROP"]
            if not self._console.succeeds(["iptables", "-C", *rule]):
                self._console.run(["iptables", "-I", *rule])

    def _state(self) -> str | None:
        """Docker's state of the node's container, None when it does not exist."""
        named = ["--filter", f"name=^{versions.NODE}$", "--format", "{{.State}}"]
        return self._console.capture(["docker", "ps", "--all", *named]) or None

    def _create(self, node_image: str | None) -> None:
        image = ["--image", node_image] if node_image else []
        host.raise_inotify_limits(self._console)
        create = [self._kind, "create", "cluster", "--name", versions.CLUSTER]
        with self._console.step(f"creating cluster {versions.CLUSTER}"):
            try:
                self._console.run([*create, "--config", str(FILES / "kind.yaml"), *image])
            except BaseException:
                # Half a cluster looks like a whole one to the next run.
                self._console.succeeds([self._kind, "delete", "cluster", "--name", versions.CLUSTER])
                raise

    def _say_if_outdated(self, node_image: str | None) -> None:
        used = self._console.capture(["docker", "inspect", "--format", "{{.Config.Image}}", versions.NODE])
        if node_image is not None and used != node_image:
            self._console.say(
                f"cluster {versions.CLUSTER}: it runs {used}, not {node_image}: `make kind-down`, then again, to change"
            )

    def _kubeconfig(self) -> None:
        """Two: the user's, with the current context, as kind does; and the scripts' own, which holds no other."""
        export = [self._kind, "export", "kubeconfig", "--name", versions.CLUSTER]
        self._console.run(export)
        self._console.run([*export, "--kubeconfig", str(self._cache.kubeconfig)])
        # The node's own kubectl: it has the server's version, and needs no download and no compiler.
        link = self._cache.bin / "kubectl"
        image = self._console.capture(["docker", "inspect", "--format", "{{.Image}}", versions.NODE]).removeprefix(
            "sha256:"
        )
        target = self._cache.file("kubectl", image[:12])
        if not target.exists():
            unfinished = self._cache.root / "kubectl.new"
            self._console.run(["docker", "cp", "--follow-link", f"{versions.NODE}:/usr/bin/kubectl", str(unfinished)])
            unfinished.replace(target)
        self._cache.link(link.name, target)
        # `kubectl apply -f experiments/...` without `-n` goes to the brokers.
        default_namespace = ["config", "set-context", versions.CONTEXT, f"--namespace={versions.NAMESPACE}"]
        self._console.run([str(link), *default_namespace])
        self.kubectl.run(*default_namespace)

    def _wait_for_api(self) -> None:
        end = time.monotonic() + API_TIMEOUT_S
        while not self.kubectl.succeeds("get", "--raw", "/readyz"):
            if time.monotonic() > end:
                raise Failure(
                    f"The API server is not ready within {API_TIMEOUT_S:.0f} s: "
                    f"see `docker logs {versions.NODE}`, or start anew with `make kind-down`."
                )
            time.sleep(0.5)

    def _own_pods_ready(self) -> bool:
        return self.kubectl.succeeds("wait", "--for=condition=Ready", "node", "--all", "--timeout=5s") and all(
            self.kubectl.succeeds("-n", "kube-system", "rollout", "status", name, "--timeout=5s")
            for name in ("daemonset/calico-node", DNS_DEPLOYMENT)
        )

    def _configure_dns(self, outside: bool) -> None:
        """Before the CNI is there, so that CoreDNS starts with it."""
        current = json.loads(self.kubectl.capture("-n", "kube-system", "get", "configmap", "coredns", "-o", "json"))
        patch = {"data": {"Corefile": corefile(current["data"]["Corefile"], outside)}}
        self.kubectl.run("-n", "kube-system", "patch", "configmap", "coredns", "--type=merge", "-p", json.dumps(patch))
        # One node has no use for a second, and two cores have little to give away.
        self.kubectl.run("-n", "kube-system", "scale", DNS_DEPLOYMENT, "--replicas=1")

    def _install_calico(self) -> None:
        inside = ["docker", "exec", versions.NODE]
        if not self._console.succeeds([*inside, "test", "-f", CALICO_DEFINITIONS]):
            self.kubectl.run("apply", "--server-side", "-f", versions.CALICO_MANIFEST)
            return
        definitions = self._console.capture([*inside, "cat", CALICO_DEFINITIONS])
        self.kubectl.run("apply", "--server-side", "-f", "-", input_text=definitions)
        manifest = (FILES / "calico.yaml").read_text().replace("CALICO_NODE_IMAGE", versions.CALICO_NODE_IMAGE)
        self.kubectl.run("apply", "--server-side", "-f", "-", input_text=manifest)
