"""What a document needs of a world."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.engine.capabilities import Feature
from skerry.engine.link_proofs import RARE_LOSS_PERCENT
from skerry.experiment.document import Fault, Spec
from skerry.experiment.expectations import MetricExpectation, PromqlExpectation
from skerry.experiment.faults import ClockFault, DiskFault, KillFault, PartitionFault, RestartFault, SlowFault
from skerry.schema.vocabulary import Connections, CutAction, KillHow, Plane, RestartHow


def needed_features(spec: Spec) -> frozenset[Feature]:
    """Everything that a run of this document will ask for."""
    return frozenset(_of_spec(spec))


def _of_spec(spec: Spec) -> Iterator[Feature]:
    for fault in spec.faults:
        yield from _of_fault(fault)
    if spec.prepare is not None:
        yield Feature.PREPARE
    for expectation in spec.expect:
        if isinstance(expectation.body, MetricExpectation):
            yield Feature.METRICS
        if isinstance(expectation.body, PromqlExpectation):
            yield Feature.PROMQL


def _of_fault(fault: Fault) -> Iterator[Feature]:
    match fault.body:
        case PartitionFault() as cut:
            yield Feature.PARTITION
            if cut.links is not None and not _both_ways(cut):
                yield Feature.PARTITION_ONE_WAY
            if cut.connections is Connections.ALL:
                yield Feature.PARTITION_ESTABLISHED
            if cut.action is CutAction.REJECT:
                yield Feature.PARTITION_REJECT
            if Plane.CLIENT in cut.planes:
                yield Feature.PARTITION_CLIENT
        case SlowFault() as slow:
            yield Feature.SLOW
            if slow.loss_percent:
                yield Feature.SLOW_LOSS
                if slow.loss_percent >= RARE_LOSS_PERCENT or not slow.latency_ns:
                    yield Feature.SLOW_LOSS_MEASURED
            if slow.rate_kbps:
                yield Feature.SLOW_RATE
                if not slow.latency_ns:
                    yield Feature.SLOW_RATE_MEASURED
        case KillFault() as kill:
            yield Feature.KILL_PROCESS if kill.how is KillHow.PROCESS else Feature.KILL_POD_DELETE
            if kill.down_for_ns:
                yield Feature.KILL_DOWN_FOR
        case RestartFault() as restart:
            yield Feature.RESTART_GRACEFUL if restart.how is RestartHow.GRACEFUL else Feature.RESTART_KILL
        case DiskFault() as disk:
            yield from (
                feature
                for wanted, feature in (
                    (disk.torn_write, Feature.DISK_TORN_WRITE),
                    (disk.lose_unsynced, Feature.DISK_LOSE_UNSYNCED),
                    (disk.fsync_error, Feature.DISK_FSYNC_ERROR),
                    (disk.slow_by_ns, Feature.DISK_SLOW),
                    (disk.bit_flip, Feature.DISK_BIT_FLIP),
                )
                if wanted
            )
        case ClockFault() as clock:
            if clock.jump_ns is not None:
                yield Feature.CLOCK_JUMP
            if clock.drift_ppm:
                yield Feature.CLOCK_DRIFT
        case _:
            yield {"pause": Feature.PAUSE, "wipe": Feature.WIPE}[fault.kind]


def _both_ways(cut: PartitionFault) -> bool:
    pairs = {(str(link.from_), str(link.to)) for link in cut.links or ()}
    return all((to, from_) in pairs for from_, to in pairs)
