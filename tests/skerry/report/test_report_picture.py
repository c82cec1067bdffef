"""The picture: what every broker is to every partition over time, bands of faults, bars of acknowledgements."""

from __future__ import annotations

from itertools import pairwise

import pytest

from skerry.history import History
from skerry.history.records import (
    BrokerSample,
    FaultEvent,
    FaultStep,
    Footer,
    Header,
    Outcome,
    PhaseEvent,
    Produce,
    StatusSample,
)
from skerry.report.lanes import all_stretches
from skerry.report.picture import BANDS_MAX, LEFT, RIGHT, WIDTH, draw
from skerry.schema.verdict import Finding, FindingKind, Verdict

MS = 1_000_000
HEADER = Header(1, "cut", "", "local", 7, 0, "test", 3)


def status(broker, at, leader=0, epoch=0, isr=(0, 1, 2), *, leads=False, up=True):
    role = "Leader" if leads else "Follower"
    samples = (BrokerSample("t", 0, leader, epoch, isr, (), 0, 0, role),) if up else ()
    return StatusSample(broker, (at - 1) * MS, at * MS, up, partitions=samples)


def stretches(broker, *statuses):
    found = all_stretches(History([HEADER, *statuses]), 3, 1)[broker, 0]
    return [(each.from_ns // MS, each.to_ns // MS, each.kind, each.epoch) for each in found]


def test_a_broker_starts_leads_is_gone_and_comes_back_in_sync():
    assert stretches(
        0,
        status(0, 100, up=False),
        status(0, 200, leads=True),
        status(0, 300, leads=True),
        status(0, 400, up=False),
        status(1, 500, 1, 1, (1, 2), leads=True),
        status(0, 600, 1, 1),  # follows, and is not in the ISR: nothing
        status(1, 700, 1, 1, (0, 1, 2), leads=True),
        status(0, 800, 1, 1),
        status(0, 900, 1, 1),
    ) == [
        (100, 200, "starting", -1),
        (200, 400, "leader", 0),
        (400, 600, "down", -1),
        (800, 900, "isr", -1),
    ]


def test_a_deposed_leader_neither_leads_nor_says_who_is_in_sync():
    seen = [
        status(0, 100, leads=True),
        status(1, 200, 1, 1, (1, 2), leads=True),
        status(0, 300, 0, 0, (0,), leads=True),
        status(2, 400, 1, 1, (1, 2)),
        status(0, 500, 0, 0, (0,), leads=True),
        status(2, 600, 1, 1, (1, 2)),
    ]
    assert stretches(0, *seen) == [(100, 300, "leader", 0), (300, 500, "stale", 0)]
    assert stretches(2, *seen) == [(400, 600, "isr", -1)]


def test_silence_of_the_observer_is_not_filled_in():
    assert stretches(0, status(0, 100, leads=True), status(0, 9100, leads=True), status(0, 9200, leads=True)) == [
        (100, 2100, "leader", 0),
        (9100, 9200, "leader", 0),
    ]


def cut(step, before, after=None, number=0):
    return FaultEvent("cut", number, step, before * MS, (after or before) * MS, 0, "partition", ((0,), (1, 2)))


def x(at_ms, end_ms=10_000):
    return round(LEFT + at_ms / end_ms * (WIDTH - LEFT - RIGHT), 1)


def bands(*records, kinds, findings=()):
    picture = draw(History([HEADER, *records, Footer(10_000 * MS)]), 3, 1, findings)
    return [band for band in picture.bands if band.kind in kinds]


def test_a_fault_is_solid_when_proven_pale_while_it_heals_and_dashed_when_not_proven():
    kinds = ("fault", "unverified", "healing")
    life = [cut(FaultStep.EFFECTIVE, 1000, 1010), cut(FaultStep.HEALING, 5000), cut(FaultStep.HEALED, 5000, 6000)]
    proven, healing = bands(cut(FaultStep.VERIFIED, 1000, 1400), *life, kinds=kinds)
    assert (proven.kind, proven.x, proven.label) == ("fault", x(1000), "partition 0 | 1, 2")
    assert (healing.kind, healing.x, round(healing.x + healing.width, 1)) == ("healing", x(5000), x(6000))
    doubtful, _ = bands(cut(FaultStep.UNVERIFIED, 1400), *life, kinds=kinds)
    assert (doubtful.kind, doubtful.label) == ("unverified", "partition 0 | 1, 2, not verified")
    assert bands(cut(FaultStep.UNVERIFIED, 1400), kinds=kinds) == []  # never injected


def test_a_fault_that_repeats_has_one_lane():
    events = [cut(FaultStep.EFFECTIVE, 1000 * n, number=n) for n in range(1, 9)]
    assert len({band.y for band in bands(*events, kinds=("unverified",))}) == 1


def write(at, count=1, outcome=Outcome.OK, to=-1):
    return Produce(1, "t", 0, at * MS, at * MS, outcome, "All", 0, count, directed_to=to)


def test_acknowledgements_and_writes_without_one():
    writes = [write(at, 10) for at in range(0, 5000, 50)] + [write(6000, 500), write(7000, 3, Outcome.UNKNOWN)]
    writes.append(write(8000, 99, to=0))
    usual, *_ = bands(*writes, kinds=("ack",))
    assert usual.title == "0.0 s: 200 records/s"
    broken_off = [band for band in bands(*writes, kinds=("ack",)) if "5,000 records/s" in band.title]
    assert len(broken_off) == 2, "a bar that is taller than it is drawn has a gap"
    (unknown,) = bands(*writes, kinds=("unknown",))
    assert unknown.title == "7.0 s: 3 records failed or unknown"
    assert not [band for band in bands(*writes, kinds=("ack",)) if band.x >= x(7900)], "probes do not count"


def test_records_that_prove_a_failure_are_marked_where_they_were_answered():
    lost = Finding(FindingKind.SAFETY, "lost-write", Verdict.FAIL, "", witness=(1,))
    picture = draw(History([HEADER, write(2500), Footer(10_000 * MS)]), 3, 1, [lost])
    assert [(mark.x, mark.label) for mark in picture.witnesses] == [(x(2500), "lost-write")]


def test_phases_carry_their_names_where_there_is_room():
    phases = [PhaseEvent("Injecting", 0), PhaseEvent("Holding", 10 * MS), PhaseEvent("Recovering", 5000 * MS)]
    assert [band.label for band in bands(*phases, kinds=("phase",))] == ["", "Holding", "Recovering"]


@pytest.mark.parametrize(
    ("end_s", "first", "count"),
    [(0.4, "0.1 s", 5), (10, "1 s", 11), (60, "5 s", 13), (3600, "300 s", 13), (10**6, "62500 s", 17)],
)
def test_ticks_are_few_and_round(end_s, first, count):
    ticks = draw(History([HEADER, Footer(int(end_s * 1e9))]), 3, 1).ticks
    assert (ticks[0].label, ticks[1].label, len(ticks)) == ("0 s", first, count)


def test_nothing_overlaps_and_nothing_is_outside():
    records = [cut(FaultStep.EFFECTIVE, 1000), status(0, 2000, leads=True), write(99_000, 5)]
    picture = draw(History([HEADER, *records]), 5, 20)
    assert all(band.x >= LEFT and band.x + band.width <= WIDTH for band in picture.bands)
    assert all(band.y + band.height <= picture.height for band in picture.bands)
    edges = [(lane.y, lane.y + lane.height) for lane in picture.lanes]
    assert all(end <= begin for (_, end), (begin, _) in pairwise(edges))


def test_a_run_that_flaps_for_hours_stays_drawable():
    flapping = [status(0, 100 * n, epoch=n, leads=n % 2 == 0) for n in range(2 * BANDS_MAX)]
    assert len(bands(*flapping, kinds=("leader", "isr", "stale"))) <= BANDS_MAX


def test_an_empty_history_has_a_picture():
    assert draw(History([]), 0, 1).bands == ()
