"""The store counts as many writes of a key as were acknowledged: none is missing, none was applied twice.

A get carries how many writes the key has had (`version`). From one revision to a later one that grows by at least the
writes that acknowledgements and gets know of in between, even those that others have covered up since; and beyond those
only by puts of unknown outcome that had been sent by then. The keys are the run's own, so nobody else writes them. A
store that does not count is not judged, and the finding says so.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from skerry.checker.findings import broken, held, plural, remark
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.register.evidence import Evidence
from skerry.checker.models.register.keys import ABSENT, Key
from skerry.checker.property import Property
from skerry.history.records import Outcome, RegisterOperation
from skerry.schema.verdict import Finding
from skerry.targets.guarantees import Guarantee

NAME = "put-count"
_OWED = {"MissingPut": Guarantee.DURABLE, "ExtraPut": Guarantee.ONCE}
"""What a system must owe for a miscount to be one."""


class Miscount(NamedTuple):
    """``get`` counts other writes than the recording knows since ``before`` (None: since the beginning)."""

    reason: str
    before: RegisterOperation | None
    get: RegisterOperation
    expected: int
    """How many writes there were in between, at least (MissingPut) or at most (ExtraPut)."""

    @property
    def counted(self) -> int:
        return self.get.version - (self.before.version if self.before is not None else 0)


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    good, counts = True, 0
    row = guarantees.row()
    not_owed: list[str] = []
    for key in evidence.keys:
        counts += sum(get.version >= 0 for get in key.seen)
        miscount = first_miscount(key, clock_error_ns=evidence.clock_error_ns)
        if miscount is None:
            continue
        told = _told(key, miscount)
        if _OWED[miscount.reason] in row.guarantees:
            good = False
            newest = next((p for p in reversed(key.acknowledged) if p.revision <= miscount.get.revision), None)
            witness = evidence.witness(miscount.before, newest, miscount.get)
            offsets = (miscount.get.revision,)
            yield broken(NAME, miscount.reason, told, offsets=offsets, witness=witness, owed=row.name)
        else:
            not_owed.append(f"{told}, by {row.name}")
    if good:
        message = f"{plural(counts, 'count')} by the store agree with the puts that were sent" + remark(not_owed)
        yield held(NAME, message if counts else "the store does not count the writes of a key", owed=row.name)


def first_miscount(key: Key, *, clock_error_ns: int = 0) -> Miscount | None:
    """By revision, so that of a count that stays wrong the first place is told.

    What the store counts beyond the revisions that are known by an acknowledgement or a get are puts of unknown outcome
    that nobody saw: from one revision to a later one they can only become more, and never more than were sent.
    """
    revisions = sorted({each.revision for each in (*key.acknowledged, *key.seen) if each.revision > ABSENT})
    seen = {each.value for each in key.seen}
    unseen = sorted(put.invoked_ns for put in key.puts if put.outcome is Outcome.UNKNOWN and put.value not in seen)
    before, beyond_before = None, 0
    for get in key.seen:
        if get.version < 0 or get.revision == ABSENT:
            continue
        known = bisect_right(revisions, get.revision)
        beyond = get.version - known
        if beyond < beyond_before:
            return Miscount("MissingPut", before, get, known - _known_at(before, revisions))
        most = len(key.unplaced) + bisect_right(unseen, get.completed_ns + clock_error_ns)
        if beyond > most:
            return Miscount("ExtraPut", None, get, known + most)
        before, beyond_before = get, beyond
    return None


def _known_at(get: RegisterOperation | None, revisions: list[int]) -> int:
    return bisect_right(revisions, get.revision) if get is not None else 0


def _told(key: Key, miscount: Miscount) -> str:
    reason, before, get, expected = miscount
    since = f"from revision {before.revision} to {get.revision}" if before is not None else f"up to {get.revision}"
    counted = plural(miscount.counted, "write")
    if reason == "MissingPut":
        missing = expected - miscount.counted
        what = f"{plural(expected, 'write')} took effect by the answers: {missing} of them {_is(missing)} gone"
    else:
        what = (
            f"at most {plural(expected, 'put')} had been sent: one was applied twice, or somebody else writes the key"
        )
    return f"key {key.name}: {since} the store counts {counted}, but {what}"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


PROPERTY = Property(NAME, __doc__, check)
