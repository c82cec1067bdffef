"""Scripts of disk effects, run on a disk that loses power; and the twin, which knows what the effects mean."""

from __future__ import annotations

import copy
import functools
import itertools
import random
from dataclasses import dataclass, field

from skerry_broker.batch import Record, encode_batch
from skerry_broker.core.messages import (
    AdvanceLogStart,
    AppendLog,
    AssignEpoch,
    Checkpoint,
    CreateLog,
    DeleteLog,
    FormatDisk,
    RaftSnapshot,
    ResetLog,
    SaveRaft,
    SaveSnapshot,
    TruncateLog,
)
from skerry_broker.core.records import Entry, NoOp
from skerry_broker.core.types import EpochStart, FlushMode, HardState, TopicPartition, Voter
from skerry_broker.storage import Storage

A = TopicPartition("orders", 0)
B = TopicPartition("orders", 1)
VOTER = Voter(1, "disk-1")


@dataclass
class TwinLog:
    topic_id: str
    start: int = 0
    first: int = 0
    batches: list = field(default_factory=list)
    """Also those that retention has removed: producers are remembered from them."""
    epochs: list = field(default_factory=list)
    high_watermark: int = 0
    resets: int = 0

    def enter(self, start: EpochStart) -> None:
        if not self.epochs or self.epochs[-1].epoch != start.epoch:
            self.epochs = [epoch for epoch in self.epochs if epoch.start_offset < start.start_offset]
            if not self.epochs or self.epochs[-1].epoch != start.epoch:
                self.epochs.append(start)

    @property
    def end(self) -> int:
        return self.batches[-1].next_offset if self.batches else self.first


@dataclass
class Twin:
    logs: dict = field(default_factory=dict)
    hard_state: HardState = field(default_factory=HardState)
    snapshot: RaftSnapshot | None = None
    entries: tuple = ()
    cluster_id: str | None = None

    def perform(self, effect: object) -> None:
        log = self.logs.get(getattr(effect, "partition", None))
        match effect:
            case FormatDisk():
                self.cluster_id = effect.cluster_id
            case SaveRaft():
                kept = [e for e in self.entries if effect.truncate_from is None or e.index < effect.truncate_from]
                self.entries = (*kept, *effect.entries)
                self.hard_state = effect.hard_state or self.hard_state
            case SaveSnapshot():
                self.snapshot = RaftSnapshot(effect.last_index, effect.last_term, effect.voters, effect.image)
                self.entries = () if effect.reset else tuple(e for e in self.entries if e.index > effect.last_index)
            case CreateLog():
                self.logs[effect.partition] = TwinLog(effect.topic_id)
            case DeleteLog():
                del self.logs[effect.partition]
            case AppendLog():
                log.batches += effect.batches
                for batch in effect.batches:
                    log.enter(EpochStart(batch.leader_epoch, batch.base_offset))
            case TruncateLog():
                log.batches = [batch for batch in log.batches if batch.next_offset <= effect.end_offset]
                log.epochs = [epoch for epoch in log.epochs if epoch.start_offset < effect.end_offset]
                log.high_watermark = min(log.high_watermark, effect.end_offset)
            case ResetLog():
                log.batches, log.epochs, log.start, log.first = [], [], effect.start_offset, effect.start_offset
                log.high_watermark = min(log.high_watermark, effect.start_offset)
                log.resets += 1
            case Checkpoint():
                log.high_watermark = effect.high_watermark
            case AdvanceLogStart():
                log.start = effect.start_offset
            case AssignEpoch():
                log.enter(effect.epoch)


def batch(base: int, epoch: int, *, producer: int = -1, sequence: int = -1, size: int = 40):
    records = [Record(None, bytes([base % 251]) * size, (), 1000 + base), Record(None, b"", (), 1000 + base)]
    return encode_batch(
        records, producer_id=producer, producer_epoch=0 if producer >= 0 else -1, base_sequence=sequence
    ).stamped(base, epoch)


def script() -> list[list]:
    """Rounds: what is queued while the disk is busy is carried out together."""
    ids = itertools.count(1)
    n = lambda: next(ids)  # noqa: E731 - a name for the table below
    entry = lambda index, term: Entry(index, term, (NoOp(),))  # noqa: E731

    def run(partition: TopicPartition, base: int, count: int, epoch: int, **more) -> list:
        return [AppendLog(n(), partition, (batch(base + 2 * i, epoch, **more),)) for i in range(count)]

    return [
        [FormatDisk(n(), "cluster"), SaveRaft(n(), HardState(1, VOTER))],
        [SaveRaft(n(), None, None, (entry(1, 1), entry(2, 1)))],
        [CreateLog(n(), A, "id-a"), CreateLog(n(), B, "id-b"), AssignEpoch(n(), A, EpochStart(0, 0))],
        run(A, 0, 3, 0, producer=7, sequence=0) + run(B, 0, 2, 0),
        [SaveRaft(n(), HardState(2, None), 2, (entry(2, 2),)), *run(A, 6, 4, 1, producer=8, sequence=4)],
        [Checkpoint(A, 10), Checkpoint(B, 4), *run(B, 4, 3, 1)],
        run(A, 14, 3, 1) + run(A, 20, 3, 2),
        [AssignEpoch(n(), B, EpochStart(3, 10))],
        [TruncateLog(n(), A, 8), *run(A, 8, 2, 4, producer=9, sequence=0)],
        [SaveSnapshot(n(), 1, 1, (VOTER,), b"image"), SaveRaft(n(), None, None, (entry(3, 2),))],
        [AdvanceLogStart(n(), B, 6), *run(B, 10, 4, 3)],
        [*run(A, 12, 5, 4), TruncateLog(n(), A, 14), AssignEpoch(n(), A, EpochStart(6, 14))],
        [ResetLog(n(), A, 40), *run(A, 40, 3, 7)],
        [ResetLog(n(), A, 2), AssignEpoch(n(), A, EpochStart(8, 2)), *run(A, 2, 3, 8)],
        [SaveSnapshot(n(), 9, 3, (VOTER,), b"another", reset=True), Checkpoint(A, 8)],
        [DeleteLog(n(), B), CreateLog(n(), B, "id-b2"), *run(B, 0, 3, 9)],
        [CreateLog(n(), B, "id-b3"), *run(B, 0, 2, 10)],
        [DeleteLog(n(), B)],
        run(A, 8, 2, 8),
    ]


