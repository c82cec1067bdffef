"""The data directory of one broker: what survives a crash, and when it is known to.

    lock                     held (flock) while a process owns the directory
    meta.json                directory id, broker id, format version, cluster id once bound; written last
    clean-shutdown           left by an orderly stop, removed when the directory is opened
    raft/log                 the metadata log: a base frame (snapshot, hard state, entries), then one frame per step
    topics/<topic>-<n>/      one replica
        topic_id
        <base offset>.log    record batches v2, one after the other, nothing else
        <base offset>.index, .timeindex     sparse; derivable, rebuilt by recovery when missing or wrong
        <base offset>.producers             the idempotent producers' state at that offset
        epochs               the epoch cache: first offset of each leader epoch, also of epochs without data
        log-start            set by retention
        high-watermark, recovery-point      written now and then, and at an orderly stop
        lost                 this replica was found corrupt; what was left is in corrupt-*/

**Two sides.** The event loop calls `Storage.perform` and `Storage.read`; they work on memory (`tail.LogTail`) and never
wait for the disk. The one disk thread (`committer`) takes everything that was queued meanwhile, writes it, syncs
every file it touched once, and reports the last write id: group commit. Files belong to that thread alone; the loop
reads only closed-over ranges below what is in memory. A batch stays in memory until it is written, so a read sees every
append before it, durable or not.

**What Flushed(n) promises.** With `FlushMode.GROUP`: everything up to n is durable. With INTERVAL and NONE: every raft
write up to n is durable, partition writes up to n are only written; a power cut may take the last 100 ms of them, or
whatever the operating system held.

**After an error.** Nothing is retried (fsyncgate: an fsync that failed may succeed next time without the data). A
failed partition write takes all partition logs offline, as they share a disk; a failed raft write takes everything
offline. `on_failed` comes before any `on_flushed` that a lost write would belong to, so an owner that has been told
must not take a later Flushed as covering partition writes.

**Recovery** trusts checksums. A torn tail (an incomplete or bad last batch, nothing valid after it, above the recovery
point) is cut off. Anything else that is bad is a lost disk: the replica starts empty with ``intact`` False and the
files are kept for inspection. Each sequence of file operations is ordered so that a crash between any two of them
leaves a prefix of the log that holds everything reported durable;
`tests/broker/storage/test_storage_crash.py` crashes at each of them.
"""

from skerry_broker.storage.errors import (
    DirectoryLocked,
    DirectoryMismatch,
    StorageError,
    StorageOffline,
)
from skerry_broker.storage.storage import Storage

__all__ = ["DirectoryLocked", "DirectoryMismatch", "Storage", "StorageError", "StorageOffline"]
