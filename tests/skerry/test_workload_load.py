"""All that clients do in a run, as one machine: what it asks, what it records, what it reports."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from skerry.engine.actions import Drain, Prepare, StartProbe, StartWorkload, StopProbe
from skerry.engine.observation import Observation, ReportState
from skerry.engine.steady import writes_missing
from skerry.expectations.bodies import Probed
from skerry.experiment import load_document
from skerry.history.records import Fetch, HistoryRecord, Note, Outcome, Produce, ReplicaDump, TopicCreate, WorkloadPace
from skerry.workload.log.clients import read_pause_ns
from skerry.workload.log.load import LoadSpec, LogWorkload
from skerry.workload.log.operations import (
    CreateTopic,
    Dumped,
    DumpReplicas,
    MoveController,
    MoveLeader,
    Read,
    ReadBack,
    Told,
    Write,
    Written,
)
from skerry.workload.log.prepare import Wanted
from skerry.workload.operations import NEVER_NS, Answer, Operation

MS = 1_000_000
DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: stop}
spec:
  hypothesis: It goes on.
  topic: {name: orders, partitions: 3}
  faults:
  - {name: stop, startAfter: 1s, duration: 1s, pause: {target: {ordinal: 0}}}
"""
DUMP = ReplicaDump("orders", 0, 1, 0, 0, 0, (), ())


class LogCluster:
    """A replicated log that is one list a partition: answers each operation after ``latency_ns``."""

    def __init__(self, partitions: int = 3, **changes: Any) -> None:
        self.records: list[HistoryRecord] = []
        self.spec = load_document(DOCUMENT.replace("partitions: 3", f"partitions: {partitions}"), "test").spec
        load = LoadSpec.of(self.spec)
        self.workload = LogWorkload(msgspec.structs.replace(load, **changes), self.records.append)
        self.now_ns = 0
        self.latency_ns = 3 * MS
        self.logs: dict[int, list[int]] = {}
        self.begun: list[Operation] = []
        self.answers: dict[type, Any] = {}
        """Instead of what the log would answer, by the type of the request; None: nothing, ever."""
        self._due: list[tuple[int, Answer]] = []

    def perform(self, action: Any) -> None:
        assert self.workload.perform(action, self.now_ns, 10**18 + self.now_ns)

    def run(self, for_ms: int) -> None:
        end_ns = self.now_ns + for_ms * MS
        while self.now_ns <= end_ns:
            due = [answer for at_ns, answer in self._due if at_ns <= self.now_ns]
            self._due = [(at_ns, answer) for at_ns, answer in self._due if at_ns > self.now_ns]
            for operation in self.workload.step(self.now_ns, due):
                self.begun.append(operation)
                result = self.answer(operation.request)
                if result is not None:
                    at_ns = self.now_ns + self.latency_ns
                    self._due.append((at_ns, Answer(operation.id, at_ns, result)))
            self.now_ns += MS

    def answer(self, request: Any) -> Any:
        if type(request) in self.answers:
            return self.answers[type(request)]
        match request:
            case Write():
                log = self.logs.setdefault(request.partition, [])
                log.extend(range(request.first_value, request.first_value + request.count))
                return Written(Outcome.OK, len(log) - request.count, 0, 1)
            case Read():
                log = self.logs.get(request.partition, [])
                return ReadBack(Outcome.OK, request.offset, tuple(log[request.offset :]), len(log), 0, 0, 1)
            case DumpReplicas():
                return Dumped((DUMP,))
            case _:
                return Told(Outcome.OK)

    def of(self, kind: type) -> list[Any]:
        return [record for record in self.records if isinstance(record, kind)]

    def reports(self) -> list[tuple[int, ReportState, str]]:
        return [(each.id, each.state, each.error) for each in self.workload.take_reports()]


def begun_and_recorded(cluster: LogCluster) -> tuple[int, int]:
    begun = [each for each in cluster.begun if isinstance(each.request, Write | Read | CreateTopic)]
    return len(begun), len(cluster.of(Produce) + cluster.of(Fetch) + cluster.of(TopicCreate))


# --- every operation, once ------------------------------------------------------------------------------------------


