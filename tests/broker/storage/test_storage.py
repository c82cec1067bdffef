"""What the storage promises its owner: visibility, group commit, failure, identity, retention."""

from __future__ import annotations

import itertools
import os
import random
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skerry_broker.batch import Record, encode_batch, patch
from skerry_broker.core.messages import (
    AdvanceLogStart,
    AppendLog,
    AssignEpoch,
    Checkpoint,
    CreateLog,
    DeleteLog,
    FormatDisk,
    LogRead,
    ResetLog,
    SaveRaft,
    TruncateLog,
)
from skerry_broker.core.records import Entry, NoOp
from skerry_broker.core.types import EpochStart, FlushMode, HardState, TopicPartition
from skerry_broker.storage import DirectoryLocked, DirectoryMismatch, Storage, StorageError, StorageOffline

TP = TopicPartition("orders", 0)
ALL = LogRead(TP, 0, 1 << 40, 1 << 30)


def batch(base: int, epoch: int = 1, count: int = 2, size: int = 50, timestamp_ms: int = 1000):
    records = [Record(None, bytes([base % 256]) * size, (), timestamp_ms)] * count
    plain = encode_batch(records)
    placed = plain.stamped(base, epoch)
    return type(placed)(base, epoch, count, patch(plain.data, base, epoch), max_timestamp_ms=timestamp_ms)


class Owner:
    """Opens directories and keeps what they report."""

    def __init__(self, path: Path | str) -> None:
        self.path = path
        self.flushed: list[int] = []
        self.failed: list[tuple[bool, str]] = []
        self.reported = threading.Event()
        self.ids = itertools.count(1)

    def _on_flushed(self, write_id: int) -> None:
        self.flushed.append(write_id)
        self.reported.set()

    def _on_failed(self, raft: bool, reason: str) -> None:
        self.failed.append((raft, reason))
        self.reported.set()

    def open(self, broker_id: int = 1, *, threaded: bool = False, **more):
        self.storage, self.recovered = Storage.open(
            self.path, broker_id, on_flushed=self._on_flushed, on_failed=self._on_failed, threaded=threaded, **more
        )
        return self.storage

    def log(self):
        (log,) = self.recovered.logs
        return log


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner(tmp_path / "data")


def filled(owner: Owner, count: int = 6, **more) -> Storage:
    storage = owner.open(**more)
    storage.perform(CreateLog(1, TP, "id"))
    for number in range(count):
        storage.perform(AppendLog(2 + number, TP, (batch(2 * number),)))
    storage.commit()
    return storage


def test_a_deleted_log_leaves_the_disk_and_the_storage_goes_on(owner: Owner) -> None:
    """On a real file system a file that is looked into is no directory; the first deletion took every log offline."""
    storage = filled(owner)
    storage.perform(DeleteLog(50, TP))
    storage.commit()
    assert owner.failed == []
    assert list((Path(owner.path) / "topics").iterdir()) == []


# --- visibility -------------------------------------------------------------------------------------------


def test_an_append_is_read_before_it_is_written(owner: Owner) -> None:
    storage = owner.open()
    storage.perform(CreateLog(1, TP, "id"))
    storage.perform(AppendLog(2, TP, (batch(0), batch(2))))
    assert storage.read(ALL) == (batch(0), batch(2))
    assert owner.flushed == []
    assert storage.backlog_bytes == 2 * len(batch(0).data)
    storage.commit()
    assert owner.flushed == [2]
    assert storage.backlog_bytes == 0


@pytest.mark.parametrize("cached", [True, False])
def test_reads_give_whole_batches(owner: Owner, cached: bool) -> None:
    storage = filled(owner, segment_bytes=400)
    if not cached:
        storage.close()
        storage = owner.open(segment_bytes=400)
    size = len(batch(0).data)
    table = [
        # start, end, bytes_max -> base offsets
        ((0, 12, 1 << 20), [0, 2, 4, 6, 8, 10]),
        ((3, 12, 1 << 20), [2, 4, 6, 8, 10]),
        ((0, 7, 1 << 20), [0, 2, 4]),  # the batch at 6 holds offset 7
        ((4, 6, 1), [4]),  # at least one
        ((4, 12, 2 * size), [4, 6]),
        ((4, 12, 3 * size - 1), [4, 6]),
        ((12, 12, 100), []),
        ((11, 11, 100), []),
        ((10, 11, 100), []),
    ]
    for (start, end, bytes_max), bases in table:
        found = storage.read(LogRead(TP, start, end, bytes_max))
        assert [b.base_offset for b in found] == bases, (start, end, bytes_max)
        assert list(found) == [batch(base) for base in bases]


