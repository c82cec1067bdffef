"""Every record that was acknowledged with acks=All is at its offset, unchanged, when the run is over.

Judged by the final read of a fresh client and, where that did not reach, by the replicas' segment files. A record that
still lies on a disk above the high watermark, where nobody can read it, is lost too; the finding then says so. Without
a final read and without dumps nothing is known: Inconclusive. Where more disks were lost than the row of the write
allows, nothing is owed, and what is missing is only counted.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import broken, held, offsets_text, plural, undecided
from skerry.checker.models.log.content import HOLE, Content, differences, dump_value
from skerry.checker.models.log.evidence import Evidence
from skerry.checker.models.log.guarantees import Guarantee, Guarantees
from skerry.checker.models.log.linear import is_tail_read
from skerry.checker.property import Property
from skerry.history.records import Produce
from skerry.schema.verdict import Finding

NAME = "lost-write"


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    records, good = 0, True
    not_owed: list[str] = []
    for content in evidence.contents:
        acknowledged = sum(ack.count for ack in content.committed)
        if not acknowledged:
            continue
        records += acknowledged
        if content.final_end < 0:
            good = False
            message = (
                f"{content.key}: neither a final read to the end nor a replica dump, so nobody can tell whether "
                f"{plural(acknowledged, 'acknowledged record')} survived"
            )
            yield undecided(NAME, "NoFinalRead", message, content.key)
            continue
        lost, unread = _missing(content)
        owing = [(offset, ack) for offset, ack in lost if guarantees.owes(ack, Guarantee.DURABLE)]
        if owing:
            good = False
            yield _lost(evidence, guarantees, content, owing, acknowledged)
        elif lost:
            not_owed.append(
                f"{plural(len(lost), 'record')} of {content.key} missing, by {guarantees.row_of(lost[0][1]).name}"
            )
        if unread:
            good = False
            message = f"{content.key}: the final read left out {offsets_text(unread)}, and no replica dump has them"
            yield undecided(NAME, "FinalReadIncomplete", message, content.key)
    if good:
        yield held(
            NAME, f"{plural(records, 'acknowledged record')}, none lost" + _remark(not_owed), owed=_row(guarantees)
        )


def _row(guarantees: Guarantees) -> str:
    return guarantees.row("All", False).name


def _remark(not_owed: list[str]) -> str:
    return f" that was owed ({'; '.join(not_owed)})" if not_owed else ""


def _missing(content: Content) -> tuple[list[tuple[int, Produce]], list[int]]:
    """(offset, acknowledgement) of every acknowledged record that is not there; offsets that nobody looked at."""
    end, log_start = content.final_end, min((dump.log_start_offset for dump in content.dumps), default=0)
    lost: list[tuple[int, Produce]] = []
    unread: list[int] = []
    for index in differences(content.acked, content.final):
        if content.acked[index] == HOLE:
            continue
        offset = content.start + index
        if offset < log_start:
            continue  # retention has removed it
        if offset >= end or content.final[index] != HOLE:
            lost.append((offset, content.acknowledged_at(offset) if len(lost) < 100 else lost[0][1]))
        else:
            unread.append(offset)
    for conflict in content.acked_conflicts:  # the second of two acknowledgements for one offset
        there = content.final[conflict.offset - content.start] == conflict.second_value
        if isinstance(conflict.second, Produce) and not there:
            lost.append((conflict.offset, conflict.second))
    lost += [(ack.base_offset, ack) for ack in content.implausible if isinstance(ack, Produce)]
    return lost, unread


def _lost(
    evidence: Evidence, guarantees: Guarantees, content: Content, lost: list[tuple[int, Produce]], acknowledged: int
) -> Finding:
    offset, ack = lost[0]
    index = offset - content.start
    value = ack.first_value + offset - ack.base_offset
    on_disk = [dump.broker for dump in content.dumps if dump_value(dump, offset) == value]
    if on_disk:
        where = f"; offset {offset} is still on the disk of broker {on_disk[0]}, where no client can read it"
    elif index < len(content.final) and content.final[index] != HOLE:
        where = f"; offset {offset} holds another record now"
    else:
        where = f"; the log ends at {content.final_end}"
    message = (
        f"{len(lost):,} of {plural(acknowledged, 'acknowledged record')} are gone (partition {content.key}, "
        f"{offsets_text(sorted({o for o, _ in lost}))}){where}"
    )
    final_reads = [f for f in content.operations.fetched if f.final]
    proof = next((f for f in final_reads if f.base_offset <= offset < f.base_offset + len(f.values)), None)
    proof = proof or next((f for f in reversed(final_reads) if is_tail_read(f)), None)
    return broken(
        NAME,
        "LostWrite",
        message,
        content.key,
        offsets=sorted({o for o, _ in lost}),
        witness=evidence.witness(ack, proof or next(iter(content.dumps), None)),
        owed=guarantees.row_of(ack).name,
    )


PROPERTY = Property(NAME, __doc__, check)
