"""The values that are written: integers, unique in a run, and how a record carries one."""

from __future__ import annotations

VALUE_BYTES = 8
SEQUENCE_BITS = 40


def value_of(process: int, sequence: int) -> int:
    """The value of a process's n-th record. Raises ValueError when the sequence does not fit."""
    if not 0 <= sequence < 1 << SEQUENCE_BITS:
        raise ValueError(f"sequence {sequence} does not fit in {SEQUENCE_BITS} bits")
    return process << SEQUENCE_BITS | sequence


def process_of(value: int) -> int:
    return value >> SEQUENCE_BITS


def encode(value: int, record_bytes: int) -> bytes:
    """The record's bytes: the value, big-endian, then zeros up to ``record_bytes``."""
    return value.to_bytes(VALUE_BYTES, "big").ljust(record_bytes, b"\0")


def decode(record: bytes) -> int:
    """The value of a record. Raises ValueError when this is no record of ours."""
    if len(record) < VALUE_BYTES:
        raise ValueError(f"a record of {len(record)} bytes is shorter than a value")
    return int.from_bytes(record[:VALUE_BYTES], "big")
