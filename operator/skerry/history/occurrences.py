"""The occurrences of faults, put together from the steps that were recorded of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from skerry.history.records import FaultEvent, FaultStep

_IN_ORDER = (
    (FaultStep.INJECTING, FaultStep.EFFECTIVE),
    (FaultStep.INJECTING, FaultStep.HEALED),
    (FaultStep.EFFECTIVE, FaultStep.VERIFIED),
    (FaultStep.EFFECTIVE, FaultStep.LOST),
    (FaultStep.EFFECTIVE, FaultStep.HEALING),
    (FaultStep.EFFECTIVE, FaultStep.HEALED),
    (FaultStep.LOST, FaultStep.HEALED),
    (FaultStep.HEALING, FaultStep.HEALED),
)
"""The second of two steps is never over before the first has begun."""


@dataclass
class Occurrence:
    """One happening of a fault. Edges are None while the step was never recorded."""

    fault: str
    number: int
    kind: str = ""
    groups: tuple[tuple[int, ...], ...] = ()
    links: tuple[tuple[int, int], ...] = ()
    steps: dict[FaultStep, FaultEvent] = field(default_factory=dict)

    @property
    def effective(self) -> FaultEvent | None:
        return self.steps.get(FaultStep.EFFECTIVE)

    @property
    def verified(self) -> bool:
        """Measured to be in effect. (Until when: ``lost_ns``.)"""
        return (
            FaultStep.VERIFIED in self.steps
            and FaultStep.EFFECTIVE in self.steps
            and FaultStep.UNVERIFIED not in self.steps
        )

    @property
    def lost_ns(self) -> int | None:
        """The early edge of the moment at which it ended by itself, while it should have held; None: it did not."""
        event = self.steps.get(FaultStep.LOST)
        return event.before_ns if event else None

    @property
    def heal_begins_ns(self) -> int | None:
        """The early edge of the heal: up to here the fault was certainly there."""
        event = self.steps.get(FaultStep.HEALING) or self.steps.get(FaultStep.HEALED)
        return event.before_ns if event else None

    @property
    def healed(self) -> FaultEvent | None:
        return self.steps.get(FaultStep.HEALED)

    @property
    def victims(self) -> frozenset[int]:
        """Every broker whose behaviour it may explain."""
        named = {broker for group in self.groups for broker in group}
        return frozenset(named | {broker for link in self.links for broker in link})

    def contradiction(self, clock_error_ns: int) -> str:
        """Two steps that cannot have happened as they are recorded, in words; empty: there are none.

        Each step is bracketed, so only what is certain counts: a step that was over before the one in front of it
        began. (What ended at once may be proven to have been there only when it is over: that is no contradiction.)
        """
        for event in self.steps.values():
            if event.after_ns < event.before_ns:
                return f"it is recorded as {event.step} from {_at(event.before_ns)} to {_at(event.after_ns)}"
        for first, then in _IN_ORDER:
            before, after = self.steps.get(first), self.steps.get(then)
            if before and after and after.after_ns + clock_error_ns < before.before_ns:
                return (
                    f"it is recorded as {then} at {_at(after.after_ns)}, and as {first} only at {_at(before.before_ns)}"
                )
        return ""

    def __str__(self) -> str:
        return f"`{self.fault}`" if self.number == 0 else f"`{self.fault}` (occurrence {self.number + 1})"


def occurrences_by_fault(events: Iterable[FaultEvent]) -> dict[str, list[Occurrence]]:
    """The occurrences of each fault, by its name, in their order."""
    found: dict[tuple[str, int], Occurrence] = {}
    for event in events:
        key = (event.fault, event.occurrence)
        occurrence = found.setdefault(key, Occurrence(event.fault, event.occurrence))
        # A conductor that began again may heal twice; the first record of a step is the one that counts.
        occurrence.steps.setdefault(event.step, event)
        occurrence.kind = event.kind or occurrence.kind
        occurrence.groups = event.groups or occurrence.groups
        occurrence.links = event.links or occurrence.links
    by_name: defaultdict[str, list[Occurrence]] = defaultdict(list)
    for key in sorted(found):
        by_name[key[0]].append(found[key])
    return dict(by_name)


def _at(ns: int) -> str:
    return f"{ns / 1e9:.2f} s"
