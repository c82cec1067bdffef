"""One machine for everything that is sampled, in every world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

import msgspec

from skerry.engine.actions import Action, CheckLinks
from skerry.engine.observation import ActionReport, BrokerView, LinkView, ReportState
from skerry.history.records import HistoryRecord, MetricSample, Note, ProcessExit, Stall, StatusSample
from skerry.observe.asks import Ask, Cadence, Heard, Look, ProcessLook
from skerry.observe.links import Links
from skerry.observe.skew import ClockSkew

STALL_NS = 200_000_000
"""A recorder that did not run for so long measured nothing meanwhile."""
PAUSE_MIN_NS = 10_000_000
"""Between an answer and the next ask for the same thing."""
RUNNER = -1
"""In place of a node: this very process."""

Series = tuple[int, str, tuple[tuple[str, str], ...]]


class Observer:
    """``record`` takes what goes into the history.

    Invariants:
      1. Of each (look, node) at most one ask is open, but for new connections, of which each look is its own.
      2. Every `CheckLinks` is answered by a report, after the last answer to it.
      3. A view keeps the fields of the last answer when a later look was not answered, and says that it is old.
    """

    def __init__(
        self,
        ordinals: Sequence[int],
        record: Callable[[HistoryRecord], None],
        *,
        cadence: Cadence = Cadence(),  # noqa: B008 (frozen)
        metrics: frozenset[str] = frozenset(),
        stamps: frozenset[str] = frozenset(),
    ) -> None:
        """``metrics``: every sample of these is recorded. ``stamps``: those whose value is a moment; recorded when it
        changes."""
        self._ordinals = tuple(sorted(ordinals))
        self._record = record
        self._cadence = cadence
        self._metrics = metrics
        self._stamps = stamps
        self._views = {ordinal: BrokerView(ordinal, 0, reachable=False) for ordinal in self._ordinals}
        self._fresh: dict[int, Callable[[], BrokerView]] = {}
        """Views that nobody has asked for yet."""
        self._links = Links(record)
        self._elections: set[tuple[str, int, int]] = set()
        self._stamped: dict[Series, float] = {}
        self._skew = ClockSkew()
        self._stalls: list[Stall] = []
        self._stalls_seen: dict[int, tuple[str, int]] = {}
        """Ordinal -> of which incarnation, and when the newest ended, by the node's own clock."""
        self._exits_noted: dict[int, int] = {}
        """Ordinal -> at which start."""
        self._asks: list[Ask] = []
        self._open: dict[int, tuple[Ask, CheckLinks | None]] = {}
        """By id: the ask, and the action that it is part of."""
        self._last_id = 0
        self._due: list[tuple[int, int, Look | None, int]] = []
        """(when, order, what, node); what None: our own lag."""
        self._lag_seen_ns = -1
        self._reports: list[ActionReport] = []
        self._link_looks: dict[int, tuple[set[int], int, int]] = {}
        """Id of the action -> nodes still to answer, when it began, the wall clock then."""
        self._running = False

    # --- what a driver does -----------------------------------------------------------------------------------

    def start(self, now_ns: int) -> None:
        """From now on everything is looked at."""
        self._running = True
        for ordinal in self._ordinals:
            self._plan(now_ns, Look.STATUS, ordinal)
            if self._cadence.metrics_ns and (self._metrics or self._stamps):
                self._plan(now_ns + self._cadence.metrics_ns, Look.METRICS, ordinal)
        if self._cadence.own_lag_ns:
            self._lag_seen_ns = now_ns
            self._plan(now_ns + self._cadence.own_lag_ns, None, RUNNER)

    def stop(self) -> None:
        """Ask nothing more; what comes in after this is passed over."""
        self._running = False
        self._due.clear()
        self._open.clear()
        self._asks.clear()

    def perform(self, action: Action, now_ns: int, wall_ns: int) -> bool:
        """Begin it; False: it is none of the observer's."""
        if not isinstance(action, CheckLinks):
            return False
        self._reports.append(ActionReport(action.id, ReportState.STARTED, now_ns, before_wall_ns=wall_ns))
        self._link_looks[action.id] = (set(self._ordinals), now_ns, wall_ns)
        for ordinal in self._ordinals:
            self._ask(now_ns, Look.LINKS, ordinal, action)
        return True

    def step(self, now_ns: int, heard: Iterable[Heard] = ()) -> list[Ask]:
        """Take what was heard, and return what is to be asked now."""
        for each in heard:
            if each.id in self._open:
                self._hear(each)
        due = self._due
        while due and due[0][0] <= now_ns:
            _, _, look, ordinal = heappop(due)
            if look is None:
                self._measure_own_lag(now_ns)
            else:
                self._ask(now_ns, look, ordinal)
        asks, self._asks = self._asks, []
        return asks

    @property
    def next_due_ns(self) -> int:
        """When ``step`` is wanted again even if nothing is heard."""
        return self._due[0][0] if self._due else 1 << 62

    def stalled(self, stall: Stall) -> None:
        """Somebody on this machine did not run, as somebody else has measured."""
        if stall.to_ns > 0:
            self._stalls.append(stall)
            self._record(stall)

    # --- what the conductor sees ------------------------------------------------------------------------------

    def brokers(self) -> tuple[BrokerView, ...]:
        for ordinal, view in self._fresh.items():
            self._views[ordinal] = view()
        self._fresh.clear()
        return tuple(self._views.values())

    def links(self) -> tuple[LinkView, ...]:
        return self._links.latest()

    def take_stalls(self) -> tuple[Stall, ...]:
        """New ones since the last call."""
        stalls, self._stalls = tuple(self._stalls), []
        return stalls

    def take_reports(self) -> tuple[ActionReport, ...]:
        """New ones since the last call."""
        reports, self._reports = tuple(self._reports), []
        return reports

    # --- asking -----------------------------------------------------------------------------------------------

    def _plan(self, at_ns: int, look: Look | None, ordinal: int) -> None:
        self._last_id += 1
        heappush(self._due, (at_ns, self._last_id, look, ordinal))

    def _ask(self, now_ns: int, look: Look, ordinal: int, action: CheckLinks | None = None) -> None:
        self._last_id += 1
        names = self._metrics | self._stamps if look is Look.METRICS else frozenset[str]()
        ask = Ask(self._last_id, look, ordinal, now_ns, names, action is not None and action.closely)
        self._open[ask.id] = (ask, action)
        self._asks.append(ask)

    # --- hearing ----------------------------------------------------------------------------------------------

    def _hear(self, heard: Heard) -> None:
        ask, action = self._open.pop(heard.id)
        after_ns: int = heard.after_ns
        if action is not None:
            self._hear_links(ask, action, heard)
            return
        every_ns = self._cadence.status_ns if ask.look is Look.STATUS else self._cadence.metrics_ns
        self._plan(
            max(ask.asked_ns + every_ns, after_ns + (PAUSE_MIN_NS if after_ns > ask.asked_ns else 0)),
            ask.look,
            ask.ordinal,
        )
        if ask.look is Look.STATUS:
            self._hear_status(ask, heard)
        else:
            for name, labels, value in heard.answer or ():  # type: ignore[union-attr]
                self._note_metric(ask.ordinal, after_ns, name, labels, value)

    def _hear_links(self, ask: Ask, action: CheckLinks, heard: Heard) -> None:
        for link in heard.answer or ():  # type: ignore[union-attr]
            self._links.note(link, ask.asked_ns, heard.after_ns)
        waiting, before_ns, wall_ns = self._link_looks[action.id]
        waiting.discard(ask.ordinal)
        if not waiting:
            del self._link_looks[action.id]
            self._reports.append(ActionReport(action.id, ReportState.DONE, before_ns, heard.after_ns, wall_ns))

    def _hear_status(self, ask: Ask, heard: Heard) -> None:
        ordinal, before_ns, after_ns = ask.ordinal, ask.asked_ns, heard.after_ns
        answer: Any = heard.answer
        process = heard.process
        if answer is None:
            # The fields of the last answer stay; the view says that they are old.
            self._views[ordinal] = msgspec.structs.replace(
                self._fresh.pop(ordinal)() if ordinal in self._fresh else self._views[ordinal],
                sampled_ns=before_ns,
                reachable=False,
                process=process.state,
                process_sampled_ns=after_ns,
                exited=process.ended_by_itself,
            )
            self._note_exit(ordinal, after_ns, process)
            self._record(StatusSample(ordinal, before_ns, after_ns, reachable=False))
            return
        offset = self._skew.note(ordinal, before_ns, heard.wall_ns[0], answer.wall_ns, heard.wall_ns[1])

        def view() -> BrokerView:
            made: BrokerView = answer.view(ordinal, before_ns, process.state, after_ns)
            if offset is None:
                return made
            return msgspec.structs.replace(made, clock_offset_ns=offset.middle_ns, clock_error_ns=offset.error_ns)

        self._fresh[ordinal] = view
        for election in answer.elections(after_ns):
            if election.key not in self._elections:
                self._elections.add(election.key)
                self._record(election)
        self._note_stalls(ordinal, answer, before_ns, after_ns)
        if self._cadence.kept_links:
            for link in answer.links(ordinal, before_ns):
                self._links.note(link, before_ns, after_ns)
        sample = answer.sample(ordinal, before_ns, after_ns)
        low_ns, high_ns = answer.wall_ns - heard.wall_ns[1], answer.wall_ns - heard.wall_ns[0]
        self._record(msgspec.structs.replace(sample, clock_low_ns=low_ns, clock_high_ns=high_ns))

    def _note_exit(self, ordinal: int, now_ns: int, process: ProcessLook) -> None:
        """Why the node is gone, when no fault of ours took it; in the history with its last words, once."""
        if process.ended_by_itself and self._exits_noted.get(ordinal) != process.starts:
            self._exits_noted[ordinal] = process.starts
            self._record(Note(now_ns, f"{process.ended_by_itself}\n{process.log_tail}", ordinal))
            if process.exit_code is not None:
                self._record(ProcessExit(ordinal, now_ns, process.exit_code, process.log_tail))

    def _note_stalls(self, ordinal: int, answer: Any, before_ns: int, after_ns: int) -> None:
        """Their moments are known as well as the answer's own is, which lies between the two bounds."""
        incarnation, newest_ns = self._stalls_seen.get(ordinal, ("", 0))
        if incarnation != answer.incarnation:
            newest_ns = 0
        for ended_ns, from_ago_ns, to_ago_ns in answer.stalls():
            if ended_ns > newest_ns:
                newest_ns = ended_ns
                self.stalled(Stall(ordinal, before_ns - from_ago_ns, after_ns - to_ago_ns))
        self._stalls_seen[ordinal] = answer.incarnation, newest_ns

    def _note_metric(self, ordinal: int, at_ns: int, name: str, labels: dict[str, str], value: float) -> None:
        if name in self._stamps:
            key = (ordinal, name, tuple(sorted(labels.items())))
            if self._stamped.get(key) == value:
                return  # it stands still between two events; the first sample says it all
            self._stamped[key] = value
        self._record(MetricSample(ordinal, at_ns, name, labels, value))

    def _measure_own_lag(self, now_ns: int) -> None:
        """A runner that did not run measured nothing meanwhile; judgements must know."""
        every_ns = self._cadence.own_lag_ns
        if now_ns - self._lag_seen_ns > STALL_NS + every_ns:
            self.stalled(Stall(RUNNER, self._lag_seen_ns, now_ns))
        self._lag_seen_ns = now_ns
        self._plan(now_ns + every_ns, None, RUNNER)
