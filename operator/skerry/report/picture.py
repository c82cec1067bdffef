"""The picture of a run as data for one SVG: fault bands on top, a lane per broker, acknowledgements below. Pure.

Coordinates are pixels of a fixed-width drawing; the template only places what is computed here.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from skerry.history.records import FaultStep, Outcome
from skerry.history.run import History

WIDTH = 1080
LEFT = 96
RIGHT = 16
BAND = 18
LANE_GAP = 14
ROW = 9
ACK_HEIGHT = 72
SLOTS_MAX = 240
NS = 1_000_000_000
PARTITIONS_SHOWN = 8
HUES = (210, 28, 130, 280, 345, 180, 55, 245)


class Band(msgspec.Struct, frozen=True):
    x: float
    y: float
    width: float
    height: float
    kind: str
    """fault | unverified | leader | isr | down | ack | unknown | phase"""
    label: str = ""
    title: str = ""
    hue: int = 0


class Lane(msgspec.Struct, frozen=True):
    y: float
    height: float
    label: str


class Mark(msgspec.Struct, frozen=True):
    x: float
    label: str


class Picture(msgspec.Struct, frozen=True):
    width: int
    height: float
    lanes: tuple[Lane, ...]
    bands: tuple[Band, ...]
    ticks: tuple[Mark, ...]
    ack_top: float
    ack_height: float
    ack_peak: int
    """Records per second at the top of the acknowledgement lane."""


class _Scale:
    def __init__(self, end_ns: int) -> None:
        self.end_ns = max(end_ns, 1)

    def x(self, at_ns: int) -> float:
        share = min(max(at_ns, 0), self.end_ns) / self.end_ns
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def width(self, from_ns: int, to_ns: int) -> float:
        return max(1.0, round(self.x(to_ns) - self.x(from_ns), 1))


def draw(history: History, topic: str, brokers: int, partitions: int) -> Picture:
    """The whole picture; empty lanes where nothing is known."""
    end_ns = _end_ns(history)
    scale = _Scale(end_ns)
    bands: list[Band] = []
    lanes: list[Lane] = []
    y = 4.0
    for name, spans in _fault_spans(history, end_ns).items():
        lanes.append(Lane(y, BAND, name))
        for from_ns, to_ns, verified, title in spans:
            kind = "fault" if verified else "unverified"
            bands.append(Band(scale.x(from_ns), y, scale.width(from_ns, to_ns), BAND - 4, kind, name, title))
        y += BAND
    y += LANE_GAP
    shown = min(partitions, PARTITIONS_SHOWN)
    for broker in range(brokers):
        height = ROW * shown
        lanes.append(Lane(y, height, f"broker {broker}"))
        bands += _broker_bands(history, topic, broker, shown, scale, y)
        y += height + LANE_GAP
    ack_bands, peak = _acknowledgements(history, scale, y)
    bands += ack_bands
    lanes.append(Lane(y, ACK_HEIGHT, "acks/s"))
    return Picture(WIDTH, y + ACK_HEIGHT + 26, tuple(lanes), tuple(bands), _ticks(scale), y, ACK_HEIGHT, peak)


def _end_ns(history: History) -> int:
    ends = [produce.completed_ns for produce in history.produces[-50:]]
    ends += [sample.after_ns for sample in history.statuses[-50:]]
    if history.footer is not None:
        ends.append(history.footer.ended_ns)
    return max(ends, default=NS)


def _ticks(scale: _Scale) -> tuple[Mark, ...]:
    seconds = scale.end_ns / NS
    step = next((step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if seconds / step <= 16), 1200)
    return tuple(Mark(scale.x(at * NS), f"{at} s") for at in range(0, int(seconds) + 1, step))


def _fault_spans(history: History, end_ns: int) -> dict[str, list[tuple[int, int, bool, str]]]:
    """Per fault: (from, to, verified, title) of each occurrence."""
    begun: dict[tuple[str, int], int] = {}
    verified: set[tuple[str, int]] = set()
    details: dict[tuple[str, int], str] = {}
    ended: dict[tuple[str, int], int] = {}
    for event in history.faults:
        key = (event.fault, event.occurrence)
        if event.detail:
            details[key] = event.detail
        if event.step in (FaultStep.INJECTING, FaultStep.EFFECTIVE):
            begun[key] = event.before_ns
        elif event.step is FaultStep.VERIFIED:
            verified.add(key)
        elif event.step in (FaultStep.HEALING, FaultStep.LOST):
            ended.setdefault(key, event.after_ns)
    spans: dict[str, list[tuple[int, int, bool, str]]] = {}
    for key, from_ns in begun.items():
        span = (from_ns, ended.get(key, end_ns), key in verified, details.get(key, ""))
        spans.setdefault(key[0], []).append(span)
    return spans


def _broker_bands(
    history: History, topic: str, broker: int, partitions: int, scale: _Scale, top: float
) -> Iterable[Band]:
    """Filled: leads (a colour per partition, darker with every epoch). Line: in sync. Hatched: does not answer."""
    states: list[list[tuple[int, tuple[str, int]]]] = [[] for _ in range(partitions)]
    in_sync: dict[int, frozenset[int]] = {}
    for sample in history.statuses:
        for seen in sample.partitions:
            if seen.topic == topic and seen.role == "Leader" and seen.partition < partitions:
                in_sync[seen.partition] = frozenset(seen.isr)
        if sample.broker != broker:
            continue
        roles = {seen.partition: seen for seen in sample.partitions if seen.topic == topic}
        for partition in range(partitions):
            role = roles.get(partition)
            if not sample.reachable:
                state = ("down", 0)
            elif role is not None and role.role == "Leader":
                state = ("leader", role.leader_epoch)
            elif broker in in_sync.get(partition, frozenset()):
                state = ("isr", 0)
            else:
                state = ("", 0)
            states[partition].append((sample.after_ns, state))
    for partition, timeline in enumerate(states):
        yield from _runs(timeline, partition, scale, top + ROW * partition)


def _runs(timeline: list[tuple[int, tuple[str, int]]], partition: int, scale: _Scale, y: float) -> Iterable[Band]:
    """Stretches of the same state become one band."""
    for index, (at_ns, state) in enumerate(timeline):
        if index and timeline[index - 1][1] == state:
            continue
        until_ns = next((later for later, other in timeline[index:] if other != state), timeline[-1][0])
        kind, epoch = state
        if not kind:
            continue
        thin = kind == "isr"
        title = {
            "leader": f"leads partition {partition} in epoch {epoch}",
            "isr": f"in the ISR of partition {partition}",
            "down": "does not answer",
        }[kind]
        yield Band(
            scale.x(at_ns),
            y + (ROW / 2 - 1 if thin else 1),
            scale.width(at_ns, until_ns),
            2 if thin else ROW - 2,
            kind,
            title=f"{title}, {at_ns / NS:.2f}-{until_ns / NS:.2f} s",
            hue=(HUES[partition % len(HUES)] + 14 * epoch) % 360,
        )


def _acknowledgements(history: History, scale: _Scale, top: float) -> tuple[list[Band], int]:
    """Bars of acknowledged records per slot, and the slots in which outcomes stayed unknown."""
    slots = min(SLOTS_MAX, max(20, scale.end_ns // (NS // 10)))
    slot_ns = scale.end_ns / slots
    counts = [0] * slots
    unknown = [0] * slots
    for produce in history.produces:
        if produce.directed_to >= 0:
            continue
        slot = min(slots - 1, int(produce.completed_ns / slot_ns))
        if produce.outcome is Outcome.OK:
            counts[slot] += produce.count
        else:
            unknown[slot] += produce.count
    peak = max(counts, default=0)
    bands = []
    for slot, count in enumerate(counts):
        from_ns, to_ns = int(slot * slot_ns), int((slot + 1) * slot_ns)
        x, width = scale.x(from_ns), max(1.0, scale.width(from_ns, to_ns) - 0.5)
        if count:
            height = round(count / peak * ACK_HEIGHT, 1)
            rate = round(count * NS / slot_ns)
            title = f"{from_ns / NS:.1f} s: {rate} records/s"
            bands.append(Band(x, top + ACK_HEIGHT - height, width, height, "ack", title=title))
        if unknown[slot]:
            title = f"{from_ns / NS:.1f} s: {unknown[slot]} records failed or unknown"
            bands.append(Band(x, top, width, 5, "unknown", title=title))
    return bands, round(peak * NS / slot_ns)
