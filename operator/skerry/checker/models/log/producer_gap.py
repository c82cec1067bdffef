"""A batch of an idempotent producer is in the log whole and in one piece, or not at all.

Whatever its outcome was: of a batch that timed out either all records are there, side by side, or none. (That no
acknowledged batch is missing between two others is `lost-write`.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from skerry.checker.findings import broken, held, plural, value_text
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.content import HOLE, Content
from skerry.checker.models.log.evidence import Evidence
from skerry.checker.property import Property
from skerry.history.records import Outcome, Produce
from skerry.schema.verdict import Finding
from skerry.targets.guarantees import Guarantee

NAME = "producer-gap"


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    batches, good = 0, True
    ordered = [acks for acks in ("All", "Leader", "None") if Guarantee.ORDERED in guarantees.row(acks, True).guarantees]
    for content in evidence.contents:
        batches += sum([op.idempotent and op.acks in ordered for op in content.operations.produces])
        torn = _torn(content, guarantees)
        if torn:
            good = False
            operation, offsets = torn[0]
            message = (
                f"partition {content.key}: a batch of {plural(operation.count, 'record')} "
                f"({value_text(operation.first_value)} and following) is in the log in part, at offsets "
                f"{', '.join(map(str, offsets[:8]))}; {plural(len(torn), 'such batch', 'such batches')}"
            )
            yield broken(
                NAME,
                "TornBatch",
                message,
                content.key,
                offsets=offsets,
                witness=evidence.witness(operation, content.source_at(offsets[0])),
                owed=guarantees.row_of(operation).name,
            )
    if good:
        yield held(NAME, f"{plural(batches, 'batch', 'batches')} of idempotent producers, none torn")


def _torn(content: Content, guarantees: Guarantees) -> list[tuple[Produce, list[int]]]:
    """Batches that no acknowledgement placed, and that are there in part. Acknowledged ones are `lost-write`'s."""
    by_batch: defaultdict[int, list[tuple[int, Produce]]] = defaultdict(list)
    for offset, _, writer in content.strangers:
        if writer is None or writer.outcome is Outcome.OK or writer.count == 1:
            continue
        if writer.idempotent and guarantees.owes(writer, Guarantee.ORDERED):
            by_batch[writer.first_value].append((offset, writer))
    return [
        (found[0][1], [offset for offset, _ in found])
        for found in by_batch.values()
        if _contradicted(content, found[0][1], found[0][0])
    ]


def _contradicted(content: Content, batch: Produce, offset: int) -> bool:
    """One record of the batch is at ``offset``: somewhere around it the log has another one than the batch, or ends.

    An offset that nobody saw contradicts nothing.
    """
    base = offset - (content.settled[offset - content.start] - batch.first_value)
    if base + batch.count > content.final_end >= 0:
        return True
    expected = enumerate(range(batch.first_value, batch.first_value + batch.count), base - content.start)
    return any(
        0 <= index < len(content.settled) and content.settled[index] not in (HOLE, value) for index, value in expected
    )


PROPERTY = Property(NAME, __doc__, check)
