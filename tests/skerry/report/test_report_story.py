"""The story of a run: its sentences, their order, and what they leave out."""

from __future__ import annotations

from skerry.history import History
from skerry.history.records import (
    BrokerSample,
    ElectionSeen,
    FaultEvent,
    FaultStep,
    Fetch,
    FindingSeen,
    Header,
    Note,
    Outcome,
    Produce,
    Stall,
    StatusSample,
)
from skerry.report.occurrences import occurrences
from skerry.report.story import SENTENCES_MAX, story
from skerry.schema.verdict import Finding, FindingKind, Verdict

MS = 1_000_000
WALL = 1_700_000_000_000_000_000
HEADER = Header(1, "cut", "", "local", 7, WALL, "test", 3)


def fault(step, before, after=None, detail="", number=0, kind="partition"):
    groups = ((0,), (1, 2)) if kind == "partition" else ((0,),)
    after = before if after is None else after
    return FaultEvent("cut", number, step, before * MS, after * MS, 0, kind, groups, (), detail)


def elected(at, leader, epoch, partition=0, reason="isolation", seen=None):
    return ElectionSeen("t", partition, leader, epoch, WALL + at * MS, (seen or at + 100) * MS, reason)


def leads(broker, at, epoch, isr, partition=0, truncated=0):
    sample = BrokerSample("t", partition, broker, epoch, isr, (), 0, 0, "Leader")
    return StatusSample(broker, at * MS, at * MS, True, truncated_records=truncated, partitions=(sample,))


def told(*records, findings=()):
    return [f"{each.at_ns // MS} {each.text}" for each in story(History([HEADER, *records]), findings)]


CUT = [
    fault(FaultStep.RESOLVED, 990, detail="leader of partition 0 = broker 0; quorum holds"),
    fault(FaultStep.INJECTING, 990),
    fault(FaultStep.EFFECTIVE, 1000, 1020),
    fault(FaultStep.VERIFIED, 1000, 1400, "4 pairs fail"),
    fault(FaultStep.HEALING, 3000, 3010),
    fault(FaultStep.HEALED, 3000, 3010, "every pair answers"),
]


def test_effect_proof_election_isr_and_heal_in_the_order_of_cause():
    assert (
        told(
            leads(0, 500, 0, (0, 1, 2)),
            *CUT[:4],
            elected(1900, 1, 1),
            leads(1, 2000, 1, (1, 2)),
            leads(0, 2050, 0, (0,)),  # cut off, it knows nothing of epoch 1: no news
            *CUT[4:],
            leads(1, 4000, 1, (2, 0, 1)),
        )
        == [
            "1000 partition “cut” takes effect (0 | 1, 2): leader of partition 0 = broker 0",
            "1400 partition “cut” is verified: 4 pairs fail",
            "1900 broker 1 becomes leader of partition 0 (epoch 1), reason: isolation",
            "2000 the ISR of partition 0 shrinks to {1, 2}",
            "3000 partition “cut” is healed",
            "4000 the ISR of partition 0 grows to {0, 1, 2}",
        ]
    )


def test_what_happens_to_several_partitions_at_once_is_one_sentence():
    before = [leads(1, 100, 0, (0, 1, 2), partition) for partition in range(3)]
    after = [leads(1, 2000 + partition, 1, (1, 2), partition) for partition in range(3)]
    assert told(*before, elected(1900, 1, 1), elected(1901, 1, 4, 2), *after) == [
        "1900 broker 1 becomes leader of partitions 0 (epoch 1), 2 (epoch 4), reason: isolation",
        "2000 the ISR of partitions 0, 1, 2 shrinks to {1, 2}",
    ]


def test_the_same_change_later_is_told_again():
    shrinks = [leads(1, at + p, 1, (1, 2), p) for at in (1000, 5000) for p in range(2)]
    grows = [leads(1, at + p, 1, (0, 1, 2), p) for at in (100, 3000) for p in range(2)]
    records = sorted([*shrinks, *grows], key=lambda sample: sample.after_ns)
    assert told(*records) == [
        "1000 the ISR of partitions 0, 1 shrinks to {1, 2}",
        "3000 the ISR of partitions 0, 1 grows to {0, 1, 2}",
        "5000 the ISR of partitions 0, 1 shrinks to {1, 2}",
    ]


