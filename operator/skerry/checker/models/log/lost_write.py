"""Every record that was acknowledged with acks=All is at its offset, unchanged, when the run is over.

Judged by the final read of a fresh client and, where that did not reach, by the replicas' segment files. A record that
still lies on a disk above the high watermark, where nobody can read it, is lost too; the finding then says so. One that
was acknowledged without a usable offset must be somewhere. Without a final read and without dumps nothing is known:
Inconclusive. Where more disks were lost than the row of the write allows, nothing is owed, and what is missing is only
counted (`accounting`).
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from skerry.checker.findings import broken, held, plural, remark, runs_text, undecided, value_text
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.content import HOLE, Content, dump_value
from skerry.checker.models.log.evidence import Evidence
from skerry.checker.models.log.fates import Missed, how_many
from skerry.checker.property import Property
from skerry.schema.verdict import Finding
from skerry.targets.guarantees import Guarantee

NAME = "lost-write"
_count = attrgetter("count")


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    records, good = 0, True
    not_owed: list[str] = []
    for content in evidence.contents:
        acknowledged = sum(map(_count, content.all_acks))
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
        fate = evidence.fate_of(content)
        missing = [missed for missed in fate.missing if missed.ack.acks == "All"]
        owing = [missed for missed in missing if guarantees.owes(missed.ack, Guarantee.DURABLE)]
        if owing:
            good = False
            yield _lost(evidence, guarantees, content, owing, acknowledged)
        elif missing:
            row = guarantees.row_of(missing[0].ack).name
            not_owed.append(f"{plural(how_many(missing), 'record')} of {content.key} missing, by {row}")
        unread = [missed for missed in fate.unread if missed.ack.acks == "All"]
        if unread:
            good = False
            message = f"{content.key}: the final read left out {_places(unread)}, and no replica dump has them"
            yield undecided(NAME, "FinalReadIncomplete", message, content.key)
    if good:
        message = f"{plural(records, 'record')} acknowledged with acks=All, none lost" + remark(not_owed)
        yield held(NAME, message, owed=_row(guarantees))


def _row(guarantees: Guarantees) -> str:
    return guarantees.row("All", False).name


def _places(missed: list[Missed]) -> str:
    """Their offsets; where acknowledgements named none, the first of those records too."""
    placed = runs_text(sorted((each.offset, each.records) for each in missed if each.offset >= 0))
    nowhere = [each for each in missed if each.offset < 0]
    if not nowhere:
        return placed
    first, count = value_text(nowhere[0].value), how_many(nowhere)
    text = f"{first}, which was acknowledged without an offset"
    if count > 1:
        text = f"{plural(count, 'record')} that were acknowledged without an offset, {first} first"
    return f"{placed} and {text}" if len(nowhere) < len(missed) else text


def _offsets(lost: list[Missed]) -> Iterator[int]:
    """Those that are known, lowest first."""
    runs = sorted((each.offset, each.records) for each in lost if each.offset >= 0)
    return (offset for first, count in runs for offset in range(first, first + count))


def _lost(
    evidence: Evidence, guarantees: Guarantees, content: Content, lost: list[Missed], acknowledged: int
) -> Finding:
    offset, value, ack, _ = lost[0]
    index = offset - content.start
    on_disk = [dump.broker for dump in content.dumps if offset >= 0 and dump_value(dump, offset) == value]
    if on_disk:
        where = f"; offset {offset} is still on the disk of broker {on_disk[0]}, where no client can read it"
    elif 0 <= index < len(content.final) and content.final[index] != HOLE:
        where = f"; offset {offset} holds another record now"
    else:
        where = f"; the log ends at {content.final_end}"
    message = (
        f"{how_many(lost):,} of {plural(acknowledged, 'acknowledged record')} are gone (partition {content.key}, "
        f"{_places(lost)}){where}"
    )
    final_reads = [f for f in content.operations.fetched if f.final]
    proof = next((f for f in final_reads if 0 <= offset - f.base_offset < len(f.values)), None)
    proof = proof or next((f for f in reversed(final_reads) if f.tail), None)
    return broken(
        NAME,
        "LostWrite",
        message,
        content.key,
        offsets=_offsets(lost),
        witness=evidence.witness(ack, proof or next(iter(content.dumps), None)),
        owed=guarantees.row_of(ack).name,
    )


PROPERTY = Property(NAME, __doc__, check)
