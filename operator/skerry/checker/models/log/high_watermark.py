"""Within one leader epoch the high watermark never goes down.

In real time: a read that was asked for after another had been answered, by the same leader in the same epoch, is told
the same high watermark or a higher one. (A new leader may start below its predecessor's; it answers no tail read before
it has caught up with the start of its own epoch.) The leader's own status counts as such a read.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate
from operator import itemgetter

from skerry.checker.findings import broken, held, plural
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.evidence import ALWAYS, Evidence
from skerry.checker.property import Property
from skerry.history import PartitionKey, PartitionOperations
from skerry.history.records import Fetch, StatusSample
from skerry.schema.verdict import Finding

NAME = "high-watermark-monotonic"


_Told = tuple[int, int, int, Fetch | StatusSample]
"""(completed_ns, invoked_ns, high watermark, record): somebody was told it. Plain tuples: there are millions."""
_Readings = dict[int, list[_Told]]
"""What was told, by leader epoch."""


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    from_status = _from_status(evidence)
    readings_count = epochs_count = 0
    good = True
    for key, operations in evidence.history.partitions.items():
        readings = _from_fetches(operations)
        for epoch, told in from_status.get(key, {}).items():
            readings[epoch].extend(told)
        for epoch, told in sorted(readings.items()):
            readings_count += len(told)
            epochs_count += 1
            fall = first_fall(told, evidence.clock_error_ns)
            if fall is None:
                continue
            good = False
            (completed_ns, _, before, earlier), (_, invoked_ns, after, later) = fall
            message = (
                f"partition {key}: in epoch {epoch} the high watermark was {before}, and "
                f"{(invoked_ns - completed_ns) / 1e6:.1f} ms later {after}"
            )
            witness = evidence.witness(earlier, later)
            yield broken(
                NAME, "HighWatermarkWentDown", message, key, offsets=(after, before), witness=witness, owed=ALWAYS
            )
    if good:
        yield held(NAME, f"{plural(readings_count, 'reading')} in {plural(epochs_count, 'leader epoch')}")


def _from_fetches(operations: PartitionOperations) -> defaultdict[int, list[_Told]]:
    readings: defaultdict[int, list[_Told]] = defaultdict(list)
    for fetch in operations.fetched:
        high_watermark = fetch.high_watermark
        if high_watermark >= 0 and fetch.leader_epoch >= 0:
            readings[fetch.leader_epoch].append((fetch.completed_ns, fetch.invoked_ns, high_watermark, fetch))
    return readings


def _from_status(evidence: Evidence) -> dict[PartitionKey, _Readings]:
    """What leaders said of themselves."""
    found: dict[PartitionKey, _Readings] = {}
    for status in evidence.history.statuses:
        for sample in status.partitions:
            if sample.leader == status.broker and sample.high_watermark >= 0 and sample.role == "Leader":
                readings = found.setdefault(PartitionKey(sample.topic, sample.partition), {})
                told = (status.after_ns, status.before_ns, sample.high_watermark, status)
                readings.setdefault(sample.leader_epoch, []).append(told)
    return found


def first_fall(told: list[_Told], clock_error_ns: int) -> tuple[_Told, _Told] | None:
    """The first reading that is below one which had been completed before it was invoked."""
    told.sort(key=itemgetter(0))
    highest = -1
    suspects = []
    for reading in told:  # whatever is not below all completed before it is fine
        if reading[2] < highest:
            suspects.append(reading)
        else:
            highest = reading[2]
    if not suspects:
        return None
    completed = [reading[0] for reading in told]
    highest_so_far = list(accumulate((reading[2] for reading in told), max))
    for suspect in suspects:  # most of them only overlapped with the higher one
        earlier = bisect_left(completed, suspect[1] - clock_error_ns)
        if earlier and highest_so_far[earlier - 1] > suspect[2]:
            return told[bisect_right(highest_so_far, suspect[2])], suspect
    return None


PROPERTY = Property(NAME, __doc__, check, timed=True)
