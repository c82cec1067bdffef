"""What every broker was to every partition over time, as its own statuses tell. Pure.

A recording tells only of what its run writes to. A status is believed from the moment it was received until the next
one, but not for longer than `BELIEVED_NS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from skerry.history.records import BrokerSample, StatusSample
from skerry.history.run import History

BELIEVED_NS = 2_000_000_000


class Stretch(NamedTuple):
    """A broker was one thing to one partition from one moment to another."""

    from_ns: int
    to_ns: int
    kind: str
    """One of: leader, stale (says that it leads in an epoch that is over), isr, down, starting (has never answered)."""
    epoch: int
    """The leader epoch; -1 for other kinds."""


class _Known(NamedTuple):
    """What is known of one partition, by the highest epoch heard of so far."""

    epoch: int = -1
    in_sync: tuple[int, ...] = ()


def all_stretches(history: History, brokers: int, partitions: int) -> dict[tuple[int, int], tuple[Stretch, ...]]:
    """The stretches of each (broker, partition): in order of time, without overlap; nothing where it is neither leader
    nor in sync, or where nothing is known."""
    seen: dict[tuple[int, int], list[tuple[int, str, int]]] = {
        (broker, partition): [] for broker in range(brokers) for partition in range(partitions)
    }
    known = [_Known()] * partitions
    answered: set[int] = set()
    for sample in history.statuses:
        mine: dict[int, BrokerSample] = {}
        if sample.reachable:
            answered.add(sample.broker)
            mine = {each.partition: each for each in sample.partitions}
        for partition in range(partitions):
            if partition in mine:
                known[partition] = _newest(mine[partition], known[partition])
            if (sample.broker, partition) in seen:
                kind, epoch = _state(sample, mine.get(partition), known[partition], sample.broker in answered)
                seen[sample.broker, partition].append((sample.after_ns, kind, epoch))
    return {key: tuple(_merged(states)) for key, states in seen.items()}


def _newest(said: BrokerSample, known: _Known) -> _Known:
    """The ISR by the leader of the highest epoch; a deposed leader, or a follower that is behind, knows an old one."""
    if said.leader_epoch > known.epoch or (said.leader_epoch == known.epoch and said.role == "Leader"):
        return _Known(said.leader_epoch, said.isr)
    return known


def _state(sample: StatusSample, said: BrokerSample | None, known: _Known, answered: bool) -> tuple[str, int]:
    if not sample.reachable:
        return ("down" if answered else "starting"), -1
    if said is not None and said.role == "Leader":
        return ("stale" if said.leader_epoch < known.epoch else "leader"), said.leader_epoch
    return ("isr" if sample.broker in known.in_sync else ""), -1


def _merged(seen: list[tuple[int, str, int]]) -> Iterator[Stretch]:
    begun: Stretch | None = None
    for index, (at_ns, kind, epoch) in enumerate(seen):
        last = index + 1 == len(seen)
        until_ns = at_ns if last else min(seen[index + 1][0], at_ns + BELIEVED_NS)
        if begun is not None and (begun.to_ns, begun.kind, begun.epoch) == (at_ns, kind, epoch):
            begun = begun._replace(to_ns=until_ns)
            continue
        if begun is not None and begun.kind:
            yield begun
        begun = Stretch(at_ns, until_ns, kind, epoch)
    if begun is not None and begun.kind:
        yield begun
