"""What is looked at, how often, and what becomes of it."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from skerry.engine.actions import CheckLinks, HealAll
from skerry.engine.bounds import Bounds
from skerry.engine.observation import BrokerView, LinkKind, LinkView, ProcessState, ReportState
from skerry.history.records import (
    ElectionSeen,
    HistoryRecord,
    LinkSample,
    MetricSample,
    Note,
    ProcessExit,
    Stall,
    StatusSample,
)
from skerry.observe.asks import SAMPLED_AT_LEAST_EVERY_NS, Ask, Cadence, Heard, Look, ProcessLook
from skerry.observe.observer import Observer
from skerry.targets.skerry.planes import Plane
from skerry.worlds.sim.chaos import CADENCE as CHAOS_CADENCE
from skerry.worlds.sim.world import CADENCE as SIM_CADENCE

MS = 1_000_000
HOURS_MS = 3_600_000
STAMP = "elected_timestamp_seconds"


class Node:
    """A node's account of itself."""

    wall_ns = 0

    def __init__(self, *stalls: tuple[int, int], made_ms: int = 0, incarnation: str = "first", epochs: int = 1) -> None:
        """Made when the node's machine had run for ``made_ms``. A stall: (when it ended, how long it lasted)."""
        self.incarnation = incarnation
        self._made_ms = made_ms
        self._stalls = stalls
        self._epochs = epochs

    def view(self, ordinal: int, sampled_ns: int, process: ProcessState, process_sampled_ns: int) -> BrokerView:
        return BrokerView(ordinal, sampled_ns, True, process, process_sampled_ns, incarnation=self.incarnation)

    def sample(self, ordinal: int, before_ns: int, after_ns: int) -> StatusSample:
        return StatusSample(ordinal, before_ns, after_ns, True, incarnation=self.incarnation)

    def elections(self, seen_ns: int) -> list[ElectionSeen]:
        return [ElectionSeen("orders", 0, 1, epoch, 0, seen_ns) for epoch in range(self._epochs)]

    def stalls(self) -> list[tuple[int, int, int]]:
        found = [(ended, self._made_ms - ended, duration) for ended, duration in self._stalls]
        return [(ended * MS, (ago + duration) * MS, ago * MS) for ended, ago, duration in found]

    def links(self, ordinal: int, sampled_ns: int) -> list[LinkView]:
        return [LinkView(ordinal, 1 - ordinal, Plane.RAFT, LinkKind.KEPT, sampled_ns, True)]


class Run:
    """An observer and nodes that answer after a while; what a test replaces in ``answers`` is what they say."""

    def __init__(self, nodes: int = 2, **options: Any) -> None:
        self.records: list[HistoryRecord] = []
        self.observer = Observer(range(nodes), self.records.append, **options)
        self.now_ns = 0
        self.latency_ns = {look: 3 * MS for look in Look}
        self.answers: dict[tuple[Look, int], Any] = {}
        self.process = ProcessLook(ProcessState.RUNNING)
        self.asked: dict[tuple[Look, int], list[int]] = defaultdict(list)
        self._due: list[tuple[int, Heard]] = []

    def run(self, for_ms: int) -> None:
        end_ns = self.now_ns + for_ms * MS
        while self.now_ns < end_ns:
            heard = [each for at_ns, each in self._due if at_ns <= self.now_ns]
            self._due = [(at_ns, each) for at_ns, each in self._due if at_ns > self.now_ns]
            for ask in self.observer.step(self.now_ns, heard):
                self.asked[ask.look, ask.ordinal].append(self.now_ns)
                at_ns = self.now_ns + self.latency_ns[ask.look]
                self._due.append((at_ns, Heard(ask.id, at_ns, self._answer(ask), self.process)))
            self.now_ns += MS

    def _answer(self, ask: Ask) -> Any:
        if (ask.look, ask.ordinal) in self.answers:
            return self.answers[ask.look, ask.ordinal]
        match ask.look:
            case Look.STATUS:
                return Node()
            case Look.METRICS:
                return [(STAMP, {"epoch": "1"}, 5.0), ("asked_for", {}, 6.0)]
            case Look.LINKS:
                return [LinkView(ask.ordinal, 1 - ask.ordinal, Plane.RAFT, LinkKind.NEW, ask.asked_ns, True)]

    def of(self, kind: type) -> list[Any]:
        return [record for record in self.records if isinstance(record, kind)]

    def longest_pause_ms(self, look: Look, ordinal: int = 0) -> float:
        return max(later - earlier for earlier, later in pairwise(self.asked[look, ordinal])) / MS


