"""What a world can do. A world that lacks a feature says so, with a sentence, before the run: never a silent skip."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Feature(StrEnum):
    PARTITION = "partition"
    PARTITION_ONE_WAY = "partition, one way"
    PARTITION_ESTABLISHED = "partition, connections: All"
    PARTITION_REJECT = "partition, action: Reject"
    PARTITION_CLIENT = "partition of the Client plane"
    SLOW = "slow"
    SLOW_LOSS = "slow, lossPercent"
    SLOW_RATE = "slow, rateKbps"
    SLOW_LOSS_MEASURED = "slow, lossPercent of 5 or more, or without latency"
    """It must be seen itself: no latency beside it says that the fault bit, or it is too frequent to be passed over."""
    SLOW_RATE_MEASURED = "slow, rateKbps without latency"
    KILL_PROCESS = "kill, how: Process"
    KILL_POD_DELETE = "kill, how: PodDelete"
    KILL_DOWN_FOR = "kill, downFor"
    RESTART_GRACEFUL = "restart, how: Graceful"
    RESTART_KILL = "restart, how: Kill"
    PAUSE = "pause"
    WIPE = "wipe"
    DISK_TORN_WRITE = "disk, tornWrite"
    DISK_LOSE_UNSYNCED = "disk, loseUnsynced"
    DISK_FSYNC_ERROR = "disk, fsyncError"
    DISK_SLOW = "disk, slowBy"
    DISK_BIT_FLIP = "disk, bitFlip"
    CLOCK_JUMP = "clock, jump"
    CLOCK_DRIFT = "clock, driftPpm"
    PREPARE = "prepare"
    METRICS = "metric expectations"
    PROMQL = "promql expectations"


class Capabilities(msgspec.Struct, frozen=True):
    """``features`` it has; for some of those it lacks, ``reasons`` says why and what would help."""

    world: str
    features: frozenset[Feature]
    reasons: dict[Feature, str] = {}
    clock_error_ns: int = 0
    """How far two readings of its clocks may disagree."""

    def lacking(self, needed: frozenset[Feature]) -> list[str]:
        """One sentence for each feature that is needed and missing, in a fixed order; empty when all are there."""
        return [
            f"The {self.world} world cannot do `{feature}`"
            + (f": {self.reasons[feature]}" if feature in self.reasons else ".")
            for feature in sorted(needed - self.features)
        ]
