"""One replica on a bench: the test is its disk, its controller, its clients and its peers."""

from __future__ import annotations

from skerry_broker.core.api import ErrorCode, ErrorResponse, FetchRequest, ListOffsetsRequest, ProduceRequest
from skerry_broker.core.messages import (
    AdvanceLogStart,
    AppendLog,
    AssignEpoch,
    CreateLog,
    DeleteLog,
    DiskEffect,
    Effect,
    Reply,
    ResetLog,
    ServeClient,
    ServeOffsets,
    TruncateLog,
)
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.peer_messages import AlterPartition, FetchedPartition, FetchPartition
from skerry_broker.core.replica import BrokerView, PartitionReplica, PartitionView, ReplicaPorts
from skerry_broker.core.types import Acks, Batch, EpochStart, FlushMode, NodeConfig, RecoveredLog, TopicPartition

P = TopicPartition("orders", 0)
MS = 1_000_000
ALONE = PartitionView(1, 1, 1, (1, 2, 3), (1,), 1)
TRIO = PartitionView(1, 1, 1, (1, 2, 3), (1, 2, 3), 2)


class Bench:
    def __init__(
        self,
        view: PartitionView | None = ALONE,
        *,
        flush: FlushMode = FlushMode.GROUP,
        recovered: RecoveredLog | None = None,
        pending_max: int = 100,
    ) -> None:
        self.now = 0
        self.lease = True
        self.alters: list[AlterPartition] = []
        self.brokers = {n: BrokerView(10 + n, True) for n in (1, 2, 3)}
        self.out = Outbox()
        config = NodeConfig(1, (1, 2, 3), flush=flush, pending_produces_max=pending_max)
        ports = ReplicaPorts(
            self.out, lambda now: self.lease, self.alters.append, lambda p: None, self.brokers, lambda: 11
        )
        self.replica = PartitionReplica(config, P, "t1", recovered, ports)
        self.effects: list[Effect] = []
        self.requests = 0
        if view is not None:
            self.become(view)

    def become(self, view: PartitionView, *, may_lead: bool = True) -> None:
        self.replica.become(self.now, view, may_lead=may_lead)
        self.take()

    def take(self) -> list[Effect]:
        taken = self.out.take()
        self.effects += taken
        return taken

    def disk(self) -> list[DiskEffect]:
        kinds = (CreateLog, AppendLog, TruncateLog, ResetLog, AssignEpoch, AdvanceLogStart, DeleteLog)
        return [effect for effect in self.effects if isinstance(effect, kinds)]

    def produce(self, acks: Acks = Acks.ALL, *, count: int = 1, data: bytes = b"x", timeout_ms: int = 1000) -> int:
        self.requests += 1
        request = ProduceRequest("orders", 0, Batch(-1, -1, count, data), acks, timeout_ms)
        self.replica.produce(self.now, self.requests, request)
        self.take()
        return self.requests

    def fetch(self, offset: int, wait_ms: int = 0) -> int:
        self.requests += 1
        self.replica.fetch(self.now, self.requests, FetchRequest("orders", 0, offset, wait_ms))
        self.take()
        return self.requests

    def offsets(self, at: int | None = None) -> int:
        self.requests += 1
        self.replica.list_offsets(self.now, self.requests, ListOffsetsRequest("orders", 0, at))
        self.take()
        return self.requests

    def flush(self) -> None:
        self.replica.flushed(self.now, 1 << 40)
        self.take()

    def tick(self, at_ms: int) -> None:
        self.now = at_ms * MS
        self.replica.tick(self.now)
        self.take()

    def reply(self, request_id: int) -> object:
        """The response, the read, or None while there is none."""
        found: list[object] = []
        for effect in self.effects:
            if isinstance(effect, Reply) and effect.request_id == request_id:
                found.append(effect.response)
            elif isinstance(effect, ServeClient | ServeOffsets) and effect.request_id == request_id:
                found.append(effect)
        assert len(found) <= 1, "answered twice"
        return found[0] if found else None

    def code(self, request_id: int) -> ErrorCode | None:
        response = self.reply(request_id)
        return response.error if isinstance(response, ErrorResponse) else None

    def follow(self, follower: int, offset: int, durable: int, *, epoch: int | None = None, last: int = 1) -> object:
        asked = FetchPartition(P, "t1", 1, offset, last if offset else -1, durable)
        result = self.replica.replica_fetch(self.now, follower, 10 + follower if epoch is None else epoch, asked, 1000)
        self.take()
        return result


def found(start: int, end: int, high_watermark: int, epochs: tuple[tuple[int, int], ...]) -> RecoveredLog:
    return RecoveredLog(P, "t1", start, end, high_watermark, tuple(EpochStart(*e) for e in epochs), (), True)


def answer(**fields: object) -> FetchedPartition:
    base: dict[str, object] = {
        "partition": P,
        "leader_epoch": 5,
        "error": ErrorCode.NONE,
        "high_watermark": 0,
        "log_start_offset": 0,
        "log_end_offset": 100,
    }
    return FetchedPartition(**(base | fields))  # type: ignore[arg-type]
