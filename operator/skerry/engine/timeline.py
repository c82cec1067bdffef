"""When each occurrence of each fault is due, relative to the moment it waits for."""

from __future__ import annotations

import hashlib

import msgspec

from skerry.experiment.document import Experiment, Fault
from skerry.faults.port import OccurrenceId


class Occurrence(msgspec.Struct, frozen=True):
    id: OccurrenceId
    fault: Fault
    offset_ns: int
    """After the steady state began, or after the first occurrence of ``following`` took effect."""
    following: str | None


def drawn(seed: int, name: str, below: int) -> int:
    """A number in [0, below) that depends on nothing but its arguments.

    Every name has a stream of its own: adding a fault to a document does not change the jitter of the others.
    """
    if below <= 0:
        return 0
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=16).digest()
    return int.from_bytes(digest, "big") % below


def occurrences_of(fault: Fault, seed: int) -> tuple[Occurrence, ...]:
    """In order of their number. The first is never late by jitter."""
    if fault.repeat is None:
        return (Occurrence(OccurrenceId(fault.name, 0), fault, fault.start_after_ns, fault.following),)
    found = []
    for number in range(fault.repeat.count):
        late_ns = drawn(seed, f"repeat/{fault.name}/{number}", fault.repeat.jitter_ns + 1) if number else 0
        offset_ns = fault.start_after_ns + number * fault.repeat.every_ns + late_ns
        found.append(Occurrence(OccurrenceId(fault.name, number), fault, offset_ns, fault.following))
    return tuple(found)


def timeline_of(experiment: Experiment, seed: int) -> tuple[Occurrence, ...]:
    """Every occurrence, in the order of the document."""
    return tuple(each for fault in experiment.spec.faults for each in occurrences_of(fault, seed))
