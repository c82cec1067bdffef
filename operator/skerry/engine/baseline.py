"""How round trips are while nothing is broken, to compare a slow network with."""

from __future__ import annotations

from collections import deque

from skerry.faults.proof import Before, Link, before
from skerry.faults.samples import LinkKind, Samples

KEPT_MAX = 100
"""Samples of each connection: about the last ten seconds."""


class Baseline:
    """The last round trips of every kept connection."""

    def __init__(self, planes: tuple[str, ...]) -> None:
        """``planes``: on which the nodes talk to each other."""
        self._planes = planes
        self._seen: dict[Link, deque[tuple[int, int]]] = {}

    def look(self, samples: Samples) -> None:
        """Take what is new."""
        for link in samples.links:
            if link.kind is not LinkKind.KEPT or link.rtt_ns < 0 or not link.ok:
                continue
            known = self._seen.setdefault((link.source, link.target, link.plane), deque(maxlen=KEPT_MAX))
            if not known or known[-1][0] != link.sampled_ns:
                known.append((link.sampled_ns, link.rtt_ns))

    def before(self, samples: Samples, at_ns: int) -> Before:
        """What a fault is compared with whose injection is asked for now."""
        return before(samples, self._planes, self.rtts_ns, at_ns)

    @property
    def rtts_ns(self) -> dict[Link, tuple[int, ...]]:
        return {link: tuple(rtt_ns for _, rtt_ns in seen) for link, seen in self._seen.items()}
