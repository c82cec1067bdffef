"""How far a broker's wall clock is off is known as well as the quickest of its answers allows."""

from __future__ import annotations

from skerry.observe.skew import KEPT_NS, ClockSkew, Offset

MS = 1_000_000
WALL_NS = 1_800_000_000_000 * MS
"""The recorder's, at 0 of the run."""


def answer(skew: ClockSkew, at_ms: int, took_ms: int, off_ms: int, ordinal: int = 0) -> Offset | None:
    """Read in the middle of a question that took so long, by a clock that is so far ahead."""
    before_ns = WALL_NS + at_ms * MS
    wall_ns = before_ns + took_ms * MS // 2 + off_ms * MS
    return skew.note(ordinal, at_ms * MS, before_ns, wall_ns, before_ns + took_ms * MS)


def test_the_quickest_answer_counts() -> None:
    skew = ClockSkew()
    assert answer(skew, 0, took_ms=80, off_ms=-1500) == (-1500 * MS, 40 * MS, 0)
    assert answer(skew, 100, took_ms=2, off_ms=-1500) == (-1500 * MS, 1 * MS, 100 * MS)
    assert answer(skew, 200, took_ms=80, off_ms=-1480) == (-1500 * MS, 1 * MS, 100 * MS)


def test_a_clock_that_moved_is_measured_anew_however_slowly_it_answers() -> None:
    skew = ClockSkew()
    answer(skew, 0, took_ms=2, off_ms=0)
    assert answer(skew, 100, took_ms=80, off_ms=300) == (300 * MS, 40 * MS, 100 * MS)


def test_what_is_old_is_measured_anew() -> None:
    skew = ClockSkew()
    answer(skew, 0, took_ms=2, off_ms=5)
    late_ms = KEPT_NS // MS + 1
    assert answer(skew, late_ms, took_ms=40, off_ms=6) == (6 * MS, 20 * MS, late_ms * MS)


def test_each_broker_for_itself_and_nothing_is_claimed_where_nothing_was_measured() -> None:
    skew = ClockSkew()
    assert skew.note(0, 0, WALL_NS, 0, WALL_NS) is None, "a broker that tells no wall clock"
    assert skew.note(0, 0, WALL_NS, WALL_NS, WALL_NS - 1) is None, "ours was set back"
    assert answer(skew, 0, 2, 7, ordinal=1) == (7 * MS, 1 * MS, 0)
    assert skew.note(0, 0, WALL_NS, 0, WALL_NS) is None
