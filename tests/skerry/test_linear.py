"""The one-pass check of a log against exhaustive search, and its witnesses by hand."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from msgspec.structs import replace

from skerry.checker.models.log.content import HOLE, Content
from skerry.checker.models.log.fates import fate_of
from skerry.checker.models.log.linear import first_violation
from skerry.history import History
from skerry.history.records import DumpedBatch, Fetch, Outcome, Produce, ReplicaDump

FOREVER = 10**9


def append(value, invoked, completed, offset=-1, outcome=Outcome.OK, count=1, acks="All"):
    return Produce(
        process=value >> 40,
        topic="t",
        partition=0,
        invoked_ns=invoked,
        completed_ns=completed,
        outcome=outcome,
        acks=acks,
        first_value=value,
        count=count,
        base_offset=offset,
    )


def unknown(value, invoked, completed=0):
    return append(value, invoked, completed, outcome=Outcome.UNKNOWN)


def tail(length, invoked, completed, place=None):
    """``place``: where the reader is, when that is not the end that it is told of."""
    place = length if place is None else place
    return Fetch(9, "t", 0, invoked, completed, Outcome.OK, place, base_offset=place, high_watermark=length)


def read(offset, values, invoked, completed, high_watermark=-1):
    return Fetch(
        9,
        "t",
        0,
        invoked,
        completed,
        Outcome.OK,
        offset,
        base_offset=offset,
        values=tuple(values),
        high_watermark=max(high_watermark, offset + len(values)),
    )


def dump(values):
    batches = tuple(DumpedBatch(offset, 1, value, 1, value) for offset, value in enumerate(values))
    return ReplicaDump("t", 0, 1, 0, len(values), len(values), batches)


def content_of(operations):
    (operations_of_t,) = History(operations).partitions.values()
    return Content(operations_of_t)


def judged(operations, **options):
    return first_violation(content_of(operations), log_start=0, **options)


# --- by hand --------------------------------------------------------------------------------------------


LEGAL = {
    "in order": [append(1, 0, 1, 0), append(2, 2, 3, 1)],
    "concurrent appends may swap": [append(1, 0, 9, 1), append(2, 0, 9, 0)],
    "a late tail read": [append(1, 0, 1, 0), tail(1, 2, 3), append(2, 4, 5, 1)],
    "a tail read during an append, before": [append(1, 0, 9, 0), tail(0, 2, 3)],
    "a tail read during an append, after": [append(1, 0, 9, 0), tail(1, 2, 3)],
    "an unknown append that a reader saw": [unknown(1, 0), read(0, [1], 50, 60)],
    "an unknown append that fills a hole": [unknown(1, 0), append(2, 5, 6, 1)],
    "a batch": [append(1, 0, 1, 0, count=3), append(8, 2, 3, 3)],
    "records of half a batch, with the high watermark behind it": [
        append(1, 0, 1, 0, count=3),
        read(0, [1, 2], 5, 6, high_watermark=3),
    ],
    "a reader that is ahead, while the append goes on": [append(1, 0, 9, 0), tail(0, 2, 3, place=1)],
    "an old read of records": [append(1, 0, 1, 0), append(2, 2, 3, 1), read(0, [1], 8, 9)],
}


@pytest.mark.parametrize("name", LEGAL)
def test_legal_histories_have_an_order(name):
    assert judged(LEGAL[name]) is None


ILLEGAL = {
    "later append in front": ("order", [append(2, 2, 3, 0), append(1, 0, 1, 1)], (0, 1)),
    "stale tail read": ("stale-read", [append(1, 0, 1, 0), tail(0, 2, 3)], (1, 0)),
    "tail read of the future": ("future-read", [tail(1, 0, 1), append(1, 2, 3, 0)], (1, 0)),
    "record read before it was sent": ("future-read", [read(0, [1], 0, 1), unknown(1, 2)], (1, 0)),
    "tail reads out of order": ("stale-read", [tail(1, 0, 1), append(1, 0, 9, 0), tail(0, 2, 3)], (2, 0)),
    "order through a batch": ("order", [append(1, 4, 5, 0), append(2, 0, 3, 1, count=2)], (0, 1)),
    "a reader that is ahead is told of less": (
        "stale-read",
        [append(1, 0, 1, 0), append(2, 2, 3, 1), tail(1, 5, 6, place=2)],
        (2, 1),
    ),
    "half of a batch": ("half-batch", [append(1, 0, 1, 0, count=3), tail(2, 5, 6)], (0, 1)),
    "high watermark inside a batch": (
        "half-batch",
        [append(1, 0, 1, 0, count=3), read(0, [1, 2], 5, 6, high_watermark=2)],
        (0, 1),
    ),
    "high watermark of the future": (
        "future-read",
        [append(1, 0, 1, 0), read(0, [1], 2, 3, high_watermark=2), append(2, 4, 5, 1)],
        (2, 1),
    ),
    "nobody wrote offset 0": ("hole", [append(2, 5, 6, 1)], (None, None)),
    "the only spare came too late": ("order", [append(2, 0, 1, 1), unknown(1, 2)], (1, 0)),
    "the log ended shorter than it was seen": ("shrunk", [append(1, 0, 1, 0), tail(2, 2, 3), dump([1])], (None, 1)),
}


@pytest.mark.parametrize("name", ILLEGAL)
def test_illegal_histories_name_two_operations(name):
    kind, operations, witness = ILLEGAL[name]
    violation = judged(operations)
    assert violation is not None
    assert violation.kind == kind
    earlier, later = (None if i is None else operations[i] for i in witness)
    assert violation.earlier is earlier
    assert violation.later is later


def test_the_clock_error_widens_every_interval():
    stale = [append(1, 0, 10, 0), tail(0, 12, 13)]
    assert judged(stale) is not None
    assert judged(stale, clock_error_ns=1) is not None
    assert judged(stale, clock_error_ns=2) is None


def test_a_history_that_was_cut_off_may_have_holes():
    assert judged([append(2, 5, 6, 1)], holes_allowed=True) is None


# --- against exhaustive search --------------------------------------------------------------------------


def brute_force(operations):
    """Is there a legal order? Tries all of them: a log as a list, every operation at one instant of its interval."""
    final = next((tuple(b.first_value for b in op.batches) for op in operations if isinstance(op, ReplicaDump)), None)
    todo = []  # (invoked, completed, must happen, operation)
    for op in operations:
        if isinstance(op, Fetch) or (isinstance(op, Produce) and op.outcome is Outcome.OK):
            todo.append((op.invoked_ns, op.completed_ns, True, op))
        elif isinstance(op, Produce) and op.outcome is Outcome.UNKNOWN:
            todo.append((op.invoked_ns, FOREVER, False, op))

    def search(log, left, lengths=frozenset({0})):
        """``lengths``: those that the log has had; nobody can have been told of another."""
        musts = [item for item in left if item[2]]
        if not musts and (final is None or log == final):
            return True
        horizon = min((item[1] for item in musts), default=FOREVER)
        for item in left:
            invoked, _, _, op = item
            if invoked > horizon:
                continue  # something that has ended must come first
            rest = [other for other in left if other is not item]
            if isinstance(op, Produce):
                longer = (*log, *range(op.first_value, op.first_value + op.count))
                if op.base_offset in (-1, len(log)) and search(longer, rest, lengths | {len(longer)}):
                    return True
            elif op.values:
                end = op.base_offset + len(op.values)
                told = op.high_watermark in lengths and len(log) >= end
                if told and log[op.base_offset : end] == op.values:
                    return search(log, rest, lengths)  # reads of records never hurt: no need to go back on one
            elif len(log) == op.high_watermark and search(log, rest, lengths):
                return True
        return False

    return search((), todo)


def decide(operations):
    """Content and time together, as the properties do it: the name of the first anomaly, or None."""
    content = content_of(operations)
    if content.conflicting:
        return "conflict"
    present = [value for value in content.settled if value != HOLE]
    if len(set(present)) < len(present):
        return "duplicate"
    if content.dumped_end >= 0 and content.end > content.dumped_end:
        return "lost"
    if fate_of(content).missing:
        return "lost"
    for stranger in content.strangers:
        if stranger.writer is None:
            return "phantom"
        if stranger.writer.outcome is Outcome.FAILED:
            return "aborted"
        if stranger.writer.outcome is Outcome.OK and stranger.writer.base_offset >= 0:
            return "duplicate"  # acknowledged elsewhere
    violation = first_violation(content, log_start=0)
    return violation.kind if violation else None


def random_history(rng):
    """A legal run of 2 to 6 operations, then (two times in three) something done to it."""
    log, operations, clock, value = [], [], 0, 0
    for _ in range(rng.randint(2, 6)):
        clock += rng.randint(0, 3)
        invoked, completed = clock - rng.randint(0, 4), clock + rng.randint(0, 4)
        choice = rng.random()
        if choice < 0.5:
            value += 3
            outcome = rng.choices([Outcome.OK, Outcome.UNKNOWN, Outcome.FAILED], [6, 3, 1])[0]
            count = rng.choice([1, 1, 2]) if outcome is Outcome.OK else 1
            operations.append(
                append(value, invoked, completed, len(log) if outcome is Outcome.OK else -1, outcome, count)
            )
            if outcome is Outcome.OK or (outcome is Outcome.UNKNOWN and rng.random() < 0.5):
                log.extend(range(value, value + count))
        elif choice < 0.75 or not log:
            operations.append(tail(len(log), invoked, completed))
        else:
            start = rng.randrange(len(log))
            end = rng.randint(start + 1, len(log))
            operations.append(read(start, log[start:end], invoked, completed, rng.randint(end, len(log))))
    if rng.random() < 0.3 and operations:
        operations.append(dump(log))
    for _ in range(rng.choice([0, 1, 2])):
        perturb(rng, operations)
    if isinstance(operations[-1], ReplicaDump) and rng.random() < 0.3:
        forget_an_offset(rng, operations)
    return operations


def forget_an_offset(rng, operations):
    """An answer that says "done", and not where."""
    acks = [i for i, op in enumerate(operations) if isinstance(op, Produce) and op.base_offset >= 0 and op.count == 1]
    if acks:
        position = rng.choice(acks)
        operations[position] = replace(operations[position], base_offset=-1)


def perturb(rng, operations):
    """Shift a time, move an offset, change a content, drop an operation, forget an acknowledgement."""
    position = rng.randrange(len(operations))
    op = operations[position]
    if isinstance(op, ReplicaDump):
        values = [b.first_value for b in op.batches]
        if values and rng.random() < 0.5:
            values.pop(rng.randrange(len(values)))
        operations[position] = dump(values)
        return
    fields = {name: getattr(op, name) for name in op.__struct_fields__}
    kind = rng.random()
    if kind < 0.4:
        shift = rng.randint(-8, 8)
        fields["invoked_ns"] += shift
        fields["completed_ns"] += shift
    elif kind < 0.55 and len(operations) > 2:
        del operations[position]
        return
    elif isinstance(op, Produce):
        if kind < 0.75 and op.base_offset >= 0:
            fields["base_offset"] = max(0, op.base_offset + rng.choice([-1, 1]))
        elif op.count == 1:
            fields["outcome"], fields["base_offset"] = rng.choice([Outcome.UNKNOWN, Outcome.FAILED]), -1
    elif op.values:
        changed = list(op.values)
        changed[rng.randrange(len(changed))] = rng.choice([3, 6, 9, 77])
        fields["values"] = tuple(changed)
    else:
        length = max(0, op.high_watermark + rng.choice([-1, 1]))
        fields["offset"] = fields["base_offset"] = fields["high_watermark"] = length
    operations[position] = type(op)(**fields)


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_exhaustive_search_on_random_histories(seed):
    rng = random.Random(seed)
    seen = Counter()
    for case in range(6000):
        operations = random_history(rng)
        decision = decide(operations)
        seen[decision] += 1
        assert (decision is None) == brute_force(operations), (seed, case, decision, operations)
    expected = {
        None,
        "conflict",
        "duplicate",
        "lost",
        "phantom",
        "aborted",
        "hole",
        "order",
        "stale-read",
        "future-read",
        "half-batch",
    }
    assert expected <= set(seen), seen
