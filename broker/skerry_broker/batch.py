"""Kafka's record batch v2: the one format of records on disk, between brokers, and at clients.

A batch is a 61-byte header and its records::

    base offset i64 | length i32 | leader epoch i32 | magic i8 = 2 | CRC-32C u32 | attributes i16
    | last offset delta i32 | base timestamp i64 | max timestamp i64 | producer id i64 | producer epoch i16
    | base sequence i32 | record count i32 | records

``length`` counts what follows it. The checksum covers ``attributes`` to the end, so the base offset and the leader
epoch, which only the partition's leader knows, are patched without touching it (`patch`). A broker never opens the
records of a batch; they may be compressed. `encode_batch` and `decode_records` are for clients and tools.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct

import google_crc32c
import msgspec

from skerry_broker.core.types import NO_PRODUCER, Batch

HEADER = Struct(">qiibIhiqqqhii")
HEADER_BYTES = 61
PREFIX_BYTES = 12
"""Base offset and length: what ``length`` does not count."""
CRC_START = 21
"""The first byte that the checksum covers."""
MAGIC = 2
CODEC_MASK = 0x07

_PLACE = Struct(">qii")
_LENGTH = Struct(">i")
_CRC = Struct(">I")
_COVERED = Struct(">hiqqqhii")

_crc32c = google_crc32c.value


class CorruptBatch(ValueError):
    """These bytes are not one whole, unharmed record batch v2; the message says why in one sentence."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record. ``None`` as key or value is Kafka's null, which is not the same as empty."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_ms: int = 0


# --- variable-length integers: zigzag, then seven bits a byte, lowest first ---------------------------------


def _varint(value: int) -> bytes:
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SMALL_VARINTS = tuple(_varint(value) for value in range(1024))


def _encode_varint(value: int) -> bytes:
    return _SMALL_VARINTS[value] if 0 <= value < 1024 else _varint(value)


def _decode_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position
        shift += 7
        if shift > 63:
            raise CorruptBatch(f"a variable-length integer at byte {position} has more than ten bytes")


# --- records --------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _plain_prefixes(value_bytes: int, count: int) -> tuple[bytes, ...]:
    """What precedes the value of record 0, 1, ... when no record has a key, headers or a later timestamp.

    The workloads' batches are of this kind; the table makes coding one a matter of joining.
    """
    length = _encode_varint(value_bytes)
    prefixes = []
    for offset_delta in range(count):
        delta = _encode_varint(offset_delta)
        body = b"\x00\x00" + delta + b"\x01" + length  # attributes, timestamp delta, offset delta, null key
        prefixes.append(_encode_varint(len(body) + value_bytes + 1) + body)
    return tuple(prefixes)


def _encode_record(record: Record, offset_delta: int, base_timestamp_ms: int) -> bytes:
    parts = [b"\x00", _encode_varint(record.timestamp_ms - base_timestamp_ms), _encode_varint(offset_delta)]
    for field in (record.key, record.value):
        if field is None:
            parts.append(b"\x01")
        else:
            parts += (_encode_varint(len(field)), field)
    parts.append(_encode_varint(len(record.headers)))
    for name, content in record.headers:
        encoded = name.encode()
        parts += (_encode_varint(len(encoded)), encoded)
        if content is None:
            parts.append(b"\x01")
        else:
            parts += (_encode_varint(len(content)), content)
    body = b"".join(parts)
    return _encode_varint(len(body)) + body


def _encode_records(records: Sequence[Record]) -> bytes:
    first = records[0]
    base_timestamp_ms, value = first.timestamp_ms, first.value
    if value is not None and len(records) <= 4096:
        size = len(value)
        for record in records:
            value = record.value
            if (
                record.key is not None
                or value is None
                or len(value) != size
                or record.headers
                or record.timestamp_ms != base_timestamp_ms
            ):
                break
        else:
            parts: list[bytes] = [b"\x00"] * (3 * len(records))  # prefix, value, header count 0
            parts[0::3] = _plain_prefixes(size, len(records))
            parts[1::3] = [record.value or b"" for record in records]
            return b"".join(parts)
    return b"".join([_encode_record(record, delta, base_timestamp_ms) for delta, record in enumerate(records)])


