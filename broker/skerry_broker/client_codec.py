"""What a producing client does to the bytes of a batch: bind them to its identity."""

from __future__ import annotations

import struct

import google_crc32c
import msgspec

from skerry_broker.batch import CRC_START, HEADER_BYTES
from skerry_broker.core.types import Batch

_PRODUCER = struct.Struct(">qhi")
_PRODUCER_AT = 43
_CRC = struct.Struct(">I")
_CRC_AT = 17


def seal(batch: Batch) -> Batch:
    """The batch whose bytes carry the producer id, epoch and base sequence of its fields, with a checksum that fits.

    Raises ValueError for bytes too short to be a batch.
    """
    if len(batch.data) < HEADER_BYTES:
        raise ValueError(f"{len(batch.data)} bytes are no record batch; make one with skerry_broker.batch.encode_batch")
    data = bytearray(batch.data)
    _PRODUCER.pack_into(data, _PRODUCER_AT, batch.producer_id, batch.producer_epoch, batch.base_sequence)
    _CRC.pack_into(data, _CRC_AT, google_crc32c.value(bytes(memoryview(data)[CRC_START:])))
    return msgspec.structs.replace(batch, data=bytes(data))
