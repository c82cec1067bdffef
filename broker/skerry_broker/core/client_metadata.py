"""What a client believes of the cluster: who leads, who controls, who is asked next."""

from __future__ import annotations

from skerry_broker.core.api import MetadataResponse
from skerry_broker.core.types import NO_BROKER, TopicPartition


class ClusterView:
    """Any broker answers metadata requests, also one that is cut off, so that older news must lose: a partition's
    leader is taken over only with a leader epoch that is not lower (KAFKA-6880), the controller only with a metadata
    offset that is not lower."""

    def __init__(self, bootstrap: tuple[int, ...]) -> None:
        if not bootstrap:
            raise ValueError("a client needs at least one broker id to start from")
        self.brokers = bootstrap
        self.controller = NO_BROKER
        self._bootstrap = bootstrap
        self._leaders: dict[TopicPartition, tuple[int, int]] = {}
        self._topic_ids: dict[str, str] = {}
        self._offset = -1
        self._next = 0

    def leader(self, partition: TopicPartition) -> int:
        known = self._leaders.get(partition)
        return NO_BROKER if known is None else known[0]

    def next_broker(self, first: int, avoid: set[int]) -> int:
        """Round robin over all known brokers, from an arbitrary ``first``; those to avoid only when all are."""
        candidates = [broker for broker in self.brokers if broker not in avoid] or list(self.brokers)
        self._next += 1
        return candidates[(first + self._next) % len(candidates)]

    def learned(self, response: MetadataResponse) -> list[TopicPartition]:
        """The partitions that have another leader now than was believed, and one that is known."""
        if response.metadata_offset >= self._offset:
            self._offset = response.metadata_offset
            self.controller = response.controller
            if response.brokers:
                self.brokers = tuple(sorted({*response.brokers, *self._bootstrap}))
        changed = []
        for topic in response.topics:
            if self._topic_ids.get(topic.topic) != topic.topic_id:
                if topic.topic in self._topic_ids and response.metadata_offset < self._offset:
                    continue  # an older topic of that name
                self._topic_ids[topic.topic] = topic.topic_id
                for partition in [key for key in self._leaders if key.topic == topic.topic]:
                    del self._leaders[partition]  # its epochs mean nothing for the new topic
            for description in topic.partitions:
                partition = TopicPartition(topic.topic, description.partition)
                if self.leads(partition, description.leader, description.leader_epoch):
                    changed.append(partition)
        return changed

    def leads(self, partition: TopicPartition, leader: int, leader_epoch: int) -> bool:
        """Somebody says so; True when that is news, and a leader."""
        known_leader, known_epoch = self._leaders.get(partition, (NO_BROKER, -1))
        if leader_epoch < known_epoch or (leader_epoch == known_epoch and leader == NO_BROKER):
            return False
        self._leaders[partition] = (leader, leader_epoch)
        return leader not in (known_leader, NO_BROKER)