def encode_batch(
    records: Sequence[Record],
    *,
    producer_id: int = NO_PRODUCER,
    producer_epoch: int = -1,
    base_sequence: int = -1,
) -> Batch:
    """An uncompressed batch as a producer sends it: at base offset -1 and leader epoch -1, not yet in any log.

    Raises ValueError for no records: a batch of none has no place in a log.
    """
    if not records:
        raise ValueError("a record batch needs at least one record")
    count = len(records)
    body = _encode_records(records)
    max_timestamp_ms = max([record.timestamp_ms for record in records])
    covered = _COVERED.pack(
        0, count - 1, records[0].timestamp_ms, max_timestamp_ms, producer_id, producer_epoch, base_sequence, count
    )
    tail = covered + body
    length = len(tail) + CRC_START - PREFIX_BYTES
    data = _PLACE.pack(-1, length, -1) + b"\x02" + _CRC.pack(_crc32c(tail)) + tail
    return Batch(-1, -1, count, data, producer_id, producer_epoch, base_sequence, max_timestamp_ms)


def decode_records(batch: Batch) -> list[Record]:
    """The records of a batch, the first at ``batch.base_offset``.

    Raises CorruptBatch when the records are not what the header says, or are compressed.
    """
    data = batch.data
    if len(data) < HEADER_BYTES:
        raise CorruptBatch(f"a record batch needs {HEADER_BYTES} bytes of header, here are {len(data)}")
    fields = HEADER.unpack_from(data)
    attributes, base_timestamp_ms, count = fields[5], fields[7], fields[12]
    if attributes & CODEC_MASK:
        raise CorruptBatch(f"the batch is compressed (codec {attributes & CODEC_MASK}); only plain batches can be read")
    try:
        return _decode_records(data, count, base_timestamp_ms)
    except (IndexError, UnicodeDecodeError) as error:
        raise CorruptBatch(f"the records of the batch do not match its header ({error})") from None


def _decode_records(data: bytes, count: int, base_timestamp_ms: int) -> list[Record]:
    if count > len(data):
        raise CorruptBatch(f"the header claims {count} records in {len(data)} bytes")
    records: list[Record] = []
    position, size = HEADER_BYTES, -1
    prefixes: tuple[bytes, ...] = ()
    for delta in range(count):
        if size >= 0:
            # Fast path: as the record before, without key, headers or timestamp delta, and of the same size.
            prefix = prefixes[delta]
            if data.startswith(prefix, position):
                start = position + len(prefix)
                end = start + size
                if data[end] == 0:
                    records.append(Record(None, data[start:end], (), base_timestamp_ms))
                    position = end + 1
                    continue
        record, position = _decode_record(data, position, delta, base_timestamp_ms)
        records.append(record)
        value = record.value
        if record.key is None and value is not None and not record.headers and count <= 4096:
            size, prefixes = len(value), _plain_prefixes(len(value), count)
    if position != len(data):
        raise CorruptBatch(f"{len(data) - position} bytes follow the last of {count} records")
    return records


def _decode_record(data: bytes, position: int, delta: int, base_timestamp_ms: int) -> tuple[Record, int]:
    length, position = _decode_varint(data, position)
    end = position + length
    if length < 0 or end > len(data):
        raise CorruptBatch(f"record {delta} claims {length} bytes, {len(data) - position} are left")
    timestamp_delta, position = _decode_varint(data, position + 1)
    offset_delta, position = _decode_varint(data, position)
    if offset_delta != delta:
        raise CorruptBatch(f"record {delta} says that it is record {offset_delta}")
    key, position = _decode_bytes(data, position, end)
    value, position = _decode_bytes(data, position, end)
    header_count, position = _decode_varint(data, position)
    headers = []
    for _ in range(header_count):
        name, position = _decode_bytes(data, position, end)
        content, position = _decode_bytes(data, position, end)
        headers.append(((name or b"").decode(), content))
    if position != end:
        raise CorruptBatch(f"record {delta} ends {position - end} bytes from where its length says")
    return Record(key, value, tuple(headers), base_timestamp_ms + timestamp_delta), end


