"""Leader epochs and terms, and when they began."""

from __future__ import annotations

from typing import NamedTuple

from skerry.history import History
from skerry.history.records import ElectionSeen, HistoryRecord, Produce, StatusSample


class Leadership(NamedTuple):
    """One leader epoch (or term). It was committed between the two times."""

    epoch: int
    leader: int
    """The leader's ordinal; -1: committed without a leader."""
    earliest_ns: int
    """By the controller's own stamp, put right by the measured skew of its clock and widened by the clock error; never
    before the controller last said that it was not so yet. Without a stamp: when it was first seen."""
    latest_ns: int
    """By the same stamp, and no later than it was first seen. A stamp that contradicts the samples does not count."""
    seen_ns: int
    """Somebody had certainly applied it."""
    record: HistoryRecord


def partition_leaders(history: History, topic: str) -> dict[int, list[Leadership]]:
    """Per partition, by epoch. Seen in elections, in brokers' applied metadata, and in acknowledgements."""
    found: dict[tuple[int, int], Leadership] = {}
    controllers_said = [s for s in history.statuses if s.reachable and s.group_role == "Leader"]
    for election in history.elections:
        if election.topic == topic:
            earliest, latest = _stamped_ns(history, election, controllers_said)
            seen = Leadership(election.leader_epoch, election.leader, earliest, latest, election.seen_ns, election)
            _add(found, election.partition, seen)
    for status in history.statuses:
        for sample in status.partitions:
            if status.reachable and sample.topic == topic and sample.leader_epoch >= 0:
                seen = _shown(sample.leader_epoch, sample.leader, status)
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
            _add(found, 0, _shown(status.term, status.controller, status))
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
        min(known.latest_ns, seen.latest_ns),
        first.seen_ns,
        known.record if isinstance(known.record, ElectionSeen) else first.record,
    )


def _stamped_ns(history: History, election: ElectionSeen, controllers_said: list[StatusSample]) -> tuple[int, int]:
    """The bracket of its commit by the controller's stamp."""
    header = history.header
    if header is None or not header.started_wall_ns or not election.wall_ns:
        return election.seen_ns, election.seen_ns
    low_ns, high_ns = skew_of_controller(controllers_said, election.seen_ns)
    stamp, error = election.wall_ns - header.started_wall_ns, header.clock_error_ns
    not_yet_ns = _not_before_ns(election, controllers_said)
    earliest = max(stamp - high_ns - error, not_yet_ns)
    latest = min(stamp - low_ns + error, election.seen_ns)
    if earliest > latest:
        return min(not_yet_ns, election.seen_ns), election.seen_ns
    return earliest, latest


def skew_of_controller(controllers_said: list[StatusSample], at_ns: int) -> tuple[int, int]:
    """How far the controller's wall clock was ahead of the recorder's, by its last answer before that moment."""
    last = next((status for status in reversed(controllers_said) if status.before_ns <= at_ns), None)
    return (last.clock_low_ns, last.clock_high_ns) if last is not None else (0, 0)


def controller_clock_was_right(history: History, from_ns: int, to_ns: int) -> bool:
    """Its wall clock was measured before, in and after that time, and may have been right, to the clock error, each
    time. One that was set back meanwhile, or that nobody looked at, may have stamped anything."""
    error = history.clock_error_ns
    asked = [s for s in history.statuses if s.reachable and s.group_role == "Leader"]
    before = [s for s in asked if s.after_ns <= from_ns][-1:]
    after = [s for s in asked if s.before_ns >= to_ns][:1]
    between = [s for s in asked if s.after_ns > from_ns and s.before_ns < to_ns]
    return bool(before and after) and all(
        s.clock_low_ns < s.clock_high_ns and s.clock_low_ns <= error and s.clock_high_ns >= -error
        for s in (*before, *between, *after)
    )


def _not_before_ns(election: ElectionSeen, controllers_said: list[StatusSample]) -> int:
    """When a controller was last asked that had not committed this yet; it applies what it commits at once."""
    for status in reversed(controllers_said):
        if status.before_ns <= election.seen_ns:
            for sample in status.partitions:
                same = (sample.topic, sample.partition) == (election.topic, election.partition)
                if same and sample.leader_epoch < election.leader_epoch:
                    return status.before_ns
    return 0


def _shown(epoch: int, leader: int, status: StatusSample) -> Leadership:
    return Leadership(epoch, leader, status.before_ns, status.after_ns, status.after_ns, status)


def _answered(produce: Produce) -> Leadership:
    answered_ns = produce.completed_ns
    return Leadership(produce.leader_epoch, produce.leader, answered_ns, answered_ns, answered_ns, produce)