@pytest.fixture
def run() -> Run:
    run = Run(metrics=frozenset({"asked_for"}), stamps=frozenset({STAMP}))
    run.observer.start(0)
    return run


# --- how often ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cadence", [Cadence(), SIM_CADENCE], ids=["sockets", "sim"])
def test_nothing_that_is_judged_is_looked_at_less_often_than_every_200_ms(cadence: Cadence) -> None:
    assert SAMPLED_AT_LEAST_EVERY_NS == 200 * MS
    for figure in (cadence.status_ns, cadence.metrics_ns, Bounds().links_every_ns):
        assert 0 < figure <= SAMPLED_AT_LEAST_EVERY_NS
    assert cadence.kept_links


def test_every_world_looks_equally_often() -> None:
    assert msgspec.structs.replace(SIM_CADENCE, own_lag_ns=Cadence().own_lag_ns) == Cadence()
    assert CHAOS_CADENCE != SIM_CADENCE, "the seeds judge no fault and no expectation"


def test_status_and_metrics_keep_their_pace_on_every_node(run: Run) -> None:
    run.run(5_000)
    for ordinal in (0, 1):
        assert run.longest_pause_ms(Look.STATUS, ordinal) <= 101
        assert run.longest_pause_ms(Look.METRICS, ordinal) <= 201


def test_a_slow_answer_delays_nothing_else(run: Run) -> None:
    run.latency_ns[Look.STATUS] = 400 * MS
    run.latency_ns[Look.LINKS] = 1000 * MS
    run.observer.perform(CheckLinks(1), 0, 0)
    run.run(5_000)
    assert run.longest_pause_ms(Look.STATUS) == pytest.approx(410, abs=2)
    assert run.longest_pause_ms(Look.METRICS) <= 201


def test_a_node_that_answers_at_once_is_not_asked_without_a_pause(run: Run) -> None:
    run.latency_ns = dict.fromkeys(Look, 0)
    run.run(1_000)
    assert len(run.asked[Look.STATUS, 0]) == 10


def test_metrics_are_asked_for_by_name_and_not_at_all_when_nobody_wants_any() -> None:
    run = Run()
    run.observer.start(0)
    run.run(1_000)
    assert (Look.METRICS, 0) not in run.asked


def test_after_its_end_nothing_is_asked_and_nothing_is_heard(run: Run) -> None:
    run.run(50)
    run.observer.stop()
    seen = len(run.records)
    run.run(1_000)
    assert len(run.asked[Look.STATUS, 0]) == 1
    assert len(run.records) == seen


# --- new connections ------------------------------------------------------------------------------------------------


def test_one_look_at_new_connections_is_reported_when_everybody_has_answered(run: Run) -> None:
    run.latency_ns[Look.LINKS] = 30 * MS
    assert run.observer.perform(CheckLinks(7), 0, 10**18)
    assert not run.observer.perform(HealAll(8), 0, 0)
    run.run(10)
    assert [each.state for each in run.observer.take_reports()] == [ReportState.STARTED]
    run.run(1_000)
    (report,) = run.observer.take_reports()
    assert (report.id, report.state, report.before_ns, report.after_ns) == (7, ReportState.DONE, 0, 30 * MS)
    assert report.before_wall_ns == 10**18
    assert len(run.asked[Look.LINKS, 0]) == 1
    assert [(each.source, each.connection, each.ok) for each in run.of(LinkSample) if each.connection == "new"] == [
        (0, "new", True),
        (1, "new", True),
    ]


