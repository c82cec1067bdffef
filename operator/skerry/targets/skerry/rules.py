"""By what a run on Skerry's brokers goes: leaders of partitions, in-sync replicas, the controller, and placement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from skerry.engine.observation import Observation
from skerry.experiment.document import Spec
from skerry.faults.port import Effect
from skerry.targets.skerry import guard
from skerry.targets.skerry.guard import Prediction
from skerry.targets.skerry.placement import replicas_of
from skerry.targets.skerry.roles import ClusterView, PartitionView, cluster_view_of


class SkerryRules:
    """The topic of the document, on its brokers."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._topic = spec.topic
        self._brokers = spec.cluster.brokers

    @property
    def units(self) -> Mapping[int, str]:
        return {partition: f"{self._topic.name}-{partition}" for partition in range(self._topic.partitions)}

    def roles(self, observation: Observation, oldest_ns: int = -1) -> ClusterView:
        return cluster_view_of(observation, self._brokers, self._topic.name, oldest_ns)

    def assumed(self, observation: Observation | None = None) -> ClusterView:
        """Each partition where an empty cluster puts it, and led by the first broker of it, or by the one that
        `prepare` wants, if that holds it; the controller where `prepare` puts it, else the present one, or 0. The
        leaders of today are those of other topics: each run has its own."""
        brokers, prepare = self._brokers, self._spec.prepare
        seen = ClusterView(brokers, {}, 0, 0, 0) if observation is None else self.roles(observation)
        held = {partition: replicas_of(partition, self._spec) for partition in range(self._topic.partitions)}
        leaders = {partition: partition % brokers for partition in held}
        controller = seen.controller
        if prepare is not None:
            wanted = {place.partition: place.ordinal for place in prepare.leaders}
            leaders |= {partition: leader for partition, leader in wanted.items() if leader in held[partition]}
            controller = prepare.controller.ordinal if prepare.controller else controller
        partitions = {
            partition: PartitionView(leaders[partition], 0, replicas, replicas, 0)
            for partition, replicas in held.items()
        }
        return ClusterView(brokers, partitions, controller, seen.term, seen.sampled_ns)

    @property
    def places(self) -> bool:
        return self._spec.prepare is not None

    @property
    def certain(self) -> bool:
        """Every partition is on every broker."""
        return self._topic.replication_factor >= self._brokers

    def missing(self, roles: ClusterView) -> str:
        """A controller, a leader and a full ISR everywhere."""
        if roles.controller < 0:
            return "there is no controller"
        wanted = self._topic.replication_factor
        for partition, name in self.units.items():
            found = roles.partitions.get(partition)
            if found is None:
                return f"{name} is not there"
            if found.leader < 0:
                return f"{name} has no leader"
            if len(found.isr) < wanted:
                return f"the ISR of {name} has {len(found.isr)} of {wanted} replicas"
        return ""

    def misplaced(self, roles: ClusterView) -> str:
        """Controller and leaders stand where `prepare` wants them."""
        prepare = self._spec.prepare
        if prepare is None:
            return ""
        wanted = prepare.controller
        if wanted is not None and roles.controller != wanted.ordinal:
            return f"the controller is broker {roles.controller}, and `prepare` wants broker {wanted.ordinal}"
        for place in prepare.leaders:
            found = roles.partitions.get(place.partition)
            leader = -1 if found is None else found.leader
            if leader != place.ordinal:
                name = f"{self._topic.name}-{place.partition}"
                if found is not None and leader >= 0 and place.ordinal not in found.replicas:
                    held = ", ".join(map(str, found.replicas))
                    return f"{name} is on brokers {held}, and `prepare` wants broker {place.ordinal} to lead it"
                return f"{name} is led by broker {leader}, and `prepare` wants broker {place.ordinal}"
        return ""

    def predict(self, effect: Effect, roles: ClusterView) -> Prediction:
        replicas = {partition: each.isr for partition, each in roles.partitions.items()}
        return guard.predict(effect, self._brokers, replicas, self._topic.min_in_sync_replicas)

    def refusals(self, predictions: Sequence[Prediction]) -> list[str]:
        return guard.refusals(predictions, self._spec.allow)
