"""Named streams of randomness from one root seed."""

from __future__ import annotations

import hashlib
import random


class Streams:
    """``stream(name)`` is always the same generator for the same root seed and name.

    Each name has its own generator, so that one more draw for, say, the disk of broker 2 changes nothing that the
    network does. Names are joined by ``|``: ``stream("net", 0, 1)``.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[str, random.Random] = {}

    def stream(self, *name: str | int) -> random.Random:
        key = "|".join(str(part) for part in name)
        stream = self._streams.get(key)
        if stream is None:
            digest = hashlib.sha256(f"{self.seed}|{key}".encode()).digest()
            stream = self._streams[key] = random.Random(int.from_bytes(digest[:16], "big"))
        return stream
