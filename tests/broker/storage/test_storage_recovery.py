"""What a start makes of what it finds: torn tails, lost disks, derived files."""

from __future__ import annotations

from pathlib import Path

import pytest
from storage_owner import SIZE, TP, Owner, batch, filled, flip

from skerry_broker.batch import Record, encode_batch
from skerry_broker.core.messages import AppendLog, AssignEpoch, CreateLog, LogRead, SaveRaft, TruncateLog
from skerry_broker.core.records import Entry, NoOp
from skerry_broker.core.types import EpochStart, HardState


@pytest.mark.parametrize(
    ("damage", "clean", "end", "problem"),
    [
        # The log: six batches of SIZE bytes, offsets 0 to 12.
        (lambda data: data, False, 12, None),
        (lambda data: data[:-1], False, 10, None),
        (lambda data: data[: -SIZE + 5], False, 10, None),
        (lambda data: data + data[:30], False, 12, None),
        (lambda data: data + bytes(500), False, 12, None),
        (lambda data: data[:-3] + b"xyz", False, 10, None),
        (lambda data: data[:-1], True, 0, "durable"),
        (lambda data: data[:-3] + b"xyz", True, 0, "durable"),
        (lambda data: data[: SIZE + 70] + b"!" + data[SIZE + 71 :], False, 0, "valid batch follows"),
        (lambda data: data[: SIZE + 8] + b"\x7f" + data[SIZE + 9 :], False, 0, "valid batch follows"),
        (lambda data: data[:SIZE] + data[2 * SIZE :], False, 0, "offset 4 follows where 2 should"),
        (lambda data: data + data[:SIZE], False, 0, "offset 0 follows where 12 should"),
        (lambda data: b"", True, 0, "durable"),
    ],
)
def test_a_torn_tail_is_cut_and_anything_else_is_a_lost_disk(
    owner: Owner, damage, clean: bool, end: int, problem
) -> None:
    filled(owner).close(4 if clean else None)
    directory = Path(owner.path) / "topics/orders-0"
    path = directory / f"{0:020d}.log"
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    storage = owner.open()
    log = owner.log()
    assert (log.end_offset, log.intact, log.topic_id) == (end, problem is None, "id")
    assert [len(storage.problems), problem or ""] == [0 if problem is None else 1, problem or ""]
    if problem is None:
        return
    assert problem in storage.problems[0]
    (kept,) = directory.glob(f"corrupt-*/{0:020d}.log")
    assert kept.read_bytes() == damaged
    storage.close()
    storage = owner.open()  # killed before anybody heard of it: still lost
    assert owner.log().intact is False
    storage.perform(AppendLog(1, TP, (batch(0),)))
    storage.commit()
    storage.close()
    owner.open()
    assert (owner.log().intact, owner.log().end_offset) == (True, 2)
    assert kept.exists()


