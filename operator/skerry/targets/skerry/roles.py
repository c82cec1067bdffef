"""One view of the cluster from what each broker says of itself: who leads, who is in sync, who is the controller."""

from __future__ import annotations

import msgspec

from skerry.engine.observation import BrokerView, Observation
from skerry.history.records import BrokerSample
from skerry.targets.port import Holders, RoleKind


class PartitionView(msgspec.Struct, frozen=True):
    leader: int
    """The leader's ordinal; -1: nobody, as far as anyone reachable knows."""
    leader_epoch: int
    isr: tuple[int, ...]
    replicas: tuple[int, ...]
    """Brokers that hold a replica, by their own word, and the members of the ISR."""
    sampled_ns: int
    """When the sample that says so was asked."""


class ClusterView(msgspec.Struct, frozen=True):
    brokers: int
    """How many there are, whether they answer or not."""
    partitions: dict[int, PartitionView]
    controller: int
    """The controller's ordinal; -1: nobody."""
    term: int
    sampled_ns: int
    """The newest sample in it; -1: none."""

    def holders(self, kind: RoleKind, unit: int) -> Holders:
        """Followers in ascending order."""
        if kind is RoleKind.CONTROLLER:
            return Holders((self.controller,) if self.controller >= 0 else (), f"term {self.term}")
        if kind is RoleKind.NON_CONTROLLER:
            if self.controller < 0:
                return Holders((), vacant="there is no controller")
            return Holders(tuple(o for o in range(self.brokers) if o != self.controller), f"term {self.term}")
        partition = self.partitions.get(unit)
        if partition is None or partition.leader < 0:
            return Holders((), vacant="the partition has no leader")
        epoch = f"epoch {partition.leader_epoch}"
        if kind is RoleKind.LEADER:
            return Holders((partition.leader,), epoch)
        pool = partition.isr if kind is RoleKind.IN_SYNC_FOLLOWER else partition.replicas
        return Holders(tuple(ordinal for ordinal in pool if ordinal != partition.leader), epoch)


def cluster_view_of(observation: Observation, brokers: int, topic: str, oldest_ns: int = -1) -> ClusterView:
    """Merge the samples that were asked at ``oldest_ns`` or later.

    Brokers apply metadata at different moments, so the highest epoch wins; among those who know it the leader itself is
    believed first (its ISR is the newest), then the controller, then the lowest ordinal.
    """
    views = sorted(
        (view for view in observation.brokers if view.reachable and view.sampled_ns >= oldest_ns),
        key=lambda view: view.ordinal,
    )
    controller, term = _controller(views)
    partitions: dict[int, PartitionView] = {}
    indices = sorted({sample.partition for view in views for sample in view.partitions if sample.topic == topic})
    for index in indices:
        samples = [
            (view, sample)
            for view in views
            for sample in view.partitions
            if sample.topic == topic and sample.partition == index
        ]
        view, best = max(samples, key=lambda pair: _credibility(pair[0], pair[1], controller))
        holders = {view.ordinal for view, sample in samples if sample.high_watermark >= 0 or sample.role}
        partitions[index] = PartitionView(
            leader=best.leader,
            leader_epoch=best.leader_epoch,
            isr=tuple(sorted(best.isr)),
            replicas=tuple(sorted(holders | set(best.isr))),
            sampled_ns=view.sampled_ns,
        )
    return ClusterView(brokers, partitions, controller, term, max((view.sampled_ns for view in views), default=-1))


def _credibility(view: BrokerView, sample: BrokerSample, controller: int) -> tuple[int, bool, bool, int]:
    return sample.leader_epoch, view.ordinal == sample.leader, view.ordinal == controller, -view.ordinal


def _controller(views: list[BrokerView]) -> tuple[int, int]:
    """(controller, term): a broker that says that it leads the quorum, in the highest term; else what most believe."""
    leading = [(view.term, view.ordinal) for view in views if view.group_role == "Leader"]
    if leading:
        term, ordinal = max(leading)
        return ordinal, term
    believed = [(view.term, view.controller) for view in views if view.controller >= 0]
    if not believed:
        return -1, max((view.term for view in views), default=-1)
    term, ordinal = max(believed)
    return ordinal, term
