"""Puts and gets of a key are linearizable in real time: one order of all of them explains every answer.

Each takes effect at one instant between its invocation and its answer. Exact, per key
(`skerry.checker.models.register.order`); a failure is a pair of operations, one of which stands before the other by
revision although it began after the other had been answered. A put with unknown outcome may take effect at any time
after it was sent, or never.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import broken, held, plural, remark, undecided
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.register.evidence import Evidence
from skerry.checker.models.register.keys import Key
from skerry.checker.models.register.naming import named
from skerry.checker.models.register.order import Violation, first_violation
from skerry.checker.property import Property
from skerry.schema.verdict import Finding
from skerry.targets.guarantees import Guarantee

NAME = "linearizable"


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    good, puts, gets = True, 0, 0
    row = guarantees.row()
    not_owed: list[str] = []
    for key in evidence.keys:
        puts += len(key.acknowledged)
        gets += len(key.seen)
        if key.conflict() is not None or key.reused:
            good = False
            message = f"key {key.name}: its records contradict each other (see other findings), so it has no order"
            yield undecided(NAME, "ContentConflict", message, owed=row.name)
            continue
        violation = first_violation(key, clock_error_ns=evidence.clock_error_ns)
        if violation is None:
            continue
        if Guarantee.LINEARIZABLE not in row.guarantees:
            not_owed.append(f"{explain(key, violation)}, by {row.name}")
            continue
        good = False
        yield broken(
            NAME,
            "StaleRead" if violation.later.action == "get" or violation.stale else "OrderViolation",
            explain(key, violation),
            offsets=(violation.revision,),
            witness=evidence.witness(violation.earlier, violation.later),
            owed=row.name,
        )
    if good:
        message = (
            f"{plural(puts, 'put')} and {plural(gets, 'get')} of {plural(len(evidence.keys), 'key')} have an order"
        )
        yield held(NAME, message + " in real time" + remark(not_owed), owed=row.name)


def explain(key: Key, violation: Violation) -> str:
    gap_ns = violation.earlier.invoked_ns - violation.later.completed_ns
    return (
        f"key {key.name}: {named(violation.earlier)} comes first by revision, but began {gap_ns / 1e6:.3f} ms after "
        f"{named(violation.later)} had been answered"
    )


PROPERTY = Property(NAME, __doc__, check, timed=True)
