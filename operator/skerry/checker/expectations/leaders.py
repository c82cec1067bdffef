"""Leader epochs and terms, and when they began."""

from __future__ import annotations

from typing import NamedTuple

from skerry.history import History
from skerry.history.records import ElectionSeen, HistoryRecord, Produce


class Leadership(NamedTuple):
    """One leader epoch (or term). It was committed between the two times."""

    epoch: int
    leader: int
    """-1: committed without a leader."""
    earliest_ns: int
    """By the controller's own stamp where there is one, widened by the clock error; else when it was first seen."""
    seen_ns: int
    """Somebody had certainly applied it."""
    record: HistoryRecord


def partition_leaders(history: History, topic: str) -> dict[int, list[Leadership]]:
    """Per partition, by epoch. Seen in elections, in brokers' applied metadata, and in acknowledgements."""
    found: dict[tuple[int, int], Leadership] = {}
    for election in history.elections:
        if election.topic == topic:
            earliest = _stamped_ns(history, election)
            seen = Leadership(election.leader_epoch, election.leader, earliest, election.seen_ns, election)
            _add(found, election.partition, seen)
    for status in history.statuses:
        for sample in status.partitions:
            if status.reachable and sample.topic == topic and sample.leader_epoch >= 0:
                seen = Leadership(sample.leader_epoch, sample.leader, status.before_ns, status.after_ns, status)
                _add(found, sample.partition, seen)
    for produce in history.produces:
        if produce.leader_epoch >= 0 and produce.topic == topic and produce.leader >= 0:
            known = found.get((produce.partition, produce.leader_epoch))
            if known is None or produce.completed_ns < known.seen_ns:
                _add(found, produce.partition, _answered(produce))
    by_partition: dict[int, list[Leadership]] = {}
    for (partition, _), leadership in sorted(found.items(), key=lambda item: item[0]):
        by_partition.setdefault(partition, []).append(leadership)
    return by_partition


def controllers(history: History) -> list[Leadership]:
    """By term; only terms in which somebody says that somebody won."""
    found: dict[tuple[int, int], Leadership] = {}
    for status in history.statuses:
        if status.reachable and status.term >= 0 and status.controller >= 0:
            _add(found, 0, Leadership(status.term, status.controller, status.before_ns, status.after_ns, status))
    return [leadership for _, leadership in sorted(found.items(), key=lambda item: item[0])]


def _add(found: dict[tuple[int, int], Leadership], partition: int, seen: Leadership) -> None:
    """The earliest times of all witnesses; a witness that names the leader is worth more than one that does not."""
    key = (partition, seen.epoch)
    known = found.get(key)
    if known is None:
        found[key] = seen
        return
    first = seen if seen.seen_ns < known.seen_ns else known
    found[key] = Leadership(
        seen.epoch,
        known.leader if known.leader >= 0 else seen.leader,
        # A stamp tells when it was committed; a sample or an answer only that it had been.
        known.earliest_ns if isinstance(known.record, ElectionSeen) else min(known.earliest_ns, seen.earliest_ns),
        first.seen_ns,
        known.record if isinstance(known.record, ElectionSeen) else first.record,
    )


def _stamped_ns(history: History, election: ElectionSeen) -> int:
    header = history.header
    if header is None or not header.started_wall_ns or not election.wall_ns:
        return election.seen_ns
    return min(election.wall_ns - header.started_wall_ns - header.clock_error_ns, election.seen_ns)


def _answered(produce: Produce) -> Leadership:
    return Leadership(produce.leader_epoch, produce.leader, produce.completed_ns, produce.completed_ns, produce)
