"""acks=All writes and tail reads are linearizable in real time: one order of all of them explains every answer.

Each takes effect at one instant between its invocation and its answer. Exact, per partition
(`skerry.checker.models.log.linear`); a failure is a pair of operations, one of which stands before the other in the log
although it began after the other had been answered. A write with unknown outcome may take effect at any time after it
was sent, or never.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import broken, held, plural, remark, undecided, value_text
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.content import Content
from skerry.checker.models.log.evidence import Evidence
from skerry.checker.models.log.linear import Violation, first_violation
from skerry.checker.property import Property
from skerry.history.records import Fetch, HistoryRecord, Produce
from skerry.schema.verdict import Finding
from skerry.targets.guarantees import Guarantee

NAME = "linearizable"


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    row = guarantees.row("All", False)
    writes = reads = 0
    good = True
    not_owed: list[str] = []
    for content in evidence.contents:
        writes += len(content.committed)
        reads += sum(1 for fetch in content.operations.fetched if fetch.tail)
        if content.conflicting:
            good = False
            message = f"partition {content.key}: two records at one offset (see other findings), so it has no order"
            yield undecided(NAME, "ContentConflict", message, content.key, owed=row.name)
            continue
        log_start = min((dump.log_start_offset for dump in content.dumps), default=None)
        violation = first_violation(
            content,
            clock_error_ns=evidence.clock_error_ns,
            log_start=log_start,
            holes_allowed=not evidence.history.complete,
        )
        if violation is None:
            continue
        if Guarantee.LINEARIZABLE not in row.guarantees and guarantees.within_budget:
            not_owed.append(f"{_explain(content, violation)}, by {row.name}")
            continue
        good = False
        if Guarantee.LINEARIZABLE not in row.guarantees:
            yield undecided(NAME, "DisksLost", f"{_explain(content, violation)}; not owed", content.key, owed=row.name)
            continue
        yield broken(
            NAME,
            _REASONS[violation.kind],
            _explain(content, violation),
            content.key,
            offsets=(violation.offset,),
            witness=evidence.witness(violation.earlier, violation.later),
            owed=row.name,
        )
    if good:
        yield held(
            NAME,
            f"{plural(writes, 'acks=All write')} and {plural(reads, 'tail read')} have an order in real time"
            + remark(not_owed),
            owed=row.name,
        )


_REASONS = {
    "order": "OrderViolation",
    "stale-read": "StaleRead",
    "future-read": "FutureRead",
    "half-batch": "HalfBatch",
    "hole": "UnexplainedOffset",
    "shrunk": "LogShrunk",
}


def _explain(content: Content, violation: Violation) -> str:
    kind, offset, earlier, later = violation
    if kind == "hole":
        return f"partition {content.key}: offset {offset} exists, and no recorded write can be there"
    if kind == "shrunk":
        who = "a reader saw" if later else "acknowledgements tell of"
        return f"partition {content.key}: {who} a longer log than the {offset} records that are there at the end"
    if kind == "half-batch":
        return (
            f"partition {content.key}: {_name(later)} was told that the log ends at offset {offset}, inside the batch "
            f"of {_name(earlier)}"
        )
    gap_ns = earlier.invoked_ns - later.completed_ns if earlier and later else 0
    return (
        f"partition {content.key}, offset {offset}: {_name(earlier)} comes first in the log, but began "
        f"{gap_ns / 1e6:.3f} ms after {_name(later)} had been answered"
    )


def _name(operation: HistoryRecord | None) -> str:
    match operation:
        case Produce():
            return f"the write of {value_text(operation.first_value)}"
        case Fetch() if operation.values:
            return f"the read of {plural(len(operation.values), 'record')} from offset {operation.base_offset}"
        case Fetch():
            return f"the tail read that saw {operation.high_watermark} records"
        case _:
            return "an operation"


PROPERTY = Property(NAME, __doc__, check, timed=True)
