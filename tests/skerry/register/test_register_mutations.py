"""A healthy store whose clients were recorded; one thing is broken in the store, and the model finds it.

The store is a dictionary that does everything right: three keys, puts and gets that overlap, puts whose answer was
lost (applied or not), puts that were refused, and a final read. Each planted bug sits in the store, not in the records.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from skerry.checker import check
from skerry.checker.judge import verdict_of
from skerry.history import History
from skerry.history.records import Footer, Header, HistoryRecord, Outcome, RegisterAction, RegisterOperation
from skerry.schema.verdict import Finding, FindingKind, Verdict

MS = 1_000_000
HEADER = Header(1, "x", "", "local", 7, 0, "test", 3, model="register", target="etcd")
KEYS = ("a", "b", "c")


class Store:
    """Revision, and per key (value, revision, version)."""

    def __init__(self) -> None:
        self.revision = 1
        self.keys: dict[str, tuple[int, int, int]] = {}

    def put(self, key: str, value: int) -> int:
        self.revision += 1
        self.keys[key] = (value, self.revision, self.keys.get(key, (0, 0, 0))[2] + 1)
        return self.revision

    def get(self, key: str) -> tuple[int, int, int, int]:
        """The value, revision, store's revision and version of a key."""
        value, revision, version = self.keys.get(key, (-1, 0, -1))
        return value, revision, self.revision, version


def run(store: Store, seed: int, *, lost_answers: bool = True) -> History:
    """What the clients of this store wrote down. Each operation takes effect between its two times."""
    rng = random.Random(seed)
    records: list[HistoryRecord] = [HEADER]
    now = 0
    for number in range(400):
        now += rng.randint(1, 3) * MS
        start, end = now - rng.randint(0, 2) * MS, now + rng.randint(0, 2) * MS
        process, key = rng.randrange(4), rng.choice(KEYS)
        if rng.random() < 0.5:
            value = process << 40 | number
            records.append(_put(store, rng, process, key, value, start, end, lost_answers))
        else:
            records.append(_get(store, process, key, start, end))
    now += 100 * MS
    records += [_get(store, 900, key, now, now + MS, final=True) for key in KEYS]
    return History([*records, Footer(now + 2 * MS)])


def _put(
    store: Store, rng: random.Random, process: int, key: str, value: int, start: int, end: int, lost_answers: bool
) -> RegisterOperation:
    outcome = rng.choices([Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN], [8, 1, int(lost_answers)])[0]
    revision = -1
    if outcome is Outcome.OK:
        revision = store.put(key, value)
    elif outcome is Outcome.UNKNOWN and rng.random() < 0.5:
        store.put(key, value)
    return RegisterOperation(process, RegisterAction.PUT, key, start, end, outcome, value, revision, revision)


def _get(store: Store, process: int, key: str, start: int, end: int, final: bool = False) -> RegisterOperation:
    answer = store.get(key)
    return RegisterOperation(process, RegisterAction.GET, key, start, end, Outcome.OK, *answer, final=final)


class StaleRead(Store):
    """Once, a get is answered from an old copy, header and all: a member that was left behind."""

    def __init__(self) -> None:
        super().__init__()
        self.gets = 0
        self.old: tuple[int, dict[str, tuple[int, int, int]]] = (1, {})

    def get(self, key: str) -> tuple[int, int, int, int]:
        self.gets += 1
        if self.gets == 50:
            self.old = (self.revision, dict(self.keys))
        if self.gets != 90:
            return super().get(key)
        old = Store()
        old.revision, old.keys = self.old
        return old.get(key)


class LostPut(Store):
    """Once, a put is acknowledged and not applied."""

    def __init__(self, nth: int) -> None:
        super().__init__()
        self.nth = nth

    def put(self, key: str, value: int) -> int:
        self.nth -= 1
        if self.nth == 0:
            self.revision += 1
            return self.revision
        return super().put(key, value)


class DoubledPut(Store):
    """Once, a put is applied twice."""

    puts = 0

    def put(self, key: str, value: int) -> int:
        self.puts += 1
        if self.puts == 60:
            super().put(key, value)
        return super().put(key, value)


class Rollback(Store):
    """Once, everything of the last writes is gone: a snapshot was restored."""

    puts = 0

    def put(self, key: str, value: int) -> int:
        self.puts += 1
        if self.puts == 60:
            self.saved = self.revision, dict(self.keys)
        if self.puts == 80:
            self.revision, self.keys = self.saved[0], dict(self.saved[1])
        return super().put(key, value)


class Garbled(Store):
    """Once, a value is read that nobody wrote."""

    gets = 0

    def get(self, key: str) -> tuple[int, int, int, int]:
        self.gets += 1
        value, revision, store, version = super().get(key)
        return (value ^ 1 << 39 if self.gets == 90 else value), revision, store, version


class SplitBrain(Store):
    """For a while two members number their writes by themselves."""

    puts = 0

    def put(self, key: str, value: int) -> int:
        self.puts += 1
        if 60 <= self.puts < 64:
            return self.revision + 1  # the other side's number; that side's writes are thrown away later
        return super().put(key, value)


BUGS: dict[str, tuple[Callable[[], Store], set[str]]] = {
    "a stale read": (StaleRead, {"linearizable", "revision-back"}),
    "a lost put that is covered up": (lambda: LostPut(60), {"put-count"}),
    "a put applied twice": (DoubledPut, {"put-count"}),
    "a restored snapshot": (Rollback, {"revision-back", "revision-conflict"}),
    "a value never written": (Garbled, {"unwritten-value", "revision-conflict"}),
    "split brain": (SplitBrain, {"revision-conflict"}),
}


def failed(history: History) -> list[Finding]:
    findings = [each for each in check(history) if each.kind is FindingKind.SAFETY]
    return [each for each in findings if each.verdict is Verdict.FAIL]


@pytest.mark.parametrize("seed", range(20))
def test_a_healthy_store_passes(seed: int) -> None:
    findings = [each for each in check(run(Store(), seed)) if each.rule != "document"]
    assert verdict_of(findings) is Verdict.PASS, [each for each in findings if each.verdict is not Verdict.PASS]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("store", "rules"), BUGS.values(), ids=BUGS)
def test_a_planted_bug_is_found(store: Callable[[], Store], rules: set[str], seed: int) -> None:
    # A put whose answer was lost may explain a wrong count.
    found = failed(run(store(), seed, lost_answers=rules != {"put-count"}))
    assert rules <= {each.rule for each in found}
    assert all(each.witness for each in found)


def test_the_last_put_of_a_key_is_lost() -> None:
    store = Store()
    history = run(store, 3)
    last = [each for each in history.registers if each.action == "put" and each.outcome is Outcome.OK][-1]
    count = sum(each.action == "put" and each.outcome is Outcome.OK for each in history.registers)
    lost = run(_LosesValue(last.value), 3)
    assert count > 100
    (finding,) = [each for each in failed(lost) if each.rule == "lost-put"]
    assert finding.reason == "LostPut"
    assert len(finding.witness) == 2


class _LosesValue(Store):
    """Acknowledges the put of one value and does not apply it."""

    def __init__(self, value: int) -> None:
        super().__init__()
        self.value = value

    def put(self, key: str, value: int) -> int:
        if value == self.value:
            self.revision += 1
            return self.revision
        return super().put(key, value)
