"""Within a session a reader never goes back: no record comes a second time, none out of order."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import broken, held, plural
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.evidence import ALWAYS, Evidence
from skerry.checker.models.log.sessions import successive_reads
from skerry.checker.property import Property
from skerry.schema.verdict import Finding

NAME = "reader-monotonic"


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    pairs, good = 0, True
    for key, operations in evidence.history.partitions.items():
        back = []
        for before, after in successive_reads(operations):
            pairs += 1
            if after.base_offset < before.base_offset + len(before.values):
                back.append((before, after))
        if back:
            good = False
            before, after = back[0]
            message = (
                f"partition {key}: reader {after.process} had read up to offset "
                f"{before.base_offset + len(before.values) - 1} and was then given offset {after.base_offset}; "
                f"{plural(len(back), 'such step')}"
            )
            offsets = (before.base_offset + len(before.values) - 1, after.base_offset)
            witness = evidence.witness(before, after)
            yield broken(NAME, "ReaderWentBack", message, key, offsets=offsets, witness=witness, owed=ALWAYS)
    if good:
        yield held(NAME, f"{plural(pairs, 'pair')} of successive reads")


PROPERTY = Property(NAME, __doc__, check, timed=True)
