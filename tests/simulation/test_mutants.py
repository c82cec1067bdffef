"""The simulator finds broken rules: each mutant breaks one rule of the core, and a few seeds must show it.

A mutant is a test double of one rule, put in place for one test; the product has no such switch. The numbers are the
catalogue of the literature: R = Raft, K = replication, P = producers.
Equivalent mutants change something that no rule rests on: they must *not* be found, or the checks are too strict.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from skerry.checker import judge
from skerry.experiment import load_document
from skerry.schema.verdict import Verdict as Judged
from skerry.worlds.sim.chaos import run_seed
from skerry.worlds.sim.world import run_simulated
from skerry_broker.core import decisions, election, in_sync, leadership, quorum
from skerry_broker.core.api import ErrorCode
from skerry_broker.core.follower_replica import FollowerReplica
from skerry_broker.core.in_sync import InSync
from skerry_broker.core.leader_replica import LeaderReplica
from skerry_broker.core.messages import LogRead, ServeClient
from skerry_broker.core.partitions import Partitions
from skerry_broker.core.pending_produces import PendingProduces
from skerry_broker.core.producers import Judgement, ProducerTable, Verdict
from skerry_broker.core.raft_state import RaftState
from skerry_broker.core.raftlog import RaftLog
from skerry_broker.core.replica import PartitionReplica
from skerry_broker.core.replica_log import ReplicaLog
from skerry_broker.core.vacancies import Vacancies

pytestmark = [pytest.mark.sim, pytest.mark.timeout(300)]

Patch = pytest.MonkeyPatch
EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"


def acknowledge_before_replication(patch: Patch) -> None:
    """B1: acks=All is answered as soon as the leader has it."""
    rule = PendingProduces.complete

    def complete(self: Any, high_watermark: int, counted_end: int, lease: bool, enough: bool) -> None:
        rule(self, max(high_watermark, counted_end), counted_end, lease, enough)

    patch.setattr(PendingProduces, "complete", complete)


def acknowledge_before_durable(patch: Patch) -> None:
    """The log end counts, not what is on disk."""
    patch.setattr(ReplicaLog, "counted_end", property(lambda self: self.end_offset))


def vote_not_persisted(patch: Patch) -> None:
    """R1, R2: a reply does not wait for the term and the vote in it."""
    patch.setattr(RaftState, "term_is_durable", property(lambda self: True))


def entries_acknowledged_before_fsync(patch: Patch) -> None:
    """R3: entries are acknowledged before they are on the disk."""
    rule = RaftState.append

    def append(self: Any, entries: Any, truncate_from: int | None = None) -> bool:
        changed = rule(self, entries, truncate_from)
        self.durable_index = self.log.last_index
        return changed

    patch.setattr(RaftState, "append", append)


def vote_without_comparing_logs(patch: Patch) -> None:
    """R5: a vote does not compare the logs."""
    patch.setattr(RaftLog, "at_least", lambda self, last_index, last_term: True)


def half_is_a_majority(patch: Patch) -> None:
    """R9: two of five, one of three."""
    patch.setattr(quorum, "majority", lambda count: max(1, count // 2))
    patch.setattr(leadership, "agreed", lambda values: sorted(values)[-max(1, len(values) // 2)] if values else 0)


def lease_not_checked(patch: Patch) -> None:
    """R10, R11: a leader answers as long as it believes to lead."""
    rule = LeaderReplica.__init__

    def init(self: Any, now: int, config: Any, partition: Any, log: Any, ports: Any, view: Any) -> None:
        rule(self, now, config, partition, log, ports._replace(lease=lambda at: True), view)

    patch.setattr(LeaderReplica, "__init__", init)
    patch.setattr(PartitionReplica, "lease_lost", lambda self, now: None)


def successor_without_waiting(patch: Patch) -> None:
    """A moved leadership begins before the old leader has let go."""
    patch.setattr(Vacancies, "released", lambda self, now, partition, gone=(): True)


def truncate_to_high_watermark(patch: Patch) -> None:
    """K1, KIP-101: a new follower cuts its log to its own high watermark."""
    rule = FollowerReplica.__init__

    def init(self: Any, partition: Any, topic_id: str, log: Any, view: Any) -> None:
        rule(self, partition, topic_id, log, view)
        log.truncate(log.high_watermark, "epoch")

    patch.setattr(FollowerReplica, "__init__", init)


def no_truncation_by_epoch(patch: Patch) -> None:
    """K2: the leader does not compare epochs, only offsets."""

    def disagreement(self: Any, request: Any) -> Any:
        return None

    patch.setattr(LeaderReplica, "disagreement", disagreement)


def shrink_counts_before_it_is_committed(patch: Patch) -> None:
    """K5: the high watermark goes on with the ISR that was only asked for."""
    rule = InSync._propose

    def propose(self: Any, now: int, isr: tuple[int, ...], *, recovered: bool = False) -> None:
        rule(self, now, isr, recovered=recovered)
        self.maximal = frozenset(isr)

    def may_join(self: Any, now: int, follower: Any) -> bool:
        return False

    patch.setattr(InSync, "_propose", propose)
    patch.setattr(InSync, "_may_join", may_join)


def joins_without_the_epoch_start(patch: Patch) -> None:
    """B3, KAFKA-7128: every replica that fetches joins the ISR."""
    patch.setattr(InSync, "_joins", lambda self, now, one: one.log_end >= 0 and self._is_eligible(one))


def high_watermark_ignores_one_member(patch: Patch) -> None:
    """K10: the last follower is not waited for."""
    rule = InSync.high_watermark

    def high_watermark(self: Any, now: int) -> int:
        ignored = max(self.followers)
        followers = self.followers
        self.followers = {broker_id: one for broker_id, one in followers.items() if broker_id != ignored}
        try:
            return rule(self, now)
        finally:
            self.followers = followers

    patch.setattr(InSync, "high_watermark", high_watermark)


def reads_beyond_the_high_watermark(patch: Patch) -> None:
    """K13: a read is served up to the log's end."""
    rule = LeaderReplica._serve

    def serve(self: Any, request_id: int, request: Any) -> None:
        rule(self, request_id, request)
        effect = self._out.effects.pop()
        read = LogRead(effect.read.partition, effect.read.start_offset, self._log.end_offset, effect.read.bytes_max)
        self._out.put(ServeClient(effect.request_id, effect.response, read))

    patch.setattr(LeaderReplica, "_serve", serve)


