"""The record batch v2 codec, against bytes built by hand from Kafka's specification, and against itself."""

from __future__ import annotations

import struct

import google_crc32c
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skerry_broker.batch import (
    CorruptBatch,
    Record,
    decode_records,
    encode_batch,
    patch,
    split,
    validate,
)
from skerry_broker.core.types import Batch

# Two records, ("k", "v1") with header h=x, and (null, "v2") one millisecond later.
RECORD_0 = bytes(
    [
        26,  # length 13, zigzag
        0,  # attributes
        0,  # timestamp delta
        0,  # offset delta
        2, *b"k",  # key of 1 byte
        4, *b"v1",  # value of 2 bytes
        2, 2, *b"h", 2, *b"x",  # one header
    ]
)  # fmt: skip
RECORD_1 = bytes([16, 0, 2, 2, 1, 4, *b"v2", 0])
COVERED = struct.pack(">hiqqqhii", 0, 1, 1_700_000_000_000, 1_700_000_000_001, 4000, 2, 77, 2) + RECORD_0 + RECORD_1
BY_HAND = (
    struct.pack(">qiib", 123, 4 + 1 + 4 + len(COVERED), 9, 2)
    + struct.pack(">I", google_crc32c.value(COVERED))
    + COVERED
)
RECORDS = [
    Record(b"k", b"v1", (("h", b"x"),), 1_700_000_000_000),
    Record(None, b"v2", (), 1_700_000_000_001),
]


def test_the_checksum_is_castagnoli() -> None:
    assert google_crc32c.value(b"123456789") == 0xE3069283  # RFC 3720, B.4; zlib.crc32 would be 0xCBF43926


def test_encode_gives_the_bytes_of_the_specification() -> None:
    batch = encode_batch(RECORDS, producer_id=4000, producer_epoch=2, base_sequence=77)
    assert patch(batch.data, 123, 9) == BY_HAND


def test_decode_reads_the_bytes_of_the_specification() -> None:
    batch = validate(BY_HAND)
    assert (batch.base_offset, batch.leader_epoch, batch.record_count) == (123, 9, 2)
    assert (batch.producer_id, batch.producer_epoch, batch.base_sequence) == (4000, 2, 77)
    assert batch.max_timestamp_ms == 1_700_000_000_001
    assert decode_records(batch) == RECORDS


def test_a_new_batch_is_in_no_log_yet() -> None:
    batch = encode_batch([Record(None, b"x")])
    assert (batch.base_offset, batch.leader_epoch) == (-1, -1)
    assert validate(batch.data) == batch


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one record"):
        encode_batch([])


def test_patching_leaves_the_checksum_valid() -> None:
    data = encode_batch(RECORDS).data
    placed = patch(data, 2**40, 7)
    assert len(placed) == len(data)
    assert placed[21:] == data[21:]
    assert (validate(placed).base_offset, validate(placed).leader_epoch) == (2**40, 7)
    assert patch(placed, 2**40, 7) is placed


GOOD = encode_batch(RECORDS).data


def changed(position: int, new: bytes) -> bytes:
    return GOOD[:position] + new + GOOD[position + len(new) :]


def resealed(position: int, new: bytes) -> bytes:
    """Changed, with a checksum that matches: a wrong batch of a wrong producer, not a broken disk."""
    data = changed(position, new)
    return data[:17] + struct.pack(">I", google_crc32c.value(data[21:])) + data[21:]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "needs 61 bytes of header, here are 0"),
        (GOOD[:60], "needs 61 bytes of header, here are 60"),
        (GOOD[:-1], "length field says"),
        (GOOD + b"x", "length field says"),
        (changed(16, b"\x01"), "format 1; only record batch v2"),
        (changed(30, b"\xff"), "checksum"),
        (changed(len(GOOD) - 1, b"\xff"), "checksum"),
        (resealed(23, struct.pack(">i", 7)), "2 records and a last offset delta of 7"),
        (resealed(57, struct.pack(">i", 0)), "claims 0 records"),
    ],
)
def test_what_is_no_whole_batch_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(CorruptBatch, match=message):
        validate(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (resealed(61, b"\x7e"), "claims|ends|reaches"),
        (resealed(64, b"\x06"), "says that it is record 3"),
        (resealed(21, b"\x00\x01"), "compressed"),
        (resealed(57, struct.pack(">i", 1)), "follow the last of 1 records"),
        (resealed(57, struct.pack(">i", 2**30)), "claims 1073741824 records"),
        (resealed(65, b"\x7e"), "reaches past its record"),
    ],
)
def test_records_that_do_not_fit_their_header_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(CorruptBatch, match=message):
        decode_records(Batch(0, 0, 2, data))


records = st.lists(
    st.builds(
        Record,
        st.none() | st.binary(max_size=40),
        st.none() | st.binary(max_size=300),
        st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=9)), max_size=2).map(tuple),
        st.integers(0, 2**42),
    ),
    min_size=1,
    max_size=12,
)
alike = st.tuples(st.integers(0, 300), st.integers(1, 200)).map(
    lambda shape: [Record(None, bytes([n % 256]) * shape[0], (), 5) for n in range(shape[1])]
)


@settings(max_examples=150, deadline=None)
@given(records | alike, st.integers(-1, 2**40), st.integers(-1, 2**15 - 1), st.integers(-1, 2**31 - 1))
def test_round_trip(some: list[Record], producer_id: int, epoch: int, sequence: int) -> None:
    batch = encode_batch(some, producer_id=producer_id, producer_epoch=epoch, base_sequence=sequence)
    assert decode_records(batch) == some
    assert validate(batch.data) == batch
    assert batch.record_count == len(some)
    assert batch.max_timestamp_ms == max(record.timestamp_ms for record in some)


@settings(max_examples=100, deadline=None)
@given(records, st.data())
def test_any_flipped_bit_under_the_checksum_is_noticed(some: list[Record], data: st.DataObject) -> None:
    good = encode_batch(some).data
    position = data.draw(st.integers(16, len(good) - 1))
    bad = bytearray(good)
    bad[position] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CorruptBatch):
        validate(bytes(bad))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_garbage_is_refused_and_nothing_else_is_raised(garbage: bytes) -> None:
    with pytest.raises(CorruptBatch):
        validate(garbage)
    with pytest.raises(CorruptBatch):
        decode_records(Batch(0, 0, 1, GOOD[:61] + garbage if garbage else b""))


def test_split_gives_whole_batches_and_leaves_out_a_cut_one() -> None:
    first, second = patch(GOOD, 0, 1), patch(GOOD, 2, 1)
    assert [batch.base_offset for batch in split(first + second)] == [0, 2]
    assert [batch.base_offset for batch in split(first + second[:-1])] == [0]
    with pytest.raises(CorruptBatch, match="checksum"):
        split(first + second[:-1] + b"\xff")
    with pytest.raises(CorruptBatch, match="less than a header"):
        split(first + bytes(61))
