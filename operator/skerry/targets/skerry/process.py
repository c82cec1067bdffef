"""How to start one of Skerry's brokers as a process of this machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from skerry.experiment.document import Experiment
from skerry.history.records import ReplicaDump
from skerry.targets.port import Launch, NodePlace
from skerry.targets.skerry.disk import dump_replica
from skerry.targets.skerry.planes import ADMIN, Plane


class BrokerPorts(NamedTuple):
    """The four ports of a broker on 127.0.0.1, in the order in which its flags take them."""

    client: int
    raft: int
    replication: int
    admin: int

    def of(self, plane: Plane) -> int:
        return {Plane.CLIENT: self.client, Plane.RAFT: self.raft, Plane.REPLICATION: self.replication}[plane]

    def by_plane(self) -> dict[str, int]:
        return {
            Plane.CLIENT: self.client,
            Plane.RAFT: self.raft,
            Plane.REPLICATION: self.replication,
            ADMIN: self.admin,
        }

    def __str__(self) -> str:
        return "127.0.0.1:" + ",".join(str(port) for port in self)


def broker_arguments(ordinal: int, own: BrokerPorts, peers: Mapping[int, BrokerPorts], timing: str) -> list[str]:
    """The flags of `skerry-broker`, but for its data directory. ``peers`` are as *this* broker reaches them."""
    voters = ",".join(str(voter) for voter in sorted([ordinal, *peers]))
    arguments = ["--broker-id", str(ordinal), "--listen", str(own), "--voters", voters, "--timing", timing]
    for peer, ports in sorted(peers.items()):
        arguments += ["--peer", f"{peer}={ports}"]
    return arguments


class SkerryLaunch(Launch):
    """`skerry_broker` of this installation, one process a broker."""

    def missing(self) -> str:
        return ""

    def command(self, place: NodePlace) -> list[str]:
        peers = {peer: _ports(ports) for peer, ports in place.peers.items()}
        arguments = broker_arguments(place.ordinal, _ports(place.ports), peers, place.timing)
        return [sys.executable, "-m", "skerry_broker", *arguments, "--data-dir", str(place.data_directory)]

    def dumps(
        self, experiment: Experiment, directories: Mapping[int, Path], ends: Mapping[int, int]
    ) -> list[ReplicaDump]:
        topic = experiment.spec.topic
        found = (
            dump_replica(directories[ordinal], ordinal, topic.name, partition, ends.get(partition, -1))
            for partition in range(topic.partitions)
            for ordinal in sorted(directories)
        )
        return [dump for dump in found if dump is not None]


def _ports(ports: Mapping[str, int]) -> BrokerPorts:
    return BrokerPorts(ports[Plane.CLIENT], ports[Plane.RAFT], ports[Plane.REPLICATION], ports[ADMIN])
