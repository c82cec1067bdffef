"""What a user sees while a run goes on: a live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from skerry.engine.world import Action, BrokerView, Observation, ProcessState, Record, Recorded
from skerry.experiment.document import Experiment
from skerry.history.records import FaultEvent, FaultStep, FindingSeen, Note, PhaseEvent
from skerry.report.console import visible
from skerry.report.timeline import FOLLOWS, GONE, SILENT, STOPPED, Timeline, led_partitions, partition_summary
from skerry.schema.verdict import Finding

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
STYLES = {GONE: "bold red", STOPPED: "bold yellow", SILENT: "yellow", FOLLOWS: "dim"}
PLAIN_EVERY_NS = 2 * NS
LABELS = (7, 12, 13, 6)
"""Columns of broker, role, leads and ISR; the strip has the rest."""
PARTITIONS_SHOWN = 8
SAID = {
    FaultStep.RESOLVED: "will hit",
    FaultStep.INJECTING: "is being injected",
    FaultStep.EFFECTIVE: "takes effect",
    FaultStep.VERIFIED: "is verified:",
    FaultStep.UNVERIFIED: "is NOT verified:",
    FaultStep.HEALING: "is being healed",
    FaultStep.HEALED: "is healed:",
    FaultStep.LOST: "ended by itself:",
}


class _Place(NamedTuple):
    """What the cluster knows of one partition."""

    leader: int
    epoch: int
    isr: tuple[int, ...]


def seconds(ns: int) -> str:
    return f"{ns / NS:5.1f} s"


def styled(strip: str) -> Text:
    text = Text(no_wrap=True)
    for mark in strip:
        text.append(mark, STYLES.get(mark, "bold green" if mark.isdigit() else ""))
    return text


class LiveView:
    """Fed by the world after every turn. Plain lines when the console is no terminal, the same facts.

    Nothing that comes from a document or a broker is taken for markup.
    """

    def __init__(self, experiment: Experiment, world: str, seed: int, console: Console) -> None:
        self._experiment = experiment
        self._replicas = experiment.target.owes.replicas(experiment.spec)
        self._console = console
        self._title = f"{experiment.name} · world {world} · seed {seed}"
        room = console.width - sum(LABELS) - len(LABELS) - 4  # a gap after each column; the frame
        self._timeline = Timeline(width=max(10, min(120, room)) // 2 * 2)
        self._phase = "Starting"
        self._live: Live | None = None
        self._last_plain_ns = -PLAIN_EVERY_NS

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            # The last picture stays above the verdict: it is what the verdict is about.
            self._live = Live(console=self._console, refresh_per_second=8)
            self._live.__enter__()
        else:
            self._print(self._title)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def on_turn(self, now_ns: int, observation: Observation, actions: Sequence[Action]) -> None:
        records = [action.record for action in actions if isinstance(action, Record)]
        self._timeline.fault_events(record for record in records if isinstance(record, FaultEvent))
        told: list[str] = []
        for record in records:
            if not self._is_told(record, told):
                self._hear(now_ns, record)
        changed = self._timeline.observe(now_ns, observation)
        if self._live is not None:
            if changed or records:
                self._live.update(self.render(now_ns, observation))
        elif now_ns - self._last_plain_ns >= PLAIN_EVERY_NS:
            self._last_plain_ns = now_ns
            self._plain(now_ns, self._summary(observation))

    def say(self, line: str) -> None:
        """Something outside the run's own story."""
        self._print(line, "yellow")

    def _hear(self, now_ns: int, record: Recorded) -> None:
        match record:
            case PhaseEvent(phase=phase, detail=detail):
                if phase in PHASES:
                    self._phase = phase
                self._plain(now_ns, f"{phase} {detail}".rstrip())
            case FaultEvent(fault=fault, occurrence=occurrence, step=step, detail=detail):
                name = fault if occurrence == 0 else f"{fault}#{occurrence}"
                said = SAID[step] if detail else SAID[step].rstrip(":")
                self._plain(now_ns, f"fault {name} {said} {detail}".rstrip())
            case Note(text=text):
                self._plain(now_ns, text)
            case FindingSeen(finding=finding):
                self._plain(now_ns, f"{finding.verdict} ({finding.reason or finding.rule}): {finding.message}")

    @staticmethod
    def _is_told(record: Recorded, told: list[str]) -> bool:
        """What one decision says in several records is told once. ``told``: the sentences of this turn."""
        match record:
            case FaultEvent(detail=sentence) | Note(text=sentence) | FindingSeen(finding=Finding(message=sentence)):
                known = bool(sentence) and any(sentence in each or each in sentence for each in told)
                told += [sentence] if sentence else []
                return known and not isinstance(record, FaultEvent)
        return False

    def _print(self, line: str, style: str = "") -> None:
        self._console.print(Text(visible(line, lines=False), style), soft_wrap=True)

    def _plain(self, now_ns: int, line: str) -> None:
        if self._live is None:
            self._print(f"{seconds(now_ns)}  {line}")

    def _summary(self, observation: Observation) -> str:
        leaders = "  ".join(
            f"p{partition}: leader {place.leader} epoch {place.epoch} ISR {_members(place.isr)}"
            for partition, place in list(self._places(observation).items())[:PARTITIONS_SHOWN]
        )
        workload = observation.workload
        return f"{workload.acks_per_second} acks/s, {workload.acknowledged:,} in all  {leaders}".rstrip()

    def _places(self, observation: Observation) -> dict[int, _Place]:
        summary = partition_summary(observation.brokers)
        return {partition: _Place(leader, epoch, isr) for partition, leader, epoch, isr in summary}

    # --- the picture ------------------------------------------------------------------------------------------

    def render(self, now_ns: int, observation: Observation) -> RenderableType:
        """Brokers as rows: role, what it leads in which epoch, in how many ISRs it is; faults as bands; rate; phase."""
        places = self._places(observation)
        table = Table.grid(padding=(0, 1, 0, 0))
        for width in LABELS:
            table.add_column(width=width, no_wrap=True, overflow="ellipsis")
        table.add_column(no_wrap=True, overflow="crop")
        slot = f"one mark is {self._timeline.slot_ns / NS:g} s"
        table.add_row(*(Text(word, "dim") for word in ("broker", "role", "leads@epoch", "in ISR", slot)))
        for view in observation.brokers:
            table.add_row(*_broker_row(view, places), styled(self._timeline.broker_strip(view.ordinal)))
        body: list[RenderableType] = [Text(self._experiment.spec.hypothesis, "italic"), Text(), table]
        bands = Table.grid(padding=(0, 1, 0, 0))
        bands.add_column(width=sum(LABELS) + len(LABELS) - 1, no_wrap=True, overflow="ellipsis")
        bands.add_column(no_wrap=True, overflow="crop")
        for name in sorted(self._timeline.faults):
            bands.add_row(Text(f"fault {name}", "red"), Text(self._timeline.fault_strip(name), "red"))
        workload = observation.workload
        rate = f"{workload.acks_per_second:,} acks/s, {workload.acknowledged:,} in all"
        bands.add_row(Text(rate), Text(self._timeline.rate_strip(), "green"))
        partitions = Table.grid(padding=(0, 3, 0, 0))
        for partition, place in list(places.items())[:PARTITIONS_SHOWN]:
            whole = len(place.isr) >= self._replicas
            partitions.add_row(
                f"partition {partition}",
                f"leader {place.leader}" if place.leader >= 0 else Text("no leader", "bold red"),
                f"epoch {place.epoch}",
                Text(f"ISR {_members(place.isr)}", "" if whole else "yellow"),
            )
        body += [bands, Text(), partitions, Text(), self._progress(now_ns)]
        return Panel(Group(*body), title=Text(self._title), title_align="left")

    def _progress(self, now_ns: int) -> RenderableType:
        step = PHASES.index(self._phase) + 1 if self._phase in PHASES else 0
        progress = Table.grid(padding=(0, 1))
        bar = ProgressBar(len(PHASES), step, width=max(10, min(40, self._console.width - 50)))
        of = f"of at most {self._experiment.spec.timeout_ns / NS:g} s"
        progress.add_row(Text(f"{self._phase:<11}", "bold"), bar, Text(f"{seconds(now_ns)} {of}"))
        return progress


def _members(isr: Sequence[int]) -> str:
    return "{" + ", ".join(str(member) for member in sorted(isr)) + "}"


def _broker_row(view: BrokerView, places: dict[int, _Place]) -> tuple[Text, ...]:
    """Broker, role, partitions led with their epochs, ISRs of all. An epoch that is over is marked as such."""
    if view.process in (ProcessState.GONE, ProcessState.STOPPED):
        role = Text(str(view.process).lower(), "bold red")
    elif not view.reachable:
        role = Text("no answer", "yellow")
    else:
        role = Text("controller" if view.group_role == "Leader" else view.group_role.lower() or "-")
        if view.group_role == "Leader":
            role.stylize("bold cyan")
    epochs = {sample.partition: sample.leader_epoch for sample in view.partitions}
    leads = Text()
    for partition in led_partitions(view) if view.reachable else ():
        over = partition in places and epochs[partition] < places[partition].epoch
        leads.append(f"{partition}@{epochs[partition]}{'!' if over else ''} ", "yellow" if over else "")
    in_sync = sum(view.ordinal in place.isr for place in places.values())
    whole = in_sync == len(places)
    return Text(f"{view.ordinal}"), role, leads, Text(f"{in_sync}/{len(places)}", "" if whole else "yellow")
