"""How to start one of Skerry's brokers as a process, and what it leaves on its disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from skerry.schema.vocabulary import Plane


class BrokerPorts(NamedTuple):
    """The four ports of a broker on 127.0.0.1, in the order in which its flags take them."""

    client: int
    raft: int
    replication: int
    admin: int

    def of(self, plane: Plane) -> int:
        return {Plane.CLIENT: self.client, Plane.RAFT: self.raft, Plane.REPLICATION: self.replication}[plane]

    def __str__(self) -> str:
        return "127.0.0.1:" + ",".join(str(port) for port in self)


def broker_arguments(ordinal: int, own: BrokerPorts, peers: Mapping[int, BrokerPorts], timing: str) -> list[str]:
    """The flags of `skerry-broker`, but for its data directory. ``peers`` are as *this* broker reaches them."""
    voters = ",".join(str(voter) for voter in sorted([ordinal, *peers]))
    arguments = ["--broker-id", str(ordinal), "--listen", str(own), "--voters", voters, "--timing", timing]
    for peer, ports in sorted(peers.items()):
        arguments += ["--peer", f"{peer}={ports}"]
    return arguments


def partition_directory(data_directory: Path, topic: str, partition: int) -> Path:
    return data_directory / "topics" / f"{topic}-{partition}"
