"""The journal: what a conductor that starts later learns."""

from __future__ import annotations

import pytest

from skerry.engine.actions import CheckLinks, Drain, Finish, Heal, HealAll, Inject, Record, StartWorkload
from skerry.engine.journal import JournalError, bounded, decode, encode, interrupted_run, keeps, unhealed
from skerry.faults.pause import Pause
from skerry.faults.port import OccurrenceId
from skerry.history.records import Note
from skerry.schema.verdict import Verdict

PAUSE = Pause((1,))


def inject(id, name, number=0):
    return Inject(id, OccurrenceId(name, number), PAUSE, 5, 10)


def heal(id, name, number=0):
    return Heal(id, OccurrenceId(name, number), PAUSE)


FINISH = Finish(9, Verdict.PASS, "Passed", "It passed.")


def test_lines_survive():
    entries = [StartWorkload(1), inject(2, "cut"), heal(3, "cut"), HealAll(4), Drain(5), FINISH]
    assert decode(encode(entry) for entry in entries) == entries


def test_a_last_line_that_was_cut_off_was_never_acted_upon():
    lines = [encode(StartWorkload(1)), encode(inject(2, "cut"))[:-10]]
    assert decode(lines) == [StartWorkload(1)]


def test_a_damaged_line_in_the_middle_is_not_passed_over():
    with pytest.raises(JournalError, match="line 1 of the journal is damaged"):
        decode([b"garbage", encode(StartWorkload(1))])


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([], ""),
        ([StartWorkload(1), inject(2, "cut"), heal(3, "cut"), FINISH], ""),
        ([StartWorkload(1)], "it had come to its action 1, with no fault in effect"),
        ([StartWorkload(1), inject(2, "cut")], "`cut#0` may still be in effect"),
        (
            [inject(2, "cut"), heal(3, "cut"), inject(4, "cut", 1), inject(5, "b")],
            "`cut#1`, `b#0` may still be in effect",
        ),
        ([inject(2, "cut"), HealAll(3)], "it had come to its action 3, with no fault in effect"),
    ],
)
def test_a_run_in_progress(entries, words):
    assert interrupted_run(entries) == words


def test_only_decisions_that_may_have_to_be_undone_are_kept():
    assert not keeps(CheckLinks(1))
    assert not keeps(Record(1, Note(0, "x")))
    assert keeps(inject(1, "cut"))


def test_a_journal_at_its_limit_forgets_what_was_healed_and_nothing_else():
    entries = [StartWorkload(1), inject(2, "stands")]
    for number in range(20):
        entries += [inject(10 + 2 * number, "flap", number), heal(11 + 2 * number, "flap", number)]
    short = bounded(entries, 10)
    assert len(short) == 10
    assert short[:2] == entries[:2]
    assert unhealed(short) == unhealed(entries) == [entries[1]]
    assert bounded(entries, 100) == entries


def test_an_injection_that_was_never_healed_outlives_any_limit():
    entries = [inject(number, "f", number) for number in range(20)]
    assert unhealed(bounded(entries, 5)) == entries
