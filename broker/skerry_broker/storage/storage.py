"""`Storage`: one data directory, opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from skerry_broker.core.messages import DiskEffect, LogRead, Recovered
from skerry_broker.core.types import Batch, FlushMode, TopicPartition


class Storage:
    """The disk of one broker. All methods are called from one thread, the event loop's; none waits for an fsync but
    `close`. Callbacks come from the disk thread (use ``loop.call_soon_threadsafe``), in order."""

    @classmethod
    def open(
        cls,
        path: Path,
        broker_id: int,
        *,
        on_flushed: Callable[[int], None],
        on_failed: Callable[[bool, str], None],
        flush: FlushMode = FlushMode.GROUP,
        segment_bytes: int = 64 << 20,
        size_limit_bytes: int | None = None,
        cluster_id: str | None = None,
        lock_wait_s: float = 30.0,
    ) -> tuple[Storage, Recovered]:
        """Lock, check, recover, and start the disk thread.

        Raises DirectoryLocked after ``lock_wait_s``; DirectoryMismatch for a directory of another broker, cluster (if
        ``cluster_id`` is given) or format; StorageError when it cannot be read or written at all.
        """
        raise NotImplementedError

    def perform(self, effect: DiskEffect) -> None:
        """Queue one disk effect. Appends are visible to `read` at once; nothing here waits for the disk."""
        raise NotImplementedError

    def read(self, read: LogRead) -> tuple[Batch, ...]:
        """Whole batches from the one that holds ``start_offset``, none with a record at or above ``end_offset``; about
        ``bytes_max``, at least one if there is one. Raises StorageOffline."""
        raise NotImplementedError

    def offset_at_time(self, partition: TopicPartition, at_wall_ms: int) -> int | None:
        """The base offset of the first batch with a record at or after ``at_wall_ms``; None: no such record."""
        raise NotImplementedError

    def retention(
        self, now_wall_ms: int, limits: Callable[[TopicPartition], tuple[int, int]]
    ) -> list[tuple[TopicPartition, int]]:
        """Where retention would move log starts; ``limits`` gives (retention_bytes, retention_ms), -1 for none."""
        raise NotImplementedError

    @property
    def backlog_bytes(self) -> int:
        """What was queued and is not yet written: the owner refuses new produces above its bound."""
        raise NotImplementedError

    def close(self, clean_broker_epoch: int | None = None, timeout_s: float | None = None) -> None:
        """Write what is queued, sync everything, leave the clean-shutdown mark if an epoch is given, release the lock."""
        raise NotImplementedError