def test_an_answer_that_was_overtaken_is_recorded_and_not_shown(run: Run) -> None:
    """The first look fails slowly; a later one succeeds at once."""
    run.answers[Look.LINKS, 0] = [LinkView(0, 1, Plane.RAFT, LinkKind.NEW, 0, False)]
    run.latency_ns[Look.LINKS] = 300 * MS
    run.observer.perform(CheckLinks(1), 0, 0)
    run.run(1)
    run.answers[Look.LINKS, 0] = [LinkView(0, 1, Plane.RAFT, LinkKind.NEW, MS, True)]
    run.latency_ns[Look.LINKS] = MS
    run.observer.perform(CheckLinks(2), run.now_ns, 0)
    run.run(500)
    shown = [link for link in run.observer.links() if (link.source, link.kind) == (0, LinkKind.NEW)]
    assert [link.ok for link in shown] == [True]
    recorded = [each.ok for each in run.of(LinkSample) if (each.source, each.connection) == (0, "new")]
    assert recorded == [True, False]


def test_kept_links_are_recorded_when_they_change_and_once_a_second(run: Run) -> None:
    run.run(2_500)
    assert len([each for each in run.of(LinkSample) if each.source == 0]) == 3
    broken = Node()
    broken.links = lambda ordinal, sampled_ns: [  # type: ignore[method-assign]
        LinkView(ordinal, 1, Plane.RAFT, LinkKind.KEPT, sampled_ns, False, silent_ns=400 * MS)
    ]
    run.answers[Look.STATUS, 0] = broken
    run.run(150)
    assert [each.ok for each in run.of(LinkSample) if each.source == 0] == [True, True, True, False]


# --- what becomes of it ---------------------------------------------------------------------------------------------


def test_a_node_that_does_not_answer_keeps_what_it_said_and_is_shown_as_old(run: Run) -> None:
    run.run(150)
    run.answers[Look.STATUS, 0] = None
    run.process = ProcessLook(ProcessState.GONE)
    run.run(200)
    view = run.observer.brokers()[0]
    assert (view.reachable, view.incarnation, view.process) == (False, "first", ProcessState.GONE)
    assert run.of(StatusSample)[-2].reachable is False


def test_an_election_is_recorded_once_whoever_tells_of_it(run: Run) -> None:
    run.run(300)
    run.answers[Look.STATUS, 1] = Node(epochs=3)
    run.run(300)
    assert [each.leader_epoch for each in run.of(ElectionSeen)] == [0, 1, 2]


def test_a_stamp_is_recorded_when_it_moves_and_a_metric_that_was_asked_for_always(run: Run) -> None:
    run.run(1_100)
    run.answers[Look.METRICS, 0] = [(STAMP, {"epoch": "1"}, 9.0)]
    run.run(400)
    stamps = [each.value for each in run.of(MetricSample) if each.name == STAMP and each.broker == 0]
    assert stamps == [5.0, 9.0]
    assert len([each for each in run.of(MetricSample) if each.name == "asked_for" and each.broker == 0]) == 5


def test_the_end_of_a_process_is_told_once_with_its_last_words(run: Run) -> None:
    run.answers[Look.STATUS, 0] = None
    run.process = ProcessLook(ProcessState.GONE, "it exited with code 3", 1, "boom", exit_code=3)
    run.run(500)
    assert [(each.broker, each.text) for each in run.of(Note)] == [(0, "it exited with code 3\nboom")]
    assert [(each.broker, each.code, each.words) for each in run.of(ProcessExit)] == [(0, 3, "boom")]
    run.process = ProcessLook(ProcessState.GONE, "it exited with code 4", 2, "again")
    run.run(500)
    assert [each.text for each in run.of(Note)][1:] == ["it exited with code 4\nagain"]
    assert run.observer.brokers()[0].exited == "it exited with code 4"


