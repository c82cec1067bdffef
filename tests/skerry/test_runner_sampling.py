"""Stalls of brokers, told by a machine whose clock is not ours, on the clock of the run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from skerry.history.records import Stall
from skerry.runner.sampling import Sampler, UnseenProcess
from skerry.targets.skerry.status import StatusAnswer
from skerry.targets.skerry.system import SkerrySystem
from skerry_broker.status_report import Stall as ToldStall

MS = 1_000_000
HOURS_MS = 3_600_000


@pytest.fixture
def sampler() -> Sampler:
    recorder = SimpleNamespace(append=lambda record: None)
    return Sampler(SkerrySystem({}, "orders"), {0: UnseenProcess(), 1: UnseenProcess()}, recorder, SimpleNamespace())


def answer(boot_ms: int, *stalls: tuple[int, int], incarnation: str = "first") -> StatusAnswer:
    """Made when the broker's machine had run for ``boot_ms``. A stall: (when it ended, how long it lasted)."""
    told = tuple(ToldStall(ended * MS, 0, duration * MS) for ended, duration in stalls)
    return StatusAnswer(
        SimpleNamespace(boot_ns=boot_ms * MS, stalls=told, node=SimpleNamespace(incarnation=incarnation))
    )


def taken(sampler: Sampler, said: StatusAnswer, before_ms: int, after_ms: int) -> list[tuple[int, int, int]]:
    sampler._note_stalls(0, said, before_ms * MS, after_ms * MS)
    return [(each.process, each.from_ns // MS, each.to_ns // MS) for each in sampler.take_stalls()]


@pytest.mark.parametrize("boot_ms", [700 * HOURS_MS, 2_000], ids=["up for a month", "just started"])
def test_a_stall_is_placed_by_its_age_whatever_the_uptime_of_its_machine(sampler: Sampler, boot_ms: int) -> None:
    """It ended 100 ms before an answer that was made between 5000 and 5008 ms of the run."""
    assert taken(sampler, answer(boot_ms, (boot_ms - 100, 300)), 5000, 5008) == [(0, 4600, 4908)]


def test_a_stall_is_told_once(sampler: Sampler) -> None:
    first, second = (60_000, 300), (60_400, 250)
    assert len(taken(sampler, answer(60_100, first), 5000, 5300)) == 1
    assert taken(sampler, answer(60_200, first), 5310, 5311) == []
    assert taken(sampler, answer(60_500, first, second), 5600, 5601) == [(0, 5250, 5501)]


def test_a_broker_that_moved_to_a_younger_machine_is_heard(sampler: Sampler) -> None:
    """The planted bug: its clock shows less than before, so that nothing it tells looks new."""
    assert len(taken(sampler, answer(700 * HOURS_MS, (700 * HOURS_MS - 10, 300)), 5000, 5001)) == 1
    assert len(taken(sampler, answer(9_000, (8_900, 400), incarnation="second"), 9000, 9001)) == 1


def test_what_was_over_before_the_run_is_none_of_its_stalls(sampler: Sampler) -> None:
    assert taken(sampler, answer(60_000, (50_000, 300)), 5000, 5001) == []


def test_brokers_stall_each_for_itself(sampler: Sampler) -> None:
    said = answer(60_000, (59_900, 300))
    sampler._note_stalls(0, said, 5000 * MS, 5000 * MS)
    sampler._note_stalls(1, said, 5000 * MS, 5000 * MS)
    assert sampler.take_stalls() == (Stall(0, 4600 * MS, 4900 * MS), Stall(1, 4600 * MS, 4900 * MS))
