"""What stopped brokers left on their disks: read in full or not at all, with the place of the damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from skerry.history.records import ReplicaDump
from skerry.targets.skerry.client import batch_of
from skerry.targets.skerry.disk import dump_replica
from skerry_broker.batch import Record, encode_batch, patch

RECORD_BYTES = 64


def segment(*batches: tuple[int, int, int]) -> bytes:
    """``batches``: (first value, count, leader epoch), one after the other from offset 0."""
    content, offset = b"", 0
    for first_value, count, epoch in batches:
        content += patch(batch_of(first_value, count, RECORD_BYTES).data, offset, epoch)
        offset += count
    return content


def on_disk(data_directory: Path, content: bytes) -> None:
    directory = data_directory / "topics" / "orders-0"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "00000000000000000000.log").write_bytes(content)


def dumped(data_directory: Path) -> ReplicaDump:
    dump = dump_replica(data_directory, 2, "orders", 0, 5)
    assert dump is not None
    return dump


def test_a_whole_log(tmp_path: Path) -> None:
    on_disk(tmp_path, segment((100, 3, 0), (200, 2, 0), (300, 1, 4)))
    dump = dumped(tmp_path)
    assert (dump.log_start_offset, dump.log_end_offset, dump.high_watermark, dump.error) == (0, 6, 5, "")
    assert [(batch.base_offset, batch.first_value, batch.count) for batch in dump.batches] == [
        (0, 100, 3),
        (3, 200, 2),
        (5, 300, 1),
    ]
    assert dump.epochs == ((0, 0), (4, 5))


def test_no_replica_here(tmp_path: Path) -> None:
    assert dump_replica(tmp_path, 2, "orders", 0, 5) is None


@pytest.mark.parametrize("part", ["length", "checksum", "record", "last byte"])
def test_one_flipped_bit_is_found(tmp_path: Path, part: str) -> None:
    content = bytearray(segment((100, 3, 0), (200, 2, 0)))
    second = len(segment((100, 3, 0)))
    content[{"length": second + 10, "checksum": second + 17, "record": second + 70, "last byte": -1}[part]] ^= 1
    on_disk(tmp_path, bytes(content))
    dump = dumped(tmp_path)
    assert dump.error.startswith(f"broker-2/topics/orders-0/00000000000000000000.log at byte {second}: ")
    assert dump.log_end_offset == 3  # what lies before it was read


def test_records_that_are_not_the_workloads(tmp_path: Path) -> None:
    foreign = encode_batch([Record(key=None, value=value.to_bytes(8, "big"), timestamp_ms=0) for value in (7, 9)])
    on_disk(tmp_path, patch(foreign.data, 0, 0))
    assert dumped(tmp_path).error == "the batch at offset 0 does not hold consecutive values"


def test_the_checksum_tells_replicas_apart(tmp_path: Path) -> None:
    """Same values, same offsets, same epoch: but one byte of the padding differs, and its CRC is right."""
    on_disk(tmp_path / "a", segment((100, 1, 0)))
    padded = encode_batch([Record(key=None, value=(100).to_bytes(8, "big").ljust(RECORD_BYTES, b"\1"), timestamp_ms=0)])
    on_disk(tmp_path / "b", patch(padded.data, 0, 0))
    one, other = dumped(tmp_path / "a").batches[0], dumped(tmp_path / "b").batches[0]
    assert (one.base_offset, one.first_value, one.count) == (other.base_offset, other.first_value, other.count)
    assert one.checksum != other.checksum
