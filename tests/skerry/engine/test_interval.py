"""The interval judge, by readings written by hand: when it began, where, until when, and whether anybody looked."""

from __future__ import annotations

import pytest

from skerry.engine.interval import GAP_NS, Bracket, IntervalJudge
from skerry.faults.readings import Reading, of_direction, of_kept, of_new
from skerry.faults.samples import LinkKind, LinkView
from skerry.targets.skerry.planes import Plane

MS = 1_000_000
S = 1_000 * MS
ASKED = 10 * S


def reading(
    name: str = "a", meant: bool = True, at: int = 0, well: int = -1, taken: int = -1, **more: object
) -> Reading:
    """Times in milliseconds after the injection was asked for."""
    base = Reading(name, meant, f"{name} still answers", f"{name} fails", f"{name} was not looked at", settles_ns=0)
    times = {
        "looked_ns": ASKED + at * MS,
        "well_ns": ASKED + well * MS if well != -1 else -1,
        "taken_ns": ASKED + taken * MS if taken != -1 else -1,
    }
    return base._replace(**times, **more)  # type: ignore[arg-type]


def judge(
    *looks: Reading,
    holds: bool = True,
    until: int | None = None,
    gradual: bool = False,
    verified: bool = True,
    unsure_ms: int = 0,
) -> IntervalJudge:
    """Both things were whole 50 ms before the injection. It is ``verified`` the moment that all of it is taken."""
    found = IntervalJudge(ASKED, holds, gradual, unsure_ms * MS)
    found.look([reading("a", well=-50), reading("b", well=-50)])
    for look in looks:
        found.feed([look], None if until is None else ASKED + until * MS)
        if verified and found.began is not None:
            found.hold()
    return found


A_TAKEN = reading("a", at=450, taken=200)
B_TAKEN = reading("b", at=450, taken=250)
BOTH = (A_TAKEN, B_TAKEN)


def test_it_began_between_the_last_moment_that_was_well_and_the_first_that_was_not():
    found = judge(reading("a", at=80, well=70), reading("b", at=90, well=90), *BOTH)
    assert found.began == Bracket(ASKED + 70 * MS, ASKED + 250 * MS)
    assert found.missing() == ""


def test_nothing_begins_before_it_was_asked_for():
    assert judge(*BOTH).began == Bracket(ASKED, ASKED + 250 * MS)


def test_it_has_begun_when_all_of_it_is_taken_and_what_answers_until_then_was_not_taken():
    assert judge(A_TAKEN).began is None
    assert judge(A_TAKEN).missing() == "b was not looked at"
    found = judge(A_TAKEN, reading("a", at=600, well=590), reading("b", at=600, taken=550))
    assert found.began is None
    assert found.lost is None
    assert found.missing() == "a still answers"


def test_what_takes_one_after_the_other_has_begun_with_the_first():
    found = judge(A_TAKEN, gradual=True, holds=False)
    assert found.began == Bracket(ASKED, ASKED + 200 * MS)
    assert found.missing() == "b was not looked at"


def test_it_is_lost_the_moment_something_is_whole_again():
    found = judge(*BOTH, reading("a", at=900, taken=900), reading("a", at=1000, well=980))
    assert found.lost is not None
    assert found.lost.when == Bracket(ASKED + 900 * MS, ASKED + 980 * MS)
    assert found.lost.said == "a still answers"


def test_it_is_lost_when_something_comes_back_that_does_not_answer_yet():
    """The planted bug: a killed process was started too early, and answered only when its time was over."""
    again = reading("a", at=1000, again="a runs again", again_ns=ASKED + 1000 * MS)
    assert judge(again, *BOTH).lost is None, "it was not gone yet"
    found = judge(*BOTH, reading("a", at=900, taken=900), again)
    assert found.lost is not None
    assert found.lost == (Bracket(ASKED + 900 * MS, ASKED + 1000 * MS), "a runs again")
    assert judge(*BOTH, again, holds=False).lost is None
    assert judge(*BOTH, again, until=999).lost is None


def test_what_answers_again_before_it_was_verified_had_not_begun():
    """A machine that stood still for 300 ms: every ping to and from it was missed, and then it answers."""
    blip = judge(*BOTH, reading("a", at=600, well=590), verified=False)
    assert (blip.began, blip.lost) == (None, None)
    assert blip.missing() == "a still answers"
    blip.feed([reading("a", at=1100, taken=800)])
    assert blip.began == Bracket(ASKED, ASKED + 800 * MS)
    blip.hold()
    blip.feed([reading("a", at=2000, well=1990)])
    assert blip.lost is not None


@pytest.mark.parametrize(("settles", "lost"), [(0, True), (300, False)])
def test_what_was_seen_after_the_heal_was_asked_for_says_nothing(settles, lost):
    late = reading("a", at=1100, well=1100)
    assert judge(*BOTH, late, until=1000).lost is None
    before = reading("a", at=900, well=900)._replace(settles_ns=settles * MS)
    assert (judge(*BOTH, before, until=1000).lost is not None) is lost


