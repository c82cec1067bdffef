"""The hash of everything that happened, and the last part of it in words."""

from __future__ import annotations

import hashlib
from collections import deque

import msgspec

_HASHED_TOGETHER = 256
_SHORT, _SHORT_HEADER, _LONG_HEADER = 16, 1, 3
"""msgpack: how many elements make a list's header longer, and the bytes of the header below that and from it on."""
_encode = msgspec.msgpack.Encoder().encode


class Trace:
    """Every event goes in as (true time, place, event); equal runs have equal digests.

    The encoding is msgpack of frozen structs: no addresses, no hash order. ``keep`` is how many of the last events
    are remembered for the report of a failure.
    """

    def __init__(self, keep: int = 0) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._waiting: list[tuple[int, int, object]] = []
        """What is not hashed yet: events do not change, so that they can be encoded many at a time."""
        self._last: deque[tuple[int, int, object]] = deque(maxlen=keep)
        self._hashed = 0

    def record(self, time_ns: int, place: int, event: object) -> None:
        """``place`` is a broker id, or a negative number of the world's own."""
        waiting = self._waiting
        waiting.append((time_ns, place, event))
        if len(waiting) >= _HASHED_TOGETHER:
            self._hash_waiting()

    @property
    def events(self) -> int:
        """How many were recorded."""
        return self._hashed + len(self._waiting)

    def _hash_waiting(self) -> None:
        waiting = self._waiting
        # A list is its header and then its elements as each alone would be: many are encoded by one call.
        header = _SHORT_HEADER if len(waiting) < _SHORT else _LONG_HEADER
        self._hash.update(memoryview(_encode(waiting))[header:])
        self._last.extend(waiting)
        self._hashed += len(waiting)
        waiting.clear()

    def digest(self) -> str:
        self._hash_waiting()
        return self._hash.hexdigest()

    def last_lines(self) -> list[str]:
        """The remembered events, oldest first: ``  12.345678s  b1  FromPeer(...)``."""
        self._hash_waiting()
        lines = []
        for time_ns, place, event in self._last:
            where = f"b{place}" if place >= 0 else "world"
            lines.append(f"{time_ns / 1e9:12.6f}s  {where:6} {type(event).__name__} {event!r}"[:400])
        return lines
