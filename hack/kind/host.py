"""What this machine is and has: registries or none, Debian packages, a compiler."""

from __future__ import annotations

import os
import re
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import versions
from .console import Console, Failure

PROBE_TIMEOUT_S = 3.0
INOTIFY = {"max_user_watches": 524288, "max_user_instances": 512}
# Program -> the Debian package that has it. Docker's own list comes first: without it nothing else is needed.
DOCKER_PACKAGES = {"dockerd": "docker.io", "docker": "docker.io", "iptables": "iptables"}
BUILD_PACKAGES = {"debootstrap": "debootstrap", "gcc": "gcc libc6-dev"}


@dataclass(frozen=True)
class Registries:
    """Whether images can be pulled, and the reason in words."""

    reachable: bool
    why: str


def choose_registries(airgap: str, probe_error: str | None) -> Registries:
    """The decision from AIRGAP ("", "0" or "1") and what the probe met (None: it was answered).

    Raises Failure: AIRGAP holds anything else.
    """
    if airgap not in ("", "0", "1"):
        raise Failure(
            f"AIRGAP is {airgap!r}: set it to 0 (pull images), to 1 (build everything here), or leave it out."
        )
    if airgap:
        return Registries(airgap == "0", f"AIRGAP={airgap}")
    if probe_error is None:
        return Registries(True, f"{versions.REGISTRY_PROBE} answers")
    return Registries(False, f"{versions.REGISTRY_PROBE} does not answer: {probe_error}")


def probe_registry() -> str | None:
    """None when the registry answers as a registry does, else what happened instead; takes at most a few seconds."""
    request = urllib.request.Request(versions.REGISTRY_PROBE, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=PROBE_TIMEOUT_S):
            return None
    except urllib.error.HTTPError as error:
        # 401 is a registry that wants a token for everything; anything else is a proxy's or a firewall's answer.
        return None if error.code == 401 else f"HTTP {error.code}"
    except (urllib.error.URLError, OSError) as error:
        return str(getattr(error, "reason", error))


def registries(env: Mapping[str, str]) -> Registries:
    airgap = env.get("AIRGAP", "")
    return choose_registries(airgap, None if airgap else probe_registry())


def require_linux() -> None:
    if sys.platform != "linux":
        raise Failure(f"kind-up needs Linux, this is {sys.platform}: use a Linux machine.")


def is_root() -> bool:
    return os.geteuid() == 0


def raise_inotify_limits(console: Console) -> None:
    """Make room for one more node's kubelet and containerd, which watch many files; only root can."""
    for name, wanted in INOTIFY.items():
        limit = Path("/proc/sys/fs/inotify") / name
        try:
            if int(limit.read_text()) < wanted:
                limit.write_text(f"{wanted}\n")
        except OSError as error:
            reason = error.strerror
            console.say(f"fs.inotify.{name} stays below {wanted} ({reason}): pods may fail with `too many open files`")


def missing_packages(wanted: Mapping[str, str]) -> list[str]:
    """Debian packages of those programs that are not on PATH."""
    absent = [package for program, package in wanted.items() if shutil.which(program) is None]
    return sorted({name for packages in absent for name in packages.split()})


def install(console: Console, wanted: Mapping[str, str]) -> None:
    """Install the Debian packages of programs that are missing.

    Raises Failure: something is missing and cannot be installed from here; names the packages.
    """
    packages = missing_packages(wanted)
    if not packages:
        return
    names = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise Failure(
            f"Missing on this machine: {names} (Debian's names), and there is no apt-get: install them by hand."
        )
    if not is_root():
        raise Failure(f"Missing on this machine: {names}; run `apt-get install {names}` as root, or run this as root.")
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    with console.step(f"installing {names}"):
        # Lists that are missing or old are the usual reason for a failing install, so they are fetched first.
        console.run(["apt-get", "update", "-q"], env=env)
        console.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages], env=env)


def parse_go_version(text: str) -> tuple[int, int] | None:
    """(1, 24) of "go1.24.3"; None for anything else."""
    found = re.match(r"go(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def require_go(console: Console) -> None:
    """Raises `Failure` unless a Go compiler that is new enough is on PATH."""
    wanted = ".".join(map(str, versions.GO))
    if shutil.which("go") is None:
        raise Failure(
            f"There is no `go` on PATH: kind and Helm are compiled here; install Go {wanted} or newer (https://go.dev/dl)."
        )
    said = console.capture(["go", "env", "GOVERSION"])
    found = parse_go_version(said)
    if found is None or found < versions.GO:
        raise Failure(f"`go` on PATH is {said or 'unknown'}: install Go {wanted} or newer (https://go.dev/dl).")
