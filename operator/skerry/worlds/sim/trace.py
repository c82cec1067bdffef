"""The hash of everything that happened, and the last part of it in words."""

from __future__ import annotations

import hashlib
from collections import deque

import msgspec

_FLUSH_BYTES = 1 << 16


class Trace:
    """Every event goes in as (true time, place, event); equal runs have equal digests.

    The encoding is msgpack of frozen structs: no addresses, no hash order. ``keep`` is how many of the last events
    are remembered for the report of a failure.
    """

    def __init__(self, keep: int = 0) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._buffer = bytearray()
        self._encode_into = msgspec.msgpack.Encoder().encode_into
        self._last: deque[tuple[int, int, object]] | None = deque(maxlen=keep) if keep else None
        self.events = 0

    def record(self, time_ns: int, place: int, event: object) -> None:
        """``place`` is a broker id, or a negative number of the world's own."""
        buffer = self._buffer
        self._encode_into((time_ns, place, event), buffer, -1)
        self.events += 1
        if len(buffer) > _FLUSH_BYTES:
            self._hash.update(buffer)
            buffer.clear()
        if self._last is not None:
            self._last.append((time_ns, place, event))

    def digest(self) -> str:
        self._hash.update(self._buffer)
        self._buffer.clear()
        return self._hash.hexdigest()

    def last_lines(self) -> list[str]:
        """The remembered events, oldest first: ``  12.345678s  b1  FromPeer(...)``."""
        lines = []
        for time_ns, place, event in self._last or ():
            where = f"b{place}" if place >= 0 else "world"
            lines.append(f"{time_ns / 1e9:12.6f}s  {where:6} {type(event).__name__} {event!r}"[:400])
        return lines