def _decode_bytes(data: bytes, position: int, end: int) -> tuple[bytes | None, int]:
    length, position = _decode_varint(data, position)
    if length < 0:
        return None, position
    if position + length > end:
        raise CorruptBatch(f"a field of {length} bytes at byte {position} reaches past its record")
    return data[position : position + length], position + length


# --- batches as a broker sees them ----------------------------------------------------------------------


def validate(data: bytes) -> Batch:
    """Exactly one whole batch, checked from length to checksum, with offset and epoch as its header says.

    Raises CorruptBatch; a broker refuses such bytes and writes none of them.
    """
    size = len(data)
    if size < HEADER_BYTES:
        raise CorruptBatch(f"a record batch needs {HEADER_BYTES} bytes of header, here are {size}")
    fields = HEADER.unpack_from(data)
    base_offset, length, leader_epoch, magic, crc, _, last_delta = fields[:7]
    max_timestamp_ms, producer_id, producer_epoch, base_sequence, count = fields[8:]
    if length + PREFIX_BYTES != size:
        raise CorruptBatch(f"the batch's length field says {length + PREFIX_BYTES} bytes, here are {size}")
    if magic != MAGIC:
        raise CorruptBatch(f"the batch has format {magic}; only record batch v2 is supported")
    if _crc32c(data[CRC_START:]) != crc:
        raise CorruptBatch(f"the checksum of the batch of {size} bytes does not match its content")
    if count < 1 or count != last_delta + 1:
        raise CorruptBatch(f"the batch claims {count} records and a last offset delta of {last_delta}")
    return Batch(base_offset, leader_epoch, count, data, producer_id, producer_epoch, base_sequence, max_timestamp_ms)


def check_batch(batch: Batch) -> Batch:
    """`core.intake.CheckBatch` of a broker: what the bytes of ``batch`` say. Raises CorruptBatch."""
    return validate(batch.data)


def unchecked(data: bytes) -> Batch:
    """Bytes that somebody calls a batch, on their way to `check_batch`."""
    return Batch(-1, -1, 0, data)


def patch(data: bytes, base_offset: int, leader_epoch: int) -> bytes:
    """The same batch at its place in the log; the checksum does not cover these two fields."""
    place = _PLACE.pack(base_offset, len(data) - PREFIX_BYTES, leader_epoch)
    return data if data.startswith(place) else place + data[16:]


def batch_bytes(buffer: bytes, position: int = 0) -> int:
    """The size in bytes of the batch that starts at ``position``, by its length field; at least 12 of its bytes
    must be there. What is no batch at all gives whatever the field says."""
    size: int = _LENGTH.unpack_from(buffer, position + 8)[0]
    return size + PREFIX_BYTES


def split(buffer: bytes, position: int = 0) -> list[Batch]:
    """All whole, valid batches from ``position`` on; a last one that is cut short is left out.

    Raises CorruptBatch for a whole batch that is not valid.
    """
    batches = []
    while len(buffer) - position >= HEADER_BYTES:
        size = batch_bytes(buffer, position)
        if size < HEADER_BYTES:
            raise CorruptBatch(f"the length field at byte {position} says {size} bytes, less than a header")
        if position + size > len(buffer):
            break
        batches.append(validate(buffer[position : position + size]))
        position += size
    return batches


__all__ = [
    "CRC_START",
    "HEADER",
    "HEADER_BYTES",
    "PREFIX_BYTES",
    "CorruptBatch",
    "Record",
    "batch_bytes",
    "check_batch",
    "decode_records",
    "encode_batch",
    "patch",
    "split",
    "unchecked",
    "validate",
]
