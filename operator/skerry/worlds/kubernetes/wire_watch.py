"""What the brokers' own links say of the cuts that stand: when each began, and whether it still holds.

A policy is in force some time after the API server has stored it, and it may end without anybody saying so. So a cut
counts from what was measured. Of each cut link the last sample that was well and the first that was not are kept:

* a *new* connection is tried at a moment, and failed when no answer came within 300 ms: a link that answers was open at
  that moment, and one that fails was closed at the latest 300 ms later;
* a *kept* connection tells since when it is silent: its last answer was then; the next ping, 100 ms later, had none.

The cut begins between the latest moment at which one of its links was well and the moment at which all had failed. A
link that answers after that is a cut that was lost. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from skerry.engine.world import LinkKind, LinkView, OccurrenceId
from skerry.faults.network_partition.fault import Cut
from skerry.faults.network_partition.model import Connections
from skerry.schema.vocabulary import Plane

NEW_FAILS_AFTER_NS = 300_000_000
PING_EVERY_NS = 100_000_000
Key = tuple[int, int, Plane, LinkKind]


class Bracket(NamedTuple):
    """The cut was not there at ``early_ns``, and was there at ``late_ns``; on the run's clock."""

    early_ns: int
    late_ns: int


class CutWatch:
    """One cut. Look at every sample that comes, from before it is injected until it is healed."""

    def __init__(self, cut: Cut, since_ns: int) -> None:
        """``since_ns``: samples from before say nothing."""
        kinds = (LinkKind.NEW,) if cut.connections is Connections.NEW else (LinkKind.NEW, LinkKind.KEPT)
        self._keys = {(*pair, plane, kind) for pair in cut.links for plane in cut.planes for kind in kinds}
        self._since_ns = since_ns
        self._well_ns = dict.fromkeys(self._keys, since_ns)
        self._failed_ns: dict[Key, int] = {}
        self.began: Bracket | None = None
        self.lost = ""
        """Which link answers although it is cut; empty: none."""

    def look(self, links: Iterable[LinkView]) -> None:
        for link in links:
            key = (link.source, link.target, link.plane, link.kind)
            if key not in self._keys or link.sampled_ns < self._since_ns:
                continue
            kept = link.kind is LinkKind.KEPT
            answered_ns = link.sampled_ns - link.silent_ns if kept else link.sampled_ns
            if link.ok:
                self._answers(key, answered_ns)
            else:
                if kept:
                    self._well_ns[key] = max(self._well_ns[key], answered_ns)
                slack_ns = PING_EVERY_NS + max(link.rtt_ns, 0) if kept else NEW_FAILS_AFTER_NS
                self._failed_ns.setdefault(key, answered_ns + slack_ns)
        if self.began is None and len(self._failed_ns) == len(self._keys):
            early_ns = max(self._well_ns.values())
            self.began = Bracket(early_ns, max(early_ns, *self._failed_ns.values()))

    def _answers(self, key: Key, at_ns: int) -> None:
        if self.began is None:
            if at_ns >= self._well_ns[key]:
                self._well_ns[key] = at_ns
                self._failed_ns.pop(key, None)
        elif at_ns > self.began.late_ns and not self.lost:
            source, target, plane, kind = key
            self.lost = f"the {kind.value} connection {source} -> {target} on {plane} answers again"


class WireWatch:
    """All cuts that stand, or are about to."""

    def __init__(self) -> None:
        self._cuts: dict[OccurrenceId, CutWatch] = {}

    def __bool__(self) -> bool:
        return bool(self._cuts)

    def begin(self, occurrence: OccurrenceId, cut: Cut, now_ns: int) -> None:
        self._cuts[occurrence] = CutWatch(cut, now_ns)

    def end(self, occurrence: OccurrenceId) -> None:
        """It is about to be healed: what answers from now on says nothing."""
        self._cuts.pop(occurrence, None)

    def end_all(self) -> None:
        self._cuts.clear()

    def look(self, links: Iterable[LinkView]) -> None:
        seen = tuple(links)
        for each in self._cuts.values():
            each.look(seen)

    def began(self, occurrence: OccurrenceId) -> Bracket | None:
        """None: not yet, as far as was measured."""
        watch = self._cuts.get(occurrence)
        return watch.began if watch is not None else None

    @property
    def lost(self) -> str:
        return next((each.lost for each in self._cuts.values() if each.lost), "")