def test_every_operation_is_recorded_once_when_its_answer_comes() -> None:
    cluster = LogCluster()
    cluster.perform(StartWorkload(1))
    cluster.run(500)
    cluster.perform(Drain(2))
    cluster.run(500)
    begun, recorded = begun_and_recorded(cluster)
    assert begun == recorded > 100
    values = [value for each in cluster.of(Produce) for value in range(each.first_value, each.first_value + each.count)]
    assert sorted(values) == sorted(value for log in cluster.logs.values() for value in log)
    assert len(set(values)) == len(values)


def test_what_was_under_way_when_the_run_broke_off_is_recorded_as_unknown() -> None:
    cluster = LogCluster()
    cluster.answers = {Write: None, Read: None, CreateTopic: None}
    cluster.perform(StartWorkload(1))
    cluster.perform(StartProbe(2, "side", (1,), "All", what=Probed.METADATA))
    cluster.run(300)
    assert begun_and_recorded(cluster)[1] == 0
    cluster.workload.abandon(cluster.now_ns)
    begun, recorded = begun_and_recorded(cluster)
    assert begun == recorded > 10
    assert {each.outcome for each in cluster.of(Produce) + cluster.of(Fetch)} == {Outcome.UNKNOWN}
    cluster.run(1000)
    assert begun_and_recorded(cluster) == (begun, recorded), "and nothing follows"


def test_an_answer_that_comes_twice_is_a_bug_of_the_driver() -> None:
    cluster = LogCluster()
    cluster.perform(StartWorkload(1))
    (first, *_) = cluster.workload.step(0)
    answer = Answer(first.id, 1, cluster.answer(first.request))
    cluster.workload.step(1, (answer,))
    with pytest.raises(KeyError):
        cluster.workload.step(2, (answer,))


def test_a_write_is_timed_from_when_it_was_due() -> None:
    cluster = LogCluster(producers=1)
    cluster.latency_ns = 2_000 * MS
    cluster.perform(StartWorkload(1))
    cluster.run(8_000)
    late = [each for each in cluster.of(Produce) if each.invoked_ns > each.intended_ns + 100 * MS]
    assert late, "its partition's window was full when it became due"
    assert all(each.intended_ns <= each.invoked_ns <= each.completed_ns for each in cluster.of(Produce))


# --- what the conductor is shown ------------------------------------------------------------------------------------


def test_acknowledgements_are_counted_by_partition() -> None:
    cluster = LogCluster()
    cluster.perform(StartWorkload(1))
    cluster.run(2_000)
    view = cluster.workload.view(cluster.now_ns)
    assert view.started
    assert view.acknowledged == sum(map(len, cluster.logs.values())) - _in_flight(cluster)
    assert view.acks_per_second == pytest.approx(400, rel=0.1)
    assert [each.partition for each in view.partitions] == [0, 1, 2]
    assert all(each.last_ns > cluster.now_ns - 100 * MS for each in view.partitions)


def _in_flight(cluster: LogCluster) -> int:
    recorded = {each.first_value for each in cluster.of(Produce)}
    return sum(
        each.request.count
        for each in cluster.begun
        if isinstance(each.request, Write) and each.request.first_value not in recorded
    )


def test_a_client_that_never_ends_an_operation_is_the_workloads_failure_not_the_clusters() -> None:
    cluster = LogCluster()
    cluster.perform(StartWorkload(1))
    cluster.run(100)
    cluster.answers[Write] = None
    cluster.run(14_000)
    assert cluster.workload.view(cluster.now_ns).lost == "", "an outage ends by the client's own timeout"
    cluster.run(2_000)
    assert "has fallen silent by itself" in cluster.workload.view(cluster.now_ns).lost


def test_a_driver_that_failed_is_told() -> None:
    cluster = LogCluster()
    cluster.workload.fail("a bug")
    cluster.workload.fail("and another")
    assert cluster.workload.view(0).lost == "a bug"