def test_reads_below_the_log_start_or_of_no_log_are_refused(owner: Owner) -> None:
    storage = filled(owner)
    storage.perform(AdvanceLogStart(20, TP, 4))
    with pytest.raises(StorageOffline, match="below the log start 4"):
        storage.read(ALL)
    with pytest.raises(StorageOffline, match="no log of other-0"):
        storage.read(LogRead(TopicPartition("other", 0), 0, 1, 1))


def test_effects_that_do_not_fit_the_log_are_refused(owner: Owner) -> None:
    storage = filled(owner)
    for effect, message in [
        (AppendLog(20, TP, (batch(99),)), "offset 99 appended where 12 is next"),
        (TruncateLog(20, TP, 13), "cannot truncate"),
        (TruncateLog(20, TP, 3), "inside a batch"),
        (CreateLog(20, TopicPartition("../escape", 0), "x"), "cannot be the name of a directory"),
        (DeleteLog(20, TopicPartition("other", 0)), "no log of other-0"),
    ]:
        with pytest.raises(ValueError, match=message):
            storage.perform(effect)


# --- a dumb twin --------------------------------------------------------------------------------------------

steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 4), st.integers(0, 200)),
        st.tuples(st.just("truncate"), st.integers(0, 100)),
        st.tuples(st.just("reset"), st.integers(0, 50)),
        st.tuples(st.just("start"), st.integers(0, 100)),
        st.tuples(st.just("commit")),
        st.tuples(st.just("reopen"), st.booleans()),
        st.tuples(st.just("replace")),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_the_log_is_a_list(memory_disk, steps: list) -> None:
    """Whatever is done in whatever order, the log reads as a list of batches would."""
    owner, disk = Owner("/data"), memory_disk()
    ids = itertools.count(1)
    clock = itertools.count()
    options = {"segment_bytes": 500, "cache_bytes": 300, "fs": disk, "clock": lambda: float(next(clock))}
    storage = owner.open(**options)
    storage.perform(CreateLog(next(ids), TP, "id-0"))
    twin: list = []
    start = end = 0
    for step in steps:
        match step:
            case ("append", count, size):
                added = []
                for _ in range(count):
                    added.append(batch(end, size=size, timestamp_ms=next(ids)))  # no two batches are the same
                    end += 2
                storage.perform(AppendLog(next(ids), TP, tuple(added)))
                twin += added
            case ("truncate", where):
                boundaries = [start, end, *[b.next_offset for b in twin if b.next_offset >= start]]
                end = boundaries[where % len(boundaries)]
                if any(b.base_offset < end < b.next_offset for b in twin):
                    end = max(b.next_offset for b in twin)
                storage.perform(TruncateLog(next(ids), TP, end))
                twin = [b for b in twin if b.next_offset <= end]
            case ("reset", offset):
                storage.perform(ResetLog(next(ids), TP, offset))
                twin, start, end = [], offset, offset
            case ("start", where):
                start = min(end, start + where // 2 * 2)
                storage.perform(AdvanceLogStart(next(ids), TP, start))
            case ("commit",):
                storage.commit()
            case ("reopen", clean):
                storage.close(3 if clean else None)
                storage = owner.open(**options)
                log = owner.log()
                assert (log.start_offset, log.end_offset, log.intact) == (start, end, True)
                assert (owner.recovered.clean_shutdown_epoch == 3) is clean
            case ("replace",):
                storage.perform(CreateLog(next(ids), TP, f"id-{next(ids)}"))
                twin, start, end = [], 0, 0
        expected = [b for b in twin if b.next_offset > start]
        assert list(storage.read(LogRead(TP, start, end, 1 << 30))) == expected
        for b in expected[::3]:
            one = storage.read(LogRead(TP, max(start, b.base_offset), end, 1))
            assert one == (b,)
    assert owner.failed == []


# --- group commit -------------------------------------------------------------------------------------------


def test_everything_queued_is_one_sync_per_file(owner: Owner) -> None:
    synced: list[int] = []
    storage = owner.open(fsync=lambda descriptor: (synced.append(descriptor), os.fdatasync(descriptor))[1])
    storage.perform(CreateLog(1, TP, "id"))
    storage.perform(AppendLog(2, TP, (batch(0),)))
    storage.commit()
    synced.clear()
    for number in range(1, 50):
        storage.perform(AppendLog(2 + number, TP, (batch(2 * number),)))
        storage.perform(Checkpoint(TP, 2 * number))
    storage.commit()
    assert len(synced) == 1
    assert owner.flushed == [2, 51]


def test_a_sync_that_blocks_for_ever_reports_nothing(owner: Owner) -> None:
    release, entered = threading.Event(), threading.Event()
    armed = False

    def fsync(descriptor: int) -> None:
        if armed:
            entered.set()
            release.wait()
        os.fdatasync(descriptor)

    storage = owner.open(threaded=True, fsync=fsync)
    storage.perform(CreateLog(1, TP, "id"))
    assert owner.reported.wait(10)
    armed = True
    storage.perform(AppendLog(2, TP, (batch(0),)))
    assert entered.wait(10)
    storage.perform(SaveRaft(3, HardState(1, None)))
    storage.perform(AppendLog(4, TP, (batch(2),)))  # the caller does not wait
    assert storage.read(ALL) == (batch(0), batch(2))
    assert owner.flushed == [1]
    release.set()
    storage.close()
    assert owner.flushed[-1] == 4


def test_the_disk_thread_commits_what_comes(owner: Owner) -> None:
    storage = owner.open(threaded=True)
    storage.perform(CreateLog(1, TP, "id"))
    for number in range(100):
        storage.perform(AppendLog(2 + number, TP, (batch(2 * number),)))
    storage.close(9)
    assert owner.flushed[-1] == 101
    assert owner.flushed == sorted(owner.flushed)
    owner.open().close()
    assert owner.log().end_offset == 200
    assert owner.recovered.clean_shutdown_epoch == 9


@pytest.mark.parametrize(("flush", "syncs"), [(FlushMode.INTERVAL, 1), (FlushMode.NONE, 0)])
def test_other_flush_modes_sync_raft_at_once_and_logs_later_or_never(
    owner: Owner, flush: FlushMode, syncs: int
) -> None:
    now, synced = [0.0], []
    storage = owner.open(flush=flush, clock=lambda: now[0], fsync=synced.append)
    storage.perform(CreateLog(1, TP, "id"))
    storage.perform(AppendLog(2, TP, (batch(0),)))
    storage.commit()
    synced.clear()
    storage.perform(AppendLog(3, TP, (batch(2),)))
    storage.commit()
    assert (synced, owner.flushed) == ([], [2, 3])
    storage.perform(SaveRaft(4, HardState(1, None)))
    storage.commit()
    assert (len(synced), owner.flushed[-1]) == (1, 4)
    synced.clear()
    now[0] = 0.5
    storage.commit()
    assert len(synced) == syncs


# --- failure ------------------------------------------------------------------------------------------------


class FailingSync:
    def __init__(self) -> None:
        self.armed = False
        self.calls = 0

    def __call__(self, descriptor: int) -> None:
        if self.armed:
            self.calls += 1
            raise OSError(5, "Input/output error")
        os.fdatasync(descriptor)


def test_a_failed_sync_of_a_log_takes_logs_offline_once_and_is_not_retried(owner: Owner) -> None:
    fsync = FailingSync()
    storage = filled(owner, 1, fsync=fsync)
    fsync.armed = True
    storage.perform(AppendLog(3, TP, (batch(2),)))
    storage.commit()
    assert owner.failed == [(False, "the disk refused a write: Input/output error")]
    fsync.armed = False  # "it works again": nobody may believe that
    size = os.path.getsize(Path(owner.path) / "topics/orders-0" / f"{0:020d}.log")
    storage.perform(AppendLog(4, TP, (batch(4),)))
    storage.commit()
    assert len(owner.failed) == 1
    assert os.path.getsize(Path(owner.path) / "topics/orders-0" / f"{0:020d}.log") == size
    storage.perform(SaveRaft(5, HardState(3, None)))  # the metadata log is not affected
    storage.commit()
    assert owner.flushed[-1] == 5
    storage.close(7)
    assert fsync.calls == 1
    owner.open()
    assert owner.recovered.clean_shutdown_epoch is None, "a clean-shutdown mark after an error"
    assert owner.recovered.hard_state == HardState(3, None)


def test_a_failed_sync_of_raft_takes_everything_offline(owner: Owner) -> None:
    fsync = FailingSync()
    storage = filled(owner, 1, fsync=fsync)
    fsync.armed = True
    storage.perform(SaveRaft(3, HardState(1, None)))
    storage.perform(AppendLog(4, TP, (batch(2),)))
    storage.commit()
    storage.perform(SaveRaft(5, HardState(2, None)))
    storage.commit()
    assert owner.failed == [(True, "the disk refused a write: Input/output error")]
    assert owner.flushed == [2]
    assert fsync.calls == 1


def test_a_full_disk_names_the_limit_and_loses_nothing_acknowledged(owner: Owner) -> None:
    limit = 4 * len(batch(0).data)
    storage = filled(owner, 4, size_limit_bytes=limit)
    assert owner.flushed == [5]
    storage.perform(AppendLog(6, TP, (batch(8),)))
    storage.commit()
    (failure,) = owner.failed
    assert failure[0] is False
    assert f"size limit of {limit} bytes" in failure[1]
    assert "raise --data-bytes-max" in failure[1]
    storage.close()
    owner.open(size_limit_bytes=limit)
    assert (owner.log().end_offset, owner.log().intact) == (8, True)


def test_a_read_that_meets_bad_bytes_is_refused_and_reported(owner: Owner) -> None:
    storage = filled(owner)
    storage.close(1)
    storage = owner.open()
    path = Path(owner.path) / "topics/orders-0" / f"{0:020d}.log"
    flip(path, 100)
    with pytest.raises(StorageOffline, match="checksum"):
        storage.read(ALL)
    assert len(owner.failed) == 1
    with pytest.raises(StorageOffline):
        storage.read(ALL)
    assert len(owner.failed) == 1


@pytest.mark.parametrize("start", [0, 2, 4])
@pytest.mark.parametrize("position", range(8))
@pytest.mark.parametrize("bit", [1, 2, 16])
def test_a_read_that_meets_a_bad_offset_is_refused(owner: Owner, position: int, bit: int, start: int) -> None:
    """No checksum covers a batch's offset. Believed, it would hide records, or stop every reader in front of it."""
    filled(owner).close(1)
    storage = owner.open()
    path = Path(owner.path) / "topics/orders-0" / f"{0:020d}.log"
    content = bytearray(path.read_bytes())
    content[2 * SIZE + position] ^= bit  # the third batch: offsets 4 and 5
    path.write_bytes(content)
    with pytest.raises(StorageOffline, match="follows where 4 should"):
        storage.read(LogRead(TP, start, 12, 1 << 20))
    assert len(owner.failed) == 1


# --- recovery -----------------------------------------------------------------------------------------------


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


SIZE = len(batch(0).data)


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


# --- identity -----------------------------------------------------------------------------------------------


def test_a_directory_keeps_its_identity_and_a_start_has_its_own(owner: Owner) -> None:
    owner.open().close()
    first = owner.recovered
    owner.open()
    assert owner.recovered.directory_id == first.directory_id
    assert owner.recovered.incarnation != first.incarnation
    assert first.cluster_id is None


def test_the_clean_mark_counts_once(owner: Owner) -> None:
    owner.open().close(17)
    owner.open().close()
    assert owner.recovered.clean_shutdown_epoch == 17
    owner.open()
    assert owner.recovered.clean_shutdown_epoch is None


def test_a_removed_clean_mark_does_not_come_back_after_a_power_cut(memory_disk) -> None:
    owner, disk = Owner("/data"), memory_disk()
    owner.open(fs=disk).close(17)
    owner.open(fs=disk)
    owner.open(fs=disk.power_cut(random.Random(0), "nothing"))
    assert owner.recovered.clean_shutdown_epoch is None


def test_directories_of_others_are_refused(owner: Owner) -> None:
    storage = owner.open()
    storage.perform(FormatDisk(1, "cluster-a"))
    storage.commit()
    storage.close()
    with pytest.raises(DirectoryMismatch, match=r"belongs to broker 1, this is broker 2; correct the broker id"):
        owner.open(2)
    with pytest.raises(DirectoryMismatch, match=r"belongs to cluster cluster-a, not to cluster-b"):
        owner.open(cluster_id="cluster-b")
    owner.open(cluster_id="cluster-a")
    assert owner.recovered.cluster_id == "cluster-a"


def test_binding_to_a_second_cluster_fails(owner: Owner) -> None:
    storage = owner.open()
    storage.perform(FormatDisk(1, "cluster-a"))
    storage.perform(FormatDisk(2, "cluster-b"))
    storage.commit()
    assert owner.flushed == []
    assert "belongs to cluster cluster-a" in owner.failed[0][1]


def test_unusable_directories_are_refused_in_one_sentence(owner: Owner, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StorageError, match=r"data cannot be used: .*check that it exists on a writable volume"):
        owner.open()
    owner.path = tmp_path / "other"
    (tmp_path / "other/topics/orders-0").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"holds logs but no meta\.json"):
        owner.open()
    owner.path = tmp_path / "third"
    owner.open().close()
    (tmp_path / "third/meta.json").write_text("{")
    with pytest.raises(StorageError, match=r"meta\.json cannot be read"):
        owner.open()


