"""Every acknowledged put is there until a later one takes its place.

Judged by the final read of a fresh client: it sees no older revision than the newest that was acknowledged. A key that
is gone, or that shows an older write, has lost every put above it. Without a final read nothing is known: Inconclusive.
A lost put that another one has covered up is found by `put-count`.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import broken, held, plural, remark, undecided
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.register.evidence import Evidence
from skerry.checker.models.register.keys import Key
from skerry.checker.models.register.naming import named
from skerry.checker.property import Property
from skerry.history.records import RegisterOperation
from skerry.schema.verdict import Finding
from skerry.targets.guarantees import Guarantee

NAME = "lost-put"


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    good, acknowledged = True, 0
    row = guarantees.row()
    not_owed: list[str] = []
    for key in evidence.keys:
        acknowledged += len(key.acknowledged)
        final = key.final
        if final is None:
            if key.acknowledged:
                good = False
                message = f"key {key.name}: no final read got it, so nobody knows whether its puts are there"
                yield undecided(NAME, "NoFinalRead", message, owed=row.name)
        elif gone := missing(key, final):
            lost = _lost(key, gone, final)
            if Guarantee.DURABLE in row.guarantees:
                good = False
                witness = evidence.witness(gone[-1], final)
                revisions = [put.revision for put in gone]
                yield broken(NAME, "LostPut", lost, offsets=revisions, witness=witness, owed=row.name)
            else:
                not_owed.append(f"{lost}, by {row.name}")
    if good:
        message = f"{plural(acknowledged, 'acknowledged put')}: no key ended at an older revision" + remark(not_owed)
        yield held(NAME, message, owed=row.name)


def missing(key: Key, final: RegisterOperation) -> list[RegisterOperation]:
    """Acknowledged before the final read began, and above what it found; by revision."""
    newer = (put for put in key.acknowledged if put.revision > final.revision)
    return [put for put in newer if put.completed_ns <= final.invoked_ns]


def unread(key: Key, final: RegisterOperation) -> list[RegisterOperation]:
    """Acknowledged when the final read had begun, and above what it found: it need not know of them."""
    newer = (put for put in key.acknowledged if put.revision > final.revision)
    return [put for put in newer if put.completed_ns > final.invoked_ns]


def _lost(key: Key, gone: list[RegisterOperation], final: RegisterOperation) -> str:
    found = "the key is not there" if final.value < 0 else f"the final read found revision {final.revision}"
    return (
        f"key {key.name}: {plural(len(gone), 'acknowledged put')} of {len(key.acknowledged):,} "
        f"{'is' if len(gone) == 1 else 'are'} gone; the newest is {named(gone[-1])}, {found}"
    )


PROPERTY = Property(NAME, __doc__, check)
