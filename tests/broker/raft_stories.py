"""Clusters that have come somewhere in the Raft paper or thesis; the tests quote them sentence by sentence.

Section numbers in the names of tests are of the extended paper ("In Search of an Understandable Consensus Algorithm"),
or of Ongaro's thesis.
"""

from __future__ import annotations

from raft_cluster import MS, Node, RaftCluster

from skerry_broker.core.peer_messages import VoteReply, VoteRequest


def later(cluster: RaftCluster) -> None:
    """All leases run out, without anybody noticing yet."""
    cluster.now += 2000 * MS


def campaign(cluster: RaftCluster, broker_id: int) -> Node:
    """Let one replica win an election by votes alone: what it sends as a leader stays on its way."""
    node = cluster.nodes[broker_id]
    for _ in range(20):
        if node.raft.role == "Follower":  # at first, and after it has learned of a higher term
            later(cluster)
            node.raft.ask_for_pre_votes(cluster.now)
            cluster.absorb(node)
        for other in cluster.alive():
            if other.disk.queue and not other.raft.is_leader:
                cluster.flush(other)
        votes = [p for p in cluster.packets if isinstance(p.message, (VoteRequest, VoteReply))]
        cluster.packets = [p for p in cluster.packets if p not in votes]
        for packet in votes:
            cluster.deliver(packet)
    assert node.raft.is_leader
    return node


def led_cluster(size: int = 3, leader: int = 1) -> tuple[RaftCluster, Node]:
    cluster = RaftCluster(size)
    node = campaign(cluster, leader)
    cluster.settle()
    assert node.raft.leader_ready
    return cluster, node


def sent(cluster: RaftCluster, kind: type) -> list[object]:
    return [packet.message for packet in cluster.packets if isinstance(packet.message, kind)]
