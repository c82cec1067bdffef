"""A record that a reader was given never changes: every later reader, the final read and the disks have the same.

Only committed records are ever given out, so this is owed whatever the writer asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import broken, held, offsets_text, plural, undecided, value_text
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.content import HOLE, Conflict, Content, differences
from skerry.checker.models.log.evidence import ALWAYS, Evidence
from skerry.checker.property import Property
from skerry.history.records import Fetch
from skerry.schema.verdict import Finding

NAME = "changed-record"


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    records, good = 0, True
    for content in evidence.contents:
        records += sum(len(fetch.values) for fetch in content.operations.fetched)
        changes = _changes(content)
        if not changes:
            continue
        good = False
        offsets = sorted({change.offset for change in changes})
        if not guarantees.within_budget:
            message = f"{content.key}, {offsets_text(offsets)}: records changed, but the disks that held them are lost"
            yield undecided(NAME, "DisksLost", message, content.key)
            continue
        first = min(changes, key=lambda change: change.offset)
        message = (
            f"partition {content.key}, {offsets_text(offsets)}: offset {first.offset} was read as "
            f"{value_text(first.first_value)}, and is {value_text(first.second_value)} elsewhere"
        )
        yield broken(
            NAME,
            "ChangedRecord",
            message,
            content.key,
            offsets=offsets,
            witness=evidence.witness(first.first, first.second),
            owed=ALWAYS,
        )
    if good:
        yield held(NAME, f"{plural(records, 'record')} read, none changed")


def _changes(content: Content) -> list[Conflict]:
    found = list(content.read_conflicts)
    for index in differences(content.read, content.final):
        before, after = content.read[index], content.final[index]
        offset = content.start + index
        if HOLE in (before, after):
            continue
        reader = content.read_at(offset, before)
        later = content.read_at(offset, after) or content.source_at(offset)
        if reader and later:
            found.append(Conflict(offset, reader, before, later, after))
    found += [conflict for conflict in content.final_conflicts if isinstance(conflict.first, Fetch)]
    return found


PROPERTY = Property(NAME, __doc__, check)
