"""What replicas are told of the metadata."""

from __future__ import annotations

from skerry_broker.core.describe import partition_view
from skerry_broker.core.metadata import ELECTIONS_KEPT, ClusterMetadata
from skerry_broker.core.records import Entry, PartitionChanged, Record, TopicCreated
from skerry_broker.core.types import TopicPartition

P = TopicPartition("orders", 0)


def test_an_unclean_election_is_told_after_any_number_of_others() -> None:
    """A replica that was down all the while must cut its log below its own high watermark, and may (KIP-966). Once the
    election had fallen out of the last eight, it stopped with CommittedDataLost instead, at every start."""
    metadata = ClusterMetadata()
    changes = [
        PartitionChanged(P, epoch % 2, epoch, epoch, (epoch % 2,), (), "unclean" if epoch == 3 else "crash", 0)
        for epoch in range(4 + 2 * ELECTIONS_KEPT)
    ]
    records: list[Record] = [TopicCreated("orders", "t1", 1, ((0, 1),)), *changes]
    for index, record in enumerate(records, start=1):
        metadata.apply(Entry(index, 1, (record,)))
    state = metadata.partitions[P]
    assert state.leader_epoch == changes[-1].leader_epoch
    assert partition_view(state).unclean_epoch == 3
    twin = ClusterMetadata()
    twin.load(metadata.image())
    assert partition_view(twin.partitions[P]).unclean_epoch == 3
