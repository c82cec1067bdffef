"""What one partition's log held, put together from everybody who saw some of it.

Three columns over the offsets, each from sources of one kind:

``acked``  what acknowledgements of acks=All writes said,
``read``   what consumers were given (only committed records are ever given out),
``final``  what the final read and, where it did not reach, the segment files of an in-sync replica said after the run.

An offset that is committed never changes, so all of them must agree; where they do not is written down here, and
the properties decide what it means. ``settled`` is the three laid over each other, the strongest on top.
Acknowledgements of weaker acks are no witness of the content: a new leader may drop what they promised.

Columns are arrays of 64-bit integers, compared by slices in C: that is most of the checker's speed.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

from skerry.checker.models.log.attempts import Attempts
from skerry.history import PartitionKey, PartitionOperations
from skerry.history.records import Fetch, Outcome, Produce, ReplicaDump

HOLE = -(1 << 63)
"""An offset that nobody said anything about."""
_base_offset, _count, _first_value = map(attrgetter, ("base_offset", "count", "first_value"))
_CHUNK = 1024
_SLACK_OFFSETS = 1_000
"""How much further than there are records a log may reach: a column is made for every offset in between."""
CONFLICTS_EXPLAINED_MAX = 100
"""Looking for the earlier of two sources is a walk over the partition: only the first conflicts are worth it."""

Column = array  # of "q"
Source = Produce | Fetch | ReplicaDump


class Conflict(NamedTuple):
    """Two sources that put two values at one offset."""

    offset: int
    first: Source
    first_value: int
    second: Source
    second_value: int


class Stranger(NamedTuple):
    """A record in the log that no acks=All acknowledgement put there; ``writer`` is None where nobody sent it."""

    offset: int
    value: int
    writer: Produce | None


def differences(left: Column[int], right: Column[int]) -> Iterator[int]:
    """The indices at which two columns of the same length differ."""
    for start in range(0, len(left), _CHUNK):
        a, b = left[start : start + _CHUNK], right[start : start + _CHUNK]
        if a != b:
            for index, (x, y) in enumerate(zip(a, b, strict=True), start):
                if x != y:
                    yield index


class Content:
    """The log of one partition, offsets ``start`` to ``end`` (exclusive).

    Invariants:
      1. All columns have ``end - start`` entries; entry i is offset ``start + i``.
      2. ``final_end`` is the log's length after the run as the cluster itself reported it; -1: nobody asked.
      3. Offsets that a log of this run cannot have reached are in ``implausible`` and in no column.
    """

    def __init__(self, operations: PartitionOperations, isr: frozenset[int] = frozenset()) -> None:
        """``isr``: as the leader last reported it; empty: nobody knows."""
        self.key: PartitionKey = operations.key
        self.operations = operations
        self.committed: list[Produce] = [ack for ack in operations.acked if ack.acks == "All"]
        """The acks=All writes that were acknowledged with an offset."""
        self.all_acks: list[Produce] = [*self.committed, *(a for a in operations.unplaced if a.acks == "All")]
        """The acknowledged acks=All writes, with an offset and without."""
        self.dumps: list[ReplicaDump] = [dump for dump in operations.dumps if not dump.error]
        self.witnesses: list[ReplicaDump] = [dump for dump in self.dumps if dump.broker in isr or not isr]
        """The dumps that say what the log holds. The disk of a broker that is dead or outside of the ISR still holds
        what it appended and nobody replicated: it convicts nobody by that (`replica-divergence` looks at epochs)."""
        self.acked_conflicts: list[Conflict] = []
        self.read_conflicts: list[Conflict] = []
        self.final_conflicts: list[Conflict] = []
        self.implausible: list[Source] = []
        self.final_read_end = -1
        """The length that the final read found; -1: it never reached the end."""
        self._final_asked_ns = -1
        """When it last asked for that."""
        self._span()
        self.acked = self._new_column()
        self._place_acks()
        self.read = self._new_column()
        self._place_reads((fetch for fetch in operations.fetched if fetch.values), self.read, self.read_conflicts)
        self.final = self._new_column()
        self._place_final()
        self.settled = self._overlay()

    # --- questions ---------------------------------------------------------------------------------------

    @property
    def final_end(self) -> int:
        if self.final_read_end >= 0:
            return self.final_read_end
        return self.dumped_end

    @property
    def dumped_end(self) -> int:
        """The high watermark that the dumps were taken with; -1: there is no dump."""
        return max((dump.high_watermark for dump in self.dumps), default=-1)

    @cached_property
    def log_start(self) -> int:
        """Offsets in front of it retention may have removed."""
        return min((dump.log_start_offset for dump in self.dumps), default=0)

    @cached_property
    def final_values(self) -> frozenset[int]:
        """Every record that is there after the run, wherever it is."""
        return frozenset(self.final)

    @cached_property
    def final_whole(self) -> bool:
        """Everything from the start of the log to its end was looked at after the run."""
        if self.final_end < 0:
            return False
        first, after = self.log_start - self.start, self.final_end - self.start
        return after <= first or (first >= 0 and after <= len(self.final) and HOLE not in self.final[first:after])

    def asked_before(self, write: Produce) -> bool:
        """The final read had asked for the end of the log before this write was answered: it need not know of it."""
        return 0 <= self._final_asked_ns < write.completed_ns

    @cached_property
    def late(self) -> frozenset[int]:
        """The offsets of such writes: none, where the final read came after the workload, as it should."""
        return frozenset(
            offset
            for ack in self.committed
            if self.asked_before(ack)
            for offset in range(ack.base_offset, ack.base_offset + ack.count)
        )

    @property
    def conflicting(self) -> bool:
        """Two witnesses of committed records disagree somewhere."""
        if self.acked_conflicts or self.read_conflicts or self.final_conflicts:
            return True
        columns = (self.acked, self.read, self.final)
        return any(column[index] != HOLE for column in columns for index in differences(self.settled, column))

    @cached_property
    def attempts(self) -> Attempts:
        return Attempts(self.operations.produces)

    @cached_property
    def by_offset(self) -> list[Produce]:
        """``committed``, in the order of the log."""
        return sorted(self.committed, key=_base_offset)

    @cached_property
    def repeated(self) -> Produce | None:
        """A write whose values another one has too; None: each value was sent once, as it must be."""
        produces = self.operations.produces
        firsts = set(map(_first_value, produces))
        if len(firsts) == len(produces) == sum(map(_count, produces)):  # of single records: nothing to look for
            return None
        return self.attempts.repeated

    @cached_property
    def strangers(self) -> list[Stranger]:
        """Every record of the log that is not where an acks=All acknowledgement put it, by offset."""
        settled = self.settled
        return [
            Stranger(self.start + index, settled[index], self.attempts.find(settled[index]))
            for index in differences(settled, self.acked)
            if settled[index] != HOLE
        ]

    def acknowledged_at(self, offset: int) -> Produce:
        """The acks=All acknowledgement that spoke of this offset first."""
        return next(a for a in self.committed if a.base_offset <= offset < a.base_offset + a.count)

    def read_at(self, offset: int, value: int | None = None) -> Fetch | None:
        """The first fetch that returned this offset (with this value)."""
        for fetch in self.operations.fetched:
            if fetch.base_offset <= offset < fetch.base_offset + len(fetch.values) and (
                value is None or fetch.values[offset - fetch.base_offset] == value
            ):
                return fetch
        return None

    def source_at(self, offset: int) -> Source | None:
        """Somebody who saw what ``settled`` has at this offset: a reader before a replica's file."""
        value = self.settled[offset - self.start]
        reader = self.read_at(offset, value)
        if reader is not None:
            return reader
        for dump in self.witnesses:
            for batch in dump.batches:
                if batch.base_offset <= offset < batch.base_offset + batch.count:
                    if batch.first_value + offset - batch.base_offset == value:
                        return dump
                    break
        return None

    # --- building ----------------------------------------------------------------------------------------

    def _span(self) -> None:
        """Choose ``start`` and ``end``. A broken broker may acknowledge offset 10**15: no memory for that."""
        start, end = 1 << 63, 0
        for ack in self.committed:
            first = ack.base_offset
            after = first + ack.count
            start, end = first if first < start else start, after if after > end else end
        for first, after in self._other_pieces():
            start, end = first if first < start else start, after if after > end else end
        self.start, self.end = min(start, end), end
        if end - start > len(self.committed) + _SLACK_OFFSETS:
            sent = sum(operation.count * max(1, operation.attempts) for operation in self.operations.produces)
            seen = sum(len(fetch.values) for fetch in self.operations.fetched)
            seen += sum(sum(map(_count, dump.batches)) for dump in self.witnesses)
            limit = self.start + sent + seen + _SLACK_OFFSETS
            ends = [ack.base_offset + ack.count for ack in self.committed]
            ends += [after for _, after in self._other_pieces()]
            self.end = max((after for after in ends if after <= limit), default=self.start)

    def _other_pieces(self) -> Iterator[tuple[int, int]]:
        """(first, one past the last) offset of everything that readers and dumps show. What a replica holds at or above
        the high watermark is not committed, and says nothing about the log."""
        for fetch in self.operations.fetched:
            if fetch.values:
                yield fetch.base_offset, fetch.base_offset + len(fetch.values)
        for dump in self.witnesses:
            if dump.batches and dump.batches[0].base_offset < dump.high_watermark:
                after = dump.batches[-1].base_offset + dump.batches[-1].count
                yield dump.batches[0].base_offset, min(after, dump.high_watermark)

    def _new_column(self) -> Column[int]:
        return array("q", [HOLE]) * (self.end - self.start)

    def _place_acks(self) -> None:
        column, start, end = self.acked, self.start, self.end
        for ack in self.committed:
            index, count = ack.base_offset - start, ack.count
            if index + count > end - start:
                self.implausible.append(ack)
            elif count == 1:
                present = column[index]
                if present == HOLE:
                    column[index] = ack.first_value
                elif present != ack.first_value:
                    self._acked_conflict(index, ack, ack.first_value)
            else:
                values = array("q", range(ack.first_value, ack.first_value + count))
                present_values = column[index : index + count]
                if present_values == self._holes(count):
                    column[index : index + count] = values
                elif present_values != values:
                    for position in range(count):
                        if column[index + position] == HOLE:
                            column[index + position] = values[position]
                        elif column[index + position] != values[position]:
                            self._acked_conflict(index + position, ack, values[position])

    def _acked_conflict(self, index: int, ack: Produce, value: int) -> None:
        offset = self.start + index
        earlier = self.acknowledged_at(offset) if len(self.acked_conflicts) < CONFLICTS_EXPLAINED_MAX else ack
        self.acked_conflicts.append(Conflict(offset, earlier, self.acked[index], ack, value))

    def _holes(self, count: int) -> Column[int]:
        return array("q", [HOLE]) * count

    def _place_reads(self, fetches: Iterable[Fetch], column: Column[int], conflicts: list[Conflict]) -> None:
        start, reached = self.start, 0  # nothing at or beyond index ``reached`` has been written yet
        for fetch in fetches:
            index = fetch.base_offset - start
            after = index + len(fetch.values)
            if after > len(column):
                self.implausible.append(fetch)
                continue
            values = array("q", fetch.values)
            if index >= reached:
                column[index:after] = values
                reached = after
            elif column[index:after] != values:
                for position, value in enumerate(values, index):
                    if column[position] == HOLE:
                        column[position] = value
                    elif column[position] != value:
                        explain = len(conflicts) < CONFLICTS_EXPLAINED_MAX
                        earlier = self.read_at(start + position, column[position]) if explain else fetch
                        conflicts.append(Conflict(start + position, earlier or fetch, column[position], fetch, value))
                reached = max(reached, after)

    def _place_final(self) -> None:
        """The final read, and where it did not reach, the longest log that could be read from disk."""
        final_fetches = [fetch for fetch in self.operations.fetched if fetch.final]
        self._place_reads((fetch for fetch in final_fetches if fetch.values), self.final, [])
        for fetch in final_fetches:
            if fetch.tail:
                self.final_read_end = max(self.final_read_end, fetch.high_watermark)
                self._final_asked_ns = max(self._final_asked_ns, fetch.invoked_ns)
        before: ReplicaDump | None = None
        for dump in sorted(self.witnesses, key=lambda dump: (-dump.log_end_offset, dump.broker)):
            if before is None or dump.high_watermark != before.high_watermark or dump.batches != before.batches:
                self._place_dump(dump)  # else it has nothing to add
            before = dump

    def _place_dump(self, dump: ReplicaDump) -> None:
        column, start = self.final, self.start
        if self._is_there_already(dump):
            return
        for batch in dump.batches:
            index = batch.base_offset - start
            count = min(batch.count, dump.high_watermark - batch.base_offset)
            if count <= 0:
                break
            if index + count > len(column):
                self.implausible.append(dump)
                break
            if count == 1 and column[index] == batch.first_value:
                continue
            values = array("q", range(batch.first_value, batch.first_value + count))
            if column[index : index + count] == values:
                continue
            for position, value in enumerate(values, index):
                if column[position] == HOLE:
                    column[position] = value
                elif column[position] != value:
                    explain = len(self.final_conflicts) < CONFLICTS_EXPLAINED_MAX
                    earlier = self._source_in_final(start + position, column[position], dump) if explain else dump
                    self.final_conflicts.append(Conflict(start + position, earlier, column[position], dump, value))

    def _is_there_already(self, dump: ReplicaDump) -> bool:
        """It is a log of single records, up to the high watermark, and says exactly what is known: the usual case where
        there are many of them."""
        batches = dump.batches
        if not batches or batches[-1].base_offset >= dump.high_watermark or set(map(_count, batches)) != {1}:
            return False
        index = batches[0].base_offset - self.start
        if index < 0 or list(map(_base_offset, batches)) != list(
            range(batches[0].base_offset, batches[0].base_offset + len(batches))
        ):
            return False
        return self.final[index : index + len(batches)] == array("q", map(_first_value, batches))

    def _source_in_final(self, offset: int, value: int, otherwise: Source) -> Source:
        """Who put this value into ``final``: the final read, or a dump."""
        for fetch in self.operations.fetched:
            if fetch.final and fetch.base_offset <= offset < fetch.base_offset + len(fetch.values):
                return fetch
        for dump in self.witnesses:
            if dump is not otherwise and dump_value(dump, offset) == value:
                return dump
        return otherwise

    def _overlay(self) -> Column[int]:
        settled = self.final[:]
        for below in (self.read, self.acked):
            for index in differences(settled, below):
                if settled[index] == HOLE:
                    settled[index] = below[index]
        return settled


def dump_value(dump: ReplicaDump, offset: int) -> int:
    """What this replica holds at an offset; HOLE: nothing."""
    for batch in dump.batches:
        if batch.base_offset <= offset < batch.base_offset + batch.count:
            return batch.first_value + offset - batch.base_offset
    return HOLE


def is_definite_failure(operation: Produce) -> bool:
    return operation.outcome is Outcome.FAILED
