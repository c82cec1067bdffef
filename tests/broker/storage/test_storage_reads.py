"""What the storage lets its owner see, and what it keeps: visibility, retention, against a dumb twin."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from storage_owner import ALL, SIZE, TP, Owner, batch, filled

from skerry_broker.core.messages import (
    AdvanceLogStart,
    AppendLog,
    Checkpoint,
    CreateLog,
    DeleteLog,
    LogRead,
    ResetLog,
    TruncateLog,
)
from skerry_broker.core.types import TopicPartition
from skerry_broker.storage import StorageOffline


def test_a_deleted_log_leaves_the_disk_and_the_storage_goes_on(owner: Owner) -> None:
    """On a real file system a file that is looked into is no directory; the first deletion took every log offline."""
    storage = filled(owner)
    storage.perform(DeleteLog(50, TP))
    storage.commit()
    assert owner.failed == []
    assert list((Path(owner.path) / "topics").iterdir()) == []


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
