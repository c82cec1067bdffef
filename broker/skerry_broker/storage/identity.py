"""Whose directory it is: the lock, ``meta.json``, and the clean-shutdown mark."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from skerry_broker.storage.checkpoints import load_lines, save_lines
from skerry_broker.storage.errors import DirectoryLocked, DirectoryMismatch, StorageError
from skerry_broker.storage.files import FileSystem, read_whole, replace

FORMAT_VERSION = 1
LOCK_POLL_S = 0.1


class Meta(msgspec.Struct, frozen=True):
    directory_id: str
    """Created with the volume; a broker with another one is another replica (KIP-853)."""
    broker_id: int
    version: int = FORMAT_VERSION
    cluster_id: str | None = None


class CleanStop(msgspec.Struct, frozen=True):
    broker_epoch: int
    raft_bytes: int


def lock_directory(
    fs: FileSystem, root: str, wait_s: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Callable[[], None]:
    """Take the lock; the result releases it. Raises DirectoryLocked after ``wait_s``.

    Waiting is right: a deleted pod's process can outlive its replacement's start.
    """
    deadline = clock() + wait_s
    while True:
        release = fs.lock(f"{root}/lock")
        if release is not None:
            return release
        if clock() >= deadline:
            raise DirectoryLocked(
                f"the data directory {root} is still in use by another process after {wait_s:g} s; "
                "stop that process or give this broker a directory of its own"
            )
        sleep(LOCK_POLL_S)


def load_or_create_meta(
    fs: FileSystem,
    root: str,
    broker_id: int,
    cluster_id: str | None,
    new_id: Callable[[], str],
    prepare: Callable[[], None],
) -> Meta:
    """``prepare`` makes what belongs into a new directory; ``meta.json`` then makes it one."""
    path = f"{root}/meta.json"
    content = read_whole(fs, path)
    if content is None:
        if fs.list(f"{root}/topics"):
            raise StorageError(
                f"{root} holds logs but no meta.json, so nobody can say whose they are; "
                "restore meta.json or start with an empty directory"
            )
        prepare()
        meta = Meta(new_id(), broker_id)
        save_meta(fs, root, meta)
        return meta
    try:
        meta = msgspec.json.decode(content, type=Meta)
    except msgspec.MsgspecError as error:
        raise StorageError(f"{path} cannot be read ({error}); restore it, or start with an empty directory") from None
    if meta.version != FORMAT_VERSION:
        raise DirectoryMismatch(
            f"{root} has format version {meta.version}, this broker reads version {FORMAT_VERSION}; "
            "use the matching release"
        )
    if meta.broker_id != broker_id:
        raise DirectoryMismatch(
            f"{root} belongs to broker {meta.broker_id}, this is broker {broker_id}; "
            "correct the broker id or the data directory"
        )
    if cluster_id is not None and meta.cluster_id is not None and meta.cluster_id != cluster_id:
        raise DirectoryMismatch(
            f"{root} belongs to cluster {meta.cluster_id}, not to {cluster_id}; "
            "correct the data directory, or start with an empty one to join this cluster"
        )
    return meta


def save_meta(fs: FileSystem, root: str, meta: Meta) -> None:
    replace(fs, f"{root}/meta.json", msgspec.json.format(msgspec.json.encode(meta)) + b"\n", durable=True)


def save_clean_stop(fs: FileSystem, root: str, stop: CleanStop) -> None:
    save_lines(fs, f"{root}/clean-shutdown", [str(stop.broker_epoch), str(stop.raft_bytes)], durable=True)


def take_clean_stop(fs: FileSystem, root: str) -> CleanStop | None:
    """Read and remove the mark: any stop from now on that leaves no new one is unclean."""
    path = f"{root}/clean-shutdown"
    if not fs.exists(path):
        return None
    lines = load_lines(fs, path)
    fs.unlink(path)
    fs.sync_directory(root)
    return CleanStop(int(lines[0]), int(lines[1])) if lines else None
