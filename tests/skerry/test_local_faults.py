"""How faults are carried out on processes: in order, broken off by a heal, and nothing left down."""

from __future__ import annotations

import asyncio
import signal

import pytest

from skerry.engine.world import ActionReport, BrokerView, Heal, HealAll, Inject, OccurrenceId, ReportState
from skerry.faults.kill import Kill, KillHow
from skerry.faults.pause import Pause
from skerry.faults.restart import Restart, RestartHow
from skerry.runner.clock import RunClock
from skerry.worlds.local.machines import Machines, is_back
from skerry.worlds.local.world_faults import Faults


class Processes:
    """Three processes of paper. ``deaf``: those that ignore SIGTERM."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.changed = asyncio.Event()
        self.deaf: set[int] = set()
        self.views = {ordinal: view(ordinal, "first", 1) for ordinal in range(3)}
        self.brokers = {ordinal: PaperBroker(ordinal, self) for ordinal in range(3)}

    def note(self, entry: str) -> None:
        self.log.append(entry)
        self.changed.set()

    def register(self, ordinal: int) -> None:
        old = self.views[ordinal]
        self.views[ordinal] = view(ordinal, old.incarnation + "+", old.broker_epoch + 10)


class PaperBroker:
    def __init__(self, ordinal: int, all_of_them: Processes) -> None:
        self.ordinal = ordinal
        self.running = True
        self.ended = asyncio.Event()
        self.told_to_end = False
        self._all = all_of_them

    def signal(self, number: signal.Signals) -> None:
        if self.running and number is not signal.SIGCONT:
            self._all.note(f"{number.name} {self.ordinal}")
        self.told_to_end = self.told_to_end or number in (signal.SIGTERM, signal.SIGKILL)
        if number is signal.SIGKILL or (number is signal.SIGTERM and self.ordinal not in self._all.deaf):
            self.running = False
            self.ended.set()

    async def gone(self, timeout_s: float) -> bool:
        await self.ended.wait()
        return True

    def start(self) -> None:
        if not self.running:
            self.running, self.told_to_end = True, False
            self.ended.clear()
            self._all.note(f"start {self.ordinal}")


class NoProxy:
    alive = False


def view(ordinal: int, incarnation: str, epoch: int, reachable: bool = True) -> BrokerView:
    return BrokerView(ordinal, 0, reachable=reachable, incarnation=incarnation, broker_epoch=epoch)


@pytest.fixture
def world() -> Processes:
    return Processes()


@pytest.fixture
def reports() -> list[ActionReport]:
    return []


@pytest.fixture
def faults(world: Processes, reports: list[ActionReport]) -> Faults:
    clock = RunClock()
    machines = Machines(
        world.brokers,  # type: ignore[arg-type]  # paper
        NoProxy(),  # type: ignore[arg-type]
        clock,
        lambda: tuple(world.views.values()),
    )
    return Faults(machines, clock, reports.append)


OCCURRENCE = OccurrenceId("fault", 0)
ROLL = Restart((0, 1, 2), RestartHow.GRACEFUL, together=False)
DELETE = Kill((1,), KillHow.POD_DELETE, down_for_ns=10**12, grace_ns=10**12)


def inject(fault: Restart | Kill | Pause) -> Inject:
    return Inject(1, OCCURRENCE, fault, 0, 10**15)


async def until(world: Processes, entry: str) -> None:
    async with asyncio.timeout(5):
        while entry not in world.log:
            world.changed.clear()
            await world.changed.wait()


@pytest.mark.parametrize(
    ("now", "back"),
    [
        (view(0, "first", 7), False),
        (view(0, "second", 7), False),  # another process, and not registered yet
        (view(0, "second", 8, reachable=False), False),
        (view(0, "second", 8), True),
    ],
)
def test_is_back(now: BrokerView, back: bool) -> None:
    assert is_back(now, view(0, "first", 7)) is back


async def test_a_rolling_restart_waits_for_each_registration(world: Processes, faults: Faults) -> None:
    rolling = asyncio.create_task(faults.inject(inject(ROLL)))
    for ordinal in range(3):
        await until(world, f"start {ordinal}")
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(world.log) == 2 * (ordinal + 1)  # nobody else was touched while this one is away
        world.register(ordinal)
    await rolling
    assert world.log == [f"{what} {ordinal}" for ordinal in range(3) for what in ("SIGTERM", "start")]


async def test_a_heal_breaks_a_rolling_restart_off(
    world: Processes, faults: Faults, reports: list[ActionReport]
) -> None:
    rolling = asyncio.create_task(faults.inject(inject(ROLL)))
    await until(world, "start 0")
    await faults.heal(Heal(2, OCCURRENCE, ROLL))
    await rolling
    assert world.log == ["SIGTERM 0", "start 0"]
    assert [(report.id, report.state) for report in reports if report.state is not ReportState.STARTED] == [
        (1, ReportState.FAILED),
        (2, ReportState.DONE),
    ]


@pytest.mark.parametrize("broom", [False, True])
async def test_a_heal_does_not_wait_for_a_grace_period(world: Processes, faults: Faults, broom: bool) -> None:
    world.deaf = {1}
    deleting = asyncio.create_task(faults.inject(inject(DELETE)))
    await until(world, "SIGTERM 1")
    await (faults.heal_all(HealAll(2)) if broom else faults.heal(Heal(2, OCCURRENCE, DELETE)))
    await deleting
    assert world.log == ["SIGTERM 1", "SIGKILL 1", "start 1"]


async def test_a_broker_that_ended_by_itself_is_not_started(world: Processes, faults: Faults) -> None:
    world.brokers[2].running = False
    await faults.heal_all(HealAll(1))
    assert world.log == []


async def test_a_kill_ends_at_its_deadline_without_a_heal(world: Processes, faults: Faults) -> None:
    await faults.inject(Inject(1, OCCURRENCE, Kill((0,), KillHow.PROCESS, down_for_ns=1), 0, deadline_ns=0))
    await until(world, "start 0")
    assert world.log == ["SIGKILL 0", "start 0"]
    await faults.close()
