"""No reader is given a record at or above the high watermark of that moment: it is not committed yet."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import broken, held, plural
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.evidence import ALWAYS, Evidence
from skerry.checker.property import Property
from skerry.schema.verdict import Finding

NAME = "beyond-high-watermark"


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    reads, good = 0, True
    for key, operations in evidence.history.partitions.items():
        with_records = [fetch for fetch in operations.fetched if fetch.values and fetch.high_watermark >= 0]
        reads += len(with_records)
        beyond = [f for f in with_records if f.base_offset + len(f.values) > f.high_watermark]
        if beyond:
            good = False
            first = beyond[0]
            message = (
                f"partition {key}: broker {first.leader} gave out records up to offset "
                f"{first.base_offset + len(first.values) - 1} with a high watermark of {first.high_watermark}; "
                f"{plural(len(beyond), 'such read')}"
            )
            offsets = range(max(first.high_watermark, first.base_offset), first.base_offset + len(first.values))
            witness = evidence.witness(first)
            yield broken(NAME, "BeyondHighWatermark", message, key, offsets=offsets, witness=witness, owed=ALWAYS)
    if good:
        yield held(NAME, f"{plural(reads, 'read')} of records, all below their high watermark")


PROPERTY = Property(NAME, __doc__, check)
