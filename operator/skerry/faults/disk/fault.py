"""The damage of a disk, with concrete brokers."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.faults.disk.model import DiskFault
from skerry.faults.port import Effect, Feature, Groups, Hold, ResolvedFault

TORN_WRITE = Feature("disk, tornWrite")
LOSE_UNSYNCED = Feature("disk, loseUnsynced")
FSYNC_ERROR = Feature("disk, fsyncError")
SLOW_FSYNC = Feature("disk, slowBy")
BIT_FLIP = Feature("disk, bitFlip")
FEATURES = (TORN_WRITE, LOSE_UNSYNCED, FSYNC_ERROR, SLOW_FSYNC, BIT_FLIP)


class Disk(ResolvedFault, frozen=True, tag="disk"):
    """Damage of a disk. ``lose_unsynced``, ``torn_write`` and ``bit_flip`` are a power cut: the process dies too."""

    ordinals: tuple[int, ...]
    torn_write: bool = False
    lose_unsynced: bool = False
    fsync_error: bool = False
    bit_flip: bool = False
    slow_by_ns: int = 0
    down_for_ns: int = 0
    """How long a power cut keeps the broker down."""

    @property
    def power_cut(self) -> bool:
        return self.torn_write or self.lose_unsynced or self.bit_flip

    @property
    def shows_after_ns(self) -> int:
        return self.slow_by_ns

    @property
    def ends_process(self) -> bool:
        """At its beginning, or at its end: a log that went offline stays so until a new process reads the disk."""
        return self.power_cut or self.fsync_error

    @property
    def holds(self) -> frozenset[Hold]:
        held = ("broker", "the disk of broker") if self.ends_process else ("the disk of broker",)
        return frozenset(f"{what} {ordinal}" for ordinal in self.ordinals for what in held)

    @property
    def victims(self) -> frozenset[int]:
        return frozenset(self.ordinals)

    def effects(self) -> tuple[Effect, ...]:
        return (Effect(down=frozenset(self.ordinals) if self.ends_process else frozenset()),)


def concrete(body: DiskFault, groups: Groups) -> Disk:
    return Disk(
        tuple(ordinal for group in groups for ordinal in group),
        torn_write=body.torn_write,
        lose_unsynced=body.lose_unsynced,
        fsync_error=body.fsync_error,
        bit_flip=body.bit_flip,
        slow_by_ns=body.slow_by_ns,
        down_for_ns=body.down_for_ns,
    )


def needs(body: DiskFault) -> Iterator[Feature]:
    if body.torn_write:
        yield TORN_WRITE
    if body.lose_unsynced:
        yield LOSE_UNSYNCED
    if body.fsync_error:
        yield FSYNC_ERROR
    if body.slow_by_ns:
        yield SLOW_FSYNC
    if body.bit_flip:
        yield BIT_FLIP


def may_lose_disk(body: DiskFault | None, flush: str) -> bool:
    """What was acknowledged may be gone. A fault whose document is not known counts: less is then owed, never more."""
    if body is None or body.bit_flip:
        return True
    return flush != "group" and (body.lose_unsynced or body.torn_write)