def goes_on_after_a_disk_error(patch: Patch) -> None:
    """B8, fsyncgate: a failed disk changes nothing."""
    patch.setattr(PartitionReplica, "disk_failed", lambda self, now: None)


def truncates_to_the_leaders_end_only(patch: Patch) -> None:
    """KIP-279: the follower takes the leader's offset without looking at its own epochs."""

    def truncate_to(self: Any, diverging: Any) -> None:
        self._log.truncate(min(diverging.start_offset, self._log.end_offset - 1), "epoch", unclean=True)

    patch.setattr(FollowerReplica, "_truncate_to", truncate_to)


def high_watermark_before_divergence(patch: Patch) -> None:
    """B7, KAFKA-14704: the high watermark of an answer that says that the logs diverge."""
    rule = FollowerReplica.fetched

    def fetched(self: Any, now: int, asked: Any, answer: Any) -> None:
        if answer.leader_epoch == self.epoch and answer.error is ErrorCode.NONE:
            self._log.commit(now, answer.high_watermark)
        rule(self, now, asked, answer)

    patch.setattr(FollowerReplica, "fetched", fetched)


def anybody_may_lead(patch: Patch) -> None:
    """K11: a leader from outside of ISR and ELR."""

    def choose_leader(state: Any, isr: Any, elr: Any, electable: Any, prefer: int = -1) -> int:
        return next((replica for replica in reversed(state.replicas) if electable(replica)), -1)

    patch.setattr(election, "choose_leader", choose_leader)


def late_replica_ignores_the_failed_disk(patch: Patch) -> None:
    """B8 again, found by the simulator: only the replicas that exist when the disk fails go offline."""
    patch.setattr(Partitions, "disk_failed", lambda self, now: self._each(lambda replica: replica.disk_failed(now)))


def lost_disk_keeps_its_place(patch: Patch) -> None:
    """I-SAF-6: who comes back with an empty or corrupt disk stays in ISR and ELR."""
    rule = decisions.without

    def without(*arguments: Any, lost: Any = (), **options: Any) -> Any:
        return rule(*arguments, **options)

    patch.setattr(decisions, "without", without)


def sequence_gaps_accepted(patch: Patch) -> None:
    """P2: requests that overtook each other are appended as they come."""
    rule = ProducerTable.judge

    def judge(self: Any, batch: Any) -> Judgement:
        found = rule(self, batch)
        return Judgement(Verdict.NEW) if found.verdict is Verdict.OUT_OF_ORDER else found

    patch.setattr(ProducerTable, "judge", judge)


def duplicates_not_recognised(patch: Patch) -> None:
    """P1: the state of the producers is not kept."""
    patch.setattr(ProducerTable, "judge", lambda self, batch: Judgement(Verdict.NEW))


def high_watermark_not_frozen(patch: Patch) -> None:
    """K9, KIP-966: it moves, and acknowledges, with fewer in-sync replicas than the minimum."""
    rule = InSync.high_watermark

    def high_watermark(self: Any, now: int) -> int:
        minimum, self.min_isr = self.min_isr, 1
        try:
            return rule(self, now)
        finally:
            self.min_isr = minimum

    patch.setattr(InSync, "high_watermark", high_watermark)
    complete = PendingProduces.complete
    patch.setattr(
        PendingProduces, "complete", lambda self, hw, end, lease, enough: complete(self, hw, end, lease, True)
    )


