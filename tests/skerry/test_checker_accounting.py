"""Nothing that was acknowledged disappears from the count."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from msgspec.structs import replace

from skerry.checker import PROPERTIES, check, verdict_of
from skerry.checker.common import faults
from skerry.checker.models.log.accounting import NAME
from skerry.checker.models.log.content import Content
from skerry.checker.models.log.fates import fate_of, how_many
from skerry.experiment import Verdict
from skerry.history import History
from skerry.history.records import DumpedBatch, Fetch, Footer, Header, Outcome, Produce, ReplicaDump
from skerry.report.model import make_report

DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: hand-written}
spec:
  hypothesis: Nothing disappears from the count.
  cluster: {brokers: 1}
  topic: {name: t, partitions: 1, replicationFactor: 1, minInSyncReplicas: 1}
  faults: [{name: again, restart: {targets: [{ordinal: 0}], how: Kill}}]
"""
HEADER = Header(1, "hand-written", DOCUMENT, "sim", 7, 0, "test", 1)
FIRST = 1 << 40
JUDGED = [rule for rule in PROPERTIES if rule is not faults.PROPERTY]
"""What is written here is not what a document would ask for, and there is no fault."""


def write(n, offset=-1, acks="All", outcome=Outcome.OK, count=1, process=1):
    at = 10 * n
    return Produce(
        process,
        "t",
        0,
        at,
        at + 5,
        outcome,
        acks,
        FIRST * process + n,
        count,
        base_offset=offset,
        leader=0,
        leader_epoch=1,
    )


def log_of(*numbers, hidden=()):
    """The final read of these records, to the end, and the one replica; ``hidden``: offsets that nobody looked at."""
    records = []
    for offset, n in enumerate(numbers):
        if offset not in hidden:
            records.append(
                Fetch(9, "t", 0, 900, 901, Outcome.OK, offset, offset, (FIRST + n,), len(numbers), final=True)
            )
    tail = Fetch(9, "t", 0, 910, 911, Outcome.OK, len(numbers), len(numbers), (), len(numbers), final=True)
    batches = tuple(DumpedBatch(o, 1, FIRST + n, 1, 5) for o, n in enumerate(numbers) if o not in hidden)
    return [*records, tail, ReplicaDump("t", 0, 0, 0, len(numbers), len(numbers), batches)]


def judged(*records):
    history = History([HEADER, *records, Footer(1000)])
    findings = check(history, properties=JUDGED)
    report = make_report(None, history, findings, "skerry check", "")
    told = next(finding.message for finding in findings if finding.rule == NAME)
    return told, verdict_of(findings), report


# --- what is told ---------------------------------------------------------------------------------------


def test_all_that_was_acknowledged_is_there():
    told, verdict, report = judged(write(1, 0), write(2, 1), *log_of(1, 2))
    assert (told, verdict) == ("all 2 acknowledged records are accounted for", Verdict.PASS)
    assert report.message.startswith("Pass: all 2 acknowledged records are accounted for; ")


@pytest.mark.parametrize("offset", [-1, -7, 10**15, 1 << 62], ids=["none", "negative", "beyond", "absurd"])
def test_an_acknowledgement_without_a_usable_offset_counts(offset):
    told, verdict, report = judged(write(1, 0), write(2, offset), *log_of(1))
    assert verdict is Verdict.FAIL
    assert told == "2 records acknowledged, 1 not there, 1 of them lost"
    assert "Fail lost-write: 1 of 2 acknowledged records are gone" in report.message


def test_an_acknowledgement_without_an_offset_is_kept_when_its_record_is_there():
    told, verdict, _ = judged(write(1, 0), write(2), *log_of(1, 2))
    assert (told, verdict) == ("all 2 acknowledged records are accounted for", Verdict.PASS)


def test_the_same_acknowledgement_twice_counts_once_and_makes_the_recording_doubtful():
    told, verdict, report = judged(write(1, 0), write(1, 0), *log_of(1))
    assert told == "all 1 acknowledged records are accounted for"
    assert (verdict, report.reason) == (Verdict.INCONCLUSIVE, "WriteRecordedTwice")


def test_what_weaker_acks_lost_is_told_in_the_first_line():
    told, verdict, report = judged(write(1, 0, "Leader"), write(2, 1, "Leader"), *log_of(1))
    assert verdict is Verdict.PASS
    assert told.startswith("2 records acknowledged, 1 not there: nothing was owed to them (acks=Leader")
    assert report.message.startswith(f"Pass: {told}; ")
    assert "accounted for" not in report.message


def test_a_record_that_a_later_leader_moved_is_there():
    told, _, _ = judged(write(1, 3, "Leader"), *log_of(1))
    assert told == "all 1 acknowledged records are accounted for"


def test_acks_none_are_sent_and_not_acknowledged():
    told, verdict, report = judged(write(1, acks="None"), write(2, acks="None"), *log_of(1))
    assert (verdict, report.reason) == (Verdict.INCONCLUSIVE, "NothingAcknowledged")
    assert told.startswith("no record was acknowledged; 2 sent with acks=None")
    assert told.endswith("1 of them are there")
    assert report.acknowledged_records == 0


