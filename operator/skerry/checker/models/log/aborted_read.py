"""A write that definitely failed never shows up.

An error is definite or unknown. After a definite one the client may send the record again as a new one, so a broker
that keeps the first has written it twice in effect. (Timed out is unknown, not failed: such a record may be there.)
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from skerry.checker.findings import broken, held, offsets_text, plural
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.content import is_definite_failure
from skerry.checker.models.log.evidence import ALWAYS, Evidence
from skerry.checker.property import Property
from skerry.history.records import Outcome
from skerry.schema.verdict import Finding

NAME = "aborted-read"
_outcome = attrgetter("outcome")


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    failures, good = 0, True
    for content in evidence.contents:
        failures += list(map(_outcome, content.operations.produces)).count(Outcome.FAILED)
        aborted = [s for s in content.strangers if s.writer is not None and is_definite_failure(s.writer)]
        if not aborted:
            continue
        good = False
        writer, offsets = aborted[0].writer, [stranger.offset for stranger in aborted]
        reason = f" ({writer.error})" if writer and writer.error else ""
        message = (
            f"partition {content.key}, {offsets_text(offsets)}: {plural(len(aborted), 'record')} of writes that were "
            f"answered as definitely failed{reason}"
        )
        yield broken(
            NAME,
            "AbortedRead",
            message,
            content.key,
            offsets=offsets,
            witness=evidence.witness(writer, content.source_at(offsets[0])),
            owed=ALWAYS,
        )
    if good:
        yield held(NAME, f"{plural(failures, 'write')} failed definitely, none of them is in a log")


PROPERTY = Property(NAME, __doc__, check)
