"""Who is fenced, when, and for what cause; and when leases are given."""

from __future__ import annotations

from control_plane import MS
from controller_stories import started

from skerry_broker.core.records import BrokerFenced, PartitionChanged
from skerry_broker.core.types import TopicPartition


def test_a_silent_leader_is_fenced_and_replaced_in_one_entry() -> None:
    plane = started(partitions=3)
    length = len(plane.log)
    plane.run(1_000, 1, 2)
    (records,) = plane.entries_since(length)
    assert [type(record) for record in records] == [BrokerFenced] + [PartitionChanged] * 3
    assert plane.shape() == "1@1 isr [1, 2] elr []"
    assert plane.shape(TopicPartition("orders", 1)) == "1@0 isr [1, 2] elr []"


def test_the_session_is_counted_from_the_last_receipt() -> None:
    plane = started()
    plane.beat(0)
    received = plane.now
    while plane.p0.leader == 0:
        plane.run(50, 1, 2)
        plane.beat(1), plane.beat(2)
    assert 900 <= (plane.now - received) / MS <= 1_050


def test_a_refused_connection_names_the_cause_and_advances_nothing() -> None:
    plane = started()
    plane.controller.peer_refused(plane.now, 0)
    plane.run(800, 1, 2)
    assert plane.p0.leader == 0
    plane.run(300, 1, 2)
    assert plane.elections() == [(0, "created"), (1, "crash")]
    (failover,) = [fact for fact in plane.facts if fact.name == "broker_failover_seconds"]
    assert failover.labels == ("crash",)
    assert 0.9 <= failover.value <= 1.1


def test_without_refusals_a_silent_leader_is_called_isolated() -> None:
    plane = started()
    plane.run(1_100, 1, 2)
    assert plane.elections()[-1] == (1, "isolation")
    assert [fact.labels for fact in plane.facts if fact.name == "broker_partition_elections_total"] == [
        ("isolation",),
    ]
    assert sum(fact.name == "broker_fence_events_total" for fact in plane.facts) == 1


def test_a_controller_that_slept_does_not_fence_everybody() -> None:
    """KAFKA-15019: heartbeats that waited in our own queue while we slept are contact."""
    plane = started()
    plane.run(200, 0, 1, 2)
    plane.now += 5_000 * MS
    plane.controller.tick(plane.now)
    plane.settle()
    assert not any(broker.fenced for broker in plane.metadata.brokers.values())
    plane.run(1_500, 0, 1)  # and who is really silent is fenced soon after
    assert [broker.broker_id for broker in plane.metadata.brokers.values() if broker.fenced] == [2]


def test_a_new_controller_counts_every_unfenced_broker_as_heard_at_its_election() -> None:
    plane = started()
    plane.run(800, 1, 2)
    plane.fail_over()
    plane.run(800, 1, 2)
    assert not plane.metadata.brokers[0].fenced
    plane.run(200, 1, 2)
    assert plane.metadata.brokers[0].fenced


def test_a_slow_first_entry_of_a_new_controller_fences_nobody() -> None:
    """Nobody could heartbeat to it before it knew that it led: they get three heartbeats from then."""
    plane = started()
    plane.fail_over(elected_ms_ago=3_000)
    plane.controller.tick(plane.now + 100 * MS)
    plane.settle()
    assert not any(broker.fenced for broker in plane.metadata.brokers.values())


def test_a_new_controller_grants_no_lease_before_its_own_first_entry_is_applied() -> None:
    """What the old controller committed may have ended a leadership of that broker."""
    plane = started()
    plane.fail_over()
    plane.beat(1, applied=plane.metadata.applied_index - 1)
    plane.settle()
    assert not plane.last_reply(1).granted
    assert not plane.last_reply(1).fenced
    plane.beat(1)
    plane.settle()
    assert plane.last_reply(1).granted


def test_a_fence_in_flight_withholds_the_lease() -> None:
    plane = started()
    while len(plane.log) == plane.metadata.applied_index:
        plane.now += 100 * MS
        plane.beat(1), plane.beat(2)
        plane.controller.tick(plane.now)
    assert not plane.metadata.brokers[0].fenced  # only proposed
    plane.beat(0)
    plane.controller.round_confirmed(plane.now, plane.rounds)
    assert plane.last_reply(0).fenced


def test_a_fenced_broker_must_apply_its_fence_before_it_is_back() -> None:
    """Else it would get a lease while it still believes that it leads under the old epoch."""
    plane = started()
    old = plane.metadata.applied_index
    plane.run(1_100, 1, 2)
    plane.beat(0, applied=old)
    plane.settle()
    assert plane.last_reply(0).fenced
    assert plane.metadata.brokers[0].fenced
    plane.beat(0)
    plane.settle()
    assert not plane.metadata.brokers[0].fenced


def test_a_broker_that_is_heard_but_hears_nothing_is_fenced() -> None:
    """A one-way cut: its lease has lapsed long ago, but its heartbeats arrive. Only it can tell."""
    plane = started()
    for step in range(30):
        plane.report[0] = {"answered_age_ms": 100 * step}
        plane.run(100, 0, 1, 2)
        if plane.metadata.brokers[0].fenced:
            break
    assert plane.p0.leader == 1
    assert step <= 25
    plane.run(2_000, 0, 1, 2)
    assert plane.metadata.brokers[0].fenced  # and it stays so, without flapping
    plane.report[0] = {"answered_age_ms": 90}
    plane.run(100, 0, 1, 2)
    assert not plane.metadata.brokers[0].fenced


def test_a_broker_that_is_heard_but_applies_nothing_loses_what_it_leads() -> None:
    plane = started()
    plane.fail_over()
    stuck = plane.metadata.applied_index - 1
    for _ in range(12):
        plane.beat(0, applied=stuck)
        plane.run(100, 1, 2)
    assert plane.metadata.brokers[0].fenced
    assert plane.p0.leader == 1


def test_a_broken_disk_hands_over_at_once() -> None:
    """I-SAF-9: its partitions answer nothing any more; there is no lease to wait for."""
    plane = started()
    plane.beat(0, log_offline=True)
    plane.settle()
    assert plane.shape() == "1@1 isr [1, 2] elr []"
    plane.run(500, 1, 2)
    plane.beat(0, log_offline=True)
    plane.settle()
    assert plane.metadata.brokers[0].fenced
