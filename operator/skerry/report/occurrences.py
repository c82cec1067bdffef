"""What happened to every occurrence of every fault, put together from its steps. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from skerry.history.records import FaultEvent, FaultStep


class Occurrence(msgspec.Struct, frozen=True):
    """One happening of a fault. Times are those of the run's clock; -1: this never happened.

    Invariants:
      1. ``verified`` says what the checker says: measured to be in effect, never withdrawn, never lost.
      2. ``began_ns <= effective_ns`` where both are set.
    """

    fault: str
    number: int
    """From 0; more than 0 only where the fault repeats."""
    kind: str
    groups: tuple[tuple[int, ...], ...]
    """Partitions: the sides. Other faults: the victims."""
    links: tuple[tuple[int, int], ...]
    why: str
    """How the targets were found: ``PartitionLeader of partition 0 = broker 0 (epoch 0)``."""
    began_ns: int
    """Before the action that brought it about."""
    effective_ns: int
    """After that action."""
    verified: bool
    judged_ns: int
    """When the proof was complete, or given up."""
    detail: str
    """The proof, or why there is none."""
    heal_ns: int
    """Before the heal was sent, or when it ended by itself."""
    healed_ns: int
    """When it was certainly over."""

    @property
    def name(self) -> str:
        return self.fault if self.number == 0 else f"{self.fault}#{self.number}"

    @property
    def where(self) -> str:
        """``broker 0``, ``0 | 1, 2``; empty where nobody was named."""
        sides = [", ".join(str(ordinal) for ordinal in group) for group in self.groups if group]
        if len(sides) == 1:
            return f"broker{'s' if ',' in sides[0] else ''} {sides[0]}"
        return " | ".join(sides)


def occurrences(events: Iterable[FaultEvent]) -> list[Occurrence]:
    """In the order in which they were first heard of."""
    steps: dict[tuple[str, int], list[FaultEvent]] = {}
    for event in events:
        steps.setdefault((event.fault, event.occurrence), []).append(event)
    return [_occurrence(fault, number, seen) for (fault, number), seen in steps.items()]


def _occurrence(fault: str, number: int, events: list[FaultEvent]) -> Occurrence:
    last = {event.step: event for event in events}
    first_end = next((event for event in events if event.step in (FaultStep.LOST, FaultStep.HEALING)), None)
    effective, verified, healed = (
        last.get(step) for step in (FaultStep.EFFECTIVE, FaultStep.VERIFIED, FaultStep.HEALED)
    )
    begin = effective or last.get(FaultStep.INJECTING)
    disproof = last.get(FaultStep.UNVERIFIED) or last.get(FaultStep.LOST)
    resolved = last.get(FaultStep.RESOLVED)
    named = next((event for event in reversed(events) if event.groups or event.links), events[-1])
    said = disproof or verified
    return Occurrence(
        fault=fault,
        number=number,
        kind=next((event.kind for event in events if event.kind), "fault"),
        groups=named.groups,
        links=named.links,
        why=resolved.detail.split("; ")[0] if resolved is not None else "",
        began_ns=begin.before_ns if begin is not None else -1,
        effective_ns=effective.after_ns if effective is not None else -1,
        verified=verified is not None and effective is not None and disproof is None,
        judged_ns=said.after_ns if said is not None else -1,
        detail=said.detail if said is not None else "",
        heal_ns=first_end.before_ns if first_end is not None else -1,
        healed_ns=healed.after_ns if healed is not None else -1,
    )