@pytest.mark.parametrize("partitions", [1, 3, 30, 240, 999])
def test_topics_of_any_size_reach_the_steady_state_with_the_defaults(partitions: int) -> None:
    cluster = LogCluster(partitions)
    cluster.perform(StartWorkload(1))
    cluster.run(2_800)
    for _ in range(20):  # and stay there
        observation = Observation(workload=cluster.workload.view(cluster.now_ns))
        assert writes_missing(cluster.spec, observation, cluster.now_ns) == ""
        cluster.run(50)


def test_a_partition_that_takes_no_writes_is_not_steady() -> None:
    cluster = LogCluster(30)
    cluster.perform(StartWorkload(1))
    cluster.run(2_000)
    cluster.answers[Write] = Written(Outcome.FAILED, error="NotLeader")
    cluster.run(1_500)
    observation = Observation(workload=cluster.workload.view(cluster.now_ns))
    assert "acknowledges no writes" in writes_missing(cluster.spec, observation, cluster.now_ns)


# --- the instrument says what it cannot see -------------------------------------------------------------------------


def test_the_history_says_how_often_each_partition_is_written() -> None:
    cluster = LogCluster(producers=1)
    cluster.perform(StartWorkload(1))
    assert cluster.of(WorkloadPace) == [WorkloadPace(0, "orders", cluster.workload.view(0).partition_interval_ns)]
    assert 0 < cluster.of(WorkloadPace)[0].partition_interval_ns < 200 * MS


def test_writes_that_were_given_up_are_told() -> None:
    cluster = LogCluster(producers=1, records_per_second=1000)
    cluster.answers[Write] = None
    cluster.perform(StartWorkload(1))
    cluster.run(5)
    cluster.now_ns = 600_000 * MS
    cluster.run(5)
    cluster.perform(Drain(2))
    assert cluster.of(WorkloadPace)[-1].given_up > 1_000


def test_many_readers_read_less_often_each() -> None:
    assert read_pause_ns(1) == 20 * MS
    assert read_pause_ns(1998) > 10_000 * MS


# --- preparing ------------------------------------------------------------------------------------------------------

PREPARE = Prepare(7)
PLACED = "prepare: {controller: {ordinal: 1}, leaders: [{partition: 0, ordinal: 2}, {partition: 1, ordinal: 0}]}"


def test_preparing_asks_one_thing_after_the_other() -> None:
    placed = load_document(DOCUMENT.replace("  faults:", f"  {PLACED}\n  faults:"), "test").spec
    cluster = LogCluster(wanted=Wanted.of(placed))
    cluster.perform(PREPARE)
    cluster.run(2)
    assert [type(each.request) for each in cluster.begun] == [CreateTopic]
    assert cluster.reports() == [(7, ReportState.STARTED, "")]
    cluster.run(20)
    assert [type(each.request) for each in cluster.begun] == [CreateTopic, MoveController, MoveLeader, MoveLeader]
    assert cluster.reports() == [(7, ReportState.DONE, "")]
    assert [each.topic for each in cluster.of(TopicCreate)] == ["orders"]


@pytest.mark.parametrize(
    ("told", "state", "error"),
    [
        (Told(Outcome.FAILED, "TopicExists", exists=True), ReportState.DONE, ""),
        (
            Told(Outcome.FAILED, "TooFewBrokers"),
            ReportState.FAILED,
            "topic orders was not created (failed): TooFewBrokers",
        ),
    ],
)
def test_a_topic_that_is_there_is_as_good_as_made(told: Told, state: ReportState, error: str) -> None:
    cluster = LogCluster()
    cluster.answers[CreateTopic] = told
    cluster.perform(PREPARE)
    cluster.run(30)
    assert cluster.reports()[-1] == (7, state, error)


# --- probes ---------------------------------------------------------------------------------------------------------


def test_a_probe_writes_to_its_side_only_until_it_is_stopped() -> None:
    cluster = LogCluster()
    cluster.perform(StartProbe(1, "side", (1, 2), "Leader"))
    cluster.perform(StartProbe(2, "side", (0,), "Leader"))  # again, by its name: nothing new
    cluster.run(995)
    cluster.perform(StopProbe(3, "side"))
    cluster.run(500)
    probes = cluster.of(Produce)
    assert {each.directed_to for each in probes} == {1, 2}
    assert {each.acks for each in probes} == {"Leader"}
    assert len(probes) == 20
    assert [report[:2] for report in cluster.reports()] == [(number, ReportState.DONE) for number in (1, 2, 3)]
    assert len({each.process for each in probes}) == 2


