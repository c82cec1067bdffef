"""What this world can do in one namespace, and for what it cannot: why, and what would help.

Two switches that are off by default allow ephemeral containers: a grant of the chart, and a label of the namespace.
"""

from __future__ import annotations

import msgspec

from skerry.engine.capabilities import Capabilities, Feature
from skerry.worlds.kubernetes.names import ALLOW_INJECTOR_LABEL

CLOCK_ERROR_NS = 20_000_000
"""The brokers stamp elections with the wall clocks of their nodes, which NTP keeps within this."""
LATER = "it needs the packet method, which comes with a later version; use `--world local`."
DISK = "no disk of a pod fails on demand; use `--world sim`."
CLOCK = "a pod shares the clock of its node; use `--world sim`."


class OptIns(msgspec.Struct, frozen=True):
    """What was switched on, by whoever may."""

    grant: bool
    """The operator may patch pods/ephemeralcontainers."""
    label: bool
    """The namespace allows it."""
    hold: bool = False
    """The brokers' pods have the init container that can keep them down."""
    prometheus: bool = False
    """The document names one."""
    namespace: str = ""
    """For the sentence; empty: not known."""

    @property
    def injector(self) -> bool:
        return self.grant and self.label

    @property
    def missing(self) -> str:
        """What to switch on; empty: nothing."""
        wanted = []
        if not self.grant:
            wanted.append("the chart's value `injector.enabled=true`")
        if not self.label:
            where = f"namespace {self.namespace}" if self.namespace else "the namespace"
            wanted.append(f'the label `{ALLOW_INJECTOR_LABEL}: "true"` of {where}')
        return " and ".join(wanted)


def capabilities(opt_ins: OptIns) -> Capabilities:
    """Of a namespace with these switches."""
    features = {Feature.PARTITION, Feature.KILL_POD_DELETE, Feature.PREPARE, Feature.METRICS}
    reasons = dict(REASONS)
    if opt_ins.injector:
        features |= {Feature.PARTITION_ESTABLISHED, Feature.KILL_PROCESS}
    else:
        reasons[Feature.PARTITION_ESTABLISHED] = (
            "a NetworkPolicy does not cut established TCP connections on Calico, kindnet or kube-router, so the "
            f"brokers' kept-open ones would survive; set `connections: New`, or switch on {opt_ins.missing}."
        )
        reasons[Feature.KILL_PROCESS] = (
            "a process can only be killed from inside of its pod, by an ephemeral container; use `how: PodDelete`, or "
            f"switch on {opt_ins.missing}."
        )
    if opt_ins.hold:
        features.add(Feature.KILL_DOWN_FOR)
    else:
        reasons[Feature.KILL_DOWN_FOR] = (
            "the brokers' pods have no init container `hold` that could keep them down; install the brokers with the "
            "chart's value `brokers.hold.enabled=true`, or remove `downFor`."
        )
    if opt_ins.prometheus:
        features.add(Feature.PROMQL)
    else:
        reasons[Feature.PROMQL] = "there is no Prometheus; set `spec.prometheusUrl`, or use a `metric` expectation."
    return Capabilities("kubernetes", frozenset(features), reasons, clock_error_ns=CLOCK_ERROR_NS)


REASONS = {
    Feature.PARTITION_ONE_WAY: f"a NetworkPolicy refuses connections, not packets; {LATER}",
    Feature.PARTITION_REJECT: "whether a NetworkPolicy drops or rejects is up to the network plugin; use "
    "`action: Drop`.",
    Feature.PARTITION_CLIENT: "clients are no pods of the StatefulSet; use `planes: [Raft, Replication]`.",
    Feature.SLOW: LATER,
    Feature.SLOW_LOSS: LATER,
    Feature.SLOW_RATE: LATER,
    Feature.SLOW_LOSS_MEASURED: LATER,
    Feature.SLOW_RATE_MEASURED: LATER,
    Feature.RESTART_GRACEFUL: "it comes with a later version; use `--world local`, or a `kill` with `how: PodDelete`.",
    Feature.RESTART_KILL: "it comes with a later version; use `--world local`, or a `kill` with `how: Process`.",
    Feature.PAUSE: "it comes with a later version; use `--world local`.",
    Feature.WIPE: "it comes with a later version; use `--world local`.",
    Feature.DISK_TORN_WRITE: DISK,
    Feature.DISK_LOSE_UNSYNCED: DISK,
    Feature.DISK_FSYNC_ERROR: DISK,
    Feature.DISK_SLOW: DISK,
    Feature.DISK_BIT_FLIP: DISK,
    Feature.CLOCK_JUMP: CLOCK,
    Feature.CLOCK_DRIFT: CLOCK,
}


def needs_init(pid: int) -> str:
    """Why the broker's process cannot be killed, given its process id as it sees it itself; empty: it can be."""
    if pid != 1:
        return ""
    return (
        "the broker is process 1 of its container, which the kernel lets nobody inside the container kill; start it "
        "under an init such as tini, or use `how: PodDelete`"
    )
