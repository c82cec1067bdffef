"""The replicated state: what each record does, what it ignores, and that the image is a faithful, fixed byte string."""

from __future__ import annotations

import pytest
from control_plane import P0, ControlPlane

from skerry_broker.core.describe import partition_view
from skerry_broker.core.metadata import (
    ELECTIONS_KEPT,
    BrokerUpdated,
    ClusterMetadata,
    PartitionUpdated,
    TopicUpdated,
)
from skerry_broker.core.records import (
    BrokerFenced,
    BrokerRegistered,
    BrokerUnfenced,
    Entry,
    Founded,
    NoOp,
    PartitionChanged,
    ProducerIdsReserved,
    Record,
    TopicCreated,
    TopicDeleted,
    VotersChanged,
)
from skerry_broker.core.types import Voter


def change(
    partition_epoch: int, leader: int = 0, leader_epoch: int = 0, isr: tuple[int, ...] = (0, 1, 2), wall: int = 5
) -> PartitionChanged:
    return PartitionChanged(P0, leader, leader_epoch, partition_epoch, isr, (), "created", wall)


def created() -> tuple[Record, ...]:
    return (TopicCreated("orders", "id-1", 2, ((0, 1, 2),)), change(0))


def build(*entries: tuple[Record, ...]) -> ClusterMetadata:
    metadata = ClusterMetadata()
    for index, records in enumerate(entries, start=1):
        metadata.apply(Entry(index, 1, records))
    return metadata


def test_founding_and_voters() -> None:
    first, second = Voter(0, "a"), Voter(1, "b")
    metadata = build((Founded("cluster-1", (first,)),), (VotersChanged((first, second)),), (NoOp(),))
    assert (metadata.cluster_id, metadata.voters, metadata.applied_index) == ("cluster-1", (first, second), 3)


def test_the_broker_epoch_is_the_index_of_the_registration() -> None:
    metadata = build((NoOp(),), (BrokerRegistered(4, "disk", "process-1", False, False, 1),))
    broker = metadata.brokers[4]
    assert (broker.broker_epoch, broker.fenced, broker.leaving) == (2, True, False)


def test_records_about_an_earlier_life_of_a_broker_are_ignored() -> None:
    register = (BrokerRegistered(4, "disk", "process-1", False, False, 1),)
    again = (BrokerRegistered(4, "disk", "process-2", False, False, 1),)
    metadata = build(register, again, (BrokerUnfenced(4, 1, 1),))
    assert metadata.brokers[4].fenced
    assert metadata.apply(Entry(4, 1, (BrokerUnfenced(4, 2, 1),)))
    assert not metadata.brokers[4].fenced
    assert metadata.apply(Entry(5, 1, (BrokerFenced(4, 1, "session", 1),))) == []
    assert metadata.apply(Entry(6, 1, (BrokerFenced(9, 1, "session", 1),))) == []


@pytest.mark.parametrize("partition_epoch", [-1, 0, 2, 3])
def test_a_change_that_does_not_follow_the_present_state_is_ignored(partition_epoch: int) -> None:
    """Compare-and-set (KIP-497): only partition epoch 1 follows 0."""
    metadata = build(created())
    assert metadata.apply(Entry(2, 1, (change(partition_epoch, leader=1, leader_epoch=1),))) == []
    assert metadata.partitions[P0].leader == 0


def test_a_new_topic_is_one_change_per_partition() -> None:
    metadata = ClusterMetadata()
    changes = metadata.apply(Entry(1, 1, created()))
    assert [type(item) for item in changes] == [TopicUpdated, PartitionUpdated]
    partition = changes[1]
    assert isinstance(partition, PartitionUpdated)
    assert partition.previous is None
    assert partition.current == metadata.partitions[P0]


def test_deleting_needs_the_same_topic_id() -> None:
    metadata = build(created())
    assert metadata.apply(Entry(2, 1, (TopicDeleted("orders", "id-0"),))) == []
    changes = metadata.apply(Entry(3, 1, (TopicDeleted("orders", "id-1"),)))
    assert [(type(item), item[2]) for item in changes] == [(TopicUpdated, None), (PartitionUpdated, None)]
    assert (metadata.topics, metadata.partitions) == ({}, {})


def test_a_recreated_topic_starts_anew() -> None:
    metadata = build(created(), (change(1, leader=1, leader_epoch=1),), (TopicDeleted("orders", "id-1"),))
    metadata.apply(Entry(4, 1, (TopicCreated("orders", "id-2", 2, ((1, 2),)), change(0, leader=1, isr=(1, 2)))))
    state = metadata.partitions[P0]
    assert (state.topic_id, state.leader_epoch, state.replicas) == ("id-2", 0, (1, 2))


