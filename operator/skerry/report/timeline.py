"""The timeline of a run as strips of characters: what each broker was, which fault was on, how much was written.

One column is one slot of time. When the strips are full, two slots become one: the whole run is always in sight. Pure:
observations go in, strips come out; `live.py` draws them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from skerry.engine.world import BrokerView, Observation, ProcessState
from skerry.history.records import FaultEvent, FaultStep

SPARKS = " ▁▂▃▄▅▆▇█"
SLOT_NS = 250_000_000
GONE, STOPPED, SILENT, FOLLOWS = "x", "z", "?", "·"
MARKS = {
    FaultStep.INJECTING: "░",
    FaultStep.EFFECTIVE: "▒",
    FaultStep.VERIFIED: "█",
    FaultStep.UNVERIFIED: "?",
    FaultStep.HEALING: "▒",
}
"""A band gets solid when it is proven; a step that is not here ends it."""
_TELLING = f"{GONE}{STOPPED}{SILENT}█▒░987654321{FOLLOWS} "
"""The order of marks: where two slots become one, the mark that stands first here stays."""


def broker_mark(view: BrokerView) -> str:
    """One character: a digit: how many partitions it leads, · it follows, x gone, z stopped, ? does not answer."""
    if view.process is ProcessState.GONE:
        return GONE
    if view.process is ProcessState.STOPPED:
        return STOPPED
    if not view.reachable:
        return SILENT
    leads = led_partitions(view)
    return str(min(len(leads), 9)) if leads else FOLLOWS


def led_partitions(view: BrokerView) -> list[int]:
    """The partitions that this broker says it leads."""
    return [sample.partition for sample in view.partitions if sample.role == "Leader"]


def spark(value: float, highest: float) -> str:
    """A bar of a height between nothing (0) and the whole line (``highest``)."""
    if highest <= 0 or value <= 0:
        return SPARKS[0]
    return SPARKS[max(1, min(len(SPARKS) - 1, round(value / highest * (len(SPARKS) - 1))))]


class Timeline:
    """The whole run in at most ``width`` slots.

    Invariant: all strips have the same length, at most ``width``.
    """

    def __init__(self, width: int = 80) -> None:
        """``width`` is even."""
        self.width = width
        self.slot_ns = SLOT_NS
        self.brokers: dict[int, list[str]] = {}
        self.faults: dict[str, list[str]] = {}
        self.rates: list[int] = []
        self._steps: dict[str, FaultStep] = {}
        self._next_slot_ns = 0

    @property
    def length(self) -> int:
        return len(self.rates)

    def fault_events(self, events: Iterable[FaultEvent]) -> None:
        """What happened to the faults since the last slot. All occurrences of a fault share its strip."""
        for event in events:
            self._steps[event.fault] = event.step
            self.faults.setdefault(event.fault, [" "] * self.length)

    def observe(self, now_ns: int, observation: Observation) -> bool:
        """Close the slot if its time has come; True when the picture changed."""
        if now_ns < self._next_slot_ns:
            return False
        if self.length >= self.width:
            self._halve()
        self._next_slot_ns = now_ns - now_ns % self.slot_ns + self.slot_ns
        for view in observation.brokers:
            self.brokers.setdefault(view.ordinal, [" "] * self.length).append(broker_mark(view))
        for name, strip in self.faults.items():
            strip.append(MARKS.get(self._steps[name], " "))
        self.rates.append(observation.workload.acks_per_second)
        return True

    def broker_strip(self, ordinal: int) -> str:
        return "".join(self.brokers.get(ordinal, ()))

    def fault_strip(self, name: str) -> str:
        return "".join(self.faults.get(name, ()))

    def rate_strip(self) -> str:
        highest = max(self.rates, default=0)
        return "".join(spark(rate, highest) for rate in self.rates)

    def _halve(self) -> None:
        self.slot_ns *= 2
        for strip in [*self.brokers.values(), *self.faults.values()]:
            strip[:] = [min(strip[at : at + 2], key=_TELLING.index) for at in range(0, len(strip), 2)]
        pairs = [self.rates[at : at + 2] for at in range(0, len(self.rates), 2)]
        self.rates[:] = [sum(pair) // len(pair) for pair in pairs]


def partition_summary(views: Sequence[BrokerView]) -> list[tuple[int, int, int, tuple[int, ...]]]:
    """(partition, leader, leader epoch, ISR) by the reachable broker that knows the highest epoch; of several, by the
    leader itself, whose ISR is the newest."""
    best: dict[int, tuple[tuple[int, bool], int, tuple[int, ...]]] = {}
    for view in views:
        if not view.reachable:
            continue
        for sample in view.partitions:
            credibility = (sample.leader_epoch, view.ordinal == sample.leader)
            if credibility >= best.get(sample.partition, ((-1, False), -1, ()))[0]:
                best[sample.partition] = (credibility, sample.leader, sample.isr)
    return [(partition, leader, epoch, isr) for partition, ((epoch, _), leader, isr) in sorted(best.items())]
