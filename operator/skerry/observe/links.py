"""The latest of every link, and which of it is worth a record."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from skerry.engine.observation import LinkKind, LinkView
from skerry.history.records import HistoryRecord, LinkSample

RECORD_EVERY_NS = 1_000_000_000

Key = tuple[int, int, str, str]


class Links:
    """Recorded when it is news: every new connection, a change of a kept one, or a second after its last record."""

    def __init__(self, record: Callable[[HistoryRecord], None]) -> None:
        self._record = record
        self._latest: dict[Key, LinkView] = {}
        self._recorded_ns: dict[Key, int] = {}

    def latest(self) -> tuple[LinkView, ...]:
        return tuple(self._latest.values())

    def note(self, link: LinkView, before_ns: int, after_ns: int) -> None:
        link = msgspec.structs.replace(link, answered_ns=after_ns)
        key = (link.source, link.target, str(link.plane), str(link.kind))
        previous = self._latest.get(key)
        if previous is not None and previous.sampled_ns > link.sampled_ns:
            previous = link  # an answer that was overtaken is recorded, and shown to nobody
        else:
            self._latest[key] = link
        changed = previous is None or previous.ok != link.ok
        if changed or link.kind == LinkKind.NEW or after_ns - self._recorded_ns[key] >= RECORD_EVERY_NS:
            self._recorded_ns[key] = after_ns
            self._record(
                LinkSample(
                    link.source,
                    link.target,
                    str(link.plane),
                    str(link.kind),
                    before_ns,
                    after_ns,
                    link.ok,
                    link.silent_ns,
                    link.rtt_ns,
                )
            )
