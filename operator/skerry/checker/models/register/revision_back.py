"""The store's revision never goes back: a later question, whatever key and member, meets no older store.

An operation that began after another had been answered stands behind it, and two puts never share a revision. Together
with the other properties this is strict serializability of the whole store, not only of each key. A failure is that
pair of operations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

from skerry.checker.findings import broken, held, plural, remark
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.register.evidence import Evidence
from skerry.checker.models.register.naming import named
from skerry.checker.property import Property
from skerry.history.records import Outcome, RegisterAction, RegisterOperation
from skerry.schema.verdict import Finding
from skerry.targets.guarantees import Guarantee

NAME = "revision-back"


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    answered = [each for each in evidence.history.registers if _placed(each)]
    row = guarantees.row()
    pair = first_step_back(answered, clock_error_ns=evidence.clock_error_ns)
    asked = f"{plural(len(answered), 'answer')}: nobody who asked later saw an older store"
    if pair is None:
        yield held(NAME, asked, owed=row.name)
        return
    before, after = pair
    gap_ns = after.invoked_ns - before.completed_ns
    message = (
        f"{named(before)} of key {before.key} was answered by a store at revision {before.store_revision}; "
        f"{named(after)} of key {after.key}, begun {gap_ns / 1e6:.3f} ms later, by one at {after.store_revision}"
    )
    if Guarantee.LINEARIZABLE not in row.guarantees:
        yield held(NAME, asked + remark([f"{message}, by {row.name}"]), owed=row.name)
        return
    revisions = sorted({after.store_revision, before.store_revision})
    witness = evidence.witness(before, after)
    yield broken(NAME, "RevisionBack", message, offsets=revisions, witness=witness, owed=row.name)


def first_step_back(
    answered: Iterable[RegisterOperation], *, clock_error_ns: int = 0
) -> tuple[RegisterOperation, RegisterOperation] | None:
    """The first operation, in the order of invocation, that stands before one answered earlier; and that one."""
    newest: RegisterOperation | None = None
    open_ones: list[tuple[int, int, RegisterOperation]] = []
    for number, operation in enumerate(sorted(answered, key=lambda each: each.invoked_ns)):
        while open_ones and open_ones[0][0] + clock_error_ns < operation.invoked_ns:
            ended = heappop(open_ones)[2]
            if newest is None or ended.store_revision > newest.store_revision:
                newest = ended
        if newest is not None and _stands_before(operation, newest):
            return newest, operation
        heappush(open_ones, (operation.completed_ns, number, operation))
    return None


def _stands_before(operation: RegisterOperation, answered: RegisterOperation) -> bool:
    """By revision. A put is behind all that was answered before it; a get may see the same store again."""
    if operation.action is RegisterAction.PUT:
        return operation.store_revision <= answered.store_revision
    return operation.store_revision < answered.store_revision


def _placed(operation: RegisterOperation) -> bool:
    return operation.outcome is Outcome.OK and operation.store_revision >= 0


PROPERTY = Property(NAME, __doc__, check, timed=True)
