"""Root file systems made of Debian packages, as Docker images."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import host, versions
from .cache import SCRIPTS, Cache, digest, tree
from .console import Console, Failure

NODE_PACKAGES = (
    "ca-certificates,conntrack,containerd,containernetworking-plugins,curl,dbus,ebtables,ethtool,hostname,ipset,"
    "iproute2,iptables,jq,kmod,libseccomp2,mount,nftables,procps,rsync,runc,socat,systemd,systemd-sysv,util-linux"
)
# Neither the package manager's downloads nor documentation belong in an image.
LEFT_OUT = (
    "./var/cache/apt/archives/*.deb",
    "./var/lib/apt/lists/*",
    "./var/log/*.log",
    "./var/log/apt/*",
    "./usr/share/doc/*",
    "./usr/share/man/*",
    "./usr/share/info/*",
    "./usr/share/locale/*",
)


@dataclass(frozen=True)
class RootFileSystem:
    """What an image is made of. `files` maps a path without its leading slash to the content."""

    repository: str
    packages: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def image(self) -> str:
        """`repository:<hash>`. The mirror is not in the hash: it only says where the same packages come from."""
        files = [item for name in sorted(self.files) for item in (name, self.files[name])]
        variables = [f"{name}={value}" for name, value in sorted(self.environment.items())]
        inputs = [versions.DEBIAN, self.packages, *files, *variables, *tree(SCRIPTS / "rootfs.py")]
        return f"{self.repository}:{digest(*inputs)}"


NODE = RootFileSystem("skerry/node-rootfs", NODE_PACKAGES)


def debian_mirror(os_release: str, index_targets: str) -> str:
    """The mirror this machine uses for the release, when it runs that release; else Debian's own.

    `index_targets` has lines `SITE RELEASE COMPONENT`, as `apt-get indextargets` can print them.
    """
    fields = {name: value.strip('"') for name, _, value in (line.partition("=") for line in os_release.splitlines())}
    if (fields.get("ID"), fields.get("VERSION_CODENAME")) == ("debian", versions.DEBIAN):
        for line in index_targets.splitlines():
            site, _, rest = line.partition(" ")
            if rest == f"{versions.DEBIAN} main":
                return site
    return versions.DEBIAN_MIRROR


def host_mirror(console: Console) -> str:
    """`debian_mirror` of this machine."""
    columns = ["--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    targets = console.capture(["apt-get", "indextargets", *columns]) if shutil.which("apt-get") else ""
    return debian_mirror(Path("/etc/os-release").read_text(), targets)


def ensure(wanted: RootFileSystem, cache: Cache, console: Console) -> str:
    """The image's name, made now by debootstrap if Docker does not have it.

    Raises Failure: not root, or debootstrap fails.
    """
    image = wanted.image()
    if console.succeeds(["docker", "image", "inspect", image]):
        return image
    if not host.is_root():
        raise Failure(f"{image} is made by debootstrap, which needs root: run this as root once.")
    host.install(console, host.BUILD_PACKAGES)
    with console.step(f"building {image} from Debian packages"):
        folder = cache.root / "rootfs"
        shutil.rmtree(folder, ignore_errors=True)
        downloads = cache.root / "debs"
        downloads.mkdir(exist_ok=True)
        argv = ["debootstrap", "--variant=minbase", f"--include={wanted.packages}", f"--cache-dir={downloads}"]
        console.run([*argv, versions.DEBIAN, str(folder), host_mirror(console)])
        for name, content in wanted.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        excluded = [f"--exclude={pattern}" for pattern in LEFT_OUT]
        changes = ['CMD ["bash"]', *(f"ENV {name}={value}" for name, value in wanted.environment.items())]
        options = [word for change in changes for word in ("--change", change)]
        console.pipe(["tar", "-C", str(folder), *excluded, "-c", "."], ["docker", "import", *options, "-", image])
        shutil.rmtree(folder)
    return image
