"""The one-pass check of a register against exhaustive search, and its witnesses by hand."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from msgspec.structs import replace
from register_kit import MS, get, lost_answer, put

from skerry.checker.models.register.counted import first_miscount
from skerry.checker.models.register.keys import ABSENT, Key, keys_of
from skerry.checker.models.register.order import first_violation
from skerry.history.records import Outcome, RegisterAction, RegisterOperation

# --- by hand --------------------------------------------------------------------------------------------

LEGAL = {
    "in order": [put(1, 2, 0, 1), put(2, 3, 2, 3), get(2, 3, 4, 5)],
    "concurrent puts may swap": [put(1, 3, 0, 9), put(2, 2, 0, 9), get(1, 3, 10, 11)],
    "a get during a put sees the old value": [put(1, 2, 0, 1), put(2, 3, 2, 9), get(1, 2, 3, 4)],
    "a get during a put sees the new value": [put(1, 2, 0, 1), put(2, 3, 2, 9), get(2, 3, 3, 4)],
    "two gets at once may disagree": [put(1, 2, 0, 1), put(2, 3, 2, 20), get(2, 3, 3, 9), get(1, 2, 4, 8)],
    "no such key before the first put": [get(0, 0, 0, 1), put(1, 2, 2, 3)],
    "no such key while the first put is under way": [put(1, 2, 0, 9), get(0, 0, 1, 2)],
    "an unknown put happened late": [lost_answer(1, 0, 1), put(2, 2, 2, 3), get(2, 2, 4, 5), get(1, 3, 6, 7)],
    "an unknown put never happened": [put(1, 2, 0, 1), lost_answer(2, 2, 3), get(1, 2, 50, 60)],
}
ILLEGAL = {
    "a stale get": ([put(1, 2, 0, 1), put(2, 3, 2, 3), get(1, 2, 4, 5)], (2, 1)),
    "no such key after a put": ([put(1, 2, 0, 1), get(0, 0, 2, 3)], (1, 0)),
    "a get sees the future": ([put(1, 2, 0, 1), get(2, 3, 2, 3), put(2, 3, 4, 5)], (2, 1)),
    "puts against their order": ([put(1, 3, 0, 1), put(2, 2, 2, 3)], (1, 0)),
    "two gets go back": ([put(1, 2, 0, 1), put(2, 3, 2, 20), get(2, 3, 3, 4), get(1, 2, 5, 6)], (3, 2)),
    "an unknown put seen before it was sent": ([put(1, 2, 0, 1), get(2, 3, 2, 3), lost_answer(2, 4, 5)], (2, 1)),
    "a stale get behind an unknown put": (
        [put(1, 2, 0, 1), lost_answer(2, 2, 3), get(2, 3, 4, 5), get(1, 2, 6, 7)],
        (3, 2),
    ),
}


def key_of(operations: list[RegisterOperation]) -> Key:
    return keys_of(operations)["k"]


@pytest.mark.parametrize("operations", LEGAL.values(), ids=LEGAL)
def test_an_order_is_found(operations: list[RegisterOperation]) -> None:
    assert first_violation(key_of(operations)) is None
    assert search(operations)


@pytest.mark.parametrize(("operations", "pair"), ILLEGAL.values(), ids=ILLEGAL)
def test_a_pair_has_no_order(operations: list[RegisterOperation], pair: tuple[int, int]) -> None:
    violation = first_violation(key_of(operations))
    assert violation is not None
    assert (operations.index(violation.earlier), operations.index(violation.later)) == pair
    assert violation.earlier.invoked_ns > violation.later.completed_ns
    assert not search(operations)


def test_times_that_may_be_wrong_convict_nobody() -> None:
    operations, _ = ILLEGAL["a stale get"]
    assert first_violation(key_of(operations), clock_error_ns=MS - 1) is not None
    assert first_violation(key_of(operations), clock_error_ns=MS) is None  # they are that far apart


# --- the dumb twin --------------------------------------------------------------------------------------


class State(NamedTuple):
    revision: float = ABSENT
    value: int = -1
    writes: int = 0


def search(operations: list[RegisterOperation], *, counts: bool = False) -> bool:
    """Every order of the operations that agrees with real time is tried on a register; ``counts``: which also counts
    its writes, as the gets say."""
    done = tuple(each for each in operations if each.outcome is not Outcome.FAILED)
    seen = {each.value: each.revision for each in done if each.revision > ABSENT}
    return _search(done, State(), seen, counts)


def _search(left: tuple[RegisterOperation, ...], state: State, seen: dict[int, int], counts: bool) -> bool:
    if all(each.outcome is Outcome.UNKNOWN for each in left):
        return True  # none of these needs to have happened
    for index, operation in enumerate(left):
        others = left[:index] + left[index + 1 :]
        if any(_ends(other) < operation.invoked_ns for other in others):
            continue
        if any(_search(others, after, seen, counts) for after in _applied(operation, state, seen, counts)):
            return True
    return False


def _applied(operation: RegisterOperation, state: State, seen: dict[int, int], counts: bool) -> Iterator[State]:
    """What the register may be after this operation; nothing: it cannot answer so."""
    if operation.action is RegisterAction.GET:
        same = operation.revision == state.revision and (state.revision == ABSENT or operation.value == state.value)
        if same and (not counts or operation.version in (-1, state.writes)):
            yield state
        return
    at = seen.get(operation.value, state.revision + 0.5)  # unknown, and nobody saw it: some revision in between
    if at > state.revision:
        yield State(at, operation.value, state.writes + 1)
    if operation.outcome is Outcome.UNKNOWN:
        yield state


def _ends(operation: RegisterOperation) -> int:
    return operation.completed_ns if operation.outcome is Outcome.OK else 1 << 62


def random_history(rng: random.Random) -> list[RegisterOperation]:
    """A few operations on a real register, then one or two times or revisions changed, or not."""
    operations: list[RegisterOperation] = []
    revision, value, now, version = ABSENT, 0, 0, 0
    for number in range(1, rng.randint(2, 6) + 1):
        now += rng.randint(1, 3)
        start, end = now - rng.randint(0, 2), now + rng.randint(0, 2)
        kind = rng.choice(["put", "put", "get", "get", "lost", "applied"])
        if kind == "get":
            operations.append(get(value, revision, start, end, version=version))
            continue
        if kind != "lost":
            revision, value, version = revision + rng.randint(1, 2), number, version + 1
        operations.append(put(number, revision, start, end) if kind == "put" else lost_answer(number, start, end))
    for _ in range(rng.choice([0, 1, 2, 2])):
        index = rng.randrange(len(operations))
        operations[index] = _changed(operations[index], operations, rng)
    return operations


def _changed(
    operation: RegisterOperation, operations: list[RegisterOperation], rng: random.Random
) -> RegisterOperation:
    if operation.action is RegisterAction.GET and rng.random() < 0.5:
        other = rng.choice([each for each in operations if each.revision >= ABSENT] or [operation])
        return replace(operation, value=other.value, revision=other.revision)
    if operation.action is RegisterAction.GET and rng.random() < 0.4:
        return replace(operation, version=operation.version + rng.choice([-1, 1]))
    shift_ns = rng.randint(-9, 9) * MS
    return replace(
        operation, invoked_ns=operation.invoked_ns + shift_ns, completed_ns=operation.completed_ns + shift_ns
    )


@pytest.mark.parametrize("seed", range(8))
def test_it_agrees_with_exhaustive_search(seed: int) -> None:
    rng = random.Random(seed)
    verdicts: Counter[object] = Counter()
    for _ in range(500):
        operations = random_history(rng)
        keys = keys_of(operations)
        key = keys["k"]
        if key.conflict() is not None:
            continue
        legal = first_violation(key) is None
        assert legal == search(operations), operations
        verdicts[legal] += 1
        if search(operations, counts=True):
            assert first_miscount(key) is None, operations  # no false alarm
        elif legal:
            verdicts["miscounted"] += first_miscount(key) is not None
    assert min(verdicts[True], verdicts[False], verdicts["miscounted"]) > 10  # all were shown


# --- speed ----------------------------------------------------------------------------------------------


def test_its_cost_is_near_linear() -> None:
    """A hundred thousand operations, each of which the pass looks at once: an inner search would never come back."""
    operations = []
    for number in range(1, 50_001):
        start = 4 * number
        operations += [put(number, number + 1, start, start + 1), get(number, number + 1, start + 2, start + 3)]
    assert first_violation(key_of(operations)) is None
