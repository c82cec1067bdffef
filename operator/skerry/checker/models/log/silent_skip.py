"""Within a session a reader never misses a record without being told.

The first record of a fetch is the one that was asked for, and that is the one behind the last. A reader that must move
(the log was truncated or removed before it) is told by an error, and starts a new session.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import broken, held, plural
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.evidence import ALWAYS, Evidence
from skerry.checker.models.log.sessions import successive_reads
from skerry.checker.property import Property
from skerry.history.records import Fetch
from skerry.schema.verdict import Finding

NAME = "silent-skip"


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    reads, good = 0, True
    for key, operations in evidence.history.partitions.items():
        skips: list[tuple[int, Fetch | None, Fetch]] = []  # the offset that was due, the read before, the read
        for fetch in operations.fetched:
            if fetch.values:
                reads += 1
                if fetch.base_offset > fetch.offset:
                    skips.append((fetch.offset, None, fetch))
        for before, after in successive_reads(operations):
            due = before.base_offset + len(before.values)
            if after.base_offset > due and after.base_offset <= after.offset:
                skips.append((due, before, after))
        if skips:
            good = False
            due, last, after = skips[0]
            message = (
                f"partition {key}: reader {after.process} was given offset {after.base_offset} where offset {due} was "
                f"due; {plural(len(skips), 'such step')}"
            )
            offsets = range(due, after.base_offset)
            witness = evidence.witness(last, after)
            yield broken(NAME, "SilentSkip", message, key, offsets=offsets, witness=witness, owed=ALWAYS)
    if good:
        yield held(NAME, f"{plural(reads, 'read')} of records, none skipped one")


PROPERTY = Property(NAME, __doc__, check, timed=True)
