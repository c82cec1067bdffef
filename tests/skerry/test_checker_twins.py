"""Clever checks beside dumb ones that cannot be wrong, on thousands of random small inputs."""

from __future__ import annotations

import itertools
import random

from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.evidence import Evidence
from skerry.checker.models.log.high_watermark import first_fall
from skerry.checker.models.log.stale_epoch import check as stale_epochs
from skerry.expectations.gaps import Waits
from skerry.experiment import Verdict
from skerry.history import History
from skerry.history.records import Header, Outcome, Produce
from skerry.targets.skerry.guarantees import OWES


def test_the_high_watermark_falls_where_some_pair_falls():
    rng, falls = random.Random(1), 0
    for _ in range(10_000):
        told = []
        for _ in range(rng.randint(1, 6)):
            invoked = rng.randint(0, 10)
            told.append((invoked + rng.randint(0, 5), invoked, rng.randint(0, 4), None))
        error = rng.choice([0, 0, 1, 3])
        pairs = [(a, b) for a in told for b in told if a[0] + error < b[1] and a[2] > b[2]]
        found = first_fall(list(told), error)
        assert (found is not None) == bool(pairs), told
        if found is not None:
            falls += 1
            assert found in pairs
    assert falls > 1000


def test_an_epoch_is_stale_where_some_pair_of_answers_says_so():
    rng, stale = random.Random(2), 0
    for _ in range(3000):
        answers = []
        for n in range(rng.randint(1, 6)):
            invoked = rng.randint(0, 10)
            times = (invoked, invoked + rng.randint(0, 5))
            answers.append(Produce(1, "t", 0, *times, Outcome.OK, "All", n, 1, leader_epoch=rng.randint(0, 3)))
        error = rng.choice([0, 1])
        header = Header(1, "x", "", "sim", 7, 0, "test", 3, clock_error_ns=error)
        evidence = Evidence(History([header, *answers]))
        (finding,) = stale_epochs(evidence, Guarantees(OWES))
        pairs = [
            (old, new)
            for old in answers
            for new in answers
            if new.leader_epoch > old.leader_epoch and old.invoked_ns > new.completed_ns + error
        ]
        assert (finding.verdict is Verdict.FAIL) == bool(pairs), answers
        if pairs:
            stale += 1
            newer, late = (evidence.history.records[index] for index in finding.witness)
            assert (late, newer) in pairs
    assert stale > 300


def test_the_longest_gap_is_the_longest_wait_between_two_acknowledgements():
    rng, silent = random.Random(3), 0
    for _ in range(5000):
        writes = []
        for n in range(rng.randint(0, 9)):
            intended = rng.randint(0, 30)
            invoked = intended + rng.choice([0, 0, 3])
            outcome = rng.choice([Outcome.OK, Outcome.OK, Outcome.UNKNOWN])
            done = invoked + rng.randint(1, 6)
            due = {"intended_ns": intended} if rng.random() < 0.7 else {}
            writes.append(Produce(1, "t", 0, invoked, done, outcome, "All", n, 1, base_offset=n, **due))
        start = rng.randint(0, 15)
        end = start + rng.randint(0, 25)
        acks = [write.completed_ns for write in writes if write.outcome is Outcome.OK]
        edges = sorted([start, *(time for time in acks if start <= time <= end), end])
        wanted = [(w.intended_ns if w.intended_ns >= 0 else w.invoked_ns, w.completed_ns) for w in writes]
        waited = [sum(any(a <= t < b for a, b in wanted) for t in range(*pair)) for pair in itertools.pairwise(edges)]
        gap = Waits(writes).longest(start, end)
        assert gap.length_ns == max(waited), (writes, start, end)
        silent += gap.length_ns < max(b - a for a, b in itertools.pairwise(edges))
        assert gap.length_ns == 0 or gap.from_ns in edges
    assert silent > 1000