def test_what_nobody_looked_for_is_not_accounted_for():
    told, verdict, _ = judged(write(1, 0), write(2, 1, "Leader"), *log_of(1, 2, hidden=(1,)))
    assert verdict is Verdict.INCONCLUSIVE
    assert told == "2 records acknowledged, 1 could not be looked for"


def test_a_write_that_was_answered_after_the_final_read_had_asked_is_not_lost():
    """The recording lacks a read of it; that says nothing about the system."""
    late = replace(write(2, 1), invoked_ns=905, completed_ns=990)
    told, verdict, report = judged(write(1, 0), *log_of(1), late)
    assert (told, verdict) == ("2 records acknowledged, 1 could not be looked for", Verdict.INCONCLUSIVE)
    assert report.reason == "FinalReadIncomplete"


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.OK])
def test_what_lies_above_the_high_watermark_makes_no_log_shorter(outcome):
    """Appended by the leader, never committed, and owed to nobody: the log of the cluster never was that long."""
    tail = ReplicaDump("t", 0, 0, 0, 2, 1, (DumpedBatch(0, 1, FIRST + 1, 1, 5), DumpedBatch(1, 1, FIRST + 2, 1, 5)))
    _, verdict, _ = judged(write(1, 0), write(2, 1, "Leader", outcome), *log_of(1), tail)
    assert verdict is Verdict.PASS


def test_millions_of_records_in_few_lines_are_counted_and_not_listed():
    acks = ["Leader", "All"] * 50
    far = [write(1 + n * 100_000, 10**12 * n + 9, ack, count=100_000) for n, ack in enumerate(acks)]
    early = [replace(ack, invoked_ns=1, completed_ns=2) for ack in far]
    (operations,) = History([HEADER, *early, *log_of()]).partitions.values()
    content = Content(operations)
    fate = fate_of(content)
    assert (how_many(fate.missing), len(fate.missing)) == (10_000_000, 100)
    assert content.end - content.start <= 100_000


def test_offsets_far_apart_are_no_column():
    far = Fetch(3, "t", 0, 30, 35, Outcome.OK, offset=900_000, base_offset=900_000, values=(FIRST + 1,))
    (operations,) = History([HEADER, write(1, 0), far, *log_of(1)]).partitions.values()
    content = Content(operations)
    assert content.end - content.start == 1
    assert content.implausible == [far]


# --- a dumb twin ----------------------------------------------------------------------------------------


def random_run(rng):
    """Writes of any kind with any answer, and a log that may have anything of them."""
    writes, n = [], 1
    for _ in range(rng.randint(0, 7)):
        count = rng.choice([1, 1, 2])
        offset = rng.choice([-7, -1, 0, 1, 2, 3, 4, 5, 6, 10**15])
        acks, outcome = rng.choice(["All", "All", "Leader", "None"]), rng.choice([Outcome.OK] * 3 + [Outcome.UNKNOWN])
        writes.append(write(n, offset if acks != "None" else -1, acks, outcome, count))
        n += count
    log = [rng.randint(1, n) for _ in range(rng.randint(0, 6))]
    hidden = tuple(offset for offset in range(len(log)) if rng.random() < 0.1)
    seen = log_of(*log, hidden=hidden) if rng.random() < 0.9 else []
    return writes, log, hidden, seen


def exhaustive(writes, log, hidden, seen):
    """By the definition, record by record."""
    counts: Counter[str] = Counter()
    shown = {offset: FIRST + n for offset, n in enumerate(log) if offset not in hidden} if seen else {}
    for ack in writes:
        if ack.outcome is not Outcome.OK or ack.acks == "None":
            continue
        for step in range(ack.count):
            counts["acknowledged"] += 1
            value, offset = ack.first_value + step, ack.base_offset + step
            if ack.acks == "All" and ack.base_offset >= 0:
                there, looked = shown.get(offset) == value, bool(seen) and (offset in shown or offset >= len(log))
            else:
                there, looked = value in shown.values(), bool(seen) and not hidden
            if not there:
                counts["missing" if looked else "unread"] += 1
    return counts


def test_agrees_with_exhaustive_accounting():
    rng = random.Random(8)
    met: Counter[str] = Counter()
    for case in range(4000):
        writes, log, hidden, seen = random_run(rng)
        if not writes:
            continue
        (operations,) = History([HEADER, *writes, *seen]).partitions.values()
        fate = fate_of(Content(operations))
        expected = exhaustive(writes, log, hidden, seen)
        assert fate.acknowledged == expected["acknowledged"], (case, writes)
        assert how_many(fate.missing) == expected["missing"], (case, writes, log, hidden, fate)
        assert how_many(fate.unread) == expected["unread"], (case, writes, log, hidden, fate)
        met += expected
    assert min(met["missing"], met["unread"]) > 1000
