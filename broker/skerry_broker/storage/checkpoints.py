"""The small text files beside a log: a few lines and, last, their CRC-32C.

A file that does not match its checksum is treated as missing; each can be derived or done without (`recovery` says
what then).
"""

from __future__ import annotations

from collections.abc import Iterable

import google_crc32c

from skerry_broker.core.types import EpochStart, ProducerBatch, ProducerState
from skerry_broker.storage.files import FileSystem, read_whole, replace

SEQUENCES = 1 << 31
"""After the last sequence number of a producer comes 0."""
PRODUCER_BATCHES_MAX = 5
"""As many as a producer may have in flight (Kafka's ProducerStateEntry)."""


def save_lines(fs: FileSystem, path: str, lines: Iterable[str], *, durable: bool) -> None:
    text = "".join(f"{line}\n" for line in lines).encode()
    replace(fs, path, text + f"crc32c {google_crc32c.value(text):08x}\n".encode(), durable=durable)


def load_lines(fs: FileSystem, path: str) -> list[str] | None:
    content = read_whole(fs, path)
    if content is None or not content.endswith(b"\n"):
        return None
    text, _, checksum = content[:-1].rpartition(b"\n")
    if text:
        text += b"\n"
    if checksum != f"crc32c {google_crc32c.value(text):08x}".encode():
        return None
    return text.decode().splitlines()


def save_number(fs: FileSystem, path: str, number: int, *, durable: bool) -> None:
    save_lines(fs, path, [str(number)], durable=durable)


def load_number(fs: FileSystem, path: str) -> int | None:
    lines = load_lines(fs, path)
    return int(lines[0]) if lines else None


def save_epochs(fs: FileSystem, path: str, epochs: Iterable[EpochStart]) -> None:
    """Always durable (KAFKA-16541: without the fsync a crash left a corrupt checkpoint)."""
    save_lines(fs, path, [f"{epoch.epoch} {epoch.start_offset}" for epoch in epochs], durable=True)


def load_epochs(fs: FileSystem, path: str) -> list[EpochStart] | None:
    lines = load_lines(fs, path)
    return None if lines is None else [EpochStart(*map(int, line.split())) for line in lines]


class ProducerTable:
    """The last batches of each idempotent producer, as the batches of the log tell it."""

    def __init__(self, states: Iterable[ProducerState] = ()) -> None:
        self._states = {state.producer_id: (state.producer_epoch, list(state.batches)) for state in states}

    def apply(self, producer_id: int, epoch: int, base_sequence: int, base_offset: int, count: int) -> None:
        """A batch of an idempotent producer, in log order."""
        known = self._states.get(producer_id)
        if known is None or known[0] != epoch:
            known = self._states[producer_id] = (epoch, [])
        batches = known[1]
        batches.append(ProducerBatch(base_sequence, (base_sequence + count - 1) % SEQUENCES, base_offset))
        if len(batches) > PRODUCER_BATCHES_MAX:
            del batches[0]

    def states(self) -> tuple[ProducerState, ...]:
        return tuple(
            ProducerState(producer_id, epoch, tuple(batches))
            for producer_id, (epoch, batches) in sorted(self._states.items())
        )


def save_producers(fs: FileSystem, path: str, table: ProducerTable) -> None:
    """Always durable (KAFKA-9892: an unsynced snapshot came back empty, and duplicates with it)."""
    lines = []
    for state in table.states():
        batches = " ".join(",".join(map(str, batch)) for batch in state.batches)
        lines.append(f"{state.producer_id} {state.producer_epoch} {batches}")
    save_lines(fs, path, lines, durable=True)


def load_producers(fs: FileSystem, path: str) -> ProducerTable | None:
    lines = load_lines(fs, path)
    if lines is None:
        return None
    states = []
    for line in lines:
        producer_id, epoch, *batches = line.split()
        remembered = tuple(ProducerBatch(*map(int, batch.split(","))) for batch in batches)
        states.append(ProducerState(int(producer_id), int(epoch), remembered))
    return ProducerTable(states)
