"""A whole history in memory, grouped once for everybody who reads it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple

from skerry.history.clock import behind_the_end, clock_trouble
from skerry.history.errors import HistoryError
from skerry.history.records import (
    HISTORY_VERSION,
    ElectionSeen,
    FaultEvent,
    Fetch,
    FindingSeen,
    Footer,
    Header,
    HistoryRecord,
    LinkSample,
    MetricSample,
    Note,
    Outcome,
    PhaseEvent,
    ProcessExit,
    Produce,
    RegisterOperation,
    ReplicaDump,
    Stall,
    StatusSample,
    TopicCreate,
    WorkloadPace,
)

ACKS = frozenset({"All", "Leader", "None"})
"""What a write can ask for."""
PARTITIONS_MAX = 10_000
"""Ten times what one topic may have: a run writes to one, and each partition is judged by itself."""
_acks = attrgetter("acks")
_place = attrgetter("topic", "partition")


class PartitionKey(NamedTuple):
    """One partition of one topic; prints as ``orders-0``."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


class PartitionOperations:
    """Everything that clients and dumps say of one partition, each list in the order of recording."""

    __slots__ = ("acked", "dumps", "fetched", "fetches", "key", "produces", "unplaced")

    def __init__(self, key: PartitionKey) -> None:
        self.key = key
        self.produces: list[Produce] = []
        """All of them, whatever their outcome."""
        self.acked: list[Produce] = []
        """Those that were acknowledged with an offset."""
        self.unplaced: list[Produce] = []
        """Those that were acknowledged without one, so that nobody knows where they should be."""
        self.fetches: list[Fetch] = []
        self.fetched: list[Fetch] = []
        """Those that are OK."""
        self.dumps: list[ReplicaDump] = []


class _Places(dict[tuple[str, int], PartitionOperations]):
    """Those of each partition that occurs."""

    def __missing__(self, key: tuple[str, int]) -> PartitionOperations:
        operations = self[key] = PartitionOperations(PartitionKey(*key))
        return operations


class History:
    """A recorded run.

    Invariants:
      1. ``records[i]`` is the i-th record of the file; findings name their witnesses by this index.
      2. Every other list holds the same objects, in the same order.
      3. ``complete`` only if the last line is a footer: a run that was cut short is never a Pass.
    """

    def __init__(self, records: Iterable[HistoryRecord], *, cut_off: bool = False, digest: str = "") -> None:
        """``cut_off``: the last line was incomplete and has been left out. Raises HistoryError for two headers or a
        version from the future."""
        self.records: list[HistoryRecord] = list(records)
        self.cut_off = cut_off
        self.digest = digest
        """SHA-256 of the file's bytes, in hex; empty for a history that was never a file."""
        self.header: Header | None = None
        self.footer: Footer | None = None
        self.produces: list[Produce] = []
        self.fetches: list[Fetch] = []
        self.topics: list[TopicCreate] = []
        self.registers: list[RegisterOperation] = []
        self.dumps: list[ReplicaDump] = []
        self.faults: list[FaultEvent] = []
        self.phases: list[PhaseEvent] = []
        self.statuses: list[StatusSample] = []
        self.elections: list[ElectionSeen] = []
        self.links: list[LinkSample] = []
        self.metrics: list[MetricSample] = []
        self.exits: list[ProcessExit] = []
        self.stalls: list[Stall] = []
        self.paces: list[WorkloadPace] = []
        self.notes: list[Note] = []
        self.findings: list[FindingSeen] = []
        self.partitions: dict[PartitionKey, PartitionOperations] = {}
        """In order of topic and partition."""
        self._index: dict[int, int] | None = None
        self._group()

    @property
    def complete(self) -> bool:
        """The run ended in order, and all of it is here."""
        return self.footer is not None and not self.cut_off

    @property
    def clock_error_ns(self) -> int:
        return self.header.clock_error_ns if self.header else 0

    @cached_property
    def clock_trouble(self) -> str:
        """What shows that the recorder's clock went back, so that nothing can be judged in time; empty: nothing."""
        operations = (
            ("write", self.produces),
            ("read", self.fetches),
            ("creation", self.topics),
            ("put or get", self.registers),
        )
        looks = (("sample of a broker", self.statuses), ("sample of a link", self.links), ("fault", self.faults))
        trouble = clock_trouble(operations)
        if trouble or self.footer is None:
            return trouble
        return behind_the_end(self.footer.ended_ns + self.clock_error_ns, operations, looks)

    def index_of(self, *records: HistoryRecord) -> tuple[int, ...]:
        """Where these very objects stand in ``records``."""
        if self._index is None:
            self._index = {id(record): position for position, record in enumerate(self.records)}
        return tuple(self._index[id(record)] for record in records)

    def _group(self) -> None:
        lists: dict[type, list[Any]] = {
            Produce: self.produces,
            Fetch: self.fetches,
            TopicCreate: self.topics,
            RegisterOperation: self.registers,
            ReplicaDump: self.dumps,
            FaultEvent: self.faults,
            PhaseEvent: self.phases,
            StatusSample: self.statuses,
            ElectionSeen: self.elections,
            LinkSample: self.links,
            MetricSample: self.metrics,
            ProcessExit: self.exits,
            Stall: self.stalls,
            WorkloadPace: self.paces,
            Note: self.notes,
            FindingSeen: self.findings,
            Header: [],
            Footer: [],
        }
        for record in self.records:
            lists[type(record)].append(record)
        self._place_header(lists[Header], lists[Footer])
        self._refuse_unknown_acks()
        self._group_partitions()

    def _place_header(self, headers: list[Header], footers: list[Footer]) -> None:
        for number, record in enumerate(headers):
            if number or record is not self.records[0]:
                (position,) = self.index_of(record)
                raise HistoryError(position + 1, "a second header; one file holds one run")
            if record.version != HISTORY_VERSION:
                raise HistoryError(
                    1, f"written in format {record.version}, this version of skerry reads format {HISTORY_VERSION}"
                )
            self.header = record
        if footers:
            if len(footers) > 1 or self.records[-1] is not footers[0]:
                (position,) = self.index_of(footers[0])
                raise HistoryError(position + 2, "a record after the footer, which ends a run")
            self.footer = footers[0]

    def _refuse_unknown_acks(self) -> None:
        """What is owed to a write depends on this word; one that nobody knows would be owed nothing."""
        if set(map(_acks, self.produces)) <= ACKS:
            return
        unknown = next(produce for produce in self.produces if produce.acks not in ACKS)
        (position,) = self.index_of(unknown)
        known = ", ".join(sorted(ACKS))
        raise HistoryError(position + 1, f"a write asked for acks `{unknown.acks[:20]}`; there are {known}")

    def _group_partitions(self) -> None:
        found, ok = _Places(), Outcome.OK
        for place, produce in zip(map(found.__getitem__, map(_place, self.produces)), self.produces, strict=True):
            place.produces.append(produce)
            if produce.outcome is ok and produce.acks != "None":
                (place.acked if produce.base_offset >= 0 else place.unplaced).append(produce)
        for place, fetch in zip(map(found.__getitem__, map(_place, self.fetches)), self.fetches, strict=True):
            place.fetches.append(fetch)
            if fetch.outcome is ok:
                place.fetched.append(fetch)
        for dump in self.dumps:
            found[_place(dump)].dumps.append(dump)
        if len(found) > PARTITIONS_MAX:
            raise HistoryError(0, f"it is of more than {PARTITIONS_MAX:,} partitions, and a run writes to one topic")
        self.partitions = {PartitionKey(*key): found[key] for key in sorted(found)}
