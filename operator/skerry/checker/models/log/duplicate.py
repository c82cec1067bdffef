"""A record of an idempotent producer is in the log once, however often it was sent.

Without idempotence a retry may write a record twice; such copies are counted, and fail nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import broken, held, plural, value_text
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.content import HOLE, Content
from skerry.checker.models.log.evidence import Evidence
from skerry.checker.property import Property
from skerry.schema.verdict import Finding
from skerry.targets.guarantees import Guarantee

NAME = "duplicate"


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    records, copies_allowed, good = 0, 0, True
    for content in evidence.contents:
        copies = _copies(content)
        records += len(content.settled) - content.settled.count(HOLE)
        forbidden = []
        for value, first, second in copies:
            writer = content.attempts.find(value)
            if writer and guarantees.owes(writer, Guarantee.ONCE):
                forbidden.append((value, first, second, writer))
        copies_allowed += len(copies) - len(forbidden)
        if forbidden:
            good = False
            value, first, second, writer = forbidden[0]
            message = (
                f"partition {content.key}: {plural(len(forbidden), 'record')} of idempotent producers more than once; "
                f"{value_text(value)} is at offsets {first} and {second}"
            )
            yield broken(
                NAME,
                "Duplicate",
                message,
                content.key,
                offsets=sorted({offset for _, a, b, _ in forbidden for offset in (a, b)}),
                witness=evidence.witness(writer, content.source_at(first), content.source_at(second)),
                owed=guarantees.row_of(writer).name,
            )
    if good:
        allowed = f"; {plural(copies_allowed, 'copy', 'copies')} where none was excluded" if copies_allowed else ""
        yield held(NAME, f"{plural(records, 'record')} in the logs, each once where idempotence owes it{allowed}")


def _copies(content: Content) -> list[tuple[int, int, int]]:
    """(value, the offset where it is first, another) for every further copy."""
    settled = content.settled
    holes = settled.count(HOLE)
    if len(set(settled)) == len(settled) - max(0, holes - 1):
        return []
    seen: dict[int, int] = {}
    copies = []
    for offset, value in enumerate(settled, content.start):
        if value != HOLE and seen.setdefault(value, offset) != offset:
            copies.append((value, seen[value], offset))
    return copies


PROPERTY = Property(NAME, __doc__, check)
