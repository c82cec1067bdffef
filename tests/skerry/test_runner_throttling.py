"""A CPU limit of the workload pod is measured, and told as a stall of the instrument."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from skerry.runner.throttling import ThrottlingWatch, throttled_ns

MS = 1_000_000
V2 = "usage_usec 96000\nuser_usec 80000\nnr_periods 20\nnr_throttled 19\nthrottled_usec {}\n"
V1 = "nr_periods 20\nnr_throttled 19\nthrottled_time {}\n"


@pytest.mark.parametrize(
    ("text", "known_ns"),
    [
        (V2.format(1700), 1_700_000),
        (V1.format(1_700_000), 1_700_000),
        ("usage_usec 96000\n", None),
        ("throttled_usec many\n", None),
        ("", None),
    ],
)
def test_what_the_kernel_tells(text: str, known_ns: int | None) -> None:
    assert throttled_ns(text) == known_ns


def telling(*throttled_ms: int) -> Callable[[], str]:
    """So much in all, look by look."""
    totals = iter(throttled_ms)
    return lambda: V2.format(next(totals) * 1000)


def test_a_window_of_which_a_fifth_was_taken_is_a_stall() -> None:
    watch = ThrottlingWatch(telling(1000, 1099, 1199, 1640, 1640))
    assert watch.look(0) is None, "what was before is no window"
    assert watch.look(500 * MS) is None, "99 of 500 ms"
    assert watch.look(1000 * MS) == (500 * MS, 1000 * MS, 100 * MS)
    assert str(watch.look(1500 * MS)).startswith("a CPU limit kept the workload pod from running for 441 of 500 ms")
    assert watch.look(2000 * MS) is None


def test_where_nobody_tells_nothing_is_claimed() -> None:
    watch = ThrottlingWatch(lambda: "")
    assert [watch.look(at * 500 * MS) for at in range(3)] == [None] * 3
