"""What can be wrong with a data directory. Every message is one sentence: what, where, what to change."""

from __future__ import annotations


class StorageError(Exception):
    """A data directory that cannot be used."""


class DirectoryLocked(StorageError):
    """Another process still holds the directory after the whole wait."""


class DirectoryMismatch(StorageError):
    """The directory belongs to another broker, another cluster or another format."""


class StorageOffline(StorageError):
    """A read that cannot be answered: the log is offline, corrupt, or gone."""


class LogCorrupt(StorageOffline):
    """The bytes on disk are not what was written: such a replica must not serve or lead (Jepsen NATS 2.12.1)."""
