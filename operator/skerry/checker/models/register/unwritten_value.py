"""Nothing is ever read that nobody put under that key: not a value out of nowhere, not another key's."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import broken, held, plural, value_text
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.register.evidence import Evidence
from skerry.checker.models.register.keys import Key
from skerry.checker.property import Property
from skerry.history.records import RegisterOperation
from skerry.schema.verdict import Finding

NAME = "unwritten-value"


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    good, values = True, 0
    owed = guarantees.row().name
    for key in evidence.keys:
        values += len(key.seen)
        strange = next((get for get in key.seen if get.value >= 0 and get.value not in key.writers), None)
        if strange is not None:
            good = False
            yield _told(evidence, key, strange, owed)
    if good:
        yield held(NAME, f"{plural(values, 'get')}: every value had been put under its key", owed=owed)


def _told(evidence: Evidence, key: Key, get: RegisterOperation, owed: str) -> Finding:
    other = next((other for other in evidence.keys if get.value in other.writers), None)
    origin = f"it was put under key {other.name}" if other is not None else "nobody put it"
    message = f"key {key.name}: a get at revision {get.revision} returned {value_text(get.value)}; {origin}"
    writer = other.writers[get.value] if other is not None else None
    return broken(
        NAME,
        "UnwrittenValue",
        message,
        offsets=(get.revision,),
        witness=evidence.witness(writer, get),
        owed=owed,
    )


PROPERTY = Property(NAME, __doc__, check)
