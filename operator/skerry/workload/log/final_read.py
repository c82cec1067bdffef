"""The end of a run: every partition is read once more, by a fresh client, from its start to its high watermark."""

from __future__ import annotations

from skerry.history.records import Note, Outcome
from skerry.workload import FINAL_READER
from skerry.workload.log.clients import Record, fetched
from skerry.workload.log.operations import Read, ReadBack
from skerry.workload.log.outgoing import Outgoing
from skerry.workload.log.reader import PartitionReader
from skerry.workload.operations import Answer, ClientSpec

WITHIN_NS = 30_000_000_000
AT_ONCE_MAX = 32
"""Partitions that are read at the same time."""
WAIT_MS = 200
"""A tail read waits so long for what is still being replicated."""
RETRY_NS = 100_000_000
CLIENT = ClientSpec("final reader")


class FinalRead:
    """Goes to the first empty answer at the high watermark of each partition: its end, since nobody writes any more.

    A partition that cannot be read within 30 s is missing in ``ends``, with a note in the history.
    """

    def __init__(self, topic: str, partitions: int, outgoing: Outgoing, record: Record) -> None:
        self.ends: dict[int, int] = {}
        """Partition -> its high watermark."""
        self._topic = topic
        self._waiting = [PartitionReader(FINAL_READER, partition) for partition in reversed(range(partitions))]
        self._reading: dict[int, PartitionReader] = {}
        self._missing: list[int] = []
        self._outgoing = outgoing
        self._record = record
        self._deadline_ns = 0

    @property
    def over(self) -> bool:
        return not self._waiting and not self._reading

    def start(self, now_ns: int) -> None:
        self._deadline_ns = now_ns + WITHIN_NS
        self._begin_more(now_ns)

    def _begin_more(self, now_ns: int) -> None:
        while self._waiting and len(self._reading) < AT_ONCE_MAX:
            reader = self._waiting.pop()
            self._reading[reader.partition] = reader
            self._read(now_ns, reader)

    def _read(self, now_ns: int, reader: PartitionReader) -> None:
        if now_ns >= self._deadline_ns:
            self._give_up(now_ns, reader)
            return

        def ended(invoked_ns: int, answer: Answer) -> None:
            self._ended(reader, invoked_ns, answer)

        self._outgoing.send(now_ns, CLIENT, Read(self._topic, reader.partition, reader.offset, WAIT_MS), ended)

    def _ended(self, reader: PartitionReader, invoked_ns: int, answer: Answer) -> None:
        result: ReadBack = answer.result
        self._record(fetched(reader, self._topic, invoked_ns, answer, final=True))
        now_ns = answer.completed_ns
        if result.outcome is not Outcome.OK:
            self._outgoing.wake_at(now_ns + RETRY_NS, lambda now_ns: self._read(now_ns, reader))
        elif not result.values and reader.offset >= result.high_watermark:
            self.ends[reader.partition] = result.high_watermark
            del self._reading[reader.partition]
            self._begin_more(now_ns)
        else:
            if result.log_start_offset > reader.offset:
                reader.start_over(result.log_start_offset)
            self._read(now_ns, reader)

    def _give_up(self, now_ns: int, reader: PartitionReader) -> None:
        for partition in (reader.partition, *(each.partition for each in self._waiting)):
            text = f"partition {partition} could not be read to its end within {WITHIN_NS // 1_000_000_000} s"
            self._record(Note(now_ns, text))
        self._waiting.clear()
        del self._reading[reader.partition]
