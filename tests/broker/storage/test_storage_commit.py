"""What is durable when: group commit, flush modes, and what a disk that fails takes along."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from storage_owner import ALL, SIZE, TP, Owner, batch, filled, flip

from skerry_broker.core.messages import AppendLog, Checkpoint, CreateLog, LogRead, SaveRaft
from skerry_broker.core.types import FlushMode, HardState
from skerry_broker.storage import StorageOffline


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
