"""What became of all that was acknowledged: counted, never judged.

That no acknowledged put is missing is said only of keys that the final read got, and by the counts of the store where
it counts; what is missing is told by `lost-put` and `put-count`.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import held, plural, undecided
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.register.counted import first_miscount
from skerry.checker.models.register.evidence import Evidence
from skerry.checker.models.register.lost_put import missing, unread
from skerry.checker.property import Property
from skerry.schema.verdict import Finding

NAME = "accounting"


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    not_read = lost = miscounted = 0
    for key in evidence.keys:
        final = key.final
        if final is None:
            not_read += len(key.acknowledged)
        else:
            lost += len(missing(key, final))
            not_read += len(unread(key, final))
        miscounted += first_miscount(key, clock_error_ns=evidence.clock_error_ns) is not None
    message = f"{plural(evidence.acknowledged, 'put')} of {plural(len(evidence.keys), 'key')} were acknowledged"
    if not_read:
        message = f"{message}; {plural(not_read, 'acknowledged put')} could not be looked for"
        yield undecided(NAME, "FinalReadIncomplete", message)
    elif lost or miscounted:
        yield held(NAME, f"{message}; not all of them are there")
    else:
        yield held(NAME, f"{message}, and none is missing")


PROPERTY = Property(NAME, __doc__, check)
