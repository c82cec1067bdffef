"""Log matching over random lives of a partition: same (offset, epoch), same batch; below the high watermark, one log;
the high watermark never falls in an epoch; what was acknowledged stays. And planted bugs, which must be caught."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from replica_chaos import Chaos, Step, random_steps
from replica_transcripts import play, transcripts

from skerry_broker.core.follower_replica import FollowerReplica
from skerry_broker.core.in_sync import InSync
from skerry_broker.core.leader_replica import LeaderReplica
from skerry_broker.core.pending_produces import PendingProduces
from skerry_broker.core.producers import ProducerTable
from skerry_broker.core.replica_log import CommittedDataLost, ReplicaLog

SEEDS = 60
FOLDER = Path(__file__).parent / "testdata" / "replica"


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 2), st.integers(0, 63)), max_size=60))
def test_any_life(steps: list[Step]) -> None:
    Chaos().run(steps)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_long_lives(seed: int) -> None:
    cluster = Chaos().run(random_steps(seed))
    assert cluster.acked


def test_long_lives_are_eventful() -> None:
    """A random test that never truncates, shrinks or expands proves nothing."""
    counts: dict[str, float] = {}
    for seed in range(20):
        for fact in Chaos().run(random_steps(seed)).facts:
            counts[fact.name] = counts.get(fact.name, 0) + 1
    for name in (
        "broker_log_truncations_total",
        "broker_isr_shrinks_total",
        "broker_isr_expands_total",
        "broker_duplicate_batches_total",
        "broker_leader_ready_seconds",
    ):
        assert counts.get(name, 0) >= 8, f"{name}: {counts.get(name, 0)}"


# --- planted bugs --------------------------------------------------------------------------------------------


def truncate_to_high_watermark(patch: pytest.MonkeyPatch) -> None:
    """The rule before KIP-101: a new follower cuts at its high watermark."""
    original = FollowerReplica.__init__

    def wrong(self: FollowerReplica, *args: object) -> None:
        original(self, *args)  # type: ignore[arg-type]
        self._log.truncate(self._log.high_watermark, "epoch")

    patch.setattr(FollowerReplica, "__init__", wrong)


def acknowledge_before_replication(patch: pytest.MonkeyPatch) -> None:
    """``acks=All`` answered as soon as the leader's own disk has it."""
    original = PendingProduces.complete

    def wrong(self: PendingProduces, high_watermark: int, counted_end: int, lease: bool, enough: bool) -> None:
        original(self, counted_end, counted_end, lease, enough)

    patch.setattr(PendingProduces, "complete", wrong)


def high_watermark_ignores_a_member(patch: pytest.MonkeyPatch) -> None:
    original = InSync.high_watermark

    def wrong(self: InSync, now: int) -> int:
        hidden = max(self.followers)
        follower = self.followers.pop(hidden)
        try:
            return original(self, now)
        finally:
            self.followers[hidden] = follower

    patch.setattr(InSync, "high_watermark", wrong)


def refused_proposals_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """After INELIGIBLE_REPLICA the maximal ISR falls back at once, although a copy may still be accepted."""
    original = InSync.replied

    def wrong(self: InSync, now: int, reply: object) -> None:
        original(self, now, reply)  # type: ignore[arg-type]
        if self._pending is None:
            self.maximal = frozenset(self.view.isr)

    patch.setattr(InSync, "replied", wrong)


def producers_are_forgotten_in_failover(patch: pytest.MonkeyPatch) -> None:
    original = LeaderReplica.__init__

    def wrong(self: LeaderReplica, *args: object) -> None:
        original(self, *args)  # type: ignore[arg-type]
        self._log.producers = ProducerTable()

    patch.setattr(LeaderReplica, "__init__", wrong)


def producers_survive_truncation(patch: pytest.MonkeyPatch) -> None:
    """KAFKA-12153: producer state outlives the truncation of its batches."""
    patch.setattr(ProducerTable, "truncate", lambda self, end_offset: None)


def flush_of_removed_bytes_counts(patch: pytest.MonkeyPatch) -> None:
    """The ABA race: a write that was truncated away still proves its old end."""
    original = ReplicaLog.truncate

    def wrong(self: ReplicaLog, *args: object, **named: object) -> None:
        writes = list(self._writes)
        original(self, *args, **named)  # type: ignore[arg-type]
        self._writes.clear()
        self._writes.extend(writes)

    patch.setattr(ReplicaLog, "truncate", wrong)


def stale_answers_count(patch: pytest.MonkeyPatch) -> None:
    """KAFKA-7786: an answer for a position that the log has left is applied."""

    def wrong(self: FollowerReplica, now: int, asked: object, answer: object) -> None:
        original(self, now, self.fetch_position(), answer)  # type: ignore[arg-type]

    original = FollowerReplica.fetched
    patch.setattr(FollowerReplica, "fetched", wrong)


def memory_counts_as_disk(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ReplicaLog, "counted_end", property(lambda self: self.end_offset))


def unproven_progress_counts(patch: pytest.MonkeyPatch) -> None:
    """KAFKA-7128 and its kin: a follower joins although it is behind what is committed."""
    patch.setattr(InSync, "_joins", lambda self, now, follower: self._is_eligible(follower))


@pytest.mark.parametrize(
    "plant",
    [
        truncate_to_high_watermark,
        acknowledge_before_replication,
        high_watermark_ignores_a_member,
        refused_proposals_are_forgotten,
        producers_are_forgotten_in_failover,
        producers_survive_truncation,
        flush_of_removed_bytes_counts,
        stale_answers_count,
        memory_counts_as_disk,
        unproven_progress_counts,
    ],
    ids=lambda plant: plant.__name__,
)
def test_planted_bug_is_caught(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """By a golden transcript that reads otherwise, or by random lives."""
    texts = [path.read_text() for path in transcripts(FOLDER)]
    plant(monkeypatch)
    try:
        if any(play(text) != text for text in texts):
            return
        for seed in range(40):
            Chaos().run(random_steps(seed))
    except (AssertionError, CommittedDataLost, ValueError):
        return
    pytest.fail(f"nothing noticed: {plant.__doc__ or plant.__name__}")


@pytest.mark.parametrize(
    "plant",
    [acknowledge_before_replication, high_watermark_ignores_a_member, producers_are_forgotten_in_failover],
    ids=lambda plant: plant.__name__,
)
def test_random_lives_alone_catch(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)

    def live() -> None:
        for seed in range(SEEDS):
            Chaos().run(random_steps(seed))

    with pytest.raises((AssertionError, CommittedDataLost)):
        live()
