"""The applied metadata in other words: for clients, for replicas, for the status. Pure translations."""

from __future__ import annotations

from skerry_broker.core.api import MetadataResponse, PartitionDescription, TopicDescription
from skerry_broker.core.metadata import ClusterMetadata, PartitionState, TopicState
from skerry_broker.core.replica import PartitionView
from skerry_broker.core.status import PartitionStatus
from skerry_broker.core.types import TopicPartition


def partition_view(state: PartitionState) -> PartitionView:
    """What a replica needs to know of its partition."""
    return PartitionView(
        leader=state.leader,
        leader_epoch=state.leader_epoch,
        partition_epoch=state.partition_epoch,
        replicas=state.replicas,
        isr=state.isr,
        min_isr=state.isr_needed,
        recovering=state.recovering,
        unclean_epoch=state.unclean_epoch,
    )


def metadata_response(metadata: ClusterMetadata, controller: int, topics: tuple[str, ...]) -> MetadataResponse:
    """What a client may know; ``topics`` empty: all of them; unknown ones are left out."""
    names = sorted(metadata.topics) if not topics else [name for name in topics if name in metadata.topics]
    return MetadataResponse(
        cluster_id=metadata.cluster_id or "",
        controller=controller,
        brokers=tuple(sorted(broker_id for broker_id, broker in metadata.brokers.items() if not broker.fenced)),
        topics=tuple(_topic(metadata, metadata.topics[name]) for name in names),
        metadata_offset=metadata.applied_index,
    )


def _topic(metadata: ClusterMetadata, topic: TopicState) -> TopicDescription:
    partitions = []
    for number in range(topic.partition_count):
        state = metadata.partitions[TopicPartition(topic.topic, number)]
        partitions.append(
            PartitionDescription(number, state.leader, max(state.leader_epoch, 0), state.replicas, state.isr, state.elr)
        )
    return TopicDescription(topic.topic, topic.topic_id, topic.min_in_sync_replicas, tuple(partitions))


def partition_statuses(metadata: ClusterMetadata) -> dict[TopicPartition, PartitionStatus]:
    """The metadata half of every partition's status; a replica fills in its own half (`PartitionReplica.describe`)."""
    return {
        partition: PartitionStatus(
            partition=partition,
            topic_id=state.topic_id,
            replicas=state.replicas,
            leader=state.leader,
            leader_epoch=state.leader_epoch,
            partition_epoch=state.partition_epoch,
            isr=state.isr,
            elr=state.elr,
            min_in_sync_replicas=state.min_in_sync_replicas,
            elections=state.elections,
            isr_full_wall_ns=state.isr_full_wall_ns,
            isr_changed_wall_ns=state.isr_changed_wall_ns,
            retention_bytes=metadata.topics[partition.topic].retention_bytes,
            retention_ms=metadata.topics[partition.topic].retention_ms,
        )
        for partition, state in metadata.partitions.items()
    }
