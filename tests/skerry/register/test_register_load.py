"""The register workload as one machine: what the conductor asks, what it is told, and that nothing is forgotten."""

from __future__ import annotations

from skerry.engine.actions import Check, Drain, Prepare, StartWorkload
from skerry.engine.observation import ReportState
from skerry.experiment import load_document
from skerry.history.records import HistoryRecord, Note, Outcome, RegisterAction, RegisterOperation
from skerry.workload.operations import NEVER_NS, Answer, Operation
from skerry.workload.register import Put, RegisterAnswer, RegisterLoadSpec, RegisterWorkload
from skerry.workload.register.load import FINAL_READ_WITHIN_NS, OVERDUE_NS, TIMEOUT_MS

MS = 1_000_000
SECOND = 1_000 * MS


class Clients:
    """Answers everything after a millisecond, unless it is told not to."""

    def __init__(self) -> None:
        self.records: list[HistoryRecord] = []
        self.workload = RegisterWorkload(RegisterLoadSpec(("a", "b"), 2, 100), self.records.append)
        self.now_ns = 0
        self.answers = True
        self.under_way: list[Operation] = []

    def run(self, duration_ns: int) -> None:
        until_ns = self.now_ns + duration_ns
        while self.now_ns < until_ns:
            answers = [Answer(each.id, self.now_ns, result(each)) for each in self.under_way if self.answers]
            self.under_way = [] if self.answers else self.under_way
            self.under_way += self.workload.step(self.now_ns, answers)
            self.now_ns += MS

    @property
    def operations(self) -> list[RegisterOperation]:
        return [each for each in self.records if isinstance(each, RegisterOperation)]


def result(operation: Operation) -> RegisterAnswer:
    put = isinstance(operation.request, Put)
    return RegisterAnswer(Outcome.OK, revision=operation.id if put else 0, store_revision=operation.id)


def started() -> Clients:
    clients = Clients()
    assert clients.workload.perform(Prepare(1), 0, 0)
    assert clients.workload.perform(StartWorkload(2), 0, 0)
    assert [(each.id, each.state) for each in clients.workload.take_reports()] == [
        (1, ReportState.DONE),
        (2, ReportState.DONE),
    ]
    return clients


def test_what_is_not_the_workloads_is_left_to_others() -> None:
    assert not Clients().workload.perform(Check(1), 0, 0)


def test_the_conductor_sees_what_is_acknowledged() -> None:
    clients = started()
    clients.run(2 * SECOND)
    view = clients.workload.view(clients.now_ns)
    puts = [each for each in clients.operations if each.action is RegisterAction.PUT]
    assert (view.started, view.acknowledged, view.lost) == (True, len(puts), "")
    assert 45 <= view.acks_per_second <= 55  # half of the operations are puts
    assert view.partitions[0].last_ns == puts[-1].completed_ns
    assert view.partition_interval_ns == 20 * MS


def test_a_drain_ends_everything_and_reads_every_key() -> None:
    clients = started()
    clients.run(SECOND)
    assert clients.workload.perform(Drain(3), clients.now_ns, 77)
    before = len(clients.operations)
    clients.run(SECOND)
    (begun, done) = clients.workload.take_reports()
    assert (begun.state, done.state, done.id, done.before_wall_ns) == (ReportState.STARTED, ReportState.DONE, 3, 77)
    last = clients.operations[-2:]
    assert [(each.key, each.final, each.process) for each in last] == [("a", True, 900), ("b", True, 900)]
    assert len(clients.operations) - before < 10  # what was under way, and the final read
    assert clients.workload.view(clients.now_ns).drained
    assert clients.workload.next_due_ns == NEVER_NS


def test_the_final_read_waits_for_what_is_under_way() -> None:
    clients = started()
    clients.answers = False
    clients.run(SECOND // 10)
    clients.workload.perform(Drain(3), clients.now_ns, 0)
    clients.run(SECOND // 10)
    assert all(not each.final for each in clients.operations)
    assert [each.state for each in clients.workload.take_reports()] == [ReportState.STARTED]
    clients.answers = True
    clients.run(SECOND // 10)
    assert [each.final for each in clients.operations[-2:]] == [True, True]


def test_what_the_final_read_has_not_got_is_noted() -> None:
    clients = Clients()
    clients.workload.perform(Drain(3), 0, 0)
    now_ns, answers = 0, list[Answer]()
    while not clients.workload.view(now_ns).drained:
        operations = clients.workload.step(now_ns, answers)
        answers = [Answer(each.id, now_ns, RegisterAnswer(Outcome.UNKNOWN)) for each in operations]
        now_ns += 50 * MS
    assert now_ns > FINAL_READ_WITHIN_NS
    (note,) = [each for each in clients.records if isinstance(each, Note)]
    assert note.text == "the final read could not get a, b"


def test_a_run_that_is_abandoned_forgets_no_operation() -> None:
    clients = started()
    clients.answers = False
    clients.run(SECOND)
    clients.workload.abandon(clients.now_ns)
    assert len(clients.operations) == len(clients.under_way) > 4
    assert {each.outcome for each in clients.operations} == {Outcome.UNKNOWN}
    assert clients.workload.step(clients.now_ns + SECOND) == []


def test_a_client_that_falls_silent_is_no_fault_of_the_store() -> None:
    clients = started()
    clients.answers = False
    clients.run(SECOND)
    assert clients.workload.view(clients.now_ns).lost == ""
    late_ns = clients.now_ns + TIMEOUT_MS * MS + OVERDUE_NS
    assert "has fallen silent by itself" in clients.workload.view(late_ns).lost


def test_keys_are_the_experiments_own() -> None:
    text = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: crash}
spec:
  hypothesis: It goes on.
  target: etcd
  etcd: {keys: 2}
  workload: {producers: 3, ratePerSecond: 90}
  faults: [{name: crash, kill: {target: {role: Leader}, how: Process}}]
"""
    spec = RegisterLoadSpec.of(load_document(text))
    assert spec == RegisterLoadSpec(("crash/0", "crash/1"), 3, 90)
    assert len(RegisterLoadSpec.of(load_document(text.replace("etcd: {keys: 2}", ""))).keys) == 5
