"""The timeline of a run as strips of characters: what each broker was, which fault was on, how much was written.

One column is one slot of time. Pure: observations go in, strips come out; `live.py` draws them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from skerry.engine.world import BrokerView, Observation, ProcessState
from skerry.history.records import FaultEvent, FaultStep

SPARKS = " ▁▂▃▄▅▆▇█"
SLOT_NS = 250_000_000
GONE, STOPPED, SILENT = "x", "z", "?"
ONGOING = frozenset({FaultStep.EFFECTIVE, FaultStep.VERIFIED, FaultStep.UNVERIFIED, FaultStep.HEALING})
MARKS = {
    FaultStep.INJECTING: "╺",
    FaultStep.EFFECTIVE: "━",
    FaultStep.VERIFIED: "▓",
    FaultStep.UNVERIFIED: "░",
    FaultStep.HEALING: "╸",
}


def broker_mark(view: BrokerView) -> str:
    """One character: C controller, a digit: how many partitions it leads, · follower, x gone, z stopped, ? silent."""
    if view.process is ProcessState.GONE:
        return GONE
    if view.process is ProcessState.STOPPED:
        return STOPPED
    if not view.reachable:
        return SILENT
    if view.raft_role == "Leader":
        return "C"
    leads = led_partitions(view)
    return str(min(len(leads), 9)) if leads else "·"


def led_partitions(view: BrokerView) -> list[int]:
    """The partitions that this broker says it leads."""
    return [sample.partition for sample in view.partitions if sample.role == "Leader"]


def spark(value: float, highest: float) -> str:
    if highest <= 0 or value <= 0:
        return SPARKS[0]
    return SPARKS[max(1, min(len(SPARKS) - 1, round(value / highest * (len(SPARKS) - 1))))]


class Timeline:
    """The last ``width`` slots. Invariant: all strips have the same length, at most ``width``."""

    def __init__(self, width: int = 80) -> None:
        self.width = width
        self.brokers: dict[int, list[str]] = {}
        self.faults: dict[str, list[str]] = {}
        self.rates: list[int] = []
        self._steps: dict[str, FaultStep] = {}
        self._next_slot_ns = 0

    @property
    def length(self) -> int:
        return len(self.rates)

    def fault_events(self, events: Iterable[FaultEvent]) -> None:
        """What happened to the faults since the last slot."""
        for event in events:
            name = event.fault if event.occurrence == 0 else f"{event.fault}#{event.occurrence}"
            self._steps[name] = event.step
            self.faults.setdefault(name, [" "] * self.length)

    def observe(self, now_ns: int, observation: Observation) -> bool:
        """Close the slot if its time has come; True when the picture changed."""
        if now_ns < self._next_slot_ns:
            return False
        self._next_slot_ns = now_ns - now_ns % SLOT_NS + SLOT_NS
        for view in observation.brokers:
            self.brokers.setdefault(view.ordinal, [" "] * self.length).append(broker_mark(view))
        for name, strip in self.faults.items():
            strip.append(MARKS.get(self._steps[name], " "))
        self.rates.append(observation.workload.acks_per_second)
        for strip in [*self.brokers.values(), *self.faults.values()]:
            del strip[: -self.width]
        del self.rates[: -self.width]
        return True

    def broker_strip(self, ordinal: int) -> str:
        return "".join(self.brokers.get(ordinal, ()))

    def fault_strip(self, name: str) -> str:
        return "".join(self.faults.get(name, ()))

    def rate_strip(self) -> str:
        highest = max(self.rates, default=0)
        return "".join(spark(rate, highest) for rate in self.rates)


def partition_summary(views: Sequence[BrokerView], topic: str) -> list[tuple[int, int, int, tuple[int, ...]]]:
    """(partition, leader, leader epoch, ISR) by the reachable broker that knows the highest epoch."""
    best: dict[int, tuple[int, int, tuple[int, ...]]] = {}
    for view in views:
        if not view.reachable:
            continue
        for sample in view.partitions:
            if sample.topic == topic and sample.leader_epoch >= best.get(sample.partition, (-1, -1, ()))[0]:
                best[sample.partition] = (sample.leader_epoch, sample.leader, sample.isr)
    return [(partition, leader, epoch, isr) for partition, (epoch, leader, isr) in sorted(best.items())]
