"""The conductor's context: action ids going out, reports coming in, the records and findings of the run so far."""

from __future__ import annotations

from skerry.engine.actions import Action, Record
from skerry.engine.observation import ActionReport, Observation, ReportState
from skerry.history.records import FaultEvent, FindingSeen, Note, PhaseEvent
from skerry.schema.verdict import Finding, FindingKind, Verdict


class StepContext:
    """One step writes to it; ``take`` empties the outgoing tray."""

    def __init__(self, last_id: int = 0) -> None:
        self.now_ns = 0
        self.observation = Observation()
        self.findings: list[Finding] = []
        self.fault_events: list[FaultEvent] = []
        """Every fault event of the whole run."""
        self._last_id = last_id
        self._outgoing: list[Action] = []
        self._reports: dict[int, ActionReport] = {}
        self._wall_offset_ns: int | None = None

    def begin(self, now_ns: int, observation: Observation) -> None:
        self.now_ns = max(now_ns, self.now_ns)
        self.observation = observation
        for report in observation.reports:
            known = self._reports.get(report.id)
            # A late STARTED must not undo a DONE.
            if known is None or known.state is ReportState.STARTED:
                self._reports[report.id] = report
            if report.before_wall_ns:
                self._wall_offset_ns = report.before_wall_ns - report.before_ns

    def take(self) -> list[Action]:
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def send(self, action: Action) -> int:
        self._outgoing.append(action)
        return action.id

    def record(self, record: FaultEvent | PhaseEvent | Note | FindingSeen) -> None:
        self.send(Record(self.new_id(), record))

    def fault_event(self, event: FaultEvent) -> None:
        """A step of an occurrence: for the history, and for those who show the run."""
        self.fault_events.append(event)
        self.record(event)

    def note(self, text: str) -> None:
        self.record(Note(self.now_ns, text))

    def report(self, action_id: int | None) -> ActionReport | None:
        return None if action_id is None else self._reports.get(action_id)

    def done(self, action_id: int | None) -> ActionReport | None:
        report = self.report(action_id)
        return report if report is not None and report.state is ReportState.DONE else None

    def failed(self, action_id: int | None) -> ActionReport | None:
        report = self.report(action_id)
        return report if report is not None and report.state is ReportState.FAILED else None

    def wall_ns(self, run_ns: int) -> int:
        """The wall clock at a moment of the run's clock, as the last report tells; 0: no report has told."""
        return 0 if self._wall_offset_ns is None else run_ns + self._wall_offset_ns

    def inconclusive(self, reason: str, message: str, fault: str = "", rule: str = "run") -> None:
        """Something that keeps the run, or one fault of it, from being judged. Said once, and
        recorded: a later judgement of the history did not see it."""
        finding = Finding(FindingKind.RUN, rule, Verdict.INCONCLUSIVE, message, reason=reason, fault=fault)
        if finding not in self.findings:
            self.findings.append(finding)
            self.record(FindingSeen(self.now_ns, finding))