def test_an_election_is_placed_by_its_wall_clock_but_never_after_it_was_seen():
    assert told(elected(1900, 1, 1)) == ["1900 broker 1 becomes leader of partition 0 (epoch 1), reason: isolation"]
    assert told(elected(9000, 1, 1, seen=2000))[0].startswith("2000 ")
    assert told(elected(0, 1, 0, reason="created")) == []
    assert told(elected(1900, -1, 2)) == ["1900 nobody leads partition 0 (epoch 2), reason: isolation"]


def test_a_fault_that_was_not_proven_is_told_as_such():
    unseen = fault(FaultStep.UNVERIFIED, 1500, detail="0->1 still answers")
    assert told(*CUT[:3], unseen) == [
        "1000 partition “cut” takes effect (0 | 1, 2): leader of partition 0 = broker 0",
        "1500 partition “cut” is NOT verified: 0->1 still answers",
    ]
    refused = fault(FaultStep.UNVERIFIED, 900, detail="it would break the quorum")
    assert told(refused) == ["900 partition “cut” is NOT verified: it would break the quorum"]


def test_a_proof_that_was_withdrawn_or_a_fault_that_got_lost_does_not_count():
    disproof = fault(FaultStep.UNVERIFIED, 3500, detail="registered as after a clean shutdown")
    lost = fault(FaultStep.LOST, 2000, 2100, "its injector died")
    for events, end_ns in (([*CUT, disproof], 3000), ([*CUT[:4], lost, *CUT[4:]], 2000)):
        (happened,) = occurrences(events)
        assert not happened.verified
        assert happened.heal_ns == end_ns * MS
        assert any("is NOT verified" in line for line in told(*events))
    assert occurrences(CUT)[0].verified


def test_a_victim_that_is_back_late_says_how_late():
    back = fault(FaultStep.HEALED, 4900, 5000, kind="kill")
    events = [fault(FaultStep.EFFECTIVE, 1000, kind="kill"), fault(FaultStep.HEALING, 3000, kind="kill"), back]
    assert told(*events) == [
        "1000 kill “cut” takes effect on broker 0",
        "3000 kill “cut” is healed, and measured to be gone 2.00 s later",
    ]


def test_truncations_stalls_notes_and_findings():
    finding = Finding(FindingKind.RUN, "run", Verdict.INCONCLUSIVE, "Not recovered.", reason="NotRecovered")
    assert told(
        leads(0, 100, 0, (0,)),
        leads(0, 200, 0, (0,), truncated=3),
        Stall(-1, 300 * MS, 800 * MS),
        Stall(-1, 900 * MS, 950 * MS),
        Note(1000 * MS, "steady"),
        FindingSeen(1100 * MS, finding),
        Note(1100 * MS, "Not recovered."),
    ) == [
        "200 broker 0 truncates 3 records that diverge from the leader",
        "300 the runner did not run for 500 ms",
        "1000 steady",
        "1100 Inconclusive (NotRecovered): Not recovered.",
    ]


def test_the_records_that_prove_a_failure_are_part_of_the_story():
    value = 3 << 40 | 118
    write = Produce(3, "t", 0, 0, 50 * MS, Outcome.OK, "All", value, 4, base_offset=118, leader=0, leader_epoch=3)
    read = Fetch(9, "t", 0, 0, 90 * MS, Outcome.OK, 100, 100, tuple(range(50)), 150, final=True)
    lost = Finding(FindingKind.SAFETY, "lost-write", Verdict.FAIL, "", offsets=(119,), witness=(1, 2))
    assert told(write, read, findings=[lost]) == [
        "50 lost-write: 3:119 is acknowledged at offset 119 by broker 0 in epoch 3",
        "90 lost-write: the final read finds 0:19 at offset 119",
    ]


def test_of_a_long_story_faults_and_guilt_stay():
    notes = [Note(at * MS, f"note {at}") for at in range(200)]
    lines = told(*notes, *CUT)
    assert len(lines) == SENTENCES_MAX
    assert sum("cut" in line for line in lines) == 3
