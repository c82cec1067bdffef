"""Below the high watermark all replicas hold the same bytes.

Judged after the run from the segment files, by a reader that is not the broker's: same offsets, epochs, values and
checksums. A replica that ends below the high watermark although it is in the ISR is missing committed records. A
replica that could not be read is Inconclusive.

A leader that crashed or was outside at the end still holds what it had appended and nobody had replicated. It is not in
the ISR, and where it differs its batch is of a lower epoch: it would have been truncated. That is no divergence, here
and for every other property: what a replica outside of the ISR holds is no witness of what the log holds.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import broken, held, plural, undecided
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.evidence import ALWAYS, Evidence
from skerry.checker.property import Property
from skerry.history import PartitionKey, PartitionOperations
from skerry.history.records import DumpedBatch, ReplicaDump
from skerry.schema.verdict import Finding

NAME = "replica-divergence"


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    compared, good = 0, True
    for key, operations in evidence.history.partitions.items():
        findings = list(_partition(evidence, guarantees, key, operations))
        compared += len(operations.dumps)
        good = good and not findings
        yield from findings
    if good and compared:
        yield held(NAME, f"{plural(compared, 'replica')} identical below their high watermarks")
    elif good:
        yield undecided(NAME, "NoDumps", "no replica was dumped, so nobody has compared them")


def _partition(
    evidence: Evidence, guarantees: Guarantees, key: PartitionKey, operations: PartitionOperations
) -> Iterator[Finding]:
    dumps = [dump for dump in operations.dumps if not dump.error]
    for dump in operations.dumps:
        if dump.error:
            message = f"partition {key}: the files of broker {dump.broker} could not be read: {dump.error}"
            yield undecided(NAME, "DumpFailed", message, key, witness=evidence.witness(dump))
    isr, seen_in = evidence.last_isr(key)
    missing = sorted(isr - {dump.broker for dump in operations.dumps})
    if missing:
        message = f"partition {key}: no dump of broker {missing[0]}, which is in the ISR"
        yield undecided(NAME, "MissingDump", message, key, witness=evidence.witness(seen_in))
    elif operations.dumps and len(operations.dumps) < guarantees.replicas:
        message = f"partition {key}: {len(operations.dumps)} of {guarantees.replicas} replicas were dumped"
        yield undecided(NAME, "MissingDump", message, key)
    if not operations.dumps and operations.produces:
        yield undecided(NAME, "NoDumps", f"partition {key}: no replica was dumped", key)
    if not dumps:
        return
    high_watermark = max(dump.high_watermark for dump in dumps)
    if high_watermark < 0:
        message = f"partition {key}: nobody could read to the high watermark, so nobody knows how far replicas agree"
        yield undecided(NAME, "NoHighWatermark", message, key)
        return
    reference = max(dumps, key=lambda dump: (dump.broker in isr, dump.log_end_offset, -dump.broker))
    for dump in dumps:
        if dump.log_end_offset < high_watermark and (dump.broker in isr or not isr):
            message = (
                f"partition {key}: broker {dump.broker} ends at offset {dump.log_end_offset}, below the high watermark "
                f"{high_watermark}" + (", though it is in the ISR" if dump.broker in isr else "")
            )
            offsets = range(dump.log_end_offset, high_watermark)
            witness = evidence.witness(dump, seen_in)
            make = broken if isr else undecided_short
            yield make(NAME, "ReplicaTooShort", message, key, offsets=offsets, witness=witness, owed=ALWAYS)
        if dump is not reference and (offset := first_difference(reference, dump, high_watermark)) is not None:
            outside = isr and (dump.broker not in isr or reference.broker not in isr)
            if outside and _another_epoch(reference, dump, offset, in_sync=reference.broker in isr):
                continue
            message = (
                f"partition {key}: brokers {reference.broker} and {dump.broker} differ from offset {offset} on, below "
                f"the high watermark {high_watermark}"
            )
            witness = evidence.witness(reference, dump)
            yield broken(NAME, "ReplicaDivergence", message, key, offsets=(offset,), witness=witness, owed=ALWAYS)


def undecided_short(
    rule: str, reason: str, message: str, key: PartitionKey, *, offsets: range, witness: tuple[int, ...], owed: str
) -> Finding:
    """Nobody knows whether the short replica had to be there: no status names the ISR."""
    return undecided(rule, reason, message + "; nobody knows whether it is in the ISR", key, witness=witness, owed=owed)


def first_difference(left: ReplicaDump, right: ReplicaDump, high_watermark: int) -> int | None:
    """The first offset below the high watermark at which both hold something, and not the same batch."""
    if left.batches == right.batches:
        return None
    start = max(left.log_start_offset, right.log_start_offset)
    end = min(high_watermark, left.log_end_offset, right.log_end_offset)
    mine, theirs = (_between(dump.batches, start, end) for dump in (left, right))
    if mine == theirs:
        return None
    for a, b in zip(mine, theirs, strict=False):
        if a != b:
            return min(a.base_offset, b.base_offset)
    shorter = mine if len(mine) < len(theirs) else theirs
    return shorter[-1].base_offset + shorter[-1].count if shorter else start


def _another_epoch(reference: ReplicaDump, dump: ReplicaDump, offset: int, *, in_sync: bool) -> bool:
    """What ``dump`` holds at ``offset`` was appended under another leader than what ``reference`` holds there; an
    earlier one, where the reference is in sync. Only under one epoch must they be the same."""
    ours, theirs = _epoch_at(dump, offset), _epoch_at(reference, offset)
    return ours is not None and theirs is not None and (ours < theirs if in_sync else ours != theirs)


def _epoch_at(dump: ReplicaDump, offset: int) -> int | None:
    held = (batch for batch in dump.batches if batch.base_offset <= offset < batch.base_offset + batch.count)
    return next((batch.leader_epoch for batch in held), None)


def _between(batches: tuple[DumpedBatch, ...], start: int, end: int) -> tuple[DumpedBatch, ...]:
    """Those that lie wholly in [start, end). Retention and the high watermark may cut a batch only at its borders."""
    return tuple(b for b in batches if b.base_offset >= start and b.base_offset + b.count <= end)


PROPERTY = Property(NAME, __doc__, check)
