"""Within one leader epoch the high watermark never goes down.

In real time: a read that was asked for after another had been answered, by the same leader in the same epoch, is told
the same high watermark or a higher one. (A new leader may start below its predecessor's; it answers no tail read before
it has caught up with the start of its own epoch.) The leader's own status counts as such a read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from skerry.checker.evidence import Evidence
from skerry.checker.findings import broken, held, plural
from skerry.checker.owed import ALWAYS, Owed
from skerry.checker.property import Property
from skerry.experiment.verdict import Finding
from skerry.history import PartitionKey
from skerry.history.records import Fetch, StatusSample

NAME = "high-watermark-monotonic"


class _Told(NamedTuple):
    """Somebody was told a high watermark."""

    completed_ns: int
    invoked_ns: int
    high_watermark: int
    record: Fetch | StatusSample


def check(evidence: Evidence, owed: Owed) -> Iterator[Finding]:
    told = _by_epoch(evidence)
    good = True
    for (key, epoch), readings in sorted(told.items(), key=lambda item: item[0]):
        fall = _first_fall(readings, evidence.clock_error_ns)
        if fall is not None:
            good = False
            before, after = fall
            message = (
                f"partition {key}: in epoch {epoch} the high watermark was {before.high_watermark}, and "
                f"{(after.invoked_ns - before.completed_ns) / 1e6:.1f} ms later {after.high_watermark}"
            )
            offsets = (after.high_watermark, before.high_watermark)
            witness = evidence.witness(before.record, after.record)
            yield broken(NAME, "HighWatermarkWentDown", message, key, offsets=offsets, witness=witness, owed=ALWAYS)
    if good:
        readings_count = sum(len(readings) for readings in told.values())
        yield held(NAME, f"{plural(readings_count, 'reading')} in {plural(len(told), 'leader epoch')}")


def _by_epoch(evidence: Evidence) -> dict[tuple[PartitionKey, int], list[_Told]]:
    told: defaultdict[tuple[PartitionKey, int], list[_Told]] = defaultdict(list)
    for key, operations in evidence.history.partitions.items():
        for fetch in operations.fetched:
            if fetch.high_watermark >= 0 and fetch.leader_epoch >= 0:
                reading = _Told(fetch.completed_ns, fetch.invoked_ns, fetch.high_watermark, fetch)
                told[key, fetch.leader_epoch].append(reading)
    for status in evidence.history.statuses:
        for sample in status.partitions:
            if sample.leader == status.broker and sample.high_watermark >= 0 and sample.role == "Leader":
                reading = _Told(status.after_ns, status.before_ns, sample.high_watermark, status)
                told[PartitionKey(sample.topic, sample.partition), sample.leader_epoch].append(reading)
    return told


def _first_fall(readings: Iterable[_Told], clock_error_ns: int) -> tuple[_Told, _Told] | None:
    """The first reading that is below one which had been completed before it was invoked."""
    by_completion = sorted(readings)
    highest = -1
    suspects = []
    for reading in by_completion:  # whatever is not below all completed before it is fine
        if reading.high_watermark < highest:
            suspects.append(reading)
        else:
            highest = reading.high_watermark
    for suspect in suspects:
        for before in by_completion:
            if before.completed_ns + clock_error_ns >= suspect.invoked_ns:
                break
            if before.high_watermark > suspect.high_watermark:
                return before, suspect
    return None


PROPERTY = Property(NAME, __doc__, check)
