"""What became of all that was acknowledged: counted, never judged.

Every acknowledged record, whatever it asked for, is looked for in the final read and the replicas' files. That all are
accounted for is said only when every one was looked for and found; what is missing is told with the row of the table
under which nothing was owed to it (what was owed is `lost-write`'s). Writes with acks=None are sent, not acknowledged;
they are counted apart. Records that nobody looked for: Inconclusive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from skerry.checker.findings import held, plural, undecided
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.evidence import Evidence
from skerry.checker.models.log.fates import how_many
from skerry.checker.property import Property
from skerry.history.records import Outcome
from skerry.schema.verdict import Finding
from skerry.targets.guarantees import Guarantee

NAME = "accounting"


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    removed = unread = lost = 0
    not_owed: Counter[str] = Counter()
    for content in evidence.contents:
        fate = evidence.fate_of(content)
        removed += fate.removed
        unread += how_many(fate.unread)
        for missed in fate.missing:
            if guarantees.owes(missed.ack, Guarantee.DURABLE):
                lost += missed.records
            else:
                not_owed[guarantees.row_of(missed.ack).name] += missed.records
    message = _told(evidence.acknowledged, lost, not_owed, removed, unread) + _sent(evidence)
    if unread:
        yield undecided(NAME, "FinalReadIncomplete", message)
    else:
        yield held(NAME, message)


def _told(acknowledged: int, lost: int, not_owed: Counter[str], removed: int, unread: int) -> str:
    if not acknowledged:
        return "no record was acknowledged"
    missing = lost + not_owed.total()
    if missing:
        text = f"{plural(acknowledged, 'record')} acknowledged, {missing:,} not there"
        text += f": nothing was owed to them ({_rows(not_owed)})" if not lost else f", {lost:,} of them lost"
    elif unread:
        text = f"{plural(acknowledged, 'record')} acknowledged"
    else:
        text = f"all {acknowledged:,} acknowledged records are accounted for"
    if unread:
        text += f", {unread:,} could not be looked for"
    return text + (f" ({removed:,} by retention)" if removed else "")


def _rows(not_owed: Counter[str]) -> str:
    if len(not_owed) == 1:
        return next(iter(not_owed))
    return ", ".join(f"{count:,} by {row}" for row, count in sorted(not_owed.items()))


def _sent(evidence: Evidence) -> str:
    sent = there = 0
    for content in evidence.contents:
        for operation in content.operations.produces:
            if operation.acks == "None" and operation.outcome is Outcome.OK:
                sent += operation.count
                values = range(operation.first_value, operation.first_value + operation.count)
                there += sum(value in content.final_values for value in values)
    return f"; {sent:,} sent with acks=None, which promises nothing, {there:,} of them are there" if sent else ""


PROPERTY = Property(NAME, __doc__, check)
