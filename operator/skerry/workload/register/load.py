"""The workload of the register model: one machine for all that clients do in a run.

A driver calls ``perform`` for each action of the conductor that is the workload's, ``step`` whenever answers have come
or ``next_due_ns`` has, and carries the operations out that ``step`` returns. Records go out as the answers come in.

Invariants:
  1. Every operation that was invoked is recorded exactly once: when its answer comes, or when the run is abandoned.
  2. Every action that was taken is answered by a report.
  3. Nothing is read for the last time while anything else is under way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from skerry.engine.actions import Action, Drain, Prepare, StartWorkload
from skerry.engine.observation import ActionReport, PartitionAcks, ReportState, WorkloadView
from skerry.experiment.document import Experiment
from skerry.history.records import HistoryRecord, Note, Outcome
from skerry.workload.operations import NEVER_NS, Answer, ClientSpec, Operation
from skerry.workload.register.client import NS_PER_SECOND, RegisterClient, clients
from skerry.workload.register.final_read import FinalRead
from skerry.workload.register.operations import Ended, PlannedOperation, RegisterAnswer, key_names, record_of

TIMEOUT_MS = 1000
"""The time of an operation. A put that was forwarded to a leader that died is never answered: to wait longer is to see
no more."""
KEYS_DEFAULT = 5
FINAL_READ_WITHIN_NS = 30 * NS_PER_SECOND
OVERDUE_NS = 5 * NS_PER_SECOND
"""How much longer than its own timeout an operation may take before its client is taken for dead."""
ABANDONED = "the run ended before it was answered"


class RegisterLoadSpec(msgspec.Struct, frozen=True):
    """What the workload of a run is to do."""

    keys: tuple[str, ...]
    clients: int
    operations_per_second: int
    """The rate of all clients together; half of it are puts."""

    @classmethod
    def of(cls, experiment: Experiment) -> RegisterLoadSpec:
        """The keys are the run's own, by the name of the experiment: nobody else may write them."""
        workload = experiment.spec.workload
        keys = key_names(f"{experiment.name}/", getattr(experiment.part, "keys", KEYS_DEFAULT))
        return cls(keys, workload.producers, workload.rate_per_second)


class _Open(NamedTuple):
    machine: RegisterClient | FinalRead
    planned: PlannedOperation
    invoked_ns: int


