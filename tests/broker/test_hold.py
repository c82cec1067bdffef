"""The init container that keeps a broker down until a stated moment, and never because of a mistake."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from skerry_broker.hold import ROUNDS_MAX, WrongFile, held_until, hold

NOW_S = 1_764_259_200.0


@pytest.mark.parametrize(
    ("text", "until_s"),
    [
        (None, None),  # no such file
        ("1764259210", NOW_S + 10),
        ("1764259210.5\n", NOW_S + 10.5),
        ("1764262800", NOW_S + 3600),  # the most that is waited for
        ("1764259200", None),  # now
        ("1764259199.9", None),
        ("0", None),
    ],
)
def test_until_when(text: str | None, until_s: float | None) -> None:
    assert held_until(text, NOW_S) == until_s


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "'' is no wall-clock second"),
        ("soon", "'soon' is no wall-clock second"),
        ("-5", "'-5' is no wall-clock second"),
        ("1e12", "'1e12' is no wall-clock second"),
        ("1764259210 1764259220", "is no wall-clock second"),
        ("٣", "is no wall-clock second"),
        ("1764262801", "is 3601 s ahead, more than 3600"),
        ("1764259200000", "is no wall-clock second"),  # milliseconds
    ],
)
def test_what_cannot_be_meant_is_not_waited_for(text: str, says: str) -> None:
    with pytest.raises(WrongFile, match=r"not waiting$") as problem:
        held_until(text, NOW_S)
    assert says in str(problem.value)


class Clock:
    """Sleeping moves it; `steps` are what the file says in each round, the last one for ever."""

    def __init__(self, *steps: str | None) -> None:
        self.now_s = NOW_S
        self.slept: list[float] = []
        self.lines: list[str] = []
        self._steps: Sequence[str | None] = steps
        self._reads = 0

    def read(self) -> str | None:
        self._reads += 1
        return self._steps[min(self._reads, len(self._steps)) - 1]

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds

    def run(self, now: Callable[[], float] | None = None) -> None:
        hold(self.read, now or (lambda: self.now_s), self.sleep, self.lines.append)


def test_it_waits_in_half_seconds_and_says_so_twice() -> None:
    clock = Clock("1764259201.2")
    clock.run()
    assert clock.slept == pytest.approx([0.5, 0.5, 0.2])
    assert clock.lines == ["held for 1.2 s, until 2025-11-27T16:00:01Z", "goes on after 1.2 s"]


def test_nothing_to_wait_for_is_not_worth_a_line() -> None:
    clock = Clock(None)
    clock.run()
    assert (clock.slept, clock.lines) == ([], [])


def test_an_earlier_moment_and_a_removed_file_are_noticed() -> None:
    removed = Clock("1764259260", None)
    removed.run()
    assert removed.slept == [0.5]
    earlier = Clock("1764259260", "1764259201")
    earlier.run()
    assert sum(earlier.slept) == pytest.approx(1.0)


def test_a_clock_that_stands_still_does_not_hold_a_broker_for_ever() -> None:
    clock = Clock("1764259260")
    clock.run(now=lambda: NOW_S)
    assert len(clock.slept) == ROUNDS_MAX == 7200


def run(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "skerry_broker.hold", "--file", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)


def test_the_program_goes_on_in_every_case(tmp_path: Path) -> None:
    absent = run(tmp_path / "broker-0")
    assert (absent.stdout, absent.stderr) == ("", "")
    (tmp_path / "broker-1").write_text("tomorrow")
    wrong = run(tmp_path / "broker-1")
    assert wrong.stderr.count("\n") == 1
    assert "broker-1: 'tomorrow' is no wall-clock second" in wrong.stderr
    assert "Is a directory" in run(tmp_path).stderr


def test_a_broker_reads_such_a_file_before_it_starts(tmp_path: Path) -> None:
    """The case of a container that is restarted in its pod, where no init container runs again. A mistake in it is
    passed over, and what then keeps this one from starting is its directory."""
    (tmp_path / "hold").write_text("tomorrow")
    (tmp_path / "file").write_text("no directory can be made in here")
    flags = ["--broker-id", "0", "--data-dir", str(tmp_path / "file" / "data"), "--hold-file", str(tmp_path / "hold")]
    command = [sys.executable, "-m", "skerry_broker", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    first, second = done.stderr.splitlines()
    assert "'tomorrow' is no wall-clock second" in first
    assert "Not a directory" in second
