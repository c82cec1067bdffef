"""One turn of the loop: journal before deed, in order, and nothing injected that is not written down."""

from __future__ import annotations

from skerry.engine.loop import Loop
from skerry.engine.world import (
    Action,
    ActionReport,
    Capabilities,
    CheckLinks,
    Finish,
    Heal,
    Inject,
    Observation,
    ReportState,
)
from skerry.faults.pause import Pause
from skerry.faults.port import OccurrenceId
from skerry.schema.verdict import Verdict

CUT, PAUSE = OccurrenceId("stop", 0), Pause((1,))
INJECT, HEAL = Inject(1, CUT, PAUSE, 5, 10), Heal(2, CUT, PAUSE)
FINISH = Finish(9, Verdict.PASS, "Passed", "It passed.")
LOOK = CheckLinks(3)


class Script:
    """A conductor that decides what it was told to, turn by turn."""

    def __init__(self, *turns: list[Action]) -> None:
        self._turns = list(turns)
        self.seen: list[tuple[int, Observation]] = []

    @property
    def finished(self) -> bool:
        return not self._turns

    def step(self, now_ns: int, observation: Observation) -> list[Action]:
        self.seen.append((now_ns, observation))
        return self._turns.pop(0)


class Stage:
    """A world that only writes down what it is asked."""

    capabilities = Capabilities("toy", frozenset(), frozenset())

    def __init__(self) -> None:
        self.performed: list[Action] = []
        self.reports: list[ActionReport] = []
        self.clock_ns = 0

    def now_ns(self) -> int:
        self.clock_ns += 1
        return self.clock_ns

    def observe(self) -> Observation:
        return Observation(abort=f"look {self.clock_ns}")

    def perform(self, action: Action) -> None:
        self.performed.append(action)

    def report(self, report: ActionReport) -> None:
        self.reports.append(report)


def test_nothing_is_done_before_the_journal_has_it() -> None:
    world = Stage()
    loop = Loop(Script([INJECT, LOOK, HEAL]), world)
    assert loop.decide() == (INJECT, HEAL)
    assert world.performed == []
    loop.carry_out()
    assert world.performed == [INJECT, LOOK, HEAL]
    assert world.reports == []


def test_what_the_journal_cannot_take_is_not_injected_and_heals_all_the_same() -> None:
    world = Stage()
    loop = Loop(Script([INJECT, LOOK, HEAL]), world)
    loop.decide()
    loop.carry_out("the disk is full")
    assert world.performed == [LOOK, HEAL]
    assert world.reports == [ActionReport(1, ReportState.FAILED, 2, 2, error="the disk is full")]


def test_a_turn_is_carried_out_once() -> None:
    world = Stage()
    loop = Loop(Script([LOOK], []), world)
    loop.decide()
    loop.carry_out()
    loop.carry_out()
    assert world.performed == [LOOK]


def test_whoever_watches_sees_what_the_conductor_saw() -> None:
    told: list[tuple[int, Observation, list[Action]]] = []
    script = Script([LOOK], [FINISH])
    loop = Loop(script, Stage(), lambda now_ns, seen, actions: told.append((now_ns, seen, list(actions))))
    while not loop.finished:
        assert loop.finish is None
        loop.decide()
        loop.carry_out()
    assert [(now_ns, seen) for now_ns, seen, _ in told] == script.seen
    assert [actions for _, _, actions in told] == [[LOOK], [FINISH]]
    assert loop.finish is FINISH