def tail_reads_before_the_epochs_start(patch: Patch) -> None:
    """K14: a new leader tells its high watermark although that may lie below what its predecessor acknowledged."""

    def may_tell(self: Any, now: int, request_id: int) -> bool:
        return bool(self._ports.lease(now)) or bool(self._refuse(request_id, ErrorCode.LEASE_EXPIRED, ""))

    patch.setattr(LeaderReplica, "_may_tell_high_watermark", may_tell)


def hung_leader_is_not_replaced(patch: Patch) -> None:
    """Decision 11: only what fails is noticed, not what never returns."""
    patch.setattr(decisions, "stuck", lambda known, now, broker_id: [])


class Killed(NamedTuple):
    """``within`` so many seeds, from ``first`` on, by one of these rules: not by an accident of the test double."""

    within: int
    by: tuple[str, ...]
    first: int = 0


MUTANTS: dict[Callable[[Patch], None], Killed] = {
    acknowledge_before_replication: Killed(3, ("high-watermark-beyond-isr",)),
    acknowledge_before_durable: Killed(3, ("progress-not-durable",)),
    vote_not_persisted: Killed(3, ("vote-not-durable",)),
    entries_acknowledged_before_fsync: Killed(3, ("append-not-durable",)),
    vote_without_comparing_logs: Killed(20, ("leader-lacks-committed-entry",), first=8),
    half_is_a_majority: Killed(3, ("commit-without-quorum",)),
    lease_not_checked: Killed(10, ("answered-after-successor",)),
    successor_without_waiting: Killed(40, ("answered-after-successor",), first=77),
    truncate_to_high_watermark: Killed(10, ("committed-record-truncated",)),
    no_truncation_by_epoch: Killed(10, ("log-matching",)),
    truncates_to_the_leaders_end_only: Killed(20, ("disk-contract", "committed-record-truncated"), first=12),
    high_watermark_before_divergence: Killed(10, ("raised", "high-watermark-beyond-isr")),
    shrink_counts_before_it_is_committed: Killed(10, ("high-watermark-beyond-isr",)),
    joins_without_the_epoch_start: Killed(20, ("in-sync-without-records",), first=5),
    high_watermark_ignores_one_member: Killed(3, ("high-watermark-beyond-isr",)),
    anybody_may_lead: Killed(20, ("leader-lacks-committed-record",), first=8),
    reads_beyond_the_high_watermark: Killed(10, ("read-beyond-high-watermark",)),
    goes_on_after_a_disk_error: Killed(20, ("disk-contract",), first=3),
    late_replica_ignores_the_failed_disk: Killed(5, ("disk-contract",), first=44),
    lost_disk_keeps_its_place: Killed(20, ("lost-disk-keeps-its-place",), first=22),
    sequence_gaps_accepted: Killed(10, ("gap-in-sequence",)),
    duplicates_not_recognised: Killed(10, ("gap-in-sequence", "written-twice")),
    high_watermark_not_frozen: Killed(20, ("too-few-copies",)),
    tail_reads_before_the_epochs_start: Killed(5, ("tail-read-behind",), first=10),
    hung_leader_is_not_replaced: Killed(3, ("hung-leader-stays",), first=33),
}


@pytest.mark.parametrize(("mutant", "killed"), MUTANTS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_broken_rule_is_found(mutant: Callable[[Patch], None], killed: Killed, monkeypatch: Patch) -> None:
    mutant(monkeypatch)
    for seed in range(killed.first, killed.first + killed.within):
        result = run_seed(seed)
        if not result.passed:
            assert result.violations, result.story()
            assert result.violations[0].rule in killed.by, result.story()
            return
    pytest.fail(f"{mutant.__name__}: {killed.within} seeds passed")


def test_a_client_alone_finds_tail_reads_before_the_epochs_start(monkeypatch: Patch, tmp_path: Path) -> None:
    """A reader that has read further from the old leader is told of less: no look inside of a broker is needed."""
    tail_reads_before_the_epochs_start(monkeypatch)
    path = EXPERIMENTS / "03b-minority-of-five.yaml"
    text = path.read_text()
    result = run_simulated(load_document(text, source_name=path.name), text, 7, tmp_path, "0")
    failed = {finding.rule for finding in judge(result.history) if finding.verdict is Judged.FAIL}
    assert failed == {"linearizable"}


def retries_twice_as_often(patch: Patch) -> None:
    patch.setattr(in_sync, "ALTER_RETRY_NS", in_sync.ALTER_RETRY_NS // 2)


@pytest.mark.parametrize("mutant", [retries_twice_as_often], ids=lambda value: value.__name__)
def test_equivalent_rule_is_not_found(mutant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    mutant(monkeypatch)
    for seed in range(3):
        result = run_seed(seed)
        assert result.passed, result.story()
