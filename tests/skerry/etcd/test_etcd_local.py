"""Real etcd members: a leader that is killed, what is proven of it, and a member that is made to lie."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from skerry.engine.conductor import Conductor
from skerry.expectations.register.leaders import leader_before, leaderships
from skerry.experiment import load_document
from skerry.history.records import FaultStep, RegisterOperation
from skerry.schema.verdict import Finding, Verdict
from skerry.targets.etcd import gateway
from skerry.targets.etcd.gateway import Refusal
from skerry.targets.etcd.launch import EtcdLaunch
from skerry.workload.register import Get, Put, RegisterAnswer
from skerry.worlds.local.brokers import BrokerProcess
from skerry.worlds.local.watchdog import process_state
from skerry.worlds.local.world import LocalWorld, RunResult

pytestmark = [
    pytest.mark.local,
    pytest.mark.timeout(120),
    pytest.mark.skipif(bool(EtcdLaunch().missing()), reason="no etcd for this machine"),
]

DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: short-crash}
spec:
  hypothesis: A leader that crashes is replaced.
  target: etcd
  etcd: {keys: 2}
  workload: {producers: 2, ratePerSecond: 100}
  timeout: 90s
  faults:
  - {name: crash, startAfter: 1s, kill: {target: {role: Leader}, how: Process, downFor: 4s}}
  expect:
  - {name: another member leads, leaderChange: {leader: true, within: 10s, of: crash}}
"""
SHORT = (
    DOCUMENT[: DOCUMENT.index("  faults:")]
    + """  faults:
  - {name: rest, startAfter: 500ms, duration: 500ms, pause: {target: {ordinal: 0}}}
"""
)
"""For what is found whatever the fault does."""


def run(directory: Path, document: str = DOCUMENT) -> RunResult:
    experiment = load_document(document, "test")

    async def drive() -> RunResult:
        world = LocalWorld(experiment, document, seed=1, directory=directory, version="test")
        return await world.run(Conductor(experiment, 1, world.capabilities))

    return asyncio.run(drive())


def test_a_leader_that_is_killed_is_replaced_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids: list[int] = []
    honest = BrokerProcess.start

    def start(self: BrokerProcess) -> None:
        honest(self)
        assert self.pid is not None
        pids.append(self.pid)

    monkeypatch.setattr(BrokerProcess, "start", start)
    result = run(tmp_path)
    history = result.history
    assert result.finish.verdict is Verdict.PASS, result.finish.message
    assert {finding.verdict for finding in history_findings(result)} == {Verdict.PASS}

    (effect,) = [event for event in history.faults if event.step is FaultStep.EFFECTIVE]
    (healed,) = [event for event in history.faults if event.step is FaultStep.HEALED]
    ((victim,),) = effect.groups
    before = [s for s in history.statuses if s.broker == victim and s.reachable and s.after_ns < effect.before_ns]
    after = [s for s in history.statuses if s.broker == victim and s.reachable and s.before_ns > effect.after_ns]
    assert before[-1].group_role == "Leader"
    assert {s.incarnation for s in before}.isdisjoint({s.incarnation for s in after})  # another process
    assert min(s.before_ns for s in after) > effect.after_ns + 3_500_000_000  # it was kept down
    assert after[0].after_ns <= healed.after_ns

    led = leaderships(history)
    old, new = leader_before(led, effect.before_ns), led[-1]  # members may vote again before they settle
    assert old is not None
    assert (old.member, new.member != victim, new.term > old.term) == (victim, True, True)
    assert new.without is not None
    assert new.earliest_ns < new.latest_ns

    assert len(pids) == 4  # three members, one of them twice
    assert [process_state(pid) for pid in pids] == [None] * 4


def history_findings(result: RunResult) -> list[Finding]:
    from skerry.checker import check

    return check(result.history)


def test_a_stale_read_fails_with_the_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = gateway.read_answer
    first: dict[str, RegisterAnswer] = {}
    gets = 0

    def lying(request: Put | Get, status: int, body: bytes, member: int) -> RegisterAnswer | Refusal:
        nonlocal gets
        answer = honest(request, status, body, member)
        if isinstance(request, Get) and isinstance(answer, RegisterAnswer) and answer.revision > 0:
            gets += 1
            long_ago = first.setdefault(request.key, answer)
            return long_ago if gets == 60 else answer
        return answer

    monkeypatch.setattr(gateway, "read_answer", lying)
    result = run(tmp_path, SHORT)
    failed = {finding.rule: finding for finding in history_findings(result) if finding.verdict is Verdict.FAIL}
    assert result.finish.verdict is Verdict.FAIL
    assert set(failed) == {"linearizable", "revision-back"}
    assert failed["linearizable"].reason == "StaleRead"
    stale, put = (result.history.records[index] for index in failed["linearizable"].witness)
    assert isinstance(stale, RegisterOperation)
    assert isinstance(put, RegisterOperation)
    assert (stale.action, put.action, stale.key) == ("get", "put", put.key)
    assert stale.revision == first[stale.key].revision < put.revision
    assert stale.invoked_ns > put.completed_ns