def test_the_last_eight_elections_are_remembered_and_moves_through_nobody_are_none() -> None:
    steps: list[tuple[Record, ...]] = [created()]
    for epoch in range(1, 12):
        leader = -1 if epoch % 2 else epoch % 3
        steps.append((change(epoch, leader=leader, leader_epoch=epoch, wall=100 + epoch),))
    state = build(*steps).partitions[P0]
    assert [(election.leader_epoch, election.wall_ns) for election in state.elections] == [
        (0, 5),
        (2, 102),
        (4, 104),
        (6, 106),
        (8, 108),
        (10, 110),
    ]
    more = [(change(epoch, leader=epoch % 2, leader_epoch=epoch),) for epoch in range(1, 12)]
    assert [e.leader_epoch for e in build(created(), *more).partitions[P0].elections] == list(range(4, 12))


def test_when_the_isr_was_full_last() -> None:
    metadata = build(created(), (change(1, isr=(0, 1), wall=20),))
    state = metadata.partitions[P0]
    assert (state.isr_changed_wall_ns, state.isr_full_wall_ns) == (20, 5)
    metadata.apply(Entry(3, 1, (change(2, isr=(0, 1, 2), wall=30),)))
    assert metadata.partitions[P0].isr_full_wall_ns == 30
    metadata.apply(Entry(4, 1, (change(3, leader=1, leader_epoch=1, wall=40),)))  # no ISR change
    assert metadata.partitions[P0].isr_full_wall_ns == 30


def test_producer_ids_never_go_back() -> None:
    metadata = build((ProducerIdsReserved(10),), (ProducerIdsReserved(7),))
    assert metadata.next_producer_id == 10


def test_an_entry_applied_twice_is_an_error() -> None:
    metadata = build((NoOp(),), (NoOp(),))
    for index in (1, 2):
        with pytest.raises(ValueError, match="applied after entry 2"):
            metadata.apply(Entry(index, 1, (NoOp(),)))


def lived() -> ControlPlane:
    plane = ControlPlane()
    plane.start(partitions=3)
    plane.run(1_100, 1, 2)
    plane.register(0)
    plane.run(200, 0, 1, 2)
    return plane


def test_an_image_is_the_state() -> None:
    plane = lived()
    twin = ClusterMetadata()
    twin.load(plane.metadata.image())
    assert vars(twin) == vars(plane.metadata)
    assert twin.image() == plane.metadata.image()


def test_equal_states_have_equal_images_whatever_their_history() -> None:
    """Snapshots of different brokers are compared byte by byte; dictionaries remember insertion order."""
    plane = lived()
    whole, late = ClusterMetadata(), ClusterMetadata()
    for entry in plane.log:
        whole.apply(entry)
    half = len(plane.log) // 2
    early = ClusterMetadata()
    for entry in plane.log[:half]:
        early.apply(entry)
    late.load(early.image())
    for entry in plane.log[half:]:
        late.apply(entry)
    reversed_order = whole.copy()
    reversed_order.brokers = dict(reversed(whole.brokers.items()))
    reversed_order.partitions = dict(reversed(whole.partitions.items()))
    assert late.image() == whole.image() == reversed_order.image()


@pytest.mark.parametrize("image", [b"", b"\x00", b"\x93\x01\x02\x03", b"garbage"])
def test_a_broken_image_is_refused_and_changes_nothing(image: bytes) -> None:
    metadata = build(created())
    before = metadata.image()
    with pytest.raises(ValueError, match="not a metadata image"):
        metadata.load(image)
    assert metadata.image() == before


def test_a_copy_is_independent() -> None:
    metadata = build(created())
    twin = metadata.copy()
    twin.apply(Entry(2, 1, (TopicDeleted("orders", "id-1"), BrokerRegistered(1, "d", "i", True, True, 1))))
    assert "orders" in metadata.topics
    assert metadata.brokers == {}
    assert any(
        isinstance(item, BrokerUpdated)
        for item in metadata.apply(Entry(2, 1, (BrokerRegistered(1, "d", "i", True, True, 1),)))
    )


# --- what replicas are told of it ------------------------------------------------------------------------------


def test_an_unclean_election_is_told_after_any_number_of_others() -> None:
    """A replica that was down all the while must cut its log below its own high watermark, and may (KIP-966). Once the
    election had fallen out of the last eight, it stopped with CommittedDataLost instead, at every start."""
    metadata = ClusterMetadata()
    changes = [
        PartitionChanged(P0, epoch % 2, epoch, epoch, (epoch % 2,), (), "unclean" if epoch == 3 else "crash", 0)
        for epoch in range(4 + 2 * ELECTIONS_KEPT)
    ]
    records: list[Record] = [TopicCreated("orders", "t1", 1, ((0, 1),)), *changes]
    for index, record in enumerate(records, start=1):
        metadata.apply(Entry(index, 1, (record,)))
    state = metadata.partitions[P0]
    assert state.leader_epoch == changes[-1].leader_epoch
    assert partition_view(state).unclean_epoch == 3
    twin = ClusterMetadata()
    twin.load(metadata.image())
    assert partition_view(twin.partitions[P0]).unclean_epoch == 3