def test_a_view_says_how_far_the_wall_clock_of_its_node_is_off(run: Run) -> None:
    (ask, _) = run.observer.step(0)
    node = Node()
    node.wall_ns = 1_000 * MS + 300 * MS
    run.observer.step(8 * MS, [Heard(ask.id, 8 * MS, node, wall_ns=(996 * MS, 1_004 * MS))])  # type: ignore[arg-type]
    view = run.observer.brokers()[0]
    assert (view.clock_offset_ns, view.clock_error_ns) == (300 * MS, 4 * MS)


# --- stalls ---------------------------------------------------------------------------------------------------------


def taken(run: Run, node: Node, before_ms: int, after_ms: int) -> list[tuple[int, int, int]]:
    """The stalls that come of an answer to a question asked and answered at these times of the run."""
    observer = run.observer
    observer.take_stalls()
    (ask,) = observer.step(before_ms * MS)
    observer.step(after_ms * MS, [Heard(ask.id, after_ms * MS, node)])  # type: ignore[arg-type]
    return [(each.process, each.from_ns // MS, each.to_ns // MS) for each in observer.take_stalls()]


@pytest.fixture
def quiet() -> Run:
    """An observer of one node, begun and never yet answered."""
    run = Run(1, cadence=Cadence(own_lag_ns=0))
    run.observer.start(0)
    return run


@pytest.mark.parametrize("made_ms", [700 * HOURS_MS, 2_000], ids=["up for a month", "just started"])
def test_a_stall_is_placed_by_its_age_whatever_the_uptime_of_its_machine(quiet: Run, made_ms: int) -> None:
    """It ended 100 ms before an answer that was made between 5000 and 5008 ms of the run."""
    assert taken(quiet, Node((made_ms - 100, 300), made_ms=made_ms), 5000, 5008) == [(0, 4600, 4908)]


def test_a_stall_is_told_once(quiet: Run) -> None:
    first, second = (60_000, 300), (60_400, 250)
    assert len(taken(quiet, Node(first, made_ms=60_100), 5000, 5300)) == 1
    assert taken(quiet, Node(first, made_ms=60_200), 5310, 5311) == []
    assert taken(quiet, Node(first, second, made_ms=60_500), 5600, 5601) == [(0, 5250, 5501)]


def test_a_broker_that_moved_to_a_younger_machine_is_heard(quiet: Run) -> None:
    """The planted bug: its clock shows less than before, so that nothing it tells looks new."""
    made_ms = 700 * HOURS_MS
    assert len(taken(quiet, Node((made_ms - 10, 300), made_ms=made_ms), 5000, 5001)) == 1
    assert len(taken(quiet, Node((8_900, 400), made_ms=9_000, incarnation="second"), 9000, 9001)) == 1


def test_what_was_over_before_the_run_is_none_of_its_stalls(quiet: Run) -> None:
    assert taken(quiet, Node((50_000, 300), made_ms=60_000), 5000, 5001) == []


def test_brokers_stall_each_for_itself() -> None:
    run = Run(2, cadence=Cadence(own_lag_ns=0))
    run.latency_ns = dict.fromkeys(Look, 0)
    run.now_ns = 5000 * MS
    run.answers = {(Look.STATUS, ordinal): Node((59_900, 300), made_ms=60_000) for ordinal in (0, 1)}
    run.observer.start(5000 * MS)
    run.run(2)
    assert [(each.process, each.from_ns // MS) for each in run.observer.take_stalls()] == [(0, 4600), (1, 4600)]


def test_an_observer_that_was_not_called_in_time_says_so(run: Run) -> None:
    run.run(100)
    run.now_ns += 400 * MS
    run.run(100)
    (stall,) = run.observer.take_stalls()
    assert stall.process == -1
    assert stall.to_ns - stall.from_ns == pytest.approx(420 * MS, abs=25 * MS)
    assert run.of(Stall) == [stall]


def test_stalls_of_others_are_taken_in(run: Run) -> None:
    run.observer.stalled(Stall(-2, 5 * MS, 300 * MS))
    run.observer.stalled(Stall(-2, -900 * MS, -300 * MS))  # before the run
    assert run.observer.take_stalls() == (Stall(-2, 5 * MS, 300 * MS),)