class RegisterWorkload:
    """Use it once. ``record`` takes what goes into the history, in the order in which it became known."""

    def __init__(self, spec: RegisterLoadSpec, record: Callable[[HistoryRecord], None]) -> None:
        self.acknowledged = 0
        """Puts."""
        self.last_acknowledged_ns = -1
        self._spec = spec
        self._record = record
        self._clients: list[RegisterClient] = []
        self._final_read: FinalRead | None = None
        self._open: dict[int, _Open] = {}
        self._last_id = 0
        self._recent: deque[int] = deque()
        self._stopped = False
        self._reports: list[ActionReport] = []
        self._drain: tuple[int, int, int] | None = None
        """(id, when it began, the wall clock then) of a Drain under way."""
        self._drained = False
        self._lost = ""

    # --- what a driver does ---------------------------------------------------------------------------------

    def perform(self, action: Action, now_ns: int, wall_ns: int) -> bool:
        """Begin it; False: it is none of the workload's. What it leads to comes with the next ``step``."""
        match action:
            case Prepare():
                self._ended(action.id, now_ns, wall_ns, now_ns)  # there is nothing to make before a key is put
            case StartWorkload():
                self.start(now_ns)
                self._ended(action.id, now_ns, wall_ns, now_ns)
            case Drain():
                self._reports.append(ActionReport(action.id, ReportState.STARTED, now_ns, before_wall_ns=wall_ns))
                self.stop()
                self._drain = (action.id, now_ns, wall_ns)
            case _:
                return False
        return True

    def start(self, now_ns: int) -> None:
        """Clients go on until `stop`. Idempotent."""
        if not self._clients and not self._stopped:
            spec = self._spec
            self._clients = clients(spec.clients, spec.keys, spec.operations_per_second, now_ns)

    def stop(self) -> None:
        """Begin nothing more; what is under way goes on to its end. Idempotent."""
        self._stopped = True
        for client in self._clients:
            client.stop()

    def read_everything(self, now_ns: int) -> None:
        """The final read; see `drained`. Raises RuntimeError while anything is under way."""
        if self._open:
            raise RuntimeError(f"{len(self._open)} operations are under way")
        self._final_read = FinalRead(self._spec.keys, now_ns, now_ns + FINAL_READ_WITHIN_NS)

    def step(self, now_ns: int, answers: Iterable[Answer] = ()) -> list[Operation]:
        """Take the answers, and return what is to be begun now."""
        ended: dict[int, list[Ended]] = {}
        for answer in answers:
            opened = self._open.pop(answer.id)
            self._take(opened, answer.completed_ns, answer.result)
            ended.setdefault(id(opened.machine), []).append(Ended(opened.planned.id, answer.result.outcome))
        if self._drain is not None and self._final_read is None and self.idle:
            self.read_everything(now_ns)
        operations = []
        for machine in self._machines():
            for planned in machine.step(now_ns, ended.get(id(machine), ())):
                self._last_id += 1
                self._open[self._last_id] = _Open(machine, planned, now_ns)
                spec = ClientSpec(f"client {machine.process}", delivery_timeout_ms=TIMEOUT_MS)
                operations.append(Operation(self._last_id, spec, planned.request))
        if self._drain is not None and self.drained(now_ns):
            self._end_drain(self._drain, now_ns)
        return operations

    @property
    def next_due_ns(self) -> int:
        """When ``step`` is wanted again even if no answer comes."""
        due = [client.next_due_ns for client in self._clients] if not self._stopped else []
        if self._final_read is not None and not self._final_read.done(0):
            due.append(self._final_read.next_due_ns)
        return min(due, default=NEVER_NS)

    def abandon(self, now_ns: int) -> None:
        """The run is over in the middle: what is under way is recorded as unknown, and nothing follows."""
        self.stop()
        for opened in self._open.values():
            self._take(opened, now_ns, RegisterAnswer(Outcome.UNKNOWN, error=ABANDONED))
        self._open.clear()
        self._reports.clear()

    def fail(self, why: str) -> None:
        """The driver cannot go on; the sentence says why."""
        self._lost = self._lost or why

    # --- what the conductor sees ------------------------------------------------------------------------------

    def view(self, now_ns: int) -> WorkloadView:
        oldest = next(iter(self._open.values()), None)
        if oldest is not None and now_ns - oldest.invoked_ns > TIMEOUT_MS * 1_000_000 + OVERDUE_NS:
            self.fail(
                f"client {oldest.machine.process} has not ended an operation long after its time was over: the "
                "workload has fallen silent by itself"
            )
        return WorkloadView(
            self.started,
            self.acknowledged,
            self.acknowledged_per_second(now_ns),
            (PartitionAcks(0, self.acknowledged, self.last_acknowledged_ns),),
            self._drained,
            self._lost,
            2 * NS_PER_SECOND // self._spec.operations_per_second,
        )

    def take_reports(self) -> tuple[ActionReport, ...]:
        """New ones since the last call."""
        reports, self._reports = tuple(self._reports), []
        return reports

    # --- what is seen of it -----------------------------------------------------------------------------------

    @property
    def started(self) -> bool:
        return bool(self._clients)

    @property
    def idle(self) -> bool:
        """Nothing is under way."""
        return not self._open

    def drained(self, now_ns: int) -> bool:
        """The final read is over, with or without every key."""
        return self._final_read is not None and self._final_read.done(now_ns)

    @property
    def missing(self) -> tuple[str, ...]:
        """The keys that the final read has not got."""
        return self._final_read.missing if self._final_read is not None else self._spec.keys

    def acknowledged_per_second(self, now_ns: int) -> int:
        """Puts, over the last second."""
        while self._recent and self._recent[0] <= now_ns - NS_PER_SECOND:
            self._recent.popleft()
        return len(self._recent)

    def _end_drain(self, drain: tuple[int, int, int], now_ns: int) -> None:
        self._drain, self._drained = None, True
        if self.missing:
            self._record(Note(now_ns, f"the final read could not get {', '.join(self.missing)}"))
        self._ended(*drain, now_ns)

    def _ended(self, action_id: int, before_ns: int, wall_ns: int, after_ns: int) -> None:
        self._reports.append(ActionReport(action_id, ReportState.DONE, before_ns, after_ns, wall_ns))

    def _machines(self) -> list[RegisterClient | FinalRead]:
        return [*self._clients, self._final_read] if self._final_read is not None else [*self._clients]

    def _take(self, opened: _Open, completed_ns: int, answer: RegisterAnswer) -> None:
        record = record_of(opened.machine.process, opened.planned, opened.invoked_ns, completed_ns, answer)
        self._record(record)
        if record.acknowledged:
            self.acknowledged += 1
            self.last_acknowledged_ns = completed_ns
            self._recent.append(completed_ns)
