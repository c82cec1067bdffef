"""Once a leader of a higher epoch has answered, no leader of a lower one answers anything that was asked after that.

A produce (whatever its acks) or a fetch that was invoked after an operation of a higher epoch had completed is never
answered by the old leader: its lease had lapsed, and it must have known. Probes that are sent to the old leader alone
are what finds it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from skerry.checker.findings import broken, held, plural
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.evidence import ALWAYS, Evidence
from skerry.checker.property import Property
from skerry.history.records import Fetch, Outcome, Produce
from skerry.schema.verdict import Finding

NAME = "stale-epoch-ack"
_epoch = attrgetter("leader_epoch")


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    answers, epochs, good = 0, 0, True
    for operations in evidence.history.partitions.values():
        answered: list[Produce | Fetch] = [
            op for op in operations.produces if op.leader_epoch >= 0 and op.outcome is Outcome.OK
        ]
        answered += [fetch for fetch in operations.fetched if fetch.leader_epoch >= 0]
        answers += len(answered)
        seen = set(map(_epoch, answered))
        epochs += len(seen)
        if len(seen) < 2:
            continue
        first_of = _first_completed(answered)
        deadline = _deadlines(first_of)
        error = evidence.clock_error_ns
        stale = [op for op in answered if op.leader_epoch in deadline and _late(op, deadline[op.leader_epoch], error)]
        if not stale:
            continue
        good = False
        late = min(stale, key=lambda op: op.invoked_ns)
        newer = deadline[late.leader_epoch]
        what = "acknowledged a write" if isinstance(late, Produce) else "answered a read"
        message = (
            f"partition {operations.key}: broker {late.leader} {what} in epoch {late.leader_epoch} that was sent "
            f"{(late.invoked_ns - newer.completed_ns) / 1e6:.1f} ms after broker {newer.leader} had answered in epoch "
            f"{newer.leader_epoch}; {plural(len(stale), 'such answer')}"
        )
        yield broken(
            NAME,
            "StaleEpochAck",
            message,
            operations.key,
            offsets=(late.base_offset,) if late.base_offset >= 0 else (),
            witness=evidence.witness(newer, late),
            owed=ALWAYS,
        )
    if good:
        yield held(NAME, f"{plural(answers, 'answer')} in {plural(epochs, 'leader epoch')}, none from a deposed leader")


def _first_completed(answered: list[Produce | Fetch]) -> dict[int, Produce | Fetch]:
    """Per epoch the operation that completed first."""
    first: dict[int, Produce | Fetch] = {}
    for operation in answered:
        known = first.get(operation.leader_epoch)
        if known is None or operation.completed_ns < known.completed_ns:
            first[operation.leader_epoch] = operation
    return first


def _deadlines(first_of: dict[int, Produce | Fetch]) -> dict[int, Produce | Fetch]:
    """Per epoch the earliest completed operation of any higher one."""
    deadline: dict[int, Produce | Fetch] = {}
    earliest: Produce | Fetch | None = None
    for epoch in sorted(first_of, reverse=True):
        if earliest is not None:
            deadline[epoch] = earliest
        if earliest is None or first_of[epoch].completed_ns < earliest.completed_ns:
            earliest = first_of[epoch]
    return deadline


def _late(operation: Produce | Fetch, newer: Produce | Fetch, clock_error_ns: int) -> bool:
    return operation.invoked_ns > newer.completed_ns + clock_error_ns


PROPERTY = Property(NAME, __doc__, check, timed=True)
