"""What a user sees while a run goes on: a live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from skerry.engine.world import Action, Observation, Record
from skerry.experiment.document import Experiment
from skerry.history.records import FaultEvent, PhaseEvent
from skerry.report.timeline import Timeline, led_partitions, partition_summary

NS = 1_000_000_000
PHASES = (
    "Preflight",
    "SteadyState",
    "Injecting",
    "Verifying",
    "Holding",
    "Healing",
    "Recovering",
    "Draining",
    "Checking",
    "Complete",
)
STYLES = {"x": "bold red", "z": "bold yellow", "?": "yellow", "C": "bold cyan", "·": "dim"}
PLAIN_EVERY_NS = 2 * NS


def seconds(ns: int) -> str:
    return f"{ns / NS:5.1f} s"


def styled(strip: str) -> Text:
    text = Text()
    for mark in strip:
        text.append(mark, STYLES.get(mark, "green" if mark.isdigit() else "red"))
    return text


class LiveView:
    """Fed by the world after every turn. Plain lines when the console is no terminal, the same facts."""

    def __init__(self, experiment: Experiment, world: str, seed: int, console: Console) -> None:
        self._experiment = experiment
        self._console = console
        self._title = f"{experiment.name}  ·  world {world}  ·  seed {seed}"
        self._timeline = Timeline(width=max(20, min(120, console.width - 34)))
        self._phase = "Starting"
        self._live: Live | None = None
        self._last_plain_ns = -PLAIN_EVERY_NS

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=8, transient=True)
            self._live.__enter__()
        else:
            self._console.print(self._title, highlight=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def on_turn(self, now_ns: int, observation: Observation, actions: Sequence[Action]) -> None:
        records = [action.record for action in actions if isinstance(action, Record)]
        faults = [record for record in records if isinstance(record, FaultEvent)]
        self._timeline.fault_events(faults)
        for record in records:
            if isinstance(record, PhaseEvent) and record.phase in PHASES:
                self._phase = record.phase
                self._plain(now_ns, f"{record.phase} {record.detail}".rstrip())
        for fault in faults:
            self._plain(now_ns, f"fault {fault.fault}#{fault.occurrence}: {fault.step} {fault.detail}".rstrip())
        changed = self._timeline.observe(now_ns, observation)
        if self._live is not None:
            if changed or records:
                self._live.update(self._render(now_ns, observation))
        elif now_ns - self._last_plain_ns >= PLAIN_EVERY_NS:
            self._last_plain_ns = now_ns
            self._plain(now_ns, self._summary(observation))

    def say(self, line: str) -> None:
        """Something outside the run's own story."""
        self._console.print(line, style="yellow", highlight=False, soft_wrap=True)

    def _plain(self, now_ns: int, line: str) -> None:
        if self._live is None:
            self._console.print(f"{seconds(now_ns)}  {line}", highlight=False, soft_wrap=True)

    def _summary(self, observation: Observation) -> str:
        partitions = partition_summary(observation.brokers, self._experiment.spec.topic.name)
        leaders = "  ".join(
            f"p{partition}: leader {leader} epoch {epoch} ISR {list(isr)}"
            for partition, leader, epoch, isr in partitions
        )
        rate = observation.workload.acks_per_second
        return f"{rate} acks/s, {observation.workload.acknowledged} in all  {leaders}".rstrip()

    def _render(self, now_ns: int, observation: Observation) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for view in observation.brokers:
            leads = ",".join(str(partition) for partition in led_partitions(view)) or "-"
            what = view.raft_role or str(view.process)
            label = f"broker {view.ordinal}  {what:<10} leads {leads:<7}"
            table.add_row(label, styled(self._timeline.broker_strip(view.ordinal)))
        for name in sorted(self._timeline.faults):
            table.add_row(f"fault {name}", Text(self._timeline.fault_strip(name), "red"))
        rate = observation.workload.acks_per_second
        table.add_row(f"acks/s {rate:>6}", Text(self._timeline.rate_strip(), "green"))
        partitions = Table.grid(padding=(0, 3))
        for partition, leader, epoch, isr in partition_summary(observation.brokers, self._experiment.spec.topic.name):
            isr_text = ",".join(str(member) for member in isr)
            partitions.add_row(f"partition {partition}", f"leader {leader}", f"epoch {epoch}", f"ISR {isr_text}")
        step = PHASES.index(self._phase) + 1 if self._phase in PHASES else 0
        progress = Table.grid(padding=(0, 1))
        progress.add_row(Text(self._phase, "bold"), ProgressBar(len(PHASES), step, width=40), f"{seconds(now_ns)}")
        body = Group(
            Text(self._experiment.spec.hypothesis, "italic"), Text(), table, Text(), partitions, Text(), progress
        )
        return Panel(body, title=self._title, title_align="left")
