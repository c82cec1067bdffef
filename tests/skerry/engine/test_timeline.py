"""When occurrences are due."""

from __future__ import annotations

from itertools import pairwise

from skerry.engine.timeline import drawn, timeline_of

S = 1_000_000_000

FLAP = """  faults:
  - name: flap
    startAfter: 2s
    duration: 1s
    partition: {groups: [[{ordinal: 0}], [{role: Other}]]}
    repeat: {times: 5, every: 3s, jitter: 1s}
  - {name: then, following: flap, startAfter: 1s, kill: {target: {ordinal: 1}, how: Process}}
"""


def test_a_fault_that_does_not_repeat_happens_once(experiment):
    document = experiment(FLAP)
    (occurrence,) = [each for each in timeline_of(document, 7) if each.id.fault == "then"]
    assert (occurrence.offset_ns, occurrence.following, str(occurrence.id)) == (1 * S, "flap", "then#0")


def test_repeats_are_late_by_their_jitter_and_never_early(experiment):
    offsets = [each.offset_ns for each in timeline_of(experiment(FLAP), 7) if each.id.fault == "flap"]
    assert offsets[0] == 2 * S
    assert all(0 <= offset - (2 + 3 * number) * S <= S for number, offset in enumerate(offsets))
    assert all(later - earlier >= 2 * S for earlier, later in pairwise(offsets))
    assert len({offset % S for offset in offsets}) > 1


def test_until_counts_from_the_first_occurrence(experiment):
    document = experiment(FLAP.replace("times: 5", "until: 9s"))
    assert sum(each.id.fault == "flap" for each in timeline_of(document, 7)) == 4


def test_the_same_seed_draws_the_same_and_another_seed_another(experiment):
    document = experiment(FLAP)
    assert timeline_of(document, 7) == timeline_of(document, 7)
    assert timeline_of(document, 7) != timeline_of(document, 8)


def test_a_draw_is_pinned_because_replays_depend_on_it():
    assert [drawn(7, f"repeat/flap/{number}", 1000) for number in range(1, 5)] == PINNED
    assert drawn(7, "anything", 0) == 0


PINNED = [412, 736, 454, 16]
