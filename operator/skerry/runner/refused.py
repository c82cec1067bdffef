"""A run that is refused by what its document needs: decided and recorded before any cluster is made for it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from skerry.engine.conductor import Conductor
from skerry.engine.loop import Loop, OnTurn, nobody_watches
from skerry.engine.preflight import refusal
from skerry.engine.world import Action, ActionReport, Capabilities, Finish, Observation, Record
from skerry.experiment.document import Experiment
from skerry.history.records import Footer, Header, HistoryRecord, PhaseEvent
from skerry.history.run import History
from skerry.runner.recorder import Recorder


class RefusedRun(NamedTuple):
    """What is left of it."""

    finish: Finish
    history: History
    history_path: Path


def refused_run(
    experiment: Experiment,
    header: Header,
    directory: Path,
    capabilities: Capabilities,
    on_turn: OnTurn = nobody_watches,
) -> RefusedRun | None:
    """None: it is not refused. ``directory`` gets the history. Raises OSError."""
    if refusal(experiment, header.seed, capabilities) == ("", ""):
        return None
    nowhere = _Nowhere(capabilities)
    loop = Loop(Conductor(experiment, header.seed, capabilities), nowhere, on_turn)
    loop.decide()
    loop.carry_out()
    assert loop.finish is not None
    records = [header, PhaseEvent("Starting", 0), *nowhere.records, Footer(0)]
    recorder = Recorder(directory / "history.jsonl", header)
    for record in records[1:-1]:
        recorder.append(record)
    recorder.close(records[-1])
    return RefusedRun(loop.finish, History(records), recorder.path)


class _Nowhere:
    """A world without anything in it, in which no time passes."""

    def __init__(self, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self.records: list[HistoryRecord] = []

    def now_ns(self) -> int:
        return 0

    def observe(self) -> Observation:
        return Observation()

    def perform(self, action: Action) -> None:
        """A run that is refused asks for nothing but to be written down."""
        if isinstance(action, Record):
            self.records.append(action.record)

    def report(self, report: ActionReport) -> None:
        """Nothing is injected, so nothing is said of it."""
