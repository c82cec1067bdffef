"""Creating topics: does it fit this cluster, and which broker holds which replica? (`intake` has checked the rest.)"""

from __future__ import annotations

from skerry_broker.core.api import CreateTopicRequest, ErrorCode, ErrorResponse
from skerry_broker.core.metadata import ClusterMetadata
from skerry_broker.core.records import PartitionChanged, Record, TopicCreated
from skerry_broker.core.types import TopicPartition


def refusal(view: ClusterMetadata, request: CreateTopicRequest, broker_count: int) -> ErrorResponse | None:
    """Why this topic cannot be created; None when it can. ``broker_count``: brokers this cluster is made of."""
    topic, factor, min_isr = request.topic, request.replication_factor, request.min_in_sync_replicas
    if not 1 <= factor <= broker_count:
        return ErrorResponse(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"topic {topic}: replication factor is {factor}; this cluster has {broker_count} broker(s)",
        )
    if not 1 <= min_isr <= factor:
        return ErrorResponse(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"topic {topic}: min in-sync replicas is {min_isr}; use 1 to the replication factor ({factor})",
        )
    if topic in view.topics:
        return ErrorResponse(ErrorCode.TOPIC_EXISTS, f"topic {topic} exists already")
    ready = len(_ready(view))
    if factor > ready:
        return ErrorResponse(
            ErrorCode.NOT_ENOUGH_REPLICAS,
            f"topic {topic}: replication factor is {factor}, but only {ready} broker(s) are up; try again later",
        )
    return None


def creation(view: ClusterMetadata, request: CreateTopicRequest, topic_id: str, wall_ns: int) -> tuple[Record, ...]:
    """The entry of a sound request: the topic, and every partition led by its first replica, all in sync (all are
    empty). Partition p of n brokers starts at broker p mod n, shifted to the one that is preferred leader least often.
    """
    brokers = _ready(view)
    preferred = dict.fromkeys(brokers, 0)
    for state in view.partitions.values():
        if state.replicas[0] in preferred:
            preferred[state.replicas[0]] += 1
    first = min(range(len(brokers)), key=lambda position: (preferred[brokers[position]], position))
    assignments = tuple(
        tuple(brokers[(first + number + place) % len(brokers)] for place in range(request.replication_factor))
        for number in range(request.partitions)
    )
    created = TopicCreated(
        request.topic,
        topic_id,
        request.min_in_sync_replicas,
        assignments,
        request.retention_bytes,
        request.retention_ms,
    )
    return (
        created,
        *(
            PartitionChanged(TopicPartition(request.topic, number), replicas[0], 0, 0, replicas, (), "created", wall_ns)
            for number, replicas in enumerate(assignments)
        ),
    )


def _ready(view: ClusterMetadata) -> list[int]:
    return [broker_id for broker_id in sorted(view.brokers) if view.brokers[broker_id].electable]
