"""The reader of stopped brokers sees what was written, and sees damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from skerry_broker.batch import Record, encode_batch
from skerry_broker.core.messages import AdvanceLogStart, AppendLog, CreateLog
from skerry_broker.core.types import TopicPartition
from skerry_broker.storage import Storage
from skerry_broker.storage.reader import DamagedLog, log_start, read_log, record_values, replicas

VALUES = [[b"a", b"", None], [bytes(300)] * 3, [b"x", b"y", b"z"]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three batches of three records, epochs 1, 1, 4, a segment each."""
    storage, _ = Storage.open(
        tmp_path, 1, on_flushed=lambda n: None, on_failed=print, threaded=False, segment_bytes=100
    )
    partition = TopicPartition("my-topic.v2", 3)
    storage.perform(CreateLog(1, partition, "id"))
    for number, (values, epoch) in enumerate(zip(VALUES, (1, 1, 4), strict=True)):
        records = [Record(b"key" if number == 2 else None, value, (), 5 + n) for n, value in enumerate(values)]
        batch = encode_batch(records, producer_id=7, producer_epoch=1, base_sequence=3 * number)
        storage.perform(AppendLog(2 + number, partition, (batch.stamped(3 * number, epoch),)))
    storage.perform(AdvanceLogStart(9, partition, 2))
    storage.commit()
    storage.close()
    return tmp_path


def test_it_reads_what_was_written(data: Path) -> None:
    ((topic, partition, directory),) = replicas(data)
    assert (topic, partition, log_start(directory)) == ("my-topic.v2", 3, 2)
    batches = list(read_log(directory))
    assert [(b.base_offset, b.leader_epoch, b.record_count, b.base_sequence) for b in batches] == [
        (0, 1, 3, 0),
        (3, 1, 3, 3),
        (6, 4, 3, 6),
    ]
    assert [record_values(b) for b in batches] == VALUES
    assert b"".join(b.data for b in batches) == b"".join(path.read_bytes() for path in sorted(directory.glob("*.log")))


@pytest.mark.parametrize(
    ("segment", "damage", "problem", "before"),
    [
        (2, lambda data: data[:-1], "claims", 2),
        (2, lambda data: data[:30], "less than a batch header", 2),
        (1, lambda data: data[:-1] + b"!", "checksum", 1),
        (1, lambda data: b"", "ends at offset 3", 1),
        (0, lambda data: data + data, "offset 0 where 3 is next", 1),
        (0, lambda data: data[:16] + b"\x01" + data[17:], "format 1", 0),
    ],
)
def test_damage_is_told_and_what_precedes_it_is_read(
    data: Path, segment: int, damage, problem: str, before: int
) -> None:
    ((_, _, directory),) = replicas(data)
    path = sorted(directory.glob("*.log"))[segment]
    path.write_bytes(damage(path.read_bytes()))
    found = []
    with pytest.raises(DamagedLog, match=problem):
        found.extend(read_log(directory))
    assert len(found) == before
