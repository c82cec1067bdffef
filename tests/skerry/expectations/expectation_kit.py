"""Histories of a few records for every kind of expectation: one that it passes, those it fails, those that say
nothing.

Times are milliseconds. The fault `cut` isolates broker 0 from 1 and 2: it takes effect at 5,000 (its bracket ends at
5,010) and is healed at 15,000 (15,010). Broker 0 leads partition 0 in epoch 1 before it. The run ends at 25,000.
"""

from __future__ import annotations

from skerry.checker.evaluate import evaluate
from skerry.checker.models.log import MODEL
from skerry.experiment import Verdict, load_document
from skerry.history import History
from skerry.history.records import (
    BrokerSample,
    ElectionSeen,
    FaultEvent,
    FaultStep,
    Footer,
    Header,
    MetricSample,
    Outcome,
    PhaseEvent,
    Produce,
    StatusSample,
)

MS = 1_000_000
WALL = 1_700_000_000_000_000_000
PASS, FAIL, INCONCLUSIVE = Verdict
DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {{name: isolation}}
spec:
  hypothesis: It holds.
  cluster: {{brokers: 3, timing: {timing}}}
  topic: {{name: t, partitions: 1}}
  {extra}
  faults:
{faults}
  expect:
  - {{name: it, {rule}}}
"""
CUT = """  - name: cut
    startAfter: 5s
    duration: 10s
    partition:
      groups: [[{ordinal: 0}], [{role: Other}]]
      planes: [Raft, Replication]"""


def document(rule, faults=CUT, timing="Default", extra="allow: [QuorumLoss, BelowMinIsr]"):
    return load_document(DOCUMENT.format(rule=rule, faults=faults, timing=timing, extra=extra), source_name="test")


def step(kind, at, fault="cut", groups=((0,), (1, 2)), what="partition", occurrence=0):
    return FaultEvent(
        fault, occurrence, kind, at * MS, (at + 10) * MS, wall_ns=WALL + at * MS, kind=what, groups=groups
    )


def happening(start=5000, end=15_000, **more):
    """One whole occurrence, verified."""
    return [
        step(FaultStep.INJECTING, start, **more),
        step(FaultStep.EFFECTIVE, start, **more),
        step(FaultStep.VERIFIED, start + 300, **more),
        step(FaultStep.HEALING, end, **more),
        step(FaultStep.HEALED, end, **more),
    ]


def status(broker, at, *, leader=0, epoch=1, isr=(0, 1, 2), term=1, controller=1, role=None, **more):
    role = role or ("Leader" if leader == broker else "Follower")
    sample = BrokerSample("t", 0, leader, epoch, isr, (), 0, 0, role)
    return StatusSample(
        broker, at * MS, (at + 5) * MS, True, term=term, controller=controller, partitions=(sample,), **more
    )


def election(epoch, leader, at, seen=None):
    return ElectionSeen("t", 0, leader, epoch, WALL + at * MS, (seen or at + 50) * MS)


def write(start, end=None, *, leader=0, epoch=1, outcome=Outcome.OK, acks="All", **more):
    write.n += 1
    ok = outcome is Outcome.OK
    end = start + 2 if end is None else end
    return Produce(
        1,
        "t",
        0,
        start * MS,
        end * MS,
        outcome,
        acks,
        1 << 40 | write.n,
        1,
        base_offset=write.n if ok else -1,
        leader=leader if ok else -1,
        leader_epoch=epoch if ok else -1,
        **more,
    )


write.n = 0


def writes(start, end, every=10, **more):
    return [write(at, **more) for at in range(start, end, every)]


def outage(start, end):
    """A write that waited all the time and never was answered."""
    return [write(start, end, outcome=Outcome.UNKNOWN)]


def metric(name, at, value, broker=1, **labels):
    return MetricSample(broker, at * MS, name, labels, value)


BEFORE = [status(b, 4000) for b in (0, 1, 2)]
END = [PhaseEvent("Draining", 24_000 * MS), Footer(25_000 * MS)]


def judge(rule, records, faults=None, *, clock_error=0, document_faults=CUT, **options):
    faults = happening() if faults is None else faults
    header = Header(1, "isolation", "", "sim", 7, WALL, "test", 3, clock_error_ns=clock_error * MS)
    (finding,) = evaluate(History([header, *faults, *records, *END]), document(rule, document_faults, **options), MODEL)
    assert finding.name == "it"
    assert finding.rule == rule.partition(":")[0]
    return finding


def assert_judged(verdict, rule, records, *words, reason="", **options):
    finding = judge(rule, records, **options)
    assert finding.verdict is verdict, finding
    assert finding.reason == reason, finding
    for word in words:
        assert word in f"{finding.message} | {finding.measured} | {finding.limit}", finding
    return finding


CHANGE = "leaderChange: {partition: 0, within: 3s, of: cut}"
CHANGED = [*BEFORE, election(2, 2, 6500), status(2, 6600, leader=2, epoch=2), status(2, 9000, leader=2, epoch=2)]
LATE = [*BEFORE, election(2, 2, 8600), status(2, 9000, leader=2, epoch=2)]
AROUND = [*writes(1000, 5000), *outage(4992, 6700), *writes(6700, 24_000, leader=2, epoch=2)]
GAP = "maxWriteGap: {atMost: 2s, during: cut}"
SMALLER = "inSyncReplicas: {equals: 2, within: 4s, of: cut}"
WHOLE = "inSyncReplicas: {equals: 3, within: 4s, afterHealOf: cut}"


def leader2(at, isr):
    return status(2, at, leader=2, epoch=2, isr=isr)
