"""`disk` cannot be done on this machine: the kernel lets nobody lie about an fsync."""

from __future__ import annotations

from skerry.faults.disk import FAULT
from skerry.faults.disk.fault import BIT_FLIP, FSYNC_ERROR, LOSE_UNSYNCED, SLOW_FSYNC, TORN_WRITE
from skerry.worlds.local.faults.handler import AnyHandler, Handler

HANDLER: AnyHandler = Handler(
    FAULT,
    cannot={
        LOSE_UNSYNCED: "a killed process keeps what the kernel cached; use `--world sim`.",
        TORN_WRITE: "a killed process keeps what the kernel cached; use `--world sim`.",
        FSYNC_ERROR: "it needs a file system that fails on demand; use `--world sim`.",
        SLOW_FSYNC: "it needs a file system that is slow on demand; use `--world sim`.",
        BIT_FLIP: "use `--world sim`.",
    },
)