def random_script(rng: random.Random) -> list[list]:
    """Effects that make sense one after the other, found by asking a twin."""
    twin, ids, index, epoch = Twin(), itertools.count(1), 0, 0
    rounds: list[list] = []
    for _ in range(rng.randint(3, 14)):
        effects: list = []
        for _ in range(rng.randint(1, 6)):
            n, partition = next(ids), rng.choice((A, B))
            log = twin.logs.get(partition)
            choice = rng.random()
            if log is None:
                effects.append(CreateLog(n, partition, f"id-{n}"))
            elif choice < 0.55:
                base, batches = log.end, []
                for _ in range(rng.randint(1, 4)):
                    batches.append(
                        batch(base, epoch, producer=rng.choice((-1, 5, 6)), sequence=base, size=rng.randint(0, 150))
                    )
                    base += 2
                effects.append(AppendLog(n, partition, tuple(batches)))
            elif choice < 0.65:
                ends = [log.start, log.end, *[b.next_offset for b in log.batches if b.next_offset >= log.start]]
                effects.append(TruncateLog(n, partition, rng.choice([end for end in ends if end >= log.start])))
                epoch += 1
            elif choice < 0.7:
                epoch += 1
                effects.append(AssignEpoch(n, partition, EpochStart(epoch, log.end)))
            elif choice < 0.75:
                effects.append(AdvanceLogStart(n, partition, rng.randint(log.start, log.end) // 2 * 2))
            elif choice < 0.8:
                high_watermark = rng.randint(min(log.end, max(log.start, log.high_watermark)), log.end)
                effects.append(Checkpoint(partition, high_watermark))
            elif choice < 0.83:
                effects.append(ResetLog(n, partition, rng.randint(0, 30) * 2))
                epoch += 1
            elif choice < 0.86:
                effects.append(DeleteLog(n, partition))
            elif choice < 0.95:
                kept = rng.randint(max(0, index - 2), index)
                kept = max(kept, twin.snapshot.last_index if twin.snapshot else 0)
                index = kept + 1
                effects.append(SaveRaft(n, HardState(n, VOTER), kept + 1, (Entry(index, n, (NoOp(),)),)))
            else:
                effects.append(SaveSnapshot(n, index, n, (VOTER,), bytes(n)))
            twin.perform(effects[-1])
        rounds.append(effects)
    return rounds


@functools.cache
def states_of(seed: int | None) -> tuple[list[Twin], list[list]]:
    """The twin before the script and after each of its effects; and the script, or a random one."""
    rounds, states = script() if seed is None else random_script(random.Random(seed)), [Twin()]
    for effect in itertools.chain.from_iterable(rounds):
        twin = copy.deepcopy(states[-1])
        twin.perform(effect)
        states.append(twin)
    return states, rounds


class Run:
    """The script on a disk, until it is done or the power goes."""

    def __init__(self, disk, flush: FlushMode, seed: int | None = None) -> None:
        self.performed = self.flushed = 0
        """How many effects were asked for, and reported durable."""
        self.failures: list = []
        self._disk, self._flush, self._seed = disk, flush, seed

    def go(self) -> None:
        reached = {0: 0}
        storage, _ = open_storage(self._disk, self._flush, lambda n: self._note(reached[n]), self.failures)
        for round_ in states_of(self._seed)[1]:
            for effect in round_:
                self.performed += 1
                storage.perform(effect)
                reached[getattr(effect, "write_id", 0)] = self.performed
            storage.commit()
        storage.close(5)

    def _note(self, effects: int) -> None:
        assert effects >= self.flushed, "Flushed goes back"
        self.flushed = effects

    def possible(self, *, killed: bool) -> list[Twin]:
        """What the partitions may hold a prefix of, after a killed process or a power cut."""
        durable = self.flushed if killed or self._flush is FlushMode.GROUP else 0
        return states_of(self._seed)[0][durable : self.performed + 1]


def open_storage(disk, flush, on_flushed, failures):
    clock = itertools.count(0, 1)  # a second passes between any two looks: progress is saved in every round
    return Storage.open(
        "/data",
        1,
        on_flushed=on_flushed,
        on_failed=lambda raft, reason: failures.append((raft, reason)),
        flush=flush,
        segment_bytes=400,
        fs=disk,
        clock=lambda: float(next(clock)),
        new_id=lambda: f"id-{next(clock)}",
        threaded=False,
    )
