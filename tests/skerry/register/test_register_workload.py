"""The register workload's plans: open loop, bounded, unique, and a final read that gets every key."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace

from skerry.history.records import Outcome, RegisterAction, RegisterOperation
from skerry.workload.register import (
    BACKLOG_MAX,
    WINDOW,
    Ended,
    FinalRead,
    PlannedOperation,
    RegisterAnswer,
    RegisterClient,
    clients,
    key_names,
    record_of,
)

SECOND_NS = 1_000_000_000
KEYS = key_names("run/", 3)


def ended(operations: list[PlannedOperation], outcome: Outcome = Outcome.OK) -> list[Ended]:
    return [Ended(operation.id, outcome) for operation in operations]


@pytest.mark.parametrize(("rate", "count"), [(400, 4), (7, 3), (2, 4), (1000, 1)])
def test_the_rate_is_met_whatever_became_of_earlier_operations(rate: int, count: int) -> None:
    planned = 0
    machines = {machine: [] for machine in clients(count, KEYS, rate, 0)}
    for now_ns in range(0, 10 * SECOND_NS, SECOND_NS // 100):
        for machine, answers in machines.items():
            started = machine.step(now_ns, answers)
            machines[machine] = ended(started, Outcome.UNKNOWN)
            planned += len(started)
    assert planned == pytest.approx(10 * rate, rel=0.02, abs=count)


def test_every_client_puts_and_gets_every_key() -> None:
    seen: Counter[tuple[int, RegisterAction, str]] = Counter()
    for machine in clients(2, KEYS, 100, 0):
        answers: list[Ended] = []
        for now_ns in range(0, 6 * SECOND_NS, SECOND_NS // 50):
            started = machine.step(now_ns, answers)
            seen.update((machine.process, each.action, each.key) for each in started)
            answers = ended(started)
    assert len(seen) == 2 * 2 * 3
    assert max(seen.values()) - min(seen.values()) <= 2


def test_values_are_unique_and_without_a_gap() -> None:
    values = [
        operation.value
        for machine in clients(3, KEYS, 90, 0)
        for now_ns in range(0, SECOND_NS // 4, SECOND_NS // 100)
        for operation in machine.step(now_ns)
        if operation.action is RegisterAction.PUT
    ]
    assert len(set(values)) == len(values)
    assert {value >> 40 for value in values} == {0, 1, 2}
    for process in range(3):
        assert sorted(value & 0xFF for value in values if value >> 40 == process) == list(
            range(sum(value >> 40 == process for value in values))
        )


def test_an_outage_fills_the_window_and_then_the_backlog() -> None:
    machine = RegisterClient(0, ["k"], operations_per_second=10, start_ns=0)
    first = machine.step(100 * SECOND_NS)
    assert len(first) == WINDOW
    assert machine.step(101 * SECOND_NS) == []
    machine.step(1000 * SECOND_NS)
    assert machine.given_up == 10_001 - WINDOW - BACKLOG_MAX
    (late,) = machine.step(1000 * SECOND_NS, ended(first[:1]))
    assert late.intended_ns == WINDOW * machine.interval_ns  # late, and it says so


def test_one_key_that_does_not_answer_leaves_the_others_alone() -> None:
    machine = RegisterClient(0, KEYS, operations_per_second=100, start_ns=0)
    answers: list[Ended] = []
    started: Counter[str] = Counter()
    for now_ns in range(0, 10 * SECOND_NS, SECOND_NS // 100):
        operations = machine.step(now_ns, answers)
        started.update(operation.key for operation in operations)
        answers = ended([operation for operation in operations if operation.key != KEYS[0]])
    assert started[KEYS[0]] == WINDOW
    assert min(started[KEYS[1]], started[KEYS[2]]) > 300


def test_a_stopped_client_plans_nothing_more() -> None:
    machine = RegisterClient(0, ["k"], 10, 0)
    first = machine.step(SECOND_NS)
    machine.stop()
    assert machine.step(2 * SECOND_NS, ended(first)) == []
    assert machine.idle


@pytest.mark.parametrize(("keys", "rate"), [([], 1), (["k"], 0)])
def test_a_client_without_work_is_refused(keys: list[str], rate: int) -> None:
    with pytest.raises(ValueError, match="at least one key"):
        RegisterClient(0, keys, rate, 0)


# --- the final read -------------------------------------------------------------------------------------


def test_the_final_read_gets_each_key_once() -> None:
    read = FinalRead(KEYS, start_ns=0, deadline_ns=SECOND_NS)
    started = read.step(0)
    assert [each.key for each in started] == list(KEYS)
    assert all(each.final and each.action is RegisterAction.GET for each in started)
    assert not read.done(0)
    assert read.step(1, ended(started)) == []
    assert read.done(1)
    assert read.missing == ()


def test_a_get_that_fails_is_tried_again_until_the_deadline() -> None:
    read = FinalRead(KEYS[:1], start_ns=0, deadline_ns=SECOND_NS)
    asked, now_ns, answers = 0, 0, []
    while not read.done(now_ns):
        started = read.step(now_ns, answers)
        asked += len(started)
        answers = ended(started, Outcome.UNKNOWN)
        now_ns = now_ns + 1 if answers else read.next_due_ns
    assert asked == 10
    assert read.missing == KEYS[:1]
    assert read.step(2 * SECOND_NS) == []


# --- the record -----------------------------------------------------------------------------------------


def test_a_put_is_recorded_with_what_it_wrote() -> None:
    planned = PlannedOperation(0, RegisterAction.PUT, "k", 5, 7)
    answer = RegisterAnswer(Outcome.OK, revision=3, store_revision=3, member=1, term=2, attempts=2)
    assert record_of(4, planned, 10, 20, answer) == RegisterOperation(
        4, RegisterAction.PUT, "k", 10, 20, Outcome.OK, 5, 3, 3, intended_ns=7, member=1, term=2, attempts=2
    )


def test_a_get_is_recorded_with_what_it_saw() -> None:
    planned = PlannedOperation(0, RegisterAction.GET, "k", -1, 7, final=True)
    answer = RegisterAnswer(Outcome.OK, 5, 3, 9, version=2, member=1, term=2)
    record = record_of(4, planned, 10, 20, answer)
    assert (record.value, record.revision, record.store_revision, record.version, record.final) == (5, 3, 9, 2, True)
    lost = record_of(4, planned, 10, 20, replace(answer, outcome=Outcome.UNKNOWN, value=-1, error="TimedOut"))
    assert (lost.outcome, lost.value, lost.error) == (Outcome.UNKNOWN, -1, "TimedOut")
