"""The base of the product's images where none can be pulled: Debian, Python, and this machine's way to its packages.

The Dockerfile stays as it is: apt and pip in the base are configured as they are here. The image is for tests on this
machine only, because that configuration may name private mirrors.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from . import rootfs, versions
from .cache import Cache
from .console import Console
from .rootfs import RootFileSystem

PACKAGES = "ca-certificates,python3,python3-venv"
AUTHORITIES = "usr/local/share/ca-certificates"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
# pip, Python's and OpenSSL's programs ask these for the authorities that sign what they download.
BUNDLE_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
# In pip's order: the last one wins.
PIP_CONFIGS = ("etc/pip.conf", "HOME/.pip/pip.conf", "HOME/.config/pip/pip.conf")


def host_files(root: Path, home: Path, mirror: str) -> dict[str, bytes]:
    """What of this machine goes into the base image: authorities, pip's configuration, the package mirror."""
    files = {
        str(authority.relative_to(root)): authority.read_bytes()
        for authority in sorted((root / AUTHORITIES).rglob("*.crt"))
    }
    if (root / BUNDLE).exists():
        files[BUNDLE] = (root / BUNDLE).read_bytes()
    for name in PIP_CONFIGS:
        path = home / name.removeprefix("HOME/") if name.startswith("HOME/") else root / name
        if path.exists():
            files["etc/pip.conf"] = path.read_bytes()
    if mirror != versions.DEBIAN_MIRROR:
        files["etc/apt/sources.list"] = f"deb {mirror} {versions.DEBIAN} main\n".encode()
    return files


def root_file_system(files: Mapping[str, bytes]) -> RootFileSystem:
    variables = {name: f"/{BUNDLE}" for name in BUNDLE_VARIABLES} if BUNDLE in files else {}
    return RootFileSystem("skerry/base", PACKAGES, files, variables)


def ensure(cache: Cache, console: Console) -> str:
    """The image's name, made now if Docker does not have it.

    Raises Failure: not root, or debootstrap fails.
    """
    home = Path(os.environ.get("HOME", "/root"))
    files = host_files(Path("/"), home, rootfs.host_mirror(console))
    return rootfs.ensure(root_file_system(files), cache, console)
