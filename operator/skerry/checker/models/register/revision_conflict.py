"""A revision wrote one value under one key, and every answer agrees on it.

Two values at one revision, one value at two revisions, or one revision for two keys: members disagree about the
history of the store (split brain, diverged state machines). An answer that names the store's newest revision and
shows an older write of its key than is known at that revision contradicts itself.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from skerry.checker.findings import broken, held, plural, undecided
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.register.evidence import Evidence
from skerry.checker.models.register.keys import ABSENT, Key
from skerry.checker.models.register.naming import named
from skerry.checker.property import Property
from skerry.history.records import RegisterOperation
from skerry.schema.verdict import Finding

NAME = "revision-conflict"
_SAID = {
    "TwoValues": "two values at one revision",
    "TwoRevisions": "one put at two revisions",
    "TwoKeys": "one revision wrote two keys",
    "OwnRevision": "an answer is older than it says",
}


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    found = list(_conflicts(evidence))
    owed = guarantees.row().name
    for reason, key, first, second in found:
        message = f"key {key.name}: {_SAID[reason]}: {_answer(first)}, and {_answer(second)}"
        if not guarantees.within_budget:
            lost = f"{message}; but the disks that knew better are lost"
            yield undecided(NAME, "DisksLost", lost, owed=owed)
            continue
        yield broken(
            NAME,
            reason,
            message,
            offsets=sorted({first.revision, second.revision}),
            witness=evidence.witness(first, second),
            owed=owed,
        )
    if not found:
        revisions = len({each.revision for key in evidence.keys for each in (*key.acknowledged, *key.seen)})
        yield held(NAME, f"{plural(revisions, 'revision')}: all answers agree on what each wrote", owed=owed)


def _conflicts(evidence: Evidence) -> Iterator[tuple[str, Key, RegisterOperation, RegisterOperation]]:
    writer: dict[int, RegisterOperation] = {}
    for key in evidence.keys:
        conflict = key.conflict()
        if conflict is not None:
            yield conflict.reason, key, conflict.first, conflict.second
        for operation in (*key.acknowledged, *key.seen):
            first = writer.setdefault(operation.revision, operation) if operation.revision > ABSENT else operation
            if first.key != operation.key:
                yield "TwoKeys", key, first, operation
                break
        contradiction = _contradicts_itself(key)
        if contradiction is not None:
            yield "OwnRevision", key, *contradiction


def _contradicts_itself(key: Key) -> tuple[RegisterOperation, RegisterOperation] | None:
    """A put, and a get whose answer names a newer store than the put and yet does not show it."""
    placed = [put.revision for put in key.acknowledged]
    for get in key.seen:
        if get.store_revision < get.revision:
            if get.store_revision >= 0:
                return get, get
            continue
        newest = bisect_right(placed, get.store_revision)
        if newest and placed[newest - 1] > get.revision:
            return key.acknowledged[newest - 1], get
    return None


def _answer(operation: RegisterOperation) -> str:
    at = f" of a store at revision {operation.store_revision}" if operation.action == "get" else ""
    who = f" (member {operation.member})" if operation.member >= 0 else ""
    return f"{named(operation)}{at} with value {operation.value}{who}"


PROPERTY = Property(NAME, __doc__, check)
