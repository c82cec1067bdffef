"""Histories of a few operations for every property: one that it holds of, those that it must fail, and their witness.

Values are ``v(n)`` of process 1 unless a process is named; times are milliseconds. A run is header, the operations, the
final read of the log that the case names, its dumps, and the footer; a witness is named by position in the operations
(``FINAL``, ``TAIL`` and ``DUMP`` are the final read, its last fetch, and the first dump).
"""

from __future__ import annotations

from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log import PROPERTIES
from skerry.checker.models.log.evidence import Evidence
from skerry.checker.property import run_property
from skerry.history import History
from skerry.history.records import (
    BrokerSample,
    DumpedBatch,
    Fetch,
    Footer,
    Header,
    Outcome,
    Produce,
    ReplicaDump,
    StatusSample,
)
from skerry.schema.verdict import Verdict
from skerry.targets.skerry.guarantees import OWES

MS = 1_000_000
FINAL, TAIL, DUMP = "final", "tail", "dump"
TWO_IN_SYNC = Guarantees(OWES, copies=2)
BY_NAME = {rule.name: rule for rule in PROPERTIES}


def v(n, process=1):
    return process << 40 | n


def ack(n, offset, start=0, end=None, *, process=1, epoch=1, leader=1, acks="All", count=1, **more):
    end = start + 1 if end is None else end
    more = {"idempotent": True, "outcome": Outcome.OK} | more
    return Produce(
        process=process,
        topic="t",
        partition=0,
        invoked_ns=start * MS,
        completed_ns=end * MS,
        acks=acks,
        first_value=v(n, process),
        count=count,
        base_offset=offset,
        leader=leader,
        leader_epoch=epoch,
        **more,
    )


def timed_out(n, start=0, **more):
    return ack(n, -1, start, outcome=Outcome.UNKNOWN, leader=-1, epoch=-1, error="TimedOut", **more)


def refused(n, start=0, **more):
    return ack(n, -1, start, outcome=Outcome.FAILED, leader=-1, epoch=-1, error="NotEnoughReplicas", **more)


def read(offset, numbers, start=50, *, hw=None, asked=None, process=8, epoch=1, leader=1, **more):
    values = tuple(v(n) if isinstance(n, int) else v(*n) for n in numbers)
    return Fetch(
        process=process,
        topic="t",
        partition=0,
        invoked_ns=start * MS,
        completed_ns=(start + 1) * MS,
        outcome=Outcome.OK,
        offset=offset if asked is None else asked,
        base_offset=offset,
        values=values,
        high_watermark=offset + len(values) if hw is None else hw,
        leader=leader,
        leader_epoch=epoch,
        **more,
    )


def tail(length, start, **more):
    return read(length, [], start, **more)


def dump(batches, broker=1, hw=None, end=None, error=""):
    """``batches``: (offset, epoch, n) or (offset, epoch, n, count)."""
    full = tuple(DumpedBatch(o, e, v(n), (c or [1])[0], checksum=1000 * e + n + o) for o, e, n, *c in batches)
    log_end = max((b.base_offset + b.count for b in full), default=0) if end is None else end
    return ReplicaDump("t", 0, broker, 0, log_end, log_end if hw is None else hw, full, error=error)


def status(broker, at=60, *, leader=1, epoch=1, isr=(1, 2, 3), hw=0, role=None, **more):
    role = ("Leader" if leader == broker else "Follower") if role is None else role
    sample = BrokerSample("t", 0, leader, epoch, isr, (), hw, hw, role)
    return StatusSample(broker, at * MS, (at + 1) * MS, True, partitions=(sample,), **more)


HEADER = Header(1, "hand-written", "", "sim", 7, 0, "test", 3)


def run(operations, final=None, dumps=()):
    closing = []
    if final is not None:
        closing += [read(0, final, 90, process=9, final=True)] if final else []
        closing += [tail(len(final), 95, process=9, final=True)]
    return History([HEADER, *operations, *closing, *dumps, Footer(100 * MS)])


def judge(name, history, guarantees=TWO_IN_SYNC):
    return run_property(BY_NAME[name], Evidence(history), guarantees)


def check(name, operations, final=None, dumps=(), guarantees=TWO_IN_SYNC):
    return judge(name, run(operations, final, dumps), guarantees)


def assert_holds(name, *case, **more):
    (finding,) = check(name, *case, **more)
    assert finding.verdict is Verdict.PASS, finding
    assert any(c.isdigit() for c in finding.message)  # a Pass says over how much


def assert_fails(name, reason, witness, operations, final=None, dumps=(), **more):
    findings = [f for f in check(name, operations, final, dumps, **more) if f.verdict is Verdict.FAIL]
    assert [f.reason for f in findings] == [reason], findings
    after = 1 + len(operations)
    dumps_at = after if final is None else after + 1 + bool(final)
    places = {FINAL: after, TAIL: dumps_at - 1, DUMP: dumps_at}
    assert findings[0].witness == tuple(places.get(w) or 1 + w for w in witness), findings
    assert findings[0].owed
    return findings[0]


def assert_inconclusive(name, reason, *case, **more):
    findings = check(name, *case, **more)
    assert {f.verdict for f in findings} == {Verdict.INCONCLUSIVE}, findings
    assert reason in {f.reason for f in findings}, findings
