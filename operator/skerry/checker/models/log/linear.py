"""Is there one order of all operations of a log that agrees with real time? Exact, in one pass.

An offset's record never changes, so the log's content fixes the order of its appends: nothing is left to search. What
remains is a chain of points in time, one per append, in the order of offsets, each inside its operation's interval:

* at an append: not before it was invoked, not after it was answered, not before the append in front of it;
* a *tail read* that saw length t sits between append t - 1 and append t, inside its own interval;
* a read of records (or a high watermark) up to offset m sits after append m: it must have been answered after that.

A batch is appended at one instant, so nobody is ever told of a high watermark inside one.

Put every point as early as it can be. That is earliest for all later points too, so if one of them does not fit, no
placement fits (`latest` below: the latest invocation so far, the point in time the chain has been pushed to). A failure
is always a pair: the operation that pushed, and one that was answered before.

An append with unknown outcome whose record is in the log has no end. One whose record is not there is a *spare*: it may
be the record at an offset that nobody saw (a hole). Spares have only a beginning, so giving the earliest invoked to the
first hole is best. A hole without a spare cannot be: nobody can have written it. Compared with brute force on random
histories by `tests/skerry/test_linear.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from operator import attrgetter, itemgetter
from typing import NamedTuple

from msgspec.structs import replace

from skerry.checker.models.log.content import HOLE, Content
from skerry.history.records import Fetch, Outcome, Produce

FOREVER_NS = 1 << 62
_by_offset = attrgetter("base_offset")


class Violation(NamedTuple):
    """``later`` stands behind (or sees) ``earlier`` in the log, but was answered before that was invoked.

    ``earlier`` and ``later`` may be None: nobody wrote a hole; ``offset`` is where in the log it shows.
    """

    kind: str
    """``order`` (two appends), ``stale-read``, ``future-read``, ``half-batch`` (a reader was told of an end inside a
    batch), ``hole`` (nobody can have written this offset), ``shrunk`` (the log ended shorter than it was seen)"""
    offset: int
    earlier: Produce | Fetch | None
    later: Produce | Fetch | None


_Read = tuple[int, int, int, Fetch]
"""(2 x length + tail, invoked_ns, completed_ns, operation), a plain tuple because there are millions. It proves
``length`` records, so it sits after append ``length - 1``; a tail read (1) also sits before append ``length``."""


def first_violation(
    content: Content, *, clock_error_ns: int = 0, log_start: int | None = None, holes_allowed: bool = False
) -> Violation | None:
    """The first place in the log where no order fits; None: the partition's history is linearizable.

    The columns of ``content`` must not conflict (that is another property's finding). ``log_start``: where the log is
    known to begin; None: where it was first seen. ``holes_allowed``: some appends were never recorded (a history that
    was cut off), so an offset that nobody saw proves nothing.
    """
    reads = _reads(content)
    length = max(content.end, reads[-1][0] >> 1 if reads else 0)
    if 0 <= content.dumped_end < length and not content.late:
        longer = reads[-1][3] if reads and reads[-1][0] >> 1 > content.dumped_end else None
        return Violation("shrunk", content.dumped_end, None, longer)
    if log_start is None:
        log_start = content.start if content.end > content.start else length
    originals: dict[int, Produce] = {}
    others = _unplaced(content, originals)
    if not holes_allowed and next(_holes(content, log_start, length), None) is not None:
        unexplained = _unexplained_hole(content, log_start, length)
        if unexplained is not None:
            return Violation("hole", unexplained, None, None)
        for hole, spare in zip(_holes(content, log_start, length), _spares(content), strict=False):
            others.append(_single(spare, hole, FOREVER_NS, originals))
    appends = sorted(content.by_offset + others, key=_by_offset) if others else content.by_offset
    violation = _walk(appends, reads, clock_error_ns)
    if violation is None:
        return None
    earlier, later = (originals.get(id(operation), operation) for operation in violation[2:])
    return Violation(violation.kind, violation.offset, earlier, later)


def _reads(content: Content) -> list[_Read]:
    reads: list[_Read] = []
    for fetch in content.operations.fetched:
        # A reader that was told of a higher watermark than it was given records also knows that those exist.
        length = fetch.high_watermark
        values = fetch.values
        if values:
            proven = fetch.base_offset + len(values)
            reads.append((max(proven, length) << 1, fetch.invoked_ns, fetch.completed_ns, fetch))
        elif length >= 0:
            tail = fetch.base_offset >= length
            reads.append((length << 1 | tail, fetch.invoked_ns, fetch.completed_ns, fetch))
    reads.sort(key=itemgetter(0))  # at one length: reads of records, then tail reads
    return reads


def _unplaced(content: Content, originals: dict[int, Produce]) -> list[Produce]:
    """Records of the log that no acks=All acknowledgement put there, as appends of their own without an end. Of a write
    that was acknowledged without an offset the first copy has one: the answer came after it."""
    appends, ended = [], set()
    for stranger in content.strangers:
        writer = stranger.writer
        if writer is None:
            continue
        answered = writer.acknowledged and writer.acks == "All" and writer.base_offset < 0
        if answered and stranger.value not in ended:
            ended.add(stranger.value)
            appends.append(_single(writer, stranger.offset, writer.completed_ns, originals))
        else:
            appends.append(_single(writer, stranger.offset, FOREVER_NS, originals))
    return appends


def _single(operation: Produce, offset: int, completed_ns: int, originals: dict[int, Produce]) -> Produce:
    """One record of the operation as an append of its own at this offset."""
    append = replace(operation, base_offset=offset, count=1, completed_ns=completed_ns)
    originals[id(append)] = operation
    return append


def _holes(content: Content, log_start: int, length: int) -> Iterator[int]:
    """Each offset that nobody saw."""
    settled, start = content.settled, content.start
    inside = (start + index for index, value in enumerate(settled) if value == HOLE) if HOLE in settled else ()
    return chain(range(log_start, start), inside, range(max(content.end, log_start), length))


def _unexplained_hole(content: Content, log_start: int, length: int) -> int | None:
    """The first hole that no spare is left for; None: there are enough."""
    spares = sum(1 for _ in _spares(content))
    return next(islice(_holes(content, log_start, length), spares, None), None)


def _spares(content: Content) -> Iterator[Produce]:
    """Records that may be in the log though nobody saw them, one operation per record, the earliest invoked first: each
    may be the record at a hole."""
    present = set(content.settled)
    candidates = [
        operation
        for operation in content.operations.produces
        if operation.outcome is not Outcome.FAILED
        and not (operation.outcome is Outcome.OK and operation.acks == "All" and operation.base_offset >= 0)
    ]
    candidates.sort(key=lambda operation: operation.invoked_ns)
    for operation in candidates:
        for value in range(operation.first_value, operation.first_value + operation.count):
            if value not in present:
                yield operation


def _walk(appends: list[Produce], reads: list[_Read], clock_error_ns: int) -> Violation | None:
    """The time pass. ``latest`` is the earliest instant at which the next point of the chain can be."""
    latest = -FOREVER_NS
    pusher: Produce | Fetch | None = None  # whose invocation ``latest`` is
    groups = _groups(reads)
    next_length, group = next(groups, (FOREVER_NS, []))

    for append in appends:
        if group and next_length < append.base_offset + append.count:
            # Reads up to here come first; those of a length inside this batch come when it has been invoked.
            while group and next_length <= append.base_offset:
                latest, pusher, violation = _place_group(group, latest, pusher, clock_error_ns)
                if violation:
                    return violation
                next_length, group = next(groups, (FOREVER_NS, []))
            if append.invoked_ns > latest:
                latest, pusher = append.invoked_ns, append
            while group and next_length < append.base_offset + append.count:
                told = next((read for *_, read in group if read.high_watermark == next_length), None)
                if told is not None:
                    return Violation("half-batch", next_length, append, told)
                latest, pusher, violation = _place_group(group, latest, pusher, clock_error_ns)
                if violation:
                    return violation
                next_length, group = next(groups, (FOREVER_NS, []))
        elif append.invoked_ns > latest:
            latest, pusher = append.invoked_ns, append
        if latest > append.completed_ns + clock_error_ns:
            kind = "stale-read" if isinstance(pusher, Fetch) else "order"
            return Violation(kind, append.base_offset, pusher, append)
    while group:
        latest, pusher, violation = _place_group(group, latest, pusher, clock_error_ns)
        if violation:
            return violation
        next_length, group = next(groups, (FOREVER_NS, []))
    return None


def _groups(reads: list[_Read]) -> Iterator[tuple[int, list[_Read]]]:
    """Sorted reads by the length they prove."""
    group: list[_Read] = []
    length = -1
    for read in reads:
        if read[0] >> 1 != length and group:
            yield length, group
            group = []
        length = read[0] >> 1
        group.append(read)
    if group:
        yield length, group


def _place_group(
    group: list[_Read], latest: int, pusher: Produce | Fetch | None, clock_error_ns: int
) -> tuple[int, Produce | Fetch | None, Violation | None]:
    """All reads that prove one length. They do not bind each other; tail reads bind the next append."""
    latest_after, pusher_after = latest, pusher
    for key, invoked_ns, completed_ns, operation in group:
        if latest > completed_ns + clock_error_ns:
            kind = "stale-read" if isinstance(pusher, Fetch) else "future-read"
            return latest, pusher, Violation(kind, (key >> 1) - 1, pusher, operation)
        if key & 1 and invoked_ns > latest_after:
            latest_after, pusher_after = invoked_ns, operation
    return latest_after, pusher_after, None