def test_a_locked_directory_is_waited_for(owner: Owner) -> None:
    first = owner.open()
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    with pytest.raises(DirectoryLocked, match="still in use by another process after 30 s"):
        Owner(owner.path).open(clock=lambda: now[0], sleep=sleep)
    assert sum(slept) == pytest.approx(30, abs=0.2)

    def give_up_then(seconds: float) -> None:
        first.close(5)

    second = Owner(owner.path)
    second.open(sleep=give_up_then)
    assert second.recovered.clean_shutdown_epoch == 5


# --- retention ----------------------------------------------------------------------------------------------


def test_retention_gives_whole_segments_below_the_high_watermark(owner: Owner) -> None:
    storage = owner.open(segment_bytes=2 * SIZE)
    storage.perform(CreateLog(1, TP, "id"))
    for number in range(6):
        storage.perform(AppendLog(2 + number, TP, (batch(2 * number, timestamp_ms=1000 * number),)))
    storage.commit()  # segments [0, 4) until 1000 ms, [4, 8) until 3000 ms, [8, 12)
    table = [
        # retention_bytes, retention_ms, now, high watermark -> new start
        (-1, -1, 10**9, 12, None),
        (0, -1, 0, 12, 8),  # the last segment stays
        (4 * SIZE, -1, 0, 12, 4),
        (4 * SIZE + 1, -1, 0, 12, None),
        (-1, 500, 1501, 12, 4),
        (-1, 500, 1500, 12, None),
        (-1, 0, 10**9, 12, 8),
        (0, 0, 10**9, 7, 4),  # above the high watermark nothing goes
        (0, 0, 10**9, 3, None),
    ]
    for retention_bytes, retention_ms, now, high_watermark, start in table:
        storage.perform(Checkpoint(TP, high_watermark))
        limits = (retention_bytes, retention_ms)
        expected = [] if start is None else [(TP, start)]
        assert storage.retention(now, lambda _, limits=limits: limits) == expected, limits
    storage.perform(AdvanceLogStart(20, TP, 5))
    storage.commit()
    names = sorted(file.name for file in (Path(owner.path) / "topics/orders-0").glob("*.log"))
    assert names == [f"{4:020d}.log", f"{8:020d}.log"]
    storage.close()
    owner.open(segment_bytes=2 * SIZE)
    assert (owner.log().start_offset, owner.log().end_offset) == (5, 12)


# --- rare, and each was once wrong ----------------------------------------------------------------------------


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


def test_foreign_files_do_not_disturb(owner: Owner) -> None:
    filled(owner).close()
    for name in ("notes.log", "x.producers", "README"):
        (Path(owner.path) / "topics/orders-0" / name).write_text("hello")
    (Path(owner.path) / "topics/lost+found").mkdir()
    owner.open()
    assert (owner.log().intact, owner.log().end_offset) == (True, 12)
