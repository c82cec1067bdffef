"""A put that definitely failed never shows: what a client was told did not happen is read by nobody.

A put whose outcome is unknown may show, at any time after it was sent.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import broken, held, plural
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.register.evidence import Evidence
from skerry.checker.models.register.naming import named
from skerry.checker.property import Property
from skerry.history.records import Outcome
from skerry.schema.verdict import Finding

NAME = "failed-put"


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    good, failed = True, 0
    owed = guarantees.row().name
    for key in evidence.keys:
        refused = {put.value: put for put in key.puts if put.outcome is Outcome.FAILED}
        failed += len(refused)
        seen = next((get for get in key.seen if get.value in refused), None)
        if seen is None:
            continue
        good = False
        put = refused[seen.value]
        why = f" ({put.error})" if put.error else ""
        message = f"key {key.name}: {named(put)} had failed{why}, and {named(seen)} returned its value"
        yield broken(
            NAME,
            "FailedPutSeen",
            message,
            offsets=(seen.revision,),
            witness=evidence.witness(put, seen),
            owed=owed,
        )
    if good:
        yield held(NAME, f"{plural(failed, 'put')} definitely failed, and none of them was read", owed=owed)


PROPERTY = Property(NAME, __doc__, check)
