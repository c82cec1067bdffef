"""The picture of a run as data for one SVG: phases and faults on top, a lane per broker, acknowledgements below. Pure.

Coordinates are pixels of a fixed-width drawing; the template only places what is computed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

import msgspec

from skerry.history.records import Outcome, RegisterAction
from skerry.history.run import History
from skerry.report.lanes import Stretch, all_stretches
from skerry.report.occurrences import Occurrence, occurrences
from skerry.report.witnesses import witnesses
from skerry.schema.verdict import Finding

WIDTH = 1080
LEFT = 122
RIGHT = 14
BAND = 20
LANE_GAP = 12
ROW, ROW_SMALL = 15, 9
ACK_HEIGHT = 76
UNKNOWN_HEIGHT = 6
SLOTS_MAX = 240
CLIPPED_AT = 3
NS = 1_000_000_000
PARTITIONS_SHOWN = 8
PARTITIONS_LARGE = 4
FAULT_LANES_MAX = 10
BANDS_MAX = 1500
"""Most bands of broker lanes: beyond it, stretches too short to be seen are left out, so that a page stays below 1
MB."""
WORDS_MAX = 24
"""Most words about each lane."""
LETTER = 6.2
HUES = (250, 60, 150, 320, 20, 200, 110, 285)


class Band(msgspec.Struct, frozen=True):
    x: float
    y: float
    width: float
    height: float
    kind: str
    """One of: phase, fault, unverified, healing, leader, stale, isr, down, starting, ack, unknown."""
    label: str = ""
    """Stands in the band, if it fits."""
    title: str = ""
    """The whole of it, when pointed at."""
    hue: int = 0
    odd: bool = False
    """Every other epoch has another shade."""


class Lane(msgspec.Struct, frozen=True):
    y: float
    height: float
    label: str
    note: str = ""
    """Smaller, below."""


class Mark(msgspec.Struct, frozen=True):
    x: float
    label: str


class Picture(msgspec.Struct, frozen=True):
    width: int
    left: int
    height: float
    lanes: tuple[Lane, ...]
    bands: tuple[Band, ...]
    ticks: tuple[Mark, ...]
    edges: tuple[Mark, ...]
    """Where a fault took effect and where it was healed."""
    witnesses: tuple[Mark, ...]
    """The records that prove a failure."""
    kinds: frozenset[str]
    """The kinds of the bands: what the legend has to explain."""
    words: tuple[tuple[str, tuple[str, ...]], ...]
    """(lane, what its bands say): the same for a reader who cannot point at a band, or reads on paper."""


class _Scale:
    def __init__(self, end_ns: int) -> None:
        self.end_ns = max(end_ns, 1)

    def x(self, at_ns: int) -> float:
        share = min(max(at_ns, 0), self.end_ns) / self.end_ns
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def width(self, from_ns: int, to_ns: int) -> float:
        return max(1.0, round(self.x(to_ns) - self.x(from_ns), 1))


def draw(history: History, brokers: int, partitions: int, findings: Sequence[Finding] = ()) -> Picture:
    """The whole picture; empty lanes where nothing is known."""
    scale = _Scale(_end_ns(history))
    happened = [each for each in occurrences(history.faults) if each.began_ns >= 0]
    lanes: list[Lane] = [Lane(0, BAND - 4, "phase")]
    bands: list[Band] = list(_phases(history, scale))
    y: float = BAND + 2
    names = list(dict.fromkeys(each.fault for each in happened))
    for name in names[:FAULT_LANES_MAX]:
        lanes.append(Lane(y, BAND - 2, shortened(name, 18)))
        for each in happened:
            if each.fault == name:
                bands += _fault(each, scale, y)
        y += BAND
    y += LANE_GAP / 2
    shown = min(partitions, PARTITIONS_SHOWN)
    row = ROW if shown <= PARTITIONS_LARGE else ROW_SMALL
    note = f"partitions 0-{shown - 1}" if partitions > shown else ""
    stretches = all_stretches(history, brokers, shown)
    coarse = _coarseness(stretches.values(), scale)
    for broker in range(brokers):
        lanes.append(Lane(y, row * shown, f"broker {broker}", note))
        rows = [stretches[broker, partition] for partition in range(shown)]
        bands += _broker(rows, scale, y, row, coarse)
        y += row * shown + LANE_GAP
    ack_bands, peak = _acknowledgements(history, scale, y)
    lanes.append(Lane(y, ACK_HEIGHT, "acknowledged", f"peak {peak:,} records/s"))
    return Picture(
        width=WIDTH,
        left=LEFT,
        height=y + ACK_HEIGHT + 24,
        lanes=tuple(lanes),
        bands=(*bands, *ack_bands),
        ticks=_ticks(scale),
        edges=tuple(_edges(happened, scale)),
        witnesses=tuple(Mark(scale.x(each.at_ns), each.rule) for each in witnesses(history, findings)),
        kinds=frozenset(band.kind for band in (*bands, *ack_bands)),
        words=tuple(_words(lanes[:-1], bands)),
    )


def _words(lanes: Sequence[Lane], bands: Sequence[Band]) -> Iterable[tuple[str, tuple[str, ...]]]:
    """What each lane shows, in the order of time; of a lane with many bands, those that are long enough to be seen."""
    for lane in lanes:
        inside = [band for band in bands if lane.y <= band.y < lane.y + lane.height and band.title]
        longest = sorted(inside, key=lambda band: -band.width)[:WORDS_MAX]
        told = tuple(band.title for band in sorted(longest, key=lambda band: (band.x, band.y)))
        more = len(inside) - len(longest)
        if told:
            yield lane.label, (*told, f"and {more} shorter ones") if more else told


def _end_ns(history: History) -> int:
    ends = [produce.completed_ns for produce in history.produces[-50:]]
    ends += [sample.after_ns for sample in history.statuses[-50:]]
    ends += [event.after_ns for event in history.faults[-5:]]
    ends += [phase.at_ns for phase in history.phases[-1:]]
    if history.footer is not None:
        ends.append(history.footer.ended_ns)
    return max(ends, default=NS)


TICKS_MAX = 16
TICK_STEPS_MS = (100, 200, 500, *(1000 * seconds for seconds in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)))


def _ticks(scale: _Scale) -> tuple[Mark, ...]:
    end_ms = scale.end_ns // 1_000_000
    step = next((step for step in TICK_STEPS_MS if end_ms / step <= TICKS_MAX), end_ms // TICKS_MAX)
    return tuple(Mark(scale.x(at * 1_000_000), f"{at / 1000:g} s") for at in range(0, end_ms + 1, step))


def _edges(happened: Iterable[Occurrence], scale: _Scale) -> Iterable[Mark]:
    for each in list(happened)[:20]:
        if each.effective_ns >= 0:
            yield Mark(scale.x(each.began_ns), f"{each.name} takes effect")
        if each.heal_ns >= 0:
            yield Mark(scale.x(each.heal_ns), f"{each.name} is healed")


def shortened(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"


def _labelled(band: Band) -> Band:
    """With its label only where there is room for it."""
    fits = len(band.label) * LETTER + 8 <= band.width
    return band if fits else msgspec.structs.replace(band, label="")


def _phases(history: History, scale: _Scale) -> Iterable[Band]:
    for number, phase in enumerate(history.phases):
        last = number + 1 == len(history.phases)
        until_ns = scale.end_ns if last else history.phases[number + 1].at_ns
        x, width = scale.x(phase.at_ns), scale.width(phase.at_ns, until_ns)
        title = f"{phase.phase}, {phase.at_ns / NS:.2f}-{until_ns / NS:.2f} s"
        yield _labelled(Band(x, 0, max(1.0, width - 1), BAND - 5, "phase", phase.phase, title))


def _fault(each: Occurrence, scale: _Scale, y: float) -> Iterable[Band]:
    """Solid while it was verified to be on, dashed where that was not shown; pale until it was measured to be gone."""
    from_ns = each.began_ns
    to_ns = each.heal_ns if each.heal_ns >= 0 else scale.end_ns
    word = each.kind + (f" {each.where}" if each.where else "") + ("" if each.verified else ", not verified")
    title = f"{each.name}: {word}, {from_ns / NS:.2f}-{to_ns / NS:.2f} s" + (f"; {each.detail}" if each.detail else "")
    kind = "fault" if each.verified else "unverified"
    yield _labelled(Band(scale.x(from_ns), y, scale.width(from_ns, to_ns), BAND - 5, kind, word, title))
    if each.healed_ns > to_ns:
        title = f"{each.name}: healing until {each.healed_ns / NS:.2f} s"
        band = Band(scale.x(to_ns), y, scale.width(to_ns, each.healed_ns), BAND - 5, "healing", "healing", title)
        yield _labelled(band)


def _coarseness(rows: Iterable[Sequence[Stretch]], scale: _Scale) -> float:
    """The narrowest stretch that is left out, in pixels: 0 unless there are more than `BANDS_MAX` of them."""
    widths = [scale.x(stretch.to_ns) - scale.x(stretch.from_ns) for row in rows for stretch in row]
    return sorted(widths, reverse=True)[BANDS_MAX] if len(widths) > BANDS_MAX else 0.0


def _broker(rows: Sequence[Sequence[Stretch]], scale: _Scale, top: float, row: int, coarse: float) -> Iterable[Band]:
    """A row per partition; where the broker does not answer, one band over all rows."""
    for partition, stretches in enumerate(rows):
        for stretch in stretches:
            if coarse and scale.x(stretch.to_ns) - scale.x(stretch.from_ns) <= coarse:
                continue
            if stretch.kind not in ("down", "starting"):
                yield _stretch(stretch, partition, scale, top + row * partition, row)
            elif partition == 0:
                yield _stretch(stretch, partition, scale, top, row * len(rows))


def _stretch(stretch: Stretch, partition: int, scale: _Scale, y: float, height: float) -> Band:
    title, label = {
        "leader": (f"leads partition {partition} in epoch {stretch.epoch}", f"p{partition} · epoch {stretch.epoch}"),
        "stale": (
            f"still says that it leads partition {partition} in epoch {stretch.epoch}, which is over",
            f"p{partition} · still epoch {stretch.epoch}",
        ),
        "isr": (f"in the ISR of partition {partition}", ""),
        "down": ("does not answer", "does not answer"),
        "starting": ("has not answered yet", "starting"),
    }[stretch.kind]
    thin = stretch.kind == "isr"
    band = Band(
        scale.x(stretch.from_ns),
        y + (height / 2 - 1.5 if thin else 1),
        scale.width(stretch.from_ns, stretch.to_ns),
        3 if thin else height - 2,
        stretch.kind,
        label if height >= ROW else "",
        title=f"{title}, {stretch.from_ns / NS:.2f}-{stretch.to_ns / NS:.2f} s",
        hue=HUES[partition % len(HUES)],
        odd=stretch.epoch % 2 == 1,
    )
    return _labelled(band)


def _acknowledgements(history: History, scale: _Scale, top: float) -> tuple[list[Band], int]:
    """Bars of acknowledged records per slot, and the slots in which outcomes stayed unknown. Probes do not count.

    Returns the bands and the records per second of the highest bar.
    """
    slots = int(min(SLOTS_MAX, max(20, scale.end_ns // (NS // 10))))
    slot_ns = scale.end_ns / slots
    counts = [0] * slots
    unknown = [0] * slots
    for produce in history.produces:
        if produce.directed_to >= 0:
            continue
        slot = max(0, min(slots - 1, int(produce.completed_ns / slot_ns)))
        if produce.acknowledged:
            counts[slot] += produce.count
        elif produce.outcome is not Outcome.OK:  # acks=None: sent, and nothing more to know
            unknown[slot] += produce.count
    for put in history.registers:
        slot = max(0, min(slots - 1, int(put.completed_ns / slot_ns)))
        if put.acknowledged:
            counts[slot] += 1
        elif put.action is RegisterAction.PUT:
            unknown[slot] += 1
    peak = max(counts)
    # A burst after a failover would flatten everything else: its bar breaks off at a few times the usual height.
    usual = median([count for count in counts if count]) if peak else 0
    top_count = min(peak, round(CLIPPED_AT * usual)) or 1
    bands = []
    for slot, count in enumerate(counts):
        from_ns, to_ns = int(slot * slot_ns), int((slot + 1) * slot_ns)
        x, width = scale.x(from_ns), max(1.0, scale.width(from_ns, to_ns) - 0.5)
        title = f"{from_ns / NS:.1f} s: {round(count * NS / slot_ns):,} records/s"
        if count:
            height = max(1.0, round(min(count, top_count) / top_count * (ACK_HEIGHT - UNKNOWN_HEIGHT - 2), 1))
            bottom = top + ACK_HEIGHT
            if count > top_count:  # a gap says that the bar is taller than it is drawn
                bands.append(Band(x, bottom - height, width, 6, "ack", title=title))
                height -= 9
            bands.append(Band(x, round(bottom - height, 1), width, height, "ack", title=title))
        if unknown[slot]:
            title = f"{from_ns / NS:.1f} s: {unknown[slot]:,} records failed or unknown"
            bands.append(Band(x, top, width, UNKNOWN_HEIGHT, "unknown", title=title))
    return bands, round(peak * NS / slot_ns)