def test_a_missing_segment_in_the_middle_is_a_lost_disk(owner: Owner) -> None:
    filled(owner, segment_bytes=2 * SIZE).close()
    segments = sorted((Path(owner.path) / "topics/orders-0").glob("*.log"))
    assert len(segments) == 3
    segments[1].unlink()
    storage = owner.open(segment_bytes=2 * SIZE)
    assert owner.log().intact is False
    assert "should begin at offset 4" in storage.problems[0]


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("suffix", ["index", "timeindex", "producers"])
@pytest.mark.parametrize("damage", ["missing", "flipped", "empty"])
def test_derivable_files_are_derived(owner: Owner, clean: bool, suffix: str, damage: str) -> None:
    storage = owner.open(segment_bytes=2 * SIZE)
    storage.perform(CreateLog(1, TP, "id"))
    for number in range(6):
        records = [Record(None, bytes(50), (), 1000 + number)] * 2
        plain = encode_batch(records, producer_id=5, producer_epoch=0, base_sequence=2 * number)
        storage.perform(AppendLog(2 + number, TP, (plain.stamped(2 * number, 1),)))
    storage.commit()
    storage.close(1 if clean else None)
    owner.open(segment_bytes=2 * SIZE).close(1 if clean else None)
    before = owner.log()
    assert len(before.producers[0].batches) == 5
    files = [f for f in (Path(owner.path) / "topics/orders-0").iterdir() if f.name.endswith(f".{suffix}")]
    assert files
    for file in files:
        if damage == "missing":
            file.unlink()
        elif damage == "empty":
            file.write_bytes(b"")
        else:
            flip(file, file.stat().st_size // 2)
    storage = owner.open(segment_bytes=2 * SIZE)
    assert owner.log() == before
    assert [storage.offset_at_time(TP, at) for at in (0, 1000, 1003, 1005, 1006)] == [0, 0, 6, 10, None]
    assert [b.base_offset for b in storage.read(LogRead(TP, 5, 12, 1 << 20))] == [4, 6, 8, 10]


@pytest.mark.parametrize("damage", ["kept", "missing", "flipped"])
def test_the_epoch_cache_is_derivable_and_keeps_epochs_without_records(owner: Owner, damage: str) -> None:
    storage = owner.open()
    storage.perform(CreateLog(1, TP, "id"))
    storage.perform(AppendLog(2, TP, (batch(0, 1), batch(2, 1), batch(4, 3))))
    storage.perform(AssignEpoch(3, TP, EpochStart(7, 6)))
    storage.commit()
    storage.close(1)
    file = Path(owner.path) / "topics/orders-0/epochs"
    if damage == "missing":
        file.unlink()
    elif damage == "flipped":
        flip(file, 0)
    owner.open()
    told = (EpochStart(1, 0), EpochStart(3, 4))
    assert owner.log().epochs == ((*told, EpochStart(7, 6)) if damage == "kept" else told)


def entry(index: int, term: int = 1) -> Entry:
    return Entry(index, term, (NoOp(),))


@pytest.mark.parametrize(
    ("damage", "clean", "intact", "last"),
    [
        (lambda data, ends: data, False, True, 3),
        (lambda data, ends: data[:-1], False, True, 2),
        (lambda data, ends: data + b"SKRF\0\0", False, True, 3),
        (lambda data, ends: data[:-1], True, False, 0),
        (lambda data, ends: data[: ends[1] + 14] + b"!" + data[ends[1] + 15 :], False, False, 0),
        (lambda data, ends: data[: ends[0] + 5] + b"\x40" + data[ends[0] + 6 :], False, False, 0),
        (lambda data, ends: data[:3], False, False, 0),
        (lambda data, ends: b"!" + data[1:], False, False, 0),
        (lambda data, ends: b"", False, False, 0),
    ],
)
def test_a_corrupt_raft_log_does_not_vote_and_never_again(
    owner: Owner, damage, clean: bool, intact: bool, last: int
) -> None:
    storage = owner.open()
    path = Path(owner.path) / "raft/log"
    ends = [path.stat().st_size]
    for number in (1, 2, 3):
        storage.perform(SaveRaft(number, HardState(number, None), None, (entry(number),)))
        storage.commit()
        ends.append(path.stat().st_size)
    storage.close(3 if clean else None)
    damaged = damage(path.read_bytes(), ends)
    path.write_bytes(damaged)
    storage = owner.open()
    assert owner.recovered.raft_intact is intact
    assert len(owner.recovered.entries) == last
    if intact:
        return
    assert "raft/log" in storage.problems[0]
    assert [file.read_bytes() for file in path.parent.glob("log.corrupt-*")] == [damaged]
    storage.perform(SaveRaft(1, HardState(9, None), None, (entry(1),)))
    storage.commit()
    storage.close(4)
    owner.open()
    assert owner.recovered.raft_intact is False
    assert (owner.recovered.hard_state.term, len(owner.recovered.entries)) == (9, 1)


def test_an_epoch_without_records_gives_way_to_an_older_one_fetched_at_its_offset(owner: Owner) -> None:
    """A leader of epoch 5 without a record is deposed, and fetches a record of epoch 4 from its successor (KAFKA-7415):
    a cache that still says "5 starts at 2" would claim that record for epoch 5."""
    storage = owner.open()
    storage.perform(CreateLog(1, TP, "id"))
    storage.perform(AppendLog(2, TP, (batch(0, 4),)))
    storage.perform(AssignEpoch(3, TP, EpochStart(5, 2)))
    storage.commit()
    storage.perform(AppendLog(4, TP, (batch(2, 4), batch(4, 6))))
    storage.commit()
    storage.close()
    epochs = Path(owner.path) / "topics/orders-0/epochs"
    assert epochs.read_text().splitlines()[:-1] == ["4 0", "6 4"]
    owner.open()
    assert owner.log().epochs == (EpochStart(4, 0), EpochStart(6, 4))


def test_a_snapshot_of_removed_batches_is_removed_before_them(owner: Owner) -> None:
    """KAFKA-12153: producer state that outlives its records turns a new batch into a duplicate."""
    storage = owner.open(segment_bytes=1)  # every batch has a segment, and a snapshot before it

    def produce(write_id: int, base: int, producer: int) -> None:
        plain = encode_batch([Record(None, b"x")] * 2, producer_id=producer, producer_epoch=0, base_sequence=base)
        storage.perform(AppendLog(write_id, TP, (plain.stamped(base, 1),)))

    storage.perform(CreateLog(1, TP, "id"))
    for number in range(4):
        produce(2 + number, 2 * number, 7)
    storage.commit()
    storage.perform(TruncateLog(10, TP, 2))
    storage.commit()
    names = [file.name for file in (Path(owner.path) / "topics/orders-0").glob("*.producers")]
    assert names in ([], [f"{2:020d}.producers"])
    produce(11, 2, 8)
    storage.commit()
    storage.close()
    owner.open()
    assert [(state.producer_id, len(state.batches)) for state in owner.log().producers] == [(7, 1), (8, 1)]


def test_sequence_numbers_wrap_as_the_producers_do(owner: Owner) -> None:
    storage = owner.open()
    storage.perform(CreateLog(1, TP, "id"))
    plain = encode_batch([Record(None, b"x")] * 3, producer_id=1, producer_epoch=0, base_sequence=2**31 - 2)
    storage.perform(AppendLog(2, TP, (plain.stamped(0, 1),)))
    storage.commit()
    storage.close()
    owner.open()
    assert owner.log().producers[0].batches[0].last_sequence == 0


def test_a_lost_replica_without_topic_id_keeps_its_files_when_it_gets_one(owner: Owner) -> None:
    filled(owner).close()
    directory = Path(owner.path) / "topics/orders-0"
    (directory / "topic_id").write_text("?")
    storage = owner.open()
    assert (owner.log().topic_id, owner.log().intact) == ("", False)
    storage.perform(CreateLog(1, TP, "id"))
    storage.commit()
    storage.close()
    assert list(directory.glob("corrupt-*/*.log"))
    owner.open()
    assert (owner.log().topic_id, owner.log().intact) == ("id", False)
