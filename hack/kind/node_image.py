"""The node image without registries: kind's files, compiled programs, and the images of the cluster's own pods."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

from . import host, parts, rootfs, versions
from .cache import FILES, SCRIPTS, Cache, digest, tree
from .console import Console, Failure
from .parts import Builder

BUILD_CONTAINER = "skerry-node-build"
ENTRYPOINT = '["/usr/local/bin/entrypoint", "/sbin/init"]'
CONTAINERD_TIMEOUT_S = 30.0
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


def image_name() -> str:
    """`skerry/node:v<kubernetes>-<hash>`; the hash covers every program, file and script that goes in."""
    files = [FILES / "node.Dockerfile", FILES / "pause.c", SCRIPTS / "node_image.py"]
    keys = [program.key() for program in parts.NODE_PROGRAMS]
    pins = [versions.KUBERNETES, versions.KIND, versions.PAUSE, versions.ETCD_IMAGE, versions.CALICO_NODE_IMAGE]
    return f"skerry/node:v{versions.KUBERNETES}-{digest(*pins, *keys, rootfs.NODE.image(), *tree(*files))}"


def storage(source: str) -> tuple[str, str, str]:
    """(provisioner image, helper image, manifest) out of the Go source in which kind keeps them.

    Raises Failure: the source is not of the shape that the pinned version has.
    """
    constants = dict(re.findall(r'^const (storage\w+Image) = "([^"]+)"$', source, re.MULTILINE))
    manifest = re.search(r"^const defaultStorageManifest = `\n(.*?)^`$", source, re.MULTILINE | re.DOTALL)
    if manifest is None or {"storageProvisionerImage", "storageHelperImage"} - constants.keys():
        raise Failure("node image: kind's const_storage.go has another shape than expected; was versions.KIND changed?")
    text = manifest[1]
    for name, image in constants.items():
        text = text.replace(f"` + {name} + `", image)
    return constants["storageProvisionerImage"], constants["storageHelperImage"], text


def dockerfile(base: str, entrypoint: str) -> str:
    """A Dockerfile that puts its context into /usr/local/bin of `base`; no entry point when "" is given."""
    lines = [f"FROM {base}", "COPY . /usr/local/bin/"]
    if base == "scratch":
        lines.append("ENV PATH=/usr/local/bin")  # static pods start their program by name
    if entrypoint:
        lines.append(f'ENTRYPOINT ["/usr/local/bin/{entrypoint}"]')
    return "\n".join(lines) + "\n"


class NodeImage:
    def __init__(self, cache: Cache, console: Console) -> None:
        self._cache = cache
        self._console = console
        self._builder = Builder(cache, console)
        self._work = cache.root / "node-image"

    def ensure(self) -> str:
        """The name of the node image, built now if Docker does not have it.

        Raises Failure: a part cannot be built; what is finished is kept for the next run.
        """
        name = image_name()
        if self._console.succeeds(["docker", "image", "inspect", name]):
            self._console.say(f"node image {name}: already built")
            return name
        host.require_go(self._console)
        host.install(self._console, host.BUILD_PACKAGES)
        self._console.say(f"node image {name}: building it; about 20 minutes on two cores when nothing is cached")
        root = rootfs.ensure(rootfs.NODE, self._cache, self._console)
        for number, program in enumerate(parts.NODE_PROGRAMS, start=1):
            self._builder.build(program, f"{number} of {len(parts.NODE_PROGRAMS)}")
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir()
        with self._console.step("building the images of the cluster's own pods"):
            kind_source = self._builder.source("sigs.k8s.io/kind", f"v{versions.KIND}")
            provisioner, helper, manifest = storage((kind_source / "pkg/build/nodeimage/const_storage.go").read_text())
            images = self._pod_images(root, provisioner, helper)
        with self._console.step("assembling the node image"):
            self._node_base(root, kind_source, manifest, f"{name}-base")
            self._import_images(f"{name}-base", images, name)
        self._console.run(["docker", "image", "rm", f"{name}-base", *images])
        shutil.rmtree(self._work)
        self._console.say(f"node image {name}: built")
        return name

    def _program(self, name: str) -> Path:
        return self._builder.build(next(program for program in parts.NODE_PROGRAMS if program.name == name))

    def _pod_images(self, root: str, provisioner: str, helper: str) -> list[str]:
        """Build the images that kubelet finds in the node; their names are those of kubeadm and of kind's manifest."""
        registry, tag = "registry.k8s.io", f"v{versions.KUBERNETES}"
        pause = self._work / "pause"
        self._console.run(["gcc", "-O2", "-static", "-s", "-o", str(pause), str(FILES / "pause.c")])
        self._program_image(f"{registry}/pause:{versions.PAUSE}", "scratch", pause, "pause", "pause")
        # (image, base, program, whether the program is the entry point; the others are started by name). The two on the
        # root file system drive its iptables, ipset and conntrack.
        recipes = [
            *((f"{registry}/{name}:{tag}", "scratch", name, True) for name in CONTROL_PLANE),
            (f"{registry}/etcd:{versions.ETCD_IMAGE}", "scratch", "etcd", False),
            (f"{registry}/coredns/coredns:v{versions.COREDNS}", "scratch", "coredns", True),
            (provisioner, "scratch", "local-path-provisioner", True),
            (f"{registry}/kube-proxy:{tag}", root, "kube-proxy", False),
            (versions.CALICO_NODE_IMAGE, root, "calico-node", False),
        ]
        for image, base, name, starts in recipes:
            self._program_image(image, base, self._program(name), name, name if starts else "")
        # The helper needs sh, mkdir and rm; the root file system is in the node already.
        self._console.run(["docker", "tag", root, helper])
        return [f"{registry}/pause:{versions.PAUSE}", *(image for image, *_ in recipes), helper]

    def _program_image(self, image: str, base: str, file: Path, name: str, entrypoint: str) -> None:
        context = self._work / "context"
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir()
        shutil.copy2(file, context / name)
        (context / name).chmod(0o755)
        recipe = self._work / "Dockerfile"
        recipe.write_text(dockerfile(base, entrypoint))
        self._console.run(["docker", "build", "-t", image, "-f", str(recipe), str(context)])

    def _node_base(self, root: str, kind_source: Path, manifest: str, image: str) -> None:
        context = self._work / "node"
        for name in ("bin", "cni", "manifests"):
            (context / name).mkdir(parents=True)
        # Files and folders of the module cache are read-only: their modes are not kept.
        shutil.copytree(kind_source / "images/base/files", context / "files", copy_function=shutil.copyfile)
        for folder in (context / "files").rglob("*"):
            if folder.is_dir():
                folder.chmod(0o755)
        (context / "files").chmod(0o755)
        for name in ("kubelet", "kubeadm", "kubectl"):
            shutil.copy2(self._program(name), context / "bin" / name)
        shutil.copy2(self._program("calico"), context / "cni/calico")
        (context / "manifests/default-storage.yaml").write_text(manifest)
        calico = self._builder.source("github.com/projectcalico/calico", versions.CALICO_MODULE)
        shutil.copyfile(calico / "manifests/crds.yaml", context / "manifests/calico-crds.yaml")
        arguments = {"ROOTFS": root, "PAUSE": versions.PAUSE, "VERSION": versions.KUBERNETES}
        options = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
        self._console.run(
            ["docker", "build", "-t", image, *options, "-f", str(FILES / "node.Dockerfile"), str(context)]
        )

    def _import_images(self, base: str, images: list[str], name: str) -> None:
        self._console.succeeds(["docker", "rm", "-f", BUILD_CONTAINER])
        self._console.run(
            [
                "docker",
                "run",
                "-d",
                "--name",
                BUILD_CONTAINER,
                "--privileged",
                "--entrypoint",
                "sleep",
                base,
                "infinity",
            ]
        )
        try:
            inside = ["docker", "exec", BUILD_CONTAINER]
            self._console.run(["docker", "exec", "-d", BUILD_CONTAINER, "containerd"])
            end = time.monotonic() + CONTAINERD_TIMEOUT_S
            while not self._console.succeeds([*inside, "ctr", "version"]):
                if time.monotonic() > end:
                    raise Failure(
                        f"node image: containerd does not answer in {BUILD_CONTAINER}; see {self._console.log}."
                    )
                time.sleep(0.3)
            load = ["ctr", "-n", "k8s.io", "images", "import", "--all-platforms", "--no-unpack", "--digests=false", "-"]
            self._console.pipe(["docker", "save", *images], ["docker", "exec", "-i", BUILD_CONTAINER, *load])
            # containerd writes its database on the way out.
            self._console.run(
                [*inside, "sh", "-c", "kill $(pidof containerd); while pidof containerd; do sleep 0.1; done"]
            )
            self._console.run(["docker", "commit", "--change", f"ENTRYPOINT {ENTRYPOINT}", BUILD_CONTAINER, name])
        finally:
            self._console.succeeds(["docker", "rm", "-f", BUILD_CONTAINER])
