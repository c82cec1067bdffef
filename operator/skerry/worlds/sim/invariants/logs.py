"""Rules of the partitions' logs: what is written, what is committed, what a high watermark promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from skerry.worlds.sim.invariants.truth import PartitionTruth, Truth
from skerry_broker.core.api import ErrorCode
from skerry_broker.core.messages import (
    AppendLog,
    Checkpoint,
    DeleteLog,
    Event,
    FromClient,
    ResetLog,
    ServePeer,
    TruncateLog,
)
from skerry_broker.core.records import PartitionChanged
from skerry_broker.core.types import NO_BROKER, TopicPartition

if TYPE_CHECKING:
    from skerry.worlds.sim.node_host import NodeHost

Rule = Callable[["NodeHost", Event, Any], None]

NO_BATCH = (-1, -1)
_NONE = ErrorCode.NONE


class LogRules:
    """``durable``: the cluster runs with group flush, so that only durable records count."""

    def __init__(self, truth: Truth, *, durable: bool) -> None:
        self._truth = truth
        self._durable = durable

    def effects(self) -> dict[type[Any], Rule]:
        return {
            AppendLog: self._append,
            TruncateLog: self._truncate,
            ResetLog: self._reset,
            DeleteLog: self._delete,
            Checkpoint: self._checkpoint,
            ServePeer: self._serve_peer,
        }

    def messages(self) -> dict[type[Any], Rule]:
        return {}

    # --- writing --------------------------------------------------------------------------------------------

    def _append(self, host: NodeHost, event: Event, effect: AppendLog) -> None:
        """Log matching, by induction: the same (offset, epoch) has the same content and the same predecessor."""
        state = self._truth.partitions.get(effect.partition)
        log = host.disk.logs.get(effect.partition)
        if state is None or log is None or log.topic_id != state.topic_id:
            return
        appended = state.appended
        previous = (log.batches[-1].base_offset, log.batches[-1].leader_epoch) if log.batches else NO_BATCH
        for batch in effect.batches:
            key = (batch.base_offset, batch.leader_epoch)
            known = appended.get(key)
            if known is None:
                appended[key] = (batch, *previous)
            elif known[0] is not batch and known[0] != batch:
                self._truth.violate(
                    "log-matching",
                    host.broker_id,
                    f"{effect.partition}: another batch at offset {key[0]} in epoch {key[1]}",
                )
            elif previous != NO_BATCH and (known[1], known[2]) != previous:
                self._truth.violate(
                    "log-matching",
                    host.broker_id,
                    f"{effect.partition}: offset {key[0]} of epoch {key[1]} follows {previous}, elsewhere {known[1:]}",
                )
            previous = key
        if type(event) is FromClient:
            self._check_writer(host, state, effect.batches[0].leader_epoch)

    def _check_writer(self, host: NodeHost, state: PartitionTruth, epoch: int) -> None:
        me = (host.broker_id, host.starts)
        known = state.writers.setdefault(epoch, me)
        if known != me:
            self._truth.violate(
                "two-writers-in-one-epoch", host.broker_id, f"{state.partition} epoch {epoch}: {known} and {me}"
            )
        leader = state.leaders.get(epoch)
        if leader != host.broker_id:
            self._truth.violate(
                "two-writers-in-one-epoch",
                host.broker_id,
                f"{state.partition}: writes in epoch {epoch}, whose committed leader is {leader}",
            )

    def _truncate(self, host: NodeHost, event: Event, effect: TruncateLog) -> None:
        self._check_removed(host, effect.partition, effect.end_offset)

    def _reset(self, host: NodeHost, event: Event, effect: ResetLog) -> None:
        """A follower may begin where retention has made the log of another begin."""
        starts = [peer.disk.logs[effect.partition] for peer in self._truth.hosts if effect.partition in peer.disk.logs]
        by_retention = any(log.start_offset >= effect.start_offset for log in starts)
        self._check_removed(host, effect.partition, effect.start_offset if by_retention else 0)

    def _delete(self, host: NodeHost, event: Event, effect: DeleteLog) -> None:
        self._check_removed(host, effect.partition, 0)

    def _check_removed(self, host: NodeHost, partition: TopicPartition, end_offset: int) -> None:
        """A replica may drop what diverges, never its copy of a committed record."""
        state = self._truth.partitions.get(partition)
        log = host.disk.logs.get(partition)
        if state is None or log is None or log.topic_id != state.topic_id or end_offset >= state.high_watermark:
            return
        mine = log.batch_at(max(end_offset, log.start_offset))
        if mine is not None and state.batch_at(mine.base_offset) == mine:
            self._truth.violate(
                "committed-record-truncated",
                host.broker_id,
                f"{partition}: truncates to {end_offset}, removing its copy of offset {mine.base_offset} (epoch "
                f"{mine.leader_epoch}) below the high watermark {state.high_watermark}",
            )

    def _checkpoint(self, host: NodeHost, event: Event, effect: Checkpoint) -> None:
        state = self._truth.partitions.get(effect.partition)
        log = host.disk.logs.get(effect.partition)
        if state is None or log is None or log.topic_id != state.topic_id:
            return
        if effect.high_watermark <= state.high_watermark:
            return
        # A deposed leader that does not know it yet may still advance, silently; then its ISR holds it all the same.
        self.commit(host, state, effect.high_watermark)

    # --- the high watermark ---------------------------------------------------------------------------------

    def _serve_peer(self, host: NodeHost, event: Event, effect: ServePeer) -> None:
        for part in effect.message.partitions:
            if part.error is not _NONE or part.high_watermark < 0:
                continue
            state = self._truth.partitions.get(part.partition)
            log = host.disk.logs.get(part.partition)
            if state is not None and log is not None and log.topic_id == state.topic_id:
                self.expose(host, state, part.leader_epoch, part.high_watermark)

    def expose(self, host: NodeHost, state: PartitionTruth, epoch: int, high_watermark: int) -> None:
        """The leader of ``epoch`` shows this high watermark: everything below it is committed."""
        shown = state.exposed.get(epoch, -1)
        if high_watermark < shown:
            self._truth.violate(
                "high-watermark-goes-back",
                host.broker_id,
                f"{state.partition} epoch {epoch}: {high_watermark} after {shown}",
            )
            return
        state.exposed[epoch] = high_watermark
        if high_watermark > state.high_watermark:
            self.commit(host, state, high_watermark)

    def commit(self, host: NodeHost, state: PartitionTruth, end_offset: int) -> None:
        """Everything below ``end_offset`` is committed, says ``host``, who leads or led."""
        log = host.disk.logs.get(state.partition)
        if log is None or log.end_offset < end_offset:
            self._truth.violate(
                "high-watermark-beyond-isr", host.broker_id, f"{state.partition}: {end_offset} is beyond its own log"
            )
            return
        if state.batches:
            mine, known = log.batch_at(state.high_watermark - 1), state.batches[-1]
            if mine is not known and mine != known:
                self._truth.violate(
                    "committed-record-changed",
                    host.broker_id,
                    f"{state.partition}: offset {known.base_offset} holds {mine!r:.120}, committed was {known!r:.120}",
                )
                return
        offset = state.high_watermark
        while offset < end_offset:
            batch = log.batch_at(offset)
            if batch is None or batch.base_offset != offset:
                self._truth.violate(
                    "high-watermark-beyond-isr", host.broker_id, f"{state.partition}: no batch starts at {offset}"
                )
                return
            self._truth.commit_record(state, batch, host.broker_id)
            offset += batch.record_count
        state.high_watermark = offset
        for member in state.isr:
            self._check_member(state, member, "high-watermark-beyond-isr")

    def _check_member(self, state: PartitionTruth, member: int, rule: str) -> None:
        """An in-sync replica holds everything that is committed."""
        if not state.batches or not self._truth.holds(member):
            return
        host = self._truth.host(member)
        log = host.disk.logs.get(state.partition) if host is not None else None
        last = state.batches[-1]
        held = 0 if log is None else log.durable_end if self._durable else log.end_offset
        if log is None or held < state.high_watermark:
            self._truth.violate(
                rule,
                member,
                f"{state.partition}: committed up to {state.high_watermark} (epoch {last.leader_epoch}), but in-sync "
                f"replica {member} holds {held}; ISR {list(state.isr)}, leader {state.leader}/{state.leader_epoch}",
            )
            return
        mine = log.batch_at(last.base_offset)
        if mine is not last and mine != last:
            self._truth.violate(
                rule, member, f"{state.partition}: offset {last.base_offset} differs on in-sync replica {member}"
            )

    # --- membership -----------------------------------------------------------------------------------------

    def partition_changed(self, state: PartitionTruth, record: PartitionChanged, before: tuple[int, ...]) -> None:
        """A change of leader or ISR is committed."""
        leader = record.leader
        if leader != NO_BROKER:
            if leader not in record.isr:
                self._truth.violate("leader-not-in-sync", leader, f"{record!r:.300}")
            if not record.recovering:
                self._check_member(state, leader, "leader-lacks-committed-record")
        for member in record.isr:
            if member not in state.replicas:
                self._truth.violate("isr-member-not-registered", member, f"{record!r:.300} is no replica")
            if member not in before and not record.recovering:
                self._check_member(state, member, "in-sync-without-records")
                broker = self._truth.brokers.get(member)
                if broker is None or (broker.fenced and before):
                    self._truth.violate("isr-member-not-registered", member, f"{record!r:.300}, broker is {broker}")