def test_probed_topics_are_this_runs_own() -> None:
    cluster = LogCluster()
    cluster.perform(StartProbe(1, "side", (1,), "All", what=Probed.METADATA))
    cluster.run(300)
    names = [each.topic for each in cluster.of(TopicCreate)]
    assert len(names) == len(set(names)) > 1
    assert all(name.endswith("-orders") for name in names)


def test_no_probe_begins_once_the_end_has_begun() -> None:
    cluster = LogCluster()
    cluster.perform(Drain(1))
    cluster.perform(StartProbe(2, "side", (1,), "All"))
    cluster.run(500)
    assert cluster.of(Produce) == []


# --- the end --------------------------------------------------------------------------------------------------------


def test_draining_reads_everything_when_nothing_is_under_way_and_then_dumps() -> None:
    cluster = LogCluster()
    cluster.perform(StartWorkload(1))
    cluster.run(400)
    cluster.perform(Drain(2))
    stopped = len(cluster.begun)
    cluster.run(400)
    after = [each.request for each in cluster.begun[stopped:]]
    assert not any(isinstance(each, Write) for each in after)
    assert isinstance(after[-1], DumpReplicas)
    assert after[-1].ends == {partition: len(log) for partition, log in cluster.logs.items()}
    first_final = next(record for record in cluster.records if isinstance(record, Fetch) and record.final)
    assert all(record.completed_ns <= first_final.invoked_ns for record in cluster.of(Produce))
    final = [value for each in cluster.of(Fetch) if each.final for value in each.values]
    assert sorted(final) == sorted(value for log in cluster.logs.values() for value in log)
    assert cluster.of(ReplicaDump) == [DUMP]
    assert cluster.reports()[-1] == (2, ReportState.DONE, "")
    assert cluster.workload.view(cluster.now_ns).drained
    assert cluster.workload.next_due_ns == NEVER_NS or cluster.workload.step(cluster.now_ns + 10**10) == []


def test_a_partition_that_cannot_be_read_is_missing_and_noted() -> None:
    cluster = LogCluster()
    cluster.answers[Read] = ReadBack(Outcome.FAILED, error="NotLeader")
    cluster.perform(Drain(1))
    cluster.run(29_000)
    assert cluster.reports() == [(1, ReportState.STARTED, "")]
    cluster.run(3_000)
    assert [each.text for each in cluster.of(Note)] == [
        f"partition {partition} could not be read to its end within 30 s" for partition in (0, 1, 2)
    ]
    assert cluster.reports() == [(1, ReportState.DONE, "")]


def test_dumps_that_cannot_be_read_fail_the_drain() -> None:
    cluster = LogCluster()
    cluster.answers[DumpReplicas] = Dumped(error="the disk is gone")
    cluster.perform(Drain(1))
    cluster.run(500)
    assert cluster.reports()[-1] == (1, ReportState.FAILED, "the disk is gone")
    assert not cluster.workload.view(cluster.now_ns).drained


def test_a_reader_goes_on_where_the_log_begins() -> None:
    """The start of the log has moved past it: another session, so that nobody takes it for a skip."""
    cluster = LogCluster(1)
    served = [ReadBack(Outcome.OK, 0, (), 5, 3, 0, 1), ReadBack(Outcome.OK, 3, (7, 8), 5, 3, 0, 1)]

    def answer(request: Any) -> Any:
        if not isinstance(request, Read):
            return Dumped()
        return served.pop(0) if served else ReadBack(Outcome.OK, request.offset, (), 5, 3, 0, 1)

    cluster.answer = answer  # type: ignore[method-assign]
    cluster.perform(Drain(1))
    cluster.run(100)
    assert [(each.offset, each.session, each.values) for each in cluster.of(Fetch)] == [
        (0, 0, ()),
        (3, 1, (7, 8)),
        (5, 1, ()),
    ]
