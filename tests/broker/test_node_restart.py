"""What a start finds on its disk, and what of it the metadata still wants: stories of restarts."""

from __future__ import annotations

from node_stories import MS, S, Story

from skerry_broker.core.records import BrokerRegistered
from skerry_broker.core.types import TopicPartition


def test_a_topic_made_anew_under_its_old_name_survives_a_restart_of_all() -> None:
    """The replayed metadata log tells of the first topic before it tells of the second, whose log is on the disk."""
    story = Story()
    story.create("orders")
    story.write("orders", b"of the first")
    story.delete("orders")
    story.create("orders")
    story.write("orders", b"of the second")
    story.kill_all()
    story.cluster.start_all()
    story.until_whole("orders")
    assert story.read("orders") == [b"of the second"]


def test_the_log_of_a_topic_that_was_deleted_meanwhile_is_removed() -> None:
    story = Story(entries_before_snapshot=24)
    story.create("orders")
    story.create("kept")
    assert story.cluster.hosts[2].disk.raft.snapshot is None  # what it replays does not know of the topic by itself
    story.cluster.kill(2)
    story.run(2 * S)
    story.delete("orders")
    for number in range(16):
        story.create(f"more-{number}", replicas=1)  # the metadata log with the deletion is compacted away
    assert story.logs(2) == ["kept-0", "orders-0"]
    story.cluster.start(2)
    story.until_whole("kept")
    story.run(500 * MS)
    assert "orders-0" not in story.logs(2)
    assert "kept-0" in story.logs(2)


def test_a_snapshot_that_replaces_a_topic_replaces_its_log() -> None:
    """A broker that was cut off misses a deletion and a creation, and learns of both at once, by a snapshot."""
    story = Story(entries_before_snapshot=5)
    victim = next(broker for broker in (0, 1, 2) if broker != story.controller)
    others = [broker for broker in (0, 1, 2) if broker != victim]
    story.create("orders")
    story.write("orders", b"of the first")
    links = [(victim, other) for other in others]
    story.cluster.cut("cut", links + [(b, a) for a, b in links])
    story.delete("orders", settle_ns=0)
    story.create("orders", wait=False)
    for number in range(6):
        story.create(f"more-{number}", replicas=1)
    story.cluster.heal("cut")  # before its session ends: it is a replica of both
    story.write("orders", b"of the second")
    story.until_whole("orders")
    partition = TopicPartition("orders", 0)
    assert {host.disk.logs[partition].topic_id for host in story.cluster.hosts} == {story.topic_id("orders")}
    assert {host.disk.logs[partition].batches[0].data for host in story.cluster.hosts} == {b"of the second"}


def test_a_lost_log_stays_lost_until_the_controller_has_heard_of_it() -> None:
    """Start, find the log corrupt, be killed before registering: the next process must find it corrupt, too."""
    story = Story()
    story.create("orders")
    for number in range(4):
        story.write("orders", bytes([number]))
    victim = next(broker for broker in (0, 1, 2) if broker not in (story.controller, story.leader("orders")))
    host = story.cluster.hosts[victim]
    story.cluster.kill(victim)
    assert host.disk.flip_bit(TopicPartition("orders", 0))
    story.invariants.truth.lose_disk(victim)
    others = [broker for broker in (0, 1, 2) if broker != victim]
    story.cluster.cut("cut", [(victim, other) for other in others])  # it hears, and is not heard
    story.cluster.start(victim)
    story.run(300 * MS)
    story.cluster.kill(victim)
    story.cluster.heal("cut")
    story.cluster.start(victim)
    story.run(200 * MS)
    registered = [
        record
        for entry in story.invariants.truth.committed
        for record in entry.records
        if isinstance(record, BrokerRegistered) and record.broker_id == victim
    ]
    assert not registered[-1].keeps_membership
    story.until_whole("orders")
    assert len(host.disk.logs[TopicPartition("orders", 0)].batches) == 4


def test_nothing_is_deleted_after_the_disk_has_failed() -> None:
    """I-SAF-9: the topic of a replica that is offline is deleted; its files go with the next process."""
    story = Story()
    story.create("orders")
    story.create("kept")
    victim = story.leader("orders")
    story.cluster.hosts[victim].fail_next_sync = "logs"
    story.write("orders", b"x")
    story.run(2 * S)
    story.delete("orders")
    assert "orders-0" in story.logs(victim)
    story.cluster.kill(victim)
    story.cluster.start(victim)
    story.until_whole("kept")
    assert story.logs(victim) == ["kept-0"]


def test_a_cluster_that_is_founded_on_empty_disks_owes_the_old_one_nothing() -> None:
    """The planted bug: its first leader's term had been led before, which the invariants called two leaders."""
    story = Story()
    story.create("orders")
    story.write("orders", b"of the first")
    for victim in story.cluster.broker_ids:
        story.cluster.wipe(victim)
        story.invariants.truth.lose_disk(victim)
    for victim in story.cluster.broker_ids:
        story.cluster.start(victim)
    story.run(3000 * MS)
    story.until_registered()
    story.create("orders")
    story.write("orders", b"of the second")
    assert story.read("orders") == [b"of the second"]
    assert story.invariants.violations == []
