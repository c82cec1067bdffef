"""Three replicas of one partition, three toy disks and a toy controller, driven step by step."""

from __future__ import annotations

from dataclasses import dataclass

from replica_disk import MS, PARTITION, TOPIC_ID, Disk

from skerry_broker.core.api import ErrorResponse, FetchRequest, ProduceRequest, ProduceResponse
from skerry_broker.core.messages import Checkpoint, Fact, LogRead, Reply, ServeClient
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.peer_messages import (
    AlterPartition,
    AlterPartitionReply,
    AlterResult,
    FetchedPartition,
    FetchPartition,
)
from skerry_broker.core.replica import BrokerView, PartitionReplica, PartitionView, ReplicaPorts
from skerry_broker.core.types import Acks, Batch, FlushMode, NodeConfig, RecoveredLog


@dataclass
class Broker:
    out: Outbox
    replica: PartitionReplica
    disk: Disk
    broker_epoch: int
    lease: bool = True
    up: bool = True


class ReplicaCluster:
    """Invariants, asserted after every step: a high watermark never falls within a leader epoch; below the lowest of
    two high watermarks two logs are equal; the same (offset, epoch) is the same batch everywhere (I-SAF-3, I-SAF-4)."""

    def __init__(self, flush: FlushMode = FlushMode.GROUP, ids: tuple[int, ...] = (1, 2, 3)) -> None:
        self.now = 0
        self.flush_mode = flush
        self.ids = ids
        self.brokers: dict[int, Broker] = {}
        self.views: dict[int, BrokerView] = {}
        self.state = PartitionView(-1, 0, 0, ids, ids, 2)
        self.alters: list[AlterPartition] = []
        self.lines: list[str] = []
        self.replies: dict[int, Reply | ServeClient] = {}
        self.facts: list[Fact] = []
        self.acked: dict[int, tuple[int, bytes]] = {}  # request id -> (offset, value) of acks=All successes
        self._values: dict[int, tuple[Acks, bytes]] = {}
        self._late: list[tuple[int, FetchPartition, FetchedPartition]] = []
        self._flushing: dict[int, tuple[int, int]] = {}
        self._request_id = 0
        self._broker_epoch = 0
        self._high_watermarks: dict[tuple[int, int], int] = {}
        for broker_id in ids:
            self._start(broker_id, Disk(), None)

    def _start(self, broker_id: int, disk: Disk, recovered: RecoveredLog | None) -> None:
        self._broker_epoch += 1
        epoch = self._broker_epoch
        self.views[broker_id] = BrokerView(epoch, True)
        out = Outbox()
        ports = ReplicaPorts(
            out,
            lambda now: self.brokers[broker_id].lease,
            self.alters.append,
            lambda partition: None,
            self.views,
            lambda: epoch,
        )
        config = NodeConfig(broker_id, self.ids, flush=self.flush_mode)
        replica = PartitionReplica(config, PARTITION, TOPIC_ID, recovered, ports)
        self.brokers[broker_id] = Broker(out, replica, disk, epoch)
        self.carry_out(broker_id)

    # --- the world ------------------------------------------------------------------------------------------

    def carry_out(self, broker_id: int) -> None:
        broker = self.brokers[broker_id]
        for effect in broker.out.take():
            match effect:
                case Reply() | ServeClient():
                    self._answered(effect)
                case Fact():
                    self.facts.append(effect)
                    if effect.name.startswith(("broker_isr_", "broker_log_trunc")) and "seconds" not in effect.name:
                        labels = "{" + ",".join(effect.labels) + "}" if effect.labels else ""
                        self.lines.append(f"{broker_id}: {effect.name}{labels} +{effect.value:g}")
                case Checkpoint():
                    broker.disk.high_watermark = effect.high_watermark
                case _:
                    broker.disk.operations.append(effect)
        self._check(broker_id)

    def _answered(self, effect: Reply | ServeClient) -> None:
        assert effect.request_id not in self.replies, "answered twice"
        self.replies[effect.request_id] = effect
        match effect:
            case Reply(response=ErrorResponse() as error):
                hint = f" leader={error.leader}" if error.leader >= 0 else ""
                self.lines.append(f"reply {effect.request_id}: {error.error.value}{hint}")
            case Reply(response=ProduceResponse() as produced):
                acks, value = self._values[effect.request_id]
                if acks is Acks.ALL:
                    self.acked[effect.request_id] = (produced.base_offset, value)
                duplicate = " duplicate" if produced.duplicate else ""
                self.lines.append(
                    f"reply {effect.request_id}: offset={produced.base_offset} epoch={produced.leader_epoch}{duplicate}"
                )
            case Reply():
                self.lines.append(f"reply {effect.request_id}: hw={getattr(effect.response, 'high_watermark', '-')}")
            case ServeClient():
                batches = self.read_disk(self.state.leader, effect.read)
                values = " ".join(batch.data.decode() for batch in batches)
                self.lines.append(f"reply {effect.request_id}: {values} hw={effect.response.high_watermark}")

    def read_disk(self, broker_id: int, read: LogRead) -> tuple[Batch, ...]:
        batches, _, _ = self.brokers[broker_id].disk.replay()
        return tuple(
            batch for batch in batches if batch.next_offset > read.start_offset and batch.next_offset <= read.end_offset
        )

    def _check(self, broker_id: int) -> None:
        broker = self.brokers[broker_id]
        log = broker.replica.log
        key = (broker_id, broker.replica.view.leader_epoch)
        assert log.high_watermark >= self._high_watermarks.get(key, 0), "the high watermark fell within an epoch"
        if broker.replica.leading is not None:
            self._high_watermarks[key] = log.high_watermark
        batches, epochs, start = broker.disk.replay()
        assert (start, batches[-1].next_offset if batches else start) == (log.start_offset, log.end_offset)
        assert tuple(epochs) == log.epochs.entries, f"{broker_id}: disk {epochs}, core {log.epochs.entries}"

    def check_logs(self) -> None:
        """I-SAF-3 over all pairs; every acknowledged write is in the log of the leader (if there is one)."""
        seen: dict[tuple[int, int], bytes] = {}
        logs = {broker_id: self.brokers[broker_id].disk.replay()[0] for broker_id in self.ids}
        for batches in logs.values():
            for batch in batches:
                data = seen.setdefault((batch.base_offset, batch.leader_epoch), batch.data)
                assert data == batch.data, f"two batches at offset {batch.base_offset} in epoch {batch.leader_epoch}"
        if self.state.unclean_epoch >= 0:
            return  # committed records were given up: that is what unclean means
        running = [broker_id for broker_id in self.ids if self.brokers[broker_id].up]
        for a in running:
            for b in running:
                low = min(self.brokers[a].replica.log.high_watermark, self.brokers[b].replica.log.high_watermark)
                assert [x for x in logs[a] if x.base_offset < low] == [x for x in logs[b] if x.base_offset < low]
        leader = self.state.leader
        if leader >= 0 and self.brokers[leader].replica.leading is not None:
            at = {batch.base_offset: batch.data for batch in logs[leader]}
            for offset, value in self.acked.values():
                assert at.get(offset) == value, f"acknowledged {value!r} is not at offset {offset} of the leader"

    # --- the verbs ------------------------------------------------------------------------------------------

    def commit(self, state: PartitionView, to: tuple[int, ...] | None = None) -> None:
        self.state = state
        for broker_id in self.ids if to is None else to:
            if self.brokers[broker_id].up:
                self.brokers[broker_id].replica.become(self.now, state, may_lead=True)
                self.carry_out(broker_id)

    def elect(
        self,
        leader: int,
        epoch: int,
        isr: tuple[int, ...],
        *,
        to: tuple[int, ...] | None = None,
        min_isr: int = 2,
        unclean_epoch: int = -1,
    ) -> None:
        view = PartitionView(
            leader, epoch, self.state.partition_epoch + 1, self.ids, isr, min_isr, unclean_epoch == epoch, unclean_epoch
        )
        self.commit(view, to)

    def produce(
        self,
        value: str,
        *,
        at: int | None = None,
        acks: Acks = Acks.ALL,
        pid: int = -1,
        seq: int = -1,
        timeout_ms: int = 1000,
    ) -> int:
        self._request_id += 1
        broker_id = self.state.leader if at is None else at
        batch = Batch(-1, -1, 1, value.encode(), pid, 0 if pid >= 0 else -1, seq)
        self._values[self._request_id] = (acks, batch.data)
        request = ProduceRequest(PARTITION.topic, PARTITION.partition, batch, acks, timeout_ms)
        self.brokers[broker_id].replica.produce(self.now, self._request_id, request)
        self.carry_out(broker_id)
        return self._request_id

    def ask(self, follower: int) -> FetchPartition | None:
        return self.brokers[follower].replica.fetch_position()

    def fetch(self, follower: int, *, lost: bool = False, late: bool = False) -> FetchedPartition | None:
        asked = self.ask(follower)
        if asked is None:
            return None
        leader = self.brokers[follower].replica.view.leader
        answer = self.serve(leader, follower, asked)
        if late:
            self._late.append((follower, asked, answer))
        elif not lost:
            self.brokers[follower].replica.fetched(self.now, asked, answer)
            self.carry_out(follower)
        return answer

    def deliver(self) -> None:
        for follower, asked, answer in self._late:
            self.brokers[follower].replica.fetched(self.now, asked, answer)
            self.carry_out(follower)
        self._late.clear()

    def begin_flush(self, broker_id: int) -> None:
        operations = self.brokers[broker_id].disk.operations
        self._flushing[broker_id] = (len(operations), max(getattr(op, "write_id", 0) for op in operations))

    def end_flush(self, broker_id: int) -> None:
        broker = self.brokers[broker_id]
        broker.disk.synced, write_id = self._flushing.pop(broker_id)
        broker.replica.flushed(self.now, write_id)
        self.carry_out(broker_id)

    def serve(self, leader: int, follower: int, asked: FetchPartition) -> FetchedPartition:
        replica = self.brokers[leader].replica
        found = replica.replica_fetch(self.now, follower, self.brokers[follower].broker_epoch, asked, 1 << 20)
        self.carry_out(leader)
        answer, read = found if found is not None else replica.replica_answer(asked, 1 << 20)
        if read is None:
            return answer
        return FetchedPartition(
            answer.partition,
            answer.leader_epoch,
            answer.error,
            answer.high_watermark,
            answer.log_start_offset,
            answer.log_end_offset,
            None,
            self.read_disk(leader, read),
        )

    def flush(self, broker_id: int) -> None:
        broker = self.brokers[broker_id]
        broker.disk.synced = len(broker.disk.operations)
        broker.replica.flushed(self.now, 1 << 40)
        self.carry_out(broker_id)

    def progress(self, follower: int) -> None:
        replica = self.brokers[follower].replica
        if replica.following is None or not replica.following.verified:
            return
        leader = replica.view.leader
        epoch = self.brokers[follower].broker_epoch
        self.brokers[leader].replica.progress(
            self.now, follower, epoch, replica.view.leader_epoch, replica.log.counted_end
        )
        self.carry_out(leader)

    def alter(self, what: str) -> None:
        if not self.alters:
            self.lines.append("nothing proposed")
            return
        request = self.alters.pop(0)
        result = self._judge(request) if what in ("ok", "lose") else AlterResult(what)
        self.lines.append(f"alter isr={','.join(str(b) for b, _ in request.isr)}: {result.value}")
        if what == "lose":
            return
        leader = self.state.leader
        if leader >= 0:
            reply = AlterPartitionReply(PARTITION, request.leader_epoch, request.partition_epoch, result)
            self.brokers[leader].replica.alter_reply(self.now, reply)
            self.carry_out(leader)
        if result is AlterResult.ACCEPTED:
            isr = tuple(broker_id for broker_id, _ in request.isr)
            recovering = self.state.recovering and not request.recovered
            state = self.state._replace(partition_epoch=self.state.partition_epoch + 1, isr=isr, recovering=recovering)
            self.commit(state)

    def _judge(self, request: AlterPartition) -> AlterResult:
        if request.leader_epoch != self.state.leader_epoch:
            return AlterResult.FENCED_LEADER_EPOCH
        if request.partition_epoch != self.state.partition_epoch:
            return AlterResult.INVALID_UPDATE_VERSION
        for broker_id, epoch in request.isr:
            if self.views[broker_id].broker_epoch != epoch or not self.views[broker_id].eligible:
                return AlterResult.INELIGIBLE_REPLICA
        return AlterResult.ACCEPTED

    def advance(self, ms: int) -> None:
        end = self.now + ms * MS
        while True:
            due = [
                (deadline, broker_id)
                for broker_id, broker in self.brokers.items()
                if broker.up and (deadline := broker.replica.next_deadline) is not None and deadline <= end
            ]
            if not due:
                break
            deadline, broker_id = min(due)
            self.now = max(self.now, deadline)
            self.brokers[broker_id].replica.tick(self.now)
            self.carry_out(broker_id)
        self.now = end

    def crash(self, broker_id: int) -> None:
        broker = self.brokers[broker_id]
        broker.up = False
        del broker.disk.operations[broker.disk.synced :]

    def restart(self, broker_id: int) -> None:
        disk = self.brokers[broker_id].disk
        recovered = disk.recovered()
        self._start(broker_id, disk, recovered)
        self.brokers[broker_id].replica.become(self.now, self.state, may_lead=False)
        self.carry_out(broker_id)

    def set_eligible(self, broker_id: int, eligible: bool) -> None:
        self.views[broker_id] = self.views[broker_id]._replace(eligible=eligible)
        leader = self.state.leader
        if leader >= 0:
            self.brokers[leader].replica.brokers_changed(self.now)
            self.carry_out(leader)

    def read(self, broker_id: int, offset: int) -> int:
        self._request_id += 1
        self.brokers[broker_id].replica.fetch(
            self.now, self._request_id, FetchRequest(PARTITION.topic, PARTITION.partition, offset)
        )
        self.carry_out(broker_id)
        return self._request_id

    def show(self) -> None:
        for broker_id, broker in sorted(self.brokers.items()):
            log = broker.replica.log
            words = [f"{batch.data.decode()}@{batch.leader_epoch}" for batch in broker.disk.replay()[0]]
            words.insert(log.high_watermark - log.start_offset, "|")
            role = "L" if broker.replica.leading else "F" if broker.replica.following else "-"
            state = role if broker.up else "down"
            epochs = " ".join(f"{entry.epoch}:{entry.start_offset}" for entry in log.epochs.entries)
            self.lines.append(f"{broker_id} {state:4} {' '.join(words):24} durable={log.durable_end} epochs={epochs}")
