"""The run's clock from afar: by hand, and against a simulated pod whose clock is known."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skerry.worlds.kubernetes.clock import BracketClock, ClockUnknown

MS = 1_000_000
S = 1_000_000_000


def bracket(clock, op_ns):
    return clock.lower_ns(op_ns), clock.upper_ns(op_ns)


def test_one_exchange_brackets_the_offset():
    clock = BracketClock(drift_ppm=0)
    clock.exchange(1000, 5000, 1400)
    # somewhere between 1000 and 1400 it was 5000: at 1400 it is 5000 to 5400
    assert bracket(clock, 1400) == (5000, 5400)
    assert bracket(clock, 2400) == (6000, 6400)
    assert clock.now_ns(1400) == 5200
    assert clock.error_ns(1400) == 200


def test_a_faster_exchange_narrows_it_and_a_slow_one_does_not_widen_it():
    clock = BracketClock(drift_ppm=0)
    clock.exchange(1000, 5000, 1400)
    clock.exchange(2000, 6050, 2100)  # 3950 .. 4050, of 3600 .. 4000
    assert bracket(clock, 3000) == (6950, 7000)
    clock.exchange(3000, 7900, 9000)
    assert bracket(clock, 3000) == (6950, 7000)
    assert clock.restarts == 0


def test_age_widens_it_by_the_drift():
    clock = BracketClock(drift_ppm=200)
    clock.exchange(0, 10 * S, 0)
    assert bracket(clock, 10 * S) == (20 * S - 2 * MS, 20 * S + 2 * MS)
    assert clock.error_ns(10 * S) == 2 * MS
    # the past is as uncertain as the future
    assert bracket(clock, -10 * S) == (-2 * MS, 2 * MS)


def test_a_contradiction_starts_again_from_the_newest_and_is_counted():
    clock = BracketClock()
    clock.exchange(0, 100 * S, 1 * MS)
    clock.exchange(1 * S, 3 * S, 1 * S + 1 * MS)  # another pod, whose run has just begun
    assert clock.restarts == 1
    lower_ns, upper_ns = bracket(clock, 2 * S)
    assert 4 * S - 2 * MS < lower_ns <= 4 * S <= upper_ns < 4 * S + 2 * MS


def test_the_estimate_never_goes_back():
    clock = BracketClock(drift_ppm=0)
    clock.exchange(0, 100 * MS, 40 * MS)
    shown_ns = clock.now_ns(40 * MS)
    assert shown_ns == 120 * MS
    clock.exchange(40 * MS, 101 * MS, 41 * MS)  # it was at the very edge of what was known
    assert clock.upper_ns(41 * MS) < shown_ns
    assert clock.now_ns(41 * MS) == shown_ns
    assert clock.error_ns(41 * MS) == shown_ns - clock.lower_ns(41 * MS)
    assert clock.now_ns(90 * MS) == 150 * MS + 500_000


def test_exchanges_may_come_out_of_order():
    clock = BracketClock(drift_ppm=1000)
    clock.exchange(1 * S, 6 * S, 1 * S + 100 * MS)
    clock.exchange(0, 5 * S, 1 * MS)  # delivered later; its age widens it, and it still tells something
    assert bracket(clock, 1 * S + 100 * MS) == (6_100 * MS - 2_100_000, 6_100 * MS + 100_000)


def test_before_the_first_exchange_nothing_is_known():
    clock = BracketClock()
    for ask in (clock.lower_ns, clock.upper_ns, clock.now_ns, clock.error_ns):
        with pytest.raises(ClockUnknown, match="has not answered yet"):
            ask(0)


def test_an_exchange_takes_time():
    with pytest.raises(ValueError, match="received at 9 ns, which is before"):
        BracketClock().exchange(10, 0, 9)


# --- the truth lies inside ------------------------------------------------------------------------------

MOVES = st.lists(
    st.tuples(
        st.integers(0, 5 * S),  # until the next exchange
        st.integers(0, 300 * MS),  # the question's way
        st.integers(0, 300 * MS),  # the answer's way
        st.integers(-200, 200),  # ppm by which the pod's clock runs fast until then
    ),
    min_size=1,
    max_size=40,
)


class Pod:
    """A run clock that runs a little fast or slow, a different little in every stretch. It is kept in femtoseconds, so
    that no rounding adds up in the model, and read in whole nanoseconds."""

    def __init__(self, run_ns):
        self.op_ns = 0
        self._run_fs = run_ns * 1_000_000

    @property
    def run_ns(self):
        return self._run_fs // 1_000_000

    def advance(self, by_ns, ppm):
        self.op_ns += by_ns
        self._run_fs += by_ns * (1_000_000 + ppm)


def wander(clock, run_ns, moves):
    """Exchanges as the moves say; yields (op, true run clock) whenever somebody may ask."""
    pod = Pod(run_ns)
    for pause_ns, there_ns, back_ns, ppm in moves:
        pod.advance(pause_ns, ppm)
        sent_ns = pod.op_ns
        pod.advance(there_ns, -ppm)
        read_ns = pod.run_ns
        pod.advance(back_ns, ppm)
        clock.exchange(sent_ns, read_ns, pod.op_ns)
        yield pod.op_ns, pod.run_ns
        pod.advance(pause_ns // 2, ppm)
        yield pod.op_ns, pod.run_ns


@settings(max_examples=300, deadline=None)
@given(run_ns=st.integers(0, 10**15), moves=MOVES)
def test_the_truth_always_lies_inside(run_ns, moves):
    clock, shown_ns = BracketClock(), 0
    for op_ns, true_ns in wander(clock, run_ns, moves):
        assert clock.lower_ns(op_ns) - 1 <= true_ns <= clock.upper_ns(op_ns) + 1, "the model reads whole nanoseconds"
        error_ns, now_ns = clock.error_ns(op_ns), clock.now_ns(op_ns)
        assert abs(now_ns - true_ns) <= error_ns + 1
        assert now_ns >= shown_ns
        shown_ns = now_ns
    assert clock.restarts == 0


@settings(max_examples=100, deadline=None)
@given(moves=MOVES, jump_ns=st.sampled_from([-100_000 * S, 100_000 * S]))
def test_after_a_jump_the_truth_lies_inside_again(moves, jump_ns):
    clock = BracketClock()
    clock.exchange(-1 * S, 10**15 - 1 * S, -1 * S)
    for op_ns, true_ns in wander(clock, 10**15 + jump_ns, moves):
        assert clock.lower_ns(op_ns) - 1 <= true_ns <= clock.upper_ns(op_ns) + 1
    assert clock.restarts == 1


def test_an_allowance_that_is_too_small_is_noticed():
    """The planted bug of the property above: a clock that forgets to widen loses the truth."""
    clock = BracketClock(drift_ppm=0)
    moves = [(5 * S, 10, 10, 150)] * 5
    outside = [op for op, true in wander(clock, 0, moves) if not clock.lower_ns(op) <= true <= clock.upper_ns(op)]
    assert outside
    assert clock.restarts
