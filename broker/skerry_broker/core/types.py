"""The vocabulary of the core: identifiers, record batches, recovered state, configuration.

Times are integer nanoseconds of the node's own monotonic clock (``*_ns``) unless a name says ``wall``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

NO_BROKER = -1
"""The leader of a partition without a leader."""

NO_PRODUCER = -1
"""The producer id of a batch that is not idempotent."""


class Rng(Protocol):
    """The injected stream of randomness (``random.Random`` satisfies it)."""

    def random(self) -> float: ...

    def randrange(self, start: int, stop: int, /) -> int: ...


class TopicPartition(NamedTuple):
    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


class Voter(NamedTuple):
    """A Raft replica is a broker id *and* the identity of its disk (KIP-853).

    A broker that comes back with an empty volume has another ``directory_id`` and is another replica.
    """

    broker_id: int
    directory_id: str


class Plane(StrEnum):
    """The four networks of a broker; each has its own port, so that a fault can take one alone."""

    CLIENT = "Client"
    RAFT = "Raft"
    REPLICATION = "Replication"
    ADMIN = "Admin"


class FlushMode(StrEnum):
    GROUP = "group"
    """Only durable offsets are acknowledged, replicated as progress, or counted for the ISR."""
    INTERVAL = "interval"
    """Flushed every 100 ms; an acknowledgement does not wait. A power cut may lose records."""
    NONE = "none"
    """Left to the operating system. A power cut may lose records."""


class Acks(StrEnum):
    NONE = "None"
    LEADER = "Leader"
    ALL = "All"


class Batch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A record batch: the header fields that the protocol decides by, and the opaque bytes.

    ``data`` is a whole Kafka record batch v2 as the producer built it (in the simulator: any bytes). Its base
    offset and leader epoch lie outside its checksum and are patched by the storage from the fields here,
    which are the truth.
    """

    base_offset: int
    leader_epoch: int
    record_count: int
    data: bytes
    producer_id: int = NO_PRODUCER
    producer_epoch: int = -1
    base_sequence: int = -1
    max_timestamp_ms: int = 0

    @property
    def next_offset(self) -> int:
        return self.base_offset + self.record_count

    def stamped(self, base_offset: int, leader_epoch: int) -> Batch:
        """This batch at its place in the log; only a leader calls it, once."""
        return Batch(
            base_offset,
            leader_epoch,
            self.record_count,
            self.data,
            self.producer_id,
            self.producer_epoch,
            self.base_sequence,
            self.max_timestamp_ms,
        )


class EpochStart(NamedTuple):
    """One line of the epoch cache: the first offset written (or to be written) in a leader epoch."""

    epoch: int
    start_offset: int


class ProducerBatch(NamedTuple):
    """What is remembered of one batch of an idempotent producer."""

    base_sequence: int
    last_sequence: int
    base_offset: int


class ProducerState(msgspec.Struct, frozen=True, array_like=True):
    """The last batches (at most 5, oldest first) of one producer in one partition."""

    producer_id: int
    producer_epoch: int
    batches: tuple[ProducerBatch, ...]


class HardState(NamedTuple):
    """What Raft must never forget: the current term and the vote in it (``None``: not voted)."""

    term: int = 0
    voted_for: Voter | None = None


class RecoveredLog(msgspec.Struct, frozen=True):
    """What the storage found of one partition's log after a start."""

    partition: TopicPartition
    topic_id: str
    start_offset: int
    end_offset: int
    high_watermark: int
    epochs: tuple[EpochStart, ...]
    producers: tuple[ProducerState, ...]
    intact: bool
    """False: corrupt below its checkpoint, or with valid batches after a bad one. A lost disk."""
    last_wall_ms: int = 0


class Timing(msgspec.Struct, frozen=True):
    """The clockwork. `docs/decisions/0003-timing.md` derives every failover case from these numbers."""

    raft_heartbeat_ms: int = 100
    election_min_ms: int = 500
    election_max_ms: int = 1000
    check_quorum_ms: int = 500
    broker_heartbeat_ms: int = 100
    lease_ms: int = 700
    session_ms: int = 900
    replica_lag_ms: int = 1500
    fetch_wait_ms: int = 500
    peer_unreachable_ms: int = 700
    """How long a follower must miss its partition leader before it tells the controller (I-LIV-3)."""

    def scaled(self, factor: int) -> Timing:
        return Timing(**{name: getattr(self, name) * factor for name in self.__struct_fields__})

    def problems(self) -> list[str]:
        """The inequalities that the safety and liveness arguments rest on; empty when all hold."""
        rules = [
            (
                self.check_quorum_ms <= self.election_min_ms,
                "check_quorum_ms must not exceed election_min_ms",
            ),
            (
                self.election_min_ms < self.election_max_ms,
                "election_min_ms must be below election_max_ms",
            ),
            (
                self.raft_heartbeat_ms * 3 < self.election_min_ms,
                "election_min_ms must exceed three raft heartbeats",
            ),
            (
                self.broker_heartbeat_ms * 3 < self.lease_ms,
                "lease_ms must exceed three broker heartbeats",
            ),
            (
                self.lease_ms * 11 < self.session_ms * 10,
                "session_ms must exceed lease_ms by 10 % (clock drift)",
            ),
            (
                self.replica_lag_ms > self.fetch_wait_ms * 2,
                "replica_lag_ms must exceed two fetch waits",
            ),
        ]
        return [message for holds, message in rules if not holds]


TIMING_PRESETS: dict[str, Timing] = {"Default": Timing(), "Relaxed": Timing().scaled(3)}


class NodeConfig(msgspec.Struct, frozen=True):
    """What a node is told about itself and its cluster; the same for the simulator and the runtime."""

    broker_id: int
    voter_ids: tuple[int, ...]
    """The broker ids of the metadata quorum. The lowest founds the cluster (`core.formation`)."""
    timing: Timing = Timing()
    flush: FlushMode = FlushMode.GROUP
    fetch_bytes_max: int = 1 << 20
    """How many bytes one fetch of a follower asks for; what clients may ask for is `core.intake`'s to bound."""
    pending_produces_max: int = 4096
    """Per partition; what the whole broker holds is bounded by `core.intake`."""
    raft_entries_max_before_snapshot: int = 1000
    unclean_wait_ms: int = 0
    """With nobody eligible left: 0 waits for ever for an eligible replica; else elect the longest after it."""
