"""The broker's session: registration, heartbeats, and when its lease is valid."""

from __future__ import annotations

import pytest

from skerry_broker.core.metadata import BrokerState, ClusterMetadata, PartitionState, PartitionUpdated
from skerry_broker.core.peer_messages import (
    BrokerHeartbeat,
    HeartbeatReply,
    PeerMessage,
    RegisterReply,
    RegisterRequest,
)
from skerry_broker.core.session import NEVER, BrokerSession, ReplicaReport
from skerry_broker.core.types import FlushMode, NodeConfig, TopicPartition, Voter

MS = 1_000_000
LEASE = 700 * MS


class Broker:
    """Broker 1, its session, and everything it sent."""

    def __init__(self, flush: FlushMode = FlushMode.GROUP) -> None:
        self.sent: list[tuple[int, PeerMessage]] = []
        self.now = 0
        self.metadata = ClusterMetadata()
        self.session = BrokerSession(
            NodeConfig(1, (0, 1, 2), flush=flush),
            Voter(1, "disk"),
            "process-1",
            clean_shutdown_epoch=None,
            logs_intact=True,
            send=lambda destination, message: self.sent.append((destination, message)),
            report=lambda now: ReplicaReport(),
            now=0,
        )

    def up(self, lease: bool = True) -> Broker:
        self.session.controller_changed(self.now, 0)
        self.session.on_registered(self.now, RegisterReply("process-1", 5))
        if lease:
            self.answer()
        return self

    @property
    def last(self) -> BrokerHeartbeat:
        return next(message for _, message in reversed(self.sent) if isinstance(message, BrokerHeartbeat))

    def answer(self, sequence: int | None = None, **fields: bool) -> None:
        """The controller's answer to the last heartbeat (or to ``sequence``): by default it renews the lease."""
        message = HeartbeatReply(1, sequence or self.last.sequence, 5, **{"fenced": False, **fields})
        self.session.on_heartbeat_reply(self.now, message)

    def at(self, ms: int) -> bool:
        return self.session.lease_valid(ms * MS)

    def tick(self, ms: int) -> None:
        self.now = ms * MS
        self.session.tick(self.now)


def test_it_registers_until_it_is_answered_then_heartbeats() -> None:
    broker = Broker()
    assert broker.session.next_deadline == NEVER
    broker.session.controller_changed(0, 2)
    broker.tick(100)
    assert broker.sent == [(2, RegisterRequest("process-1", None, True, True))] * 2
    broker.session.on_registered(broker.now, RegisterReply("process-0", 4))  # of an earlier life
    assert broker.session.broker_epoch == -1
    broker.session.on_registered(broker.now, RegisterReply("process-1", 5))
    assert (broker.session.broker_epoch, broker.session.fenced) == (5, True)
    assert isinstance(broker.sent[-1][1], BrokerHeartbeat)


def test_it_says_when_its_records_are_not_durable() -> None:
    broker = Broker(FlushMode.INTERVAL)
    broker.session.controller_changed(0, 2)
    request = broker.sent[0][1]
    assert isinstance(request, RegisterRequest)
    assert not request.flush_group


def test_the_lease_counts_from_the_sending_not_from_the_answer() -> None:
    broker = Broker().up(lease=False)
    assert not broker.at(0)
    broker.now = 300 * MS  # a slow answer
    broker.answer()
    assert broker.at(699)
    assert not broker.at(700)


def test_an_old_answer_renews_nothing() -> None:
    broker = Broker().up()
    broker.tick(100)
    broker.tick(200)
    broker.answer()
    until = broker.session.lease_until
    broker.answer(2)  # sent at 100 ms
    broker.answer()  # a copy
    assert broker.session.lease_until == until == 200 * MS + LEASE


def test_answers_that_nobody_asked_for_are_ignored() -> None:
    broker = Broker().up(lease=False)
    broker.answer(99)
    broker.session.on_heartbeat_reply(0, HeartbeatReply(1, broker.last.sequence, 4, fenced=False))  # another epoch
    assert not broker.at(1)


@pytest.mark.parametrize(
    ("fields", "valid_after", "fenced"),
    [
        ({}, True, False),
        ({"granted": False}, True, False),  # not renewed, not ended: what was granted stands
        ({"fenced": True}, False, True),
    ],
)
def test_what_an_answer_does_to_a_running_lease(fields: dict[str, bool], valid_after: bool, fenced: bool) -> None:
    broker = Broker().up()
    broker.tick(100)
    broker.answer(**fields)
    assert (broker.at(400), broker.session.fenced) == (valid_after, fenced)
    assert broker.at(750) == (fields == {})


