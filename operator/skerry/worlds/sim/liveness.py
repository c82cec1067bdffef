"""What must come to pass once everything is healed (I-LIV-1, 2, 5), judged from the brokers' own status."""

from __future__ import annotations

from collections.abc import Iterable

from skerry.worlds.sim.cluster import Cluster
from skerry_broker.core.status import NodeStatus, PartitionStatus


def statuses(cluster: Cluster) -> list[NodeStatus]:
    """The status of every running broker, in the order of their ids."""
    return [
        host.node.status(host.clock.local(cluster.now_ns)) for host in cluster.hosts if host.node and not host.paused
    ]


def controller_of(found: Iterable[NodeStatus]) -> int:
    """Who leads the metadata quorum, by the highest term; -1: nobody."""
    leaders = [(status.raft.term, status.broker_id) for status in found if status.raft.role == "Leader"]
    return max(leaders, default=(-1, -1))[1]


def why_not_whole(cluster: Cluster, topic: str, partitions: int) -> str:
    """The first reason why the cluster is not whole; empty when it is.

    Whole: all brokers run and are unfenced, all name one controller of one term, every partition has a leader and all
    its replicas in sync, on every broker's view.
    """
    found = statuses(cluster)
    if len(found) < len(cluster.hosts):
        return f"{len(cluster.hosts) - len(found)} brokers are down"
    controllers = {status.controller for status in found}
    if len(controllers) != 1 or controllers == {-1}:
        return f"the brokers name the controllers {sorted(controllers)}"
    if len({status.raft.term for status in found}) != 1:
        return f"terms differ: {[status.raft.term for status in found]}"
    for status in found:
        if status.shutting_down or status.log_offline:
            return f"broker {status.broker_id} is about to stop"
        if status.fenced:
            return f"broker {status.broker_id} is fenced"
        if status.lease_remaining_ns <= 0:
            return f"broker {status.broker_id} has no lease"
        mine = [part for part in status.partitions if part.partition.topic == topic]
        if len(mine) != partitions:
            return f"broker {status.broker_id} knows {len(mine)} of {partitions} partitions"
        for part in mine:
            reason = _why_not_whole(part)
            if reason:
                return f"{part.partition} on broker {status.broker_id}: {reason}"
    return ""


def _why_not_whole(part: PartitionStatus) -> str:
    if part.leader < 0:
        return f"no leader (epoch {part.leader_epoch}, isr {list(part.isr)}, elr {list(part.elr)})"
    if sorted(part.isr) != sorted(part.replicas):
        return f"isr {list(part.isr)} of {list(part.replicas)}, leader {part.leader}/{part.leader_epoch}"
    if part.offline:
        return "its log is offline"
    return ""
