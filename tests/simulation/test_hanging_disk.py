"""A leader whose disk hangs, in a simulated cluster under load: writes go on, and nothing is lost (decision 11)."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from skerry.history.records import Outcome, Produce
from skerry.worlds.sim.chaos import SeedResult, run_plan
from skerry.worlds.sim.plan import CONTROLLER, LEADER, Plan, Step, Verb, draw_plan
from skerry.worlds.sim.scheduler import NS_PER_MS, NS_PER_S
from skerry_broker.core import decisions
from skerry_broker.core.types import Acks, FlushMode, Timing

pytestmark = [pytest.mark.sim, pytest.mark.timeout(120)]

HANGS_AT_NS = 5 * NS_PER_S
HANGS_FOR_NS = 10 * NS_PER_S
BOUND_NS = (Timing().replica_lag_ms + 500) * NS_PER_MS
"""The replica lag, a heartbeat, the hand-over, the clients' way to the new leader, and the write before all that."""


def hang(seed: int, sync_ms: int, *victims: int) -> Plan:
    """Three brokers, one partition, nothing broken but disks: each sync of the victims takes so long, for 10 s."""
    steps = [
        Step(at_ns, Verb.SLOW_DISK, victim, name=f"hang#{number}", amount=amount)
        for number, victim in enumerate(victims)
        for at_ns, amount in ((HANGS_AT_NS, sync_ms * NS_PER_MS), (HANGS_AT_NS + HANGS_FOR_NS, 0))
    ]
    return msgspec.structs.replace(
        draw_plan(seed),
        brokers=3,
        partitions=1,
        flush=FlushMode.GROUP,
        producers=3,
        consumers=1,
        records_per_second=200,
        acks=Acks.ALL,
        idempotent=True,
        codec=False,
        max_drift_ppm=0,
        classes=("hanging-disk",),
        steps=tuple(sorted(steps, key=lambda step: step.at_ns)),
        chaos_ends_ns=HANGS_AT_NS + HANGS_FOR_NS + NS_PER_S,
    )


def longest_gap_ns(result: SeedResult) -> int:
    """Between two acknowledgements of partition 0, after the disk began to hang and before it was whole again."""
    acknowledged = sorted(
        record.completed_ns
        for record in result.history
        if isinstance(record, Produce)
        and record.outcome is Outcome.OK
        and HANGS_AT_NS - NS_PER_S < record.completed_ns < HANGS_AT_NS + HANGS_FOR_NS
    )
    return max(after - before for before, after in pairwise(acknowledged))


@pytest.mark.parametrize("seed", range(2))
def test_writes_resume_when_the_leaders_disk_hangs(seed: int) -> None:
    result = run_plan(hang(seed, 6000, LEADER))
    assert result.passed, result.story()
    assert NS_PER_S < longest_gap_ns(result) < BOUND_NS


def test_writes_resume_when_it_is_the_controllers_disk_too() -> None:
    """Its own metadata log hangs as well: what it decides is committed by the other two."""
    gaps = []
    for seed in range(2):
        plan = hang(seed, 6000, LEADER)
        first = Step(HANGS_AT_NS - NS_PER_S, Verb.ELECT, 0)
        also = Step(HANGS_AT_NS - NS_PER_S, Verb.TRANSFER, 0)
        result = run_plan(msgspec.structs.replace(plan, steps=(first, also, *plan.steps)))
        assert result.passed, result.story()
        gaps.append(longest_gap_ns(result))
    assert max(gaps) < BOUND_NS


@pytest.mark.parametrize("victim", [CONTROLLER, 2])
def test_all_goes_on_with_two_disks(victim: int) -> None:
    result = run_plan(hang(11, 6000, victim))
    assert result.passed, result.story()


def test_a_disk_that_is_slow_but_works_moves_nothing() -> None:
    """Each sync takes up to half of the bound: a write waits for the one before it and its own."""
    result = run_plan(hang(3, Timing().replica_lag_ms // 2 - 400, LEADER))
    assert result.passed, result.story()
    epochs = {record.leader_epoch for record in result.history if isinstance(record, Produce) and record.leader >= 0}
    assert epochs == {0}


def test_three_slow_disks_do_not_take_turns() -> None:
    result = run_plan(hang(4, 1600, 0, 1, 2))
    assert result.passed, result.story()
    epochs = {record.leader_epoch for record in result.history if isinstance(record, Produce) and record.leader >= 0}
    assert len(epochs) <= 3


def test_without_the_rule_writes_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug: the tests above, and the invariant, see it."""
    monkeypatch.setattr(decisions, "stuck", lambda known, now, broker_id: [])
    result = run_plan(hang(0, 6000, LEADER))
    assert [violation.rule for violation in result.violations] == ["hung-leader-stays"]
