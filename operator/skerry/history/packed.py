"""Recordings that were packed with gzip, which long ones are to be kept or sent.

A few bytes may stand for very many, so what is unpacked has a largest size.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain

from skerry.history.errors import HistoryError

BYTES_MAX = 1 << 30
_MAGIC = b"\x1f\x8b"
_GZIP_BITS = 31
_PIECE_BYTES = 1 << 20


def unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, or where they begin as gzip does, what they stand for.

    Raises HistoryError: they are no whole gzip, or stand for more than ``BYTES_MAX``."""
    source = iter(chunks)
    first = b""
    while len(first) < len(_MAGIC) and (piece := next(source, b"")):
        first += piece
    whole = chain((first,), source)
    yield from _unpacked(whole) if first.startswith(_MAGIC) else whole


def _unpacked(packed: Iterator[bytes]) -> Iterator[bytes]:
    left = BYTES_MAX
    member = zlib.decompressobj(_GZIP_BITS)
    waiting = b""
    try:
        for piece in packed:
            waiting += piece
            while waiting:
                if member.eof:  # another member follows, as `cat a.gz b.gz` makes them
                    member = zlib.decompressobj(_GZIP_BITS)
                data = member.decompress(waiting, _PIECE_BYTES)
                waiting = member.unused_data if member.eof else member.unconsumed_tail
                left -= len(data)
                if left < 0:
                    raise HistoryError(0, f"it stands for more than {BYTES_MAX >> 20:,} MiB: `gunzip` it first")
                yield data
        yield member.flush()
    except zlib.error as error:
        raise HistoryError(0, f"it begins as gzip does, and cannot be unpacked ({error})") from None
    if not member.eof:
        raise HistoryError(0, "it is packed with gzip, and breaks off before its end")
