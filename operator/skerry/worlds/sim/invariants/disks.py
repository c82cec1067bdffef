"""A rule of time, looked at with every sample: a leader whose disk hangs does not keep what others could lead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.worlds.sim.invariants.truth import PartitionTruth, Truth
from skerry_broker.core.types import NO_BROKER, TopicPartition

if TYPE_CHECKING:
    from skerry.worlds.sim.cluster import Cluster
    from skerry.worlds.sim.node_host import NodeHost

_MS = 1_000_000
PATIENCE_MS = 2500
"""For the heartbeat that tells it, two commits and the hand-over, on top of the bound; and a new controller's start."""
HEALTHY_MS = 200


class DiskRules:
    """`look` is called several times a second. The rule binds only where nothing else is broken."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._hung_since: dict[TopicPartition, tuple[int, int]] = {}
        """Leader epoch, and since when this leader hangs although others could lead."""

    def forget(self) -> None:
        self._hung_since.clear()

    def look(self, cluster: Cluster) -> None:
        if not cluster.undisturbed:
            self._hung_since.clear()
            return
        now_ns = cluster.now_ns
        lag_ns = cluster.hosts[0].config.timing.replica_lag_ms * _MS
        for partition, state in self._truth.partitions.items():
            leader = cluster.hosts[state.leader] if state.leader != NO_BROKER else None
            if leader is None or leader.fsync_under_way_ns < lag_ns or not self._replaceable(cluster, leader, state):
                self._hung_since.pop(partition, None)
                continue
            epoch, since_ns = self._hung_since.get(partition, (-1, now_ns))
            if epoch != state.leader_epoch:
                self._hung_since[partition] = (state.leader_epoch, now_ns)
            elif now_ns - since_ns > PATIENCE_MS * _MS:
                self._truth.violate(
                    "hung-leader-stays",
                    leader.broker_id,
                    f"{partition}: an fsync has been under way for {leader.fsync_under_way_ns // _MS} ms, "
                    f"and {list(state.isr)} are in sync",
                )

    def _replaceable(self, cluster: Cluster, leader: NodeHost, state: PartitionTruth) -> bool:
        """Enough others are in sync with disks that answer, and it was taken from nobody before (then it may wait)."""
        if state.moves_from_living:
            return False
        healthy = [
            member
            for member in state.isr
            if member != leader.broker_id and cluster.hosts[member].fsync_under_way_ns < HEALTHY_MS * _MS
        ]
        return len(healthy) >= state.copies_needed
