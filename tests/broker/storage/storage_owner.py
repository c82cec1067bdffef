"""An owner of a storage, and batches for it."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

from skerry_broker.batch import Record, encode_batch, patch
from skerry_broker.core.messages import AppendLog, CreateLog, LogRead
from skerry_broker.core.types import TopicPartition
from skerry_broker.storage import Storage

TP = TopicPartition("orders", 0)
ALL = LogRead(TP, 0, 1 << 40, 1 << 30)


def batch(base: int, epoch: int = 1, count: int = 2, size: int = 50, timestamp_ms: int = 1000):
    records = [Record(None, bytes([base % 256]) * size, (), timestamp_ms)] * count
    plain = encode_batch(records)
    placed = plain.stamped(base, epoch)
    return type(placed)(base, epoch, count, patch(plain.data, base, epoch), max_timestamp_ms=timestamp_ms)


class Owner:
    """Opens directories and keeps what they report."""

    def __init__(self, path: Path | str) -> None:
        self.path = path
        self.flushed: list[int] = []
        self.failed: list[tuple[bool, str]] = []
        self.reported = threading.Event()
        self.ids = itertools.count(1)

    def _on_flushed(self, write_id: int) -> None:
        self.flushed.append(write_id)
        self.reported.set()

    def _on_failed(self, raft: bool, reason: str) -> None:
        self.failed.append((raft, reason))
        self.reported.set()

    def open(self, broker_id: int = 1, *, threaded: bool = False, **more):
        self.storage, self.recovered = Storage.open(
            self.path, broker_id, on_flushed=self._on_flushed, on_failed=self._on_failed, threaded=threaded, **more
        )
        return self.storage

    def log(self):
        (log,) = self.recovered.logs
        return log


def filled(owner: Owner, count: int = 6, **more) -> Storage:
    storage = owner.open(**more)
    storage.perform(CreateLog(1, TP, "id"))
    for number in range(count):
        storage.perform(AppendLog(2 + number, TP, (batch(2 * number),)))
    storage.commit()
    return storage


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


SIZE = len(batch(0).data)
