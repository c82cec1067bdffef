"""The acknowledged records of an idempotent producer are in the log in the order in which it sent them.

Per producer and partition. Values number a producer's records, so in the order of offsets they grow.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from skerry.checker.findings import broken, held, plural, value_text
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.evidence import Evidence
from skerry.checker.property import Property
from skerry.history.records import Produce
from skerry.schema.verdict import Finding
from skerry.targets.guarantees import Guarantee

NAME = "producer-order"
_process, _first_value = attrgetter("process"), attrgetter("first_value")


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    writes, good = 0, True
    producers: set[int] = set()
    for content in evidence.contents:
        owed = Guarantee.ORDERED in guarantees.row("All", True).guarantees
        ordered = [ack for ack in content.by_offset if ack.idempotent] if owed else []
        writes += len(ordered)
        producers.update(map(_process, ordered))
        swapped = [] if _never_falls(ordered) else _swapped(ordered)
        if swapped:
            good = False
            before, after = swapped[0]
            message = (
                f"partition {content.key}: {value_text(after.first_value)} was sent before "
                f"{value_text(before.first_value)}, and is behind it in the log (offsets {after.base_offset} and "
                f"{before.base_offset}); {plural(len(swapped), 'such pair')}"
            )
            yield broken(
                NAME,
                "OutOfOrder",
                message,
                content.key,
                offsets=(before.base_offset, after.base_offset),
                witness=evidence.witness(before, after),
                owed=guarantees.row_of(after).name,
            )
    if good:
        yield held(NAME, f"{plural(writes, 'acknowledged write')} of {plural(len(producers), 'idempotent producer')}")


def _never_falls(ordered: list[Produce]) -> bool:
    """The values of each producer grow: the usual case, found out quickly."""
    last: dict[int, int] = {}
    for process, value in zip(map(_process, ordered), map(_first_value, ordered), strict=True):
        if last.get(process, value) > value:
            return False
        last[process] = value
    return True


def _swapped(ordered: list[Produce]) -> list[tuple[Produce, Produce]]:
    """Each two successive writes of one producer, in the order of the log, of which the first was sent later."""
    last: dict[int, Produce] = {}
    swapped = []
    for ack in ordered:
        before = last.get(ack.process)
        if before is not None and before.first_value > ack.first_value and before.base_offset < ack.base_offset:
            swapped.append((before, ack))
        last[ack.process] = ack
    return swapped


PROPERTY = Property(NAME, __doc__, check)
