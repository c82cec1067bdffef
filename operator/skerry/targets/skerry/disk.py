"""What one of Skerry's brokers left on its disk, as a `ReplicaDump`, read from its segment files."""

from __future__ import annotations

import zlib
from pathlib import Path

from skerry.history.records import DumpedBatch, ReplicaDump
from skerry.workload.values import decode
from skerry_broker.storage import reader


def partition_directory(data_directory: Path, topic: str, partition: int) -> Path:
    return data_directory / "topics" / f"{topic}-{partition}"


def dump_replica(
    data_directory: Path, broker: int, topic: str, partition: int, high_watermark: int
) -> ReplicaDump | None:
    """The replica's log, damage included (as ``error``); None when this broker holds no replica of the partition.

    ``high_watermark`` is what a client read at the end; -1 when nobody could.
    """
    directory = partition_directory(data_directory, topic, partition)
    if not directory.is_dir():
        return None
    start = reader.log_start(directory)
    batches: list[DumpedBatch] = []
    end, error = start, ""
    epochs: list[tuple[int, int]] = []
    try:
        for batch in reader.read_log(directory):
            end = batch.base_offset + batch.record_count
            if end <= start:
                continue
            if not epochs or epochs[-1][0] != batch.leader_epoch:
                epochs.append((batch.leader_epoch, batch.base_offset))
            batches.append(_dumped(batch))
    except (reader.DamagedLog, ValueError, OSError) as damage:
        error = str(damage).replace(str(data_directory), f"broker-{broker}")
    return ReplicaDump(topic, partition, broker, start, end, high_watermark, tuple(batches), tuple(epochs), error)


def _dumped(batch: reader.DumpedBatch) -> DumpedBatch:
    """Raises ValueError for a batch that the workload cannot have written."""
    values = [decode(value or b"") for value in reader.record_values(batch)]
    if values != list(range(values[0], values[0] + len(values))):
        raise ValueError(f"the batch at offset {batch.base_offset} does not hold consecutive values")
    return DumpedBatch(batch.base_offset, batch.leader_epoch, values[0], len(values), zlib.crc32(batch.data))
