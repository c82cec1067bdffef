"""Reads the files of stopped brokers, for those who have to judge them.

Independent on purpose: it shares nothing with the code that wrote the files but the layout of the batch header, so that
one mistake cannot hide in both. Nothing is repaired, nothing is skipped: damage is an exception that says where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import google_crc32c

from skerry_broker.batch import HEADER

_REPLICA = re.compile(r"(.+)-([0-9]+)")
_SEGMENT = re.compile(r"[0-9]{20}\.log")


class DamagedLog(Exception):
    """A segment holds something that is no whole, valid, contiguous batch; the batches before it were yielded."""

    def __init__(self, path: Path, position: int, problem: str) -> None:
        super().__init__(f"{path} at byte {position}: {problem}")
        self.path, self.position, self.problem = path, position, problem


class DumpedBatch(NamedTuple):
    base_offset: int
    leader_epoch: int
    record_count: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    max_timestamp_ms: int
    data: bytes
    """The whole batch as it is on disk, header included."""


def replicas(data_directory: Path | str) -> list[tuple[str, int, Path]]:
    """(topic, partition, directory) of every replica in a broker's data directory."""
    found = []
    for path in sorted((Path(data_directory) / "topics").iterdir()):
        match = _REPLICA.fullmatch(path.name)
        if match is not None:
            found.append((match[1], int(match[2]), path))
    return found


def log_start(directory: Path | str) -> int:
    """The first offset that still counts: set by retention, else where the first segment begins."""
    try:
        number, _ = (Path(directory) / "log-start").read_text().splitlines()
        return int(number)
    except (FileNotFoundError, ValueError):
        return min((int(path.stem) for path in _segments(directory)), default=0)


def read_log(directory: Path | str) -> Iterator[DumpedBatch]:
    """All batches of one replica in order, those below the log start included. Raises DamagedLog."""
    expected = None
    for path in _segments(directory):
        content = path.read_bytes()
        position = 0
        if expected is not None and int(path.stem) != expected:
            raise DamagedLog(path, 0, f"the segment before it ends at offset {expected}")
        expected = int(path.stem)
        while position < len(content):
            left = len(content) - position
            if left < 61:
                raise DamagedLog(path, position, f"{left} bytes are less than a batch header")
            header = HEADER.unpack(content[position : position + 61])
            end = position + 12 + header[1]
            if header[1] < 49 or end > len(content):
                raise DamagedLog(path, position, f"a batch claims {header[1]} bytes, {left - 12} are left")
            if header[3] != 2:
                raise DamagedLog(path, position, f"batch format {header[3]} is not 2")
            if google_crc32c.value(content[position + 21 : end]) != header[4]:
                raise DamagedLog(path, position, "the checksum does not match")
            if header[0] != expected:
                raise DamagedLog(path, position, f"offset {header[0]} where {expected} is next")
            if header[12] != header[6] + 1 or header[12] < 1:
                raise DamagedLog(path, position, f"{header[12]} records, last offset delta {header[6]}")
            yield DumpedBatch(
                header[0], header[2], header[12], header[9], header[10], header[11], header[8], content[position:end]
            )
            expected += header[12]
            position = end


def record_values(batch: DumpedBatch) -> list[bytes | None]:
    """The values of an uncompressed batch, one per offset from ``base_offset``. Raises ValueError."""
    data, position = batch.data, 61
    values = []
    if HEADER.unpack_from(data)[5] & 7:
        raise ValueError(f"the batch at offset {batch.base_offset} is compressed")
    try:
        for _ in range(batch.record_count):
            length, position = _varint(data, position)
            following = position + length
            _, position = _varint(data, position + 1)  # after the attributes: timestamp delta
            _, position = _varint(data, position)  # offset delta
            key_bytes, position = _varint(data, position)
            value_bytes, position = _varint(data, position + max(0, key_bytes))
            values.append(data[position : position + value_bytes] if value_bytes >= 0 else None)
            position = following
    except IndexError:
        raise ValueError(f"the records of the batch at offset {batch.base_offset} reach past its end") from None
    return values


def _segments(directory: Path | str) -> list[Path]:
    return sorted(path for path in Path(directory).iterdir() if _SEGMENT.fullmatch(path.name))


def _varint(data: bytes, position: int) -> tuple[int, int]:
    shift = number = 0
    while data[position] & 0x80:
        number |= (data[position] & 0x7F) << shift
        shift += 7
        position += 1
    number |= data[position] << shift
    return (number // 2 if number % 2 == 0 else -(number // 2) - 1), position + 1
