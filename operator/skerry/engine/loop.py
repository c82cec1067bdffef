"""The turn of the loop: look, decide, write down, carry out. One machine for every world.

A turn has two halves, because writing down may take time (on Kubernetes it is a request)::

    loop = Loop(conductor, world)
    while not loop.finished:
        kept = loop.decide()                   # observe, step; nothing is done yet
        refused = journal(kept) if kept else ""
        loop.carry_out(refused)                # perform, in order
        wait(TURN_NS)

What differs between worlds is only how they wait and where their journal is.

Invariants:
  1. An action that belongs in a journal (`journal.keeps`) is offered to it before anything of the turn is performed.
  2. What the journal could not take is not injected: nobody could undo it. Everything else is performed all the same:
     to heal needs no permission.
  3. Actions are performed in the order in which they were decided, each once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from skerry.engine.journal import keeps
from skerry.engine.world import Action, ActionReport, Finish, Inject, Observation, ReportState, Steps, World

TURN_NS = 50_000_000
"""Between two turns."""

OnTurn = Callable[[int, Observation, Sequence[Action]], None]
"""Told of every turn after it was carried out: when it was, what was seen, and what was decided."""


def nobody_watches(now_ns: int, observation: Observation, actions: Sequence[Action]) -> None:
    """An `OnTurn` for a run without a display."""


class Loop:
    """The turns of one run."""

    def __init__(self, conductor: Steps, world: World, on_turn: OnTurn = nobody_watches) -> None:
        self._conductor = conductor
        self._world = world
        self._on_turn = on_turn
        self._now_ns = 0
        self._observation = Observation()
        self._actions: Sequence[Action] = ()
        self.finish: Finish | None = None
        """The last action of the run, once it was performed."""

    @property
    def finished(self) -> bool:
        return self._conductor.finished

    def decide(self) -> tuple[Action, ...]:
        """Look and decide. Returns what the journal must hold before `carry_out` is called."""
        self._now_ns, self._observation = self._world.now_ns(), self._world.observe()
        self._actions = self._conductor.step(self._now_ns, self._observation)
        return tuple(action for action in self._actions if keeps(action))

    def carry_out(self, refused: str = "") -> None:
        """Perform what was decided. ``refused``: why the journal could not be written, as a sentence; empty: it was."""
        actions, self._actions = self._actions, ()
        for action in actions:
            if refused and isinstance(action, Inject):
                now_ns = self._world.now_ns()
                self._world.report(ActionReport(action.id, ReportState.FAILED, now_ns, now_ns, error=refused))
                continue
            if isinstance(action, Finish):
                self.finish = action
            self._world.perform(action)
        self._on_turn(self._now_ns, self._observation, actions)
