"""Two faults that hold the same thing at the same time: what each takes, and gives back, would be the other's too.

A kill that ends starts a broker that another kill keeps down; a slow link cannot be measured while it is cut. So no two
faults may hold one broker, or one ordered pair on one plane, at once: what each holds is computed before the run, and
asked again at each injection, when it is known who is meant.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from skerry.faults.port import Hold, OccurrenceId, ResolvedFault


class Span(NamedTuple):
    """When an occurrence is in effect, if every fault takes effect at once, and what it is."""

    id: OccurrenceId
    starts_ns: int
    ends_ns: int
    fault: ResolvedFault


def collision_sentence(other: OccurrenceId, hold: Hold) -> str:
    """Why a fault may not begin."""
    return (
        f"`{other.fault}` holds {hold} at that time, and what each takes and gives back could not be told apart; let "
        "one begin after the other has ended (`following`, `startAfter`)"
    )


def collisions(spans: Iterable[Span]) -> dict[OccurrenceId, str]:
    """Say of every occurrence that would begin while another one holds the same why it may not."""
    found: dict[OccurrenceId, str] = {}
    ordered = sorted(spans, key=lambda span: (span.starts_ns, span.id))
    for index, late in enumerate(ordered):
        for early in ordered[:index]:
            shared = early.fault.holds & late.fault.holds
            if shared and late.starts_ns < early.ends_ns:
                found.setdefault(late.id, collision_sentence(early.id, min(shared)))
    return found