@pytest.mark.parametrize("answered_ms", [1150, 950])
@pytest.mark.parametrize(("kind", "read"), [("kept", of_kept), ("kept", of_direction), ("new", of_new)])
def test_an_answer_that_came_after_the_heal_was_asked_for_may_tell_of_what_came_later(kind, read, answered_ms):
    """The question was asked in time; what it found may be the healed link."""
    link = (0, 1, Plane.RAFT)
    asked_ns, answered_ns = ASKED + 600 * MS, ASKED + answered_ms * MS
    view = LinkView(*link, LinkKind(kind), asked_ns, True, received_one_way=3, answered_ns=answered_ns)
    look = read(link, view, True)
    found = judge()
    found.look([look._replace(well_ns=ASKED - 50 * MS)])
    found.feed([look._replace(well_ns=-1, looked_ns=ASKED + 250 * MS, taken_ns=ASKED + 200 * MS)], ASKED + 1000 * MS)
    for each in BOTH:
        found.feed([each])
    assert found.began is not None
    found.hold()
    found.feed([look], ASKED + 1000 * MS)
    assert (found.lost is not None) is (answered_ms == 950)


@pytest.mark.parametrize(
    ("unanswered_ms", "taken_ms"),
    [
        (-1, 750),  # one that does not say when it pinged: a period after the last answer, and some slack
        (390, 640),  # the ping was on its way by 620, when the answer was here, and its own answer was due 20 ms later
        (360, 670),
    ],
)
def test_a_kept_connection_is_taken_by_when_an_answer_was_due(unanswered_ms, taken_ms):
    unanswered_ns = unanswered_ms * MS if unanswered_ms >= 0 else -1
    times = {"silent_ns": 400 * MS, "unanswered_ns": unanswered_ns, "answered_ns": 1010 * MS}
    view = LinkView(0, 1, Plane.RAFT, LinkKind.KEPT, 1000 * MS, False, **times)
    found = of_kept((0, 1, Plane.RAFT), view, True)
    assert (found.well_ns, found.taken_ns) == (600 * MS, taken_ms * MS)


def test_what_is_over_at_once_cannot_be_lost():
    assert judge(*BOTH, reading("a", at=900, well=900), holds=False).lost is None


def test_what_was_dead_before_proves_nothing():
    found = IntervalJudge(ASKED, holds=True)
    found.feed([A_TAKEN])
    assert found.missing() == "a was not whole before, so that nothing is known of what the fault took"


def test_what_another_fault_lies_over_cannot_be_judged_but_what_was_seen_before_stands():
    hidden = reading("b", at=450, taken=250, hidden=True)
    assert judge(A_TAKEN, hidden).missing() == "b cannot be judged: another fault lies over it"
    assert judge(*BOTH, hidden).missing() == ""


def test_what_is_to_be_left_alone_must_answer_and_may_miss_a_moment_only():
    whole = reading("c", False, at=400, well=390)
    assert judge(*BOTH).missing() == ""
    assert judge(*BOTH, reading("c", False)).missing() == "c was not looked at"
    assert judge(*BOTH, reading("c", False, at=500, taken=500)).missing() == "c fails"
    assert judge(*BOTH, whole, reading("c", False, at=1300, taken=1300)).stray() == ""
    assert judge(*BOTH, whole, reading("c", False, at=1500, taken=1500)).stray() == "c fails"


def test_it_is_late_when_it_was_whole_long_after_it_was_reported():
    late = judge(reading("a", at=1600, well=1600), reading("a", at=2000, taken=1900), B_TAKEN)
    assert late.late(ASKED + 100 * MS) == (
        "a still answers 1.50 s after the injection was reported as complete: it began too late"
    )
    assert late.late(ASKED + 700 * MS) == ""
    lazy = judge(reading("a", at=800, well=800, lazy=True), reading("a", at=950, taken=900, lazy=True), B_TAKEN)
    assert lazy.late(ASKED) == ""
    later = judge(reading("a", at=800, well=800, lazy=True), reading("a", at=2000, taken=1900, lazy=True), B_TAKEN)
    assert later.late(ASKED).startswith("a still answers 1.90 s after")


@pytest.mark.parametrize(("unsure_ms", "late"), [(0, True), (800, True), (900, False)])
def test_what_cannot_be_told_any_closer_is_not_late(unsure_ms, late):
    """A small drift shows late, and then it may have begun late."""
    lazy = judge(reading("a", at=2000, taken=1900, lazy=True), B_TAKEN, unsure_ms=unsure_ms)
    assert bool(lazy.late(ASKED)) is late


def test_what_shows_only_when_it_is_used_may_have_begun_when_it_was_asked_for():
    lazy = judge(reading("a", at=1600, well=1600, lazy=True), reading("a", at=2000, taken=1900, lazy=True), B_TAKEN)
    assert lazy.began == Bracket(ASKED, ASKED + 1900 * MS)


def test_who_was_not_looked_at_for_long_proves_nothing_for_that_time():
    later = ASKED + 5 * S
    steady = [reading(name, at=at, taken=at) for at in range(1000, 5001, 1000) for name in "ab"]
    assert judge(*BOTH, *steady).unseen(later) == ""
    assert judge(*BOTH, *steady[:-2]).unseen(later) == ""
    gone = judge(*BOTH, *(each for each in steady if each.subject == "a"))
    assert gone.unseen(later) == "b was not looked at from 10.45 s to 15.00 s"
    assert GAP_NS == 2 * S


def test_a_silence_counts_from_its_beginning_once_it_is_explained():
    quiet = reading("a", at=120)
    found = judge(
        reading("a", at=100, well=100), quiet, reading("a", at=900, taken=900), reading("b", at=200, taken=150)
    )
    assert found.began == Bracket(ASKED, ASKED + 150 * MS)


def test_how_strongly_is_kept_while_it_lasts():
    found = judge(*BOTH, reading("a", at=700, taken=700, measure=5), reading("a", at=800, taken=800, measure=7))
    assert found.measures() == {"a": [5, 7]}
