"""A healthy run in which one thing is changed: every kind of damage is found, wherever it was done.

The run is a dumb model of a log: two partitions, three leader epochs, idempotent producers, two readers that follow,
tail reads, writes that timed out (some of them written) or failed, a final read and three dumps per partition.
"""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from skerry.checker import PROPERTIES, check, verdict_of
from skerry.experiment import Verdict
from skerry.history import History
from skerry.history.records import DumpedBatch, Fetch, Footer, Header, Outcome, Produce, ReplicaDump

MS = 1_000_000
HEADER = Header(1, "healthy", "", "sim", 7, 0, "test", 3)


class Model:
    """A log that does everything right, and what its clients wrote down."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.now = 0
        self.records = [HEADER]
        self.logs = [[], []]  # (value, epoch) by offset
        self.batches = [[], []]
        self.sent = [0, 0, 0]
        self.upto = {}

    def tick(self):
        self.now += self.rng.randint(1, 3) * MS
        return self.now

    def write(self, partition, epoch):
        process = self.rng.randrange(3)
        count, outcome = self.rng.choice([1, 1, 3]), self.rng.choices(list(Outcome), [8, 1, 1])[0]
        value = process + 1 << 40 | self.sent[process]
        self.sent[process] += count
        invoked, base = self.tick(), len(self.logs[partition])
        if outcome is Outcome.OK or (outcome is Outcome.UNKNOWN and self.rng.random() < 0.5):
            self.logs[partition] += [(value + step, epoch) for step in range(count)]
            self.batches[partition].append(DumpedBatch(base, epoch, value, count, checksum=base * 31 + epoch))
        ok = outcome is Outcome.OK
        answer = (base, epoch % 3, epoch) if ok else (-1, -1, -1)
        self.records.append(
            Produce(
                process + 1, "t", partition, invoked, self.tick(), outcome, "All", value, count, invoked, *answer, True
            )
        )

    def read(self, partition, epoch, process, final=False):
        start, log = self.upto.get((process, partition), 0), self.logs[partition]
        values = tuple(value for value, _ in log[start : start + 7])
        self.upto[process, partition] = start + len(values)
        invoked, completed = self.tick(), self.tick()
        self.records.append(
            Fetch(
                process,
                "t",
                partition,
                invoked,
                completed,
                Outcome.OK,
                start,
                start,
                values,
                len(log),
                epoch % 3,
                epoch,
                final=final,
            )
        )
        return bool(values)

    def run(self):
        for epoch in (1, 2, 3):
            for _ in range(60):
                partition = self.rng.randrange(2)
                if self.rng.random() < 0.6:
                    self.write(partition, epoch)
                else:
                    self.read(partition, epoch, process=10 + self.rng.randrange(2))
        for partition in (0, 1):
            while self.read(partition, 3, process=20, final=True):
                pass
            end = len(self.logs[partition])
            for broker in (0, 1, 2):
                self.records.append(ReplicaDump("t", partition, broker, 0, end, end, tuple(self.batches[partition])))
        self.records.append(Footer(self.now))
        return self.records


def pick(rng, records, kind, wanted=lambda record: True):
    return rng.choice([i for i, record in enumerate(records) if isinstance(record, kind) and wanted(record)])


def acked(record):
    return record.outcome is Outcome.OK


def with_records(record):
    return len(record.values) > 2


def is_tail(record):
    return not record.values and record.high_watermark > 0


def change(records, position, **fields):
    records[position] = replace(records[position], **fields)


def lose_an_acknowledged_write(rng, records):
    at = pick(rng, records, Produce, acked)
    extra = replace(records[at], first_value=99 << 40, base_offset=records[at].base_offset + 10_000)
    records.insert(at, extra)


def move_an_acknowledgement(rng, records):
    at = pick(rng, records, Produce, acked)
    change(records, at, base_offset=records[at].base_offset + 1)


def call_a_write_failed(rng, records):
    change(records, pick(rng, records, Produce, acked), outcome=Outcome.FAILED, base_offset=-1)


def forget_a_write(rng, records):
    del records[pick(rng, records, Produce, acked)]


def hide_a_record_from_a_reader(rng, records):
    at = pick(rng, records, Fetch, with_records)
    change(records, at, base_offset=records[at].base_offset + 1, values=records[at].values[1:])


def swap_two_records_for_a_reader(rng, records):
    at = pick(rng, records, Fetch, with_records)
    a, b, *rest = records[at].values
    change(records, at, values=(b, a, *rest))


def repeat_a_record_in_the_final_read(rng, records):
    at = pick(rng, records, Fetch, lambda record: record.final and with_records(record))
    a, _, *rest = records[at].values
    change(records, at, values=(a, a, *rest))


def read_past_the_high_watermark(rng, records):
    at = pick(rng, records, Fetch, with_records)
    change(records, at, high_watermark=records[at].base_offset + 1)


def read_again(rng, records):
    at = pick(rng, records, Fetch, lambda record: with_records(record) and not record.final)
    records.insert(at + 1, records[at])


def answer_a_stale_tail(rng, records):
    at = pick(rng, records, Fetch, is_tail)
    length = records[at].high_watermark - 1
    change(records, at, offset=length, base_offset=length, high_watermark=length)


def rot_a_bit(rng, records):
    at = pick(rng, records, ReplicaDump)
    batches = list(records[at].batches)
    spot = rng.randrange(len(batches))
    batches[spot] = replace(batches[spot], checksum=batches[spot].checksum ^ 1)
    change(records, at, batches=tuple(batches))


def mix_up_an_epoch_on_disk(rng, records):
    at = pick(rng, records, ReplicaDump)
    first, *rest = records[at].batches
    change(records, at, batches=(replace(first, leader_epoch=7), *rest))


def change_the_leader(rng, records):
    at = pick(rng, records, Produce, acked)
    change(records, at, leader=records[at].leader + 10)


def answer_from_the_past(rng, records):
    change(records, pick(rng, records, Produce, lambda r: acked(r) and r.leader_epoch == 3), leader_epoch=1, leader=1)


def shift_by(seconds):
    def shift(rng, records):
        at = pick(rng, records, Produce, acked)
        moved = {name: getattr(records[at], name) + seconds * 1000 * MS for name in ("invoked_ns", "completed_ns")}
        change(records, at, **moved)
        change(records, len(records) - 1, ended_ns=max(records[-1].ended_ns, moved["completed_ns"]))
        records.sort(key=recorded_ns)  # an operation is written down when it ends

    return shift


def recorded_ns(record):
    """Dumps and the footer have no end of their own: they stay behind everything else, as the header in front of it."""
    return -(1 << 62) if isinstance(record, Header) else getattr(record, "completed_ns", 1 << 62)


DAMAGE = {
    "an acknowledged write is lost": (lose_an_acknowledged_write, {"lost-write"}),
    "an acknowledgement names another offset": (move_an_acknowledgement, {"inconsistent-offset", "lost-write"}),
    "a write that failed is there": (call_a_write_failed, {"aborted-read"}),
    "a record that nobody sent": (forget_a_write, {"phantom"}),
    "a reader misses a record": (hide_a_record_from_a_reader, {"silent-skip"}),
    "a reader is given records in another order": (swap_two_records_for_a_reader, {"changed-record"}),
    "a record twice": (repeat_a_record_in_the_final_read, {"duplicate", "lost-write", "changed-record", "phantom"}),
    "an uncommitted record is read": (read_past_the_high_watermark, {"beyond-high-watermark"}),
    "a reader goes back": (read_again, {"reader-monotonic"}),
    "a tail read is stale": (answer_a_stale_tail, {"linearizable"}),
    "a bit is rotten on one disk": (rot_a_bit, {"replica-divergence"}),
    "a batch has another epoch on one disk": (mix_up_an_epoch_on_disk, {"replica-divergence", "epochs-non-decreasing"}),
    "two leaders in one epoch": (change_the_leader, {"two-leaders-in-one-epoch"}),
    "an answer from a deposed leader": (answer_from_the_past, {"stale-epoch-ack", "epochs-non-decreasing"}),
    "a write took effect before it was sent": (shift_by(60), {"linearizable"}),
    "a write took effect after it was answered": (shift_by(-60), {"linearizable"}),
}


@pytest.mark.parametrize("seed", range(20))
def test_a_healthy_run_passes(seed):
    findings = check(History(Model(seed).run()), properties=PROPERTIES)
    wrong = [f for f in findings if f.verdict is not Verdict.PASS and f.reason != "DocumentUnreadable"]
    assert wrong == []


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_wherever_it_is_done(name):
    damage, rules = DAMAGE[name]
    for seed in range(15):
        records = Model(seed).run()
        damage(random.Random(seed), records)
        findings = check(History(records))
        failed = {finding.rule for finding in findings if finding.verdict is Verdict.FAIL}
        assert failed & rules, (name, seed, findings)
        assert verdict_of(findings) is Verdict.FAIL


@pytest.mark.parametrize("seed", range(5))
def test_a_run_that_was_cut_off_anywhere_raises_no_false_alarm(seed):
    records = Model(seed).run()
    for length in range(0, len(records), 5):
        findings = check(History(records[:length]))
        assert verdict_of(findings) is Verdict.INCONCLUSIVE
        assert [finding for finding in findings if finding.verdict is Verdict.FAIL] == []
