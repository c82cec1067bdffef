"""What the local world can do, and for what it cannot: why, and what would help."""

from __future__ import annotations

from skerry.engine.capabilities import Capabilities, Feature

CLOCK_ERROR_NS = 1_000_000
"""The brokers stamp elections with the wall clock, the runner judges by the boot clock of the same machine."""

CAPABILITIES = Capabilities(
    world="local",
    features=frozenset(
        {
            Feature.PARTITION,
            Feature.PARTITION_ONE_WAY,
            Feature.PARTITION_ESTABLISHED,
            Feature.PARTITION_REJECT,
            Feature.SLOW,
            Feature.SLOW_LOSS,
            Feature.SLOW_RATE,
            Feature.KILL_PROCESS,
            Feature.KILL_POD_DELETE,
            Feature.KILL_DOWN_FOR,
            Feature.RESTART_GRACEFUL,
            Feature.RESTART_KILL,
            Feature.PAUSE,
            Feature.WIPE,
            Feature.PREPARE,
            Feature.METRICS,
        }
    ),
    reasons={
        Feature.PARTITION_CLIENT: "clients reach the brokers directly; use `planes: [Raft, Replication]`.",
        Feature.SLOW_LOSS_MEASURED: "a ping that is lost is sent again, so a loss shows only as a delay; add "
        "`latency`, and keep `lossPercent` below 5.",
        Feature.SLOW_RATE_MEASURED: "the brokers' pings are too small to measure a rate; add `latency`, which is "
        "measured.",
        Feature.PROMQL: "there is no Prometheus; use a `metric` expectation, or the kubernetes world.",
        Feature.CLOCK_JUMP: "the brokers share this machine's clock; use `--world sim`.",
        Feature.CLOCK_DRIFT: "the brokers share this machine's clock; use `--world sim`.",
        Feature.DISK_LOSE_UNSYNCED: "a killed process keeps what the kernel cached; use `--world sim`.",
        Feature.DISK_TORN_WRITE: "a killed process keeps what the kernel cached; use `--world sim`.",
        Feature.DISK_FSYNC_ERROR: "it needs a file system that fails on demand; use `--world sim`.",
        Feature.DISK_SLOW: "it needs a file system that is slow on demand; use `--world sim`.",
        Feature.DISK_BIT_FLIP: "use `--world sim`.",
    },
    clock_error_ns=CLOCK_ERROR_NS,
)
