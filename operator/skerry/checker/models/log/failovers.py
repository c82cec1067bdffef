"""Where the time of each failover went: measured, never judged.

For every fault, of the partition that took longest to have another leader: from the effect to the first write that was
not acknowledged at once (detected), to the election, to the first acknowledgement in the new epoch. A fault that moved
no leader is not mentioned. Limits are expectations (`failover`, `leaderChange`, `maxWriteGap`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from skerry.checker.findings import held
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.evidence import Evidence
from skerry.checker.property import Property
from skerry.history import History, PartitionKey, PartitionOperations
from skerry.history.records import FaultEvent, FaultStep, Outcome
from skerry.schema.verdict import Finding

NAME = "failover-time"


class Split(NamedTuple):
    """Nanoseconds from the early edge of the effect; -1: not seen."""

    acknowledged_ns: int
    detected_ns: int
    elected_ns: int
    epoch: int
    key: PartitionKey


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    history = evidence.history
    effects = [event for event in history.faults if event.step is FaultStep.EFFECTIVE]
    texts = []
    for effect in effects:
        splits = [split_of(history, key, operations, effect) for key, operations in history.partitions.items()]
        found = [split for split in splits if split is not None]
        if found:
            texts.append(_told(effect, max(found)))
    summary = "; ".join(texts[:8]) or f"{len(effects)} faults took effect, none of them was followed by another leader"
    yield held(NAME, summary + (f"; and {len(texts) - 8} more" if len(texts) > 8 else ""))


def split_of(history: History, key: PartitionKey, operations: PartitionOperations, effect: FaultEvent) -> Split | None:
    """None: nothing was acknowledged in a higher epoch after the effect and before the fault was healed."""
    healed = [e.after_ns for e in history.faults if _same(e, effect) and e.step is FaultStep.HEALED]
    until = healed[0] if healed else 1 << 62
    before = max((ack.leader_epoch for ack in operations.acked if ack.completed_ns <= effect.before_ns), default=-1)
    later = [a for a in operations.acked if a.leader_epoch > before and effect.before_ns <= a.completed_ns <= until]
    if before < 0 or not later:
        return None
    first = min(later, key=lambda ack: ack.completed_ns)
    troubled = (
        op.completed_ns
        for op in operations.produces
        if op.directed_to < 0
        and effect.before_ns <= op.completed_ns
        and (op.outcome is not Outcome.OK or op.attempts > 1)
    )
    elected = [e for e in history.elections if (e.topic, e.partition, e.leader_epoch) == (*key, first.leader_epoch)]
    return Split(
        first.completed_ns - effect.before_ns,
        min(troubled, default=effect.before_ns - 1) - effect.before_ns,
        elected[0].wall_ns - effect.wall_ns if elected and effect.wall_ns else -1,
        first.leader_epoch,
        key,
    )


def _same(event: FaultEvent, effect: FaultEvent) -> bool:
    return (event.fault, event.occurrence) == (effect.fault, effect.occurrence)


def _told(effect: FaultEvent, split: Split) -> str:
    detected = f"{split.detected_ns / 1e9:.2f} s" if split.detected_ns >= 0 else "?"
    elected = f"{split.elected_ns / 1e9:.2f} s" if split.elected_ns >= 0 else "?"
    return (
        f"{effect.fault}#{effect.occurrence}: first trouble after {detected}, election after {elected}, first "
        f"acknowledgement in epoch {split.epoch} after {split.acknowledged_ns / 1e9:.2f} s ({split.key})"
    )


PROPERTY = Property(NAME, __doc__, check)