def test_an_answer_from_before_the_fence_does_not_bring_the_lease_back() -> None:
    """It was sent under the leaderships that the fence has ended."""
    broker = Broker().up()
    broker.tick(100)
    broker.metadata.brokers[1] = BrokerState(1, 5, "disk", "process-1", fenced=True, leaving=False)
    broker.session.on_applied(broker.now, broker.metadata, [])
    assert not broker.at(101)
    broker.answer(2)  # the heartbeat of 100 ms
    assert not broker.at(101)
    broker.tick(300)
    broker.answer()
    assert broker.at(301)


def test_a_late_word_of_a_fence_does_not_end_a_newer_lease() -> None:
    broker = Broker().up()
    broker.tick(100)
    broker.tick(200)
    broker.answer()
    broker.answer(2, fenced=True)
    assert broker.at(201)


def test_an_unknown_epoch_means_register_again() -> None:
    broker = Broker().up()
    broker.answer(broker.last.sequence)
    broker.tick(100)
    broker.answer(fenced=True, unknown_epoch=True)
    assert not broker.at(101)
    assert isinstance(broker.sent[-1][1], RegisterRequest)


def test_another_process_under_the_same_id_ends_the_lease() -> None:
    broker = Broker().up()
    broker.metadata.brokers[1] = BrokerState(1, 9, "other-disk", "process-x", fenced=True, leaving=False)
    broker.session.on_applied(0, broker.metadata, [])
    assert not broker.at(1)
    assert broker.session.broker_epoch == -1


def test_a_paused_process_finds_its_lease_expired_before_anything_else_runs() -> None:
    """After SIGCONT queued requests run before timers: the check asks the clock, not a flag."""
    broker = Broker().up()
    assert not broker.at(30_000)
    assert not broker.session.fenced  # nobody told it; it knows by its clock


def test_a_change_of_controller_ends_no_lease() -> None:
    broker = Broker().up()
    broker.session.controller_changed(100 * MS, -1)
    assert broker.session.next_deadline == NEVER
    assert broker.at(699)
    broker.session.controller_changed(300 * MS, 2)
    assert broker.sent[-1][0] == 2  # at once, not at the next interval


def test_it_tells_how_long_nobody_has_answered() -> None:
    """A one-way cut is visible only from here."""
    broker = Broker().up()
    broker.tick(100)
    broker.answer(granted=False)  # an answer without a lease is an answer
    for ms in range(200, 1_300, 100):
        broker.tick(ms)
    assert broker.last.answered_age_ms == 1_100


def test_no_burst_after_a_stall() -> None:
    broker = Broker().up()
    count = len(broker.sent)
    broker.tick(5_000)
    broker.tick(5_001)
    assert len(broker.sent) == count + 1
    assert broker.session.next_deadline == 5_100 * MS


def deposed(leader: int, successor: int) -> PartitionUpdated:
    partition = TopicPartition("orders", 0)
    before, after = (PartitionState("id", 1, (0, 1), who, 0, 0) for who in (leader, successor))
    return PartitionUpdated(partition, before, after)


def test_a_deposed_leader_says_so_at_once() -> None:
    """Step two of a move waits for it: a heartbeat at the next interval would cost up to 100 ms without a leader."""
    broker = Broker().up()
    broker.metadata.brokers[1] = BrokerState(1, 5, "disk", "process-1", fenced=False, leaving=False)
    broker.metadata.applied_index = 41
    broker.now = 50 * MS
    count = len(broker.sent)
    broker.session.on_applied(broker.now, broker.metadata, [deposed(0, 1)])
    assert len(broker.sent) == count  # somebody else's leadership
    broker.session.on_applied(broker.now, broker.metadata, [deposed(1, -1)])
    assert len(broker.sent) == count + 1
    assert broker.last.applied_index == 41


def test_a_log_replay_does_not_heartbeat_per_entry() -> None:
    broker = Broker().up(lease=False)
    broker.metadata.brokers[1] = BrokerState(1, 5, "disk", "process-1", fenced=True, leaving=False)
    count = len(broker.sent)
    for index in range(1_000):
        broker.metadata.applied_index = index
        broker.session.on_applied(broker.now, broker.metadata, [])
    assert len(broker.sent) == count
    assert broker.session.next_deadline == 10 * MS  # but soon
    broker.tick(10)
    assert broker.last.applied_index == 999


def test_shutdown_asks_at_once_and_waits_for_leave() -> None:
    broker = Broker().up()
    broker.session.begin_shutdown(broker.now)
    assert broker.last.wants_shutdown
    broker.answer()
    assert not broker.session.may_stop
    broker.tick(100)
    broker.answer(may_stop=True)
    assert broker.session.may_stop


def test_unanswered_heartbeats_are_not_remembered_for_ever() -> None:
    broker = Broker().up()
    for ms in range(100, 100_000, 100):
        broker.tick(ms)
    assert len(broker.session._sent_ns) <= 64
