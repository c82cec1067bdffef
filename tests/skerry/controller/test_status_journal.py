"""The journal in the status: what it holds, what it forgets, and what is learned from it."""

from __future__ import annotations

import pytest

from skerry.controller.status_journal import (
    ENTRIES_MAX,
    ENTRY_MAX,
    TOTAL_MAX,
    UNSEEN_IDS,
    StatusJournal,
    fitting,
    interruption,
)
from skerry.engine.journal import decode, encode, unhealed
from skerry.engine.world import Check, CheckLinks, Finish, Heal, HealAll, Inject, OccurrenceId, StartWorkload
from skerry.faults.network_partition import Connections, Cut, CutAction
from skerry.faults.pause import Pause
from skerry.schema.verdict import Finding, FindingKind, Verdict
from skerry.targets.skerry.planes import Plane
from skerry.worlds.kubernetes.api import KubeError


def inject(number: int, fault=None) -> Inject:
    return Inject(2 * number, OccurrenceId("flap", number), fault or Pause((0,)), 1, 2)


def heal(number: int, fault=None) -> Heal:
    return Heal(2 * number + 1, OccurrenceId("flap", number), fault or Pause((0,)))


def wide_cut(brokers: int) -> Cut:
    links = tuple((a, b) for a in range(brokers) for b in range(brokers) if a != b)
    return Cut(links, (Plane.RAFT,), Connections.NEW, CutAction.DROP, (tuple(range(brokers)),))


def status(*actions) -> dict:
    return {"journal": [encode(action).decode() for action in actions]}


FINISH = Finish(9, Verdict.PASS, "Passed", "It passed.")


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ({}, None),
        ({"phase": "Pending", "seed": 3, "startTime": "2027-01-15T08:00:00Z"}, None),
        ({"workload": "skerry-story-workload"}, "it had only just begun"),
        (status(StartWorkload(4)), "it had come to its action 4, with no fault in effect"),
        (status(inject(2)), "`flap#2` may still be in effect"),
        (status(inject(2), heal(2)), "it had come to its action 5, with no fault in effect"),
        (status(inject(2), HealAll(6)), "it had come to its action 6, with no fault in effect"),
        (status(inject(2), FINISH), "it had its verdict, and the report was not stored yet"),
        ({"journal": ["{", encode(FINISH).decode()]}, "its journal cannot be read (line 1 of the journal is damaged"),
    ],
)
def test_what_is_learned(found, why):
    learned = interruption(found)
    if why is None:
        assert learned is None
    else:
        assert learned is not None
        assert learned.why.startswith(why)


def test_ids_go_on_above_all_that_were_ever_used():
    assert interruption(status(inject(7))).last_action_id == 14 + UNSEEN_IDS


async def test_it_is_written_and_taken_over():
    written: list[list[str]] = []

    async def write(lines):
        written.append(list(lines))

    journal = StatusJournal(write)
    await journal.append([StartWorkload(1), CheckLinks(2)])
    await journal.append([inject(1)])
    assert written == [status(StartWorkload(1))["journal"], status(StartWorkload(1), inject(1))["journal"]]

    found = interruption({"journal": written[-1]})
    await StatusJournal(write, found.entries).append([HealAll(UNSEEN_IDS)])
    assert written[-1] == status(StartWorkload(1), inject(1), HealAll(UNSEEN_IDS))["journal"]


def test_it_stays_within_the_bounds_and_forgets_only_what_was_healed():
    entries: list = [inject(0)]
    for number in range(1, 250):
        entries, lines = fitting([*entries, inject(number), heal(number)])
        assert len(lines) <= ENTRIES_MAX
        assert sum(map(len, lines)) <= TOTAL_MAX
    assert unhealed(decode(line.encode() for line in lines)) == [inject(0)]


def test_an_entry_that_is_too_long_loses_its_pairs_and_nothing_else():
    cut = wide_cut(60)
    _, lines = fitting([inject(1, cut), heal(1, cut)])
    assert all(len(line) <= ENTRY_MAX for line in lines)
    first, second = decode(line.encode() for line in lines)
    assert (first.occurrence, first.deadline_ns, first.fault.planes) == (OccurrenceId("flap", 1), 2, cut.planes)
    assert isinstance(second, Heal)


def test_findings_are_not_its_business():
    finding = Finding(FindingKind.RUN, "run", Verdict.INCONCLUSIVE, "m" * 5000)
    _, lines = fitting([Check(1), Finish(2, Verdict.INCONCLUSIVE, "Why", "So.", (finding,))])
    assert all(len(line) < 200 for line in lines)


def test_more_than_it_can_hold_is_not_injected():
    with pytest.raises(KubeError, match="401 occurrences may be in effect at once"):
        fitting([inject(number) for number in range(401)])


def test_a_line_that_nobody_of_us_wrote_is_no_bug_of_ours():
    found = interruption({"workload": "w", "journal": ["[" * 100_000, "[]"]})
    assert found.why.startswith("its journal cannot be read")
