"""Nothing is in a log that nobody sent to it.

Every record that a reader was given, or that a replica holds below the high watermark, was the value of some produce
operation to that partition. In a history that was cut off the operations under way were never recorded: Inconclusive.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import broken, held, offsets_text, plural, undecided, value_text
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.evidence import ALWAYS, Evidence
from skerry.checker.property import Property
from skerry.schema.verdict import Finding

NAME = "phantom"


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    records, good = 0, True
    for content in evidence.contents:
        records += len(content.settled)
        phantoms = [stranger for stranger in content.strangers if stranger.writer is None]
        if not phantoms:
            continue
        good = False
        offsets = [phantom.offset for phantom in phantoms]
        message = (
            f"partition {content.key}, {offsets_text(offsets)}: {plural(len(phantoms), 'record')} that nobody sent "
            f"there, the first is {value_text(phantoms[0].value)}"
        )
        witness = evidence.witness(content.source_at(offsets[0]))
        if evidence.history.complete:
            yield broken(NAME, "Phantom", message, content.key, offsets=offsets, witness=witness, owed=ALWAYS)
        else:
            message += "; the history was cut off, so its sender may be missing"
            yield undecided(NAME, "HistoryCutOff", message, content.key, witness=witness)
    if good:
        yield held(NAME, f"{plural(records, 'record')} in the logs, all of them sent by somebody")


PROPERTY = Property(NAME, __doc__, check)
