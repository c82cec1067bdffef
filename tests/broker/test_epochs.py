"""The leader epoch cache by table."""

from __future__ import annotations

import pytest

from skerry_broker.core.epochs import EpochCache
from skerry_broker.core.types import EpochStart

CACHE = [(1, 0), (3, 10), (6, 20)]
END = 25


def cache(entries: list[tuple[int, int]] = CACHE) -> EpochCache:
    return EpochCache(EpochStart(*entry) for entry in entries)


def pairs(epochs: EpochCache) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = [tuple(entry) for entry in epochs.entries]  # type: ignore[misc]
    assert epochs.latest == (found[-1][0] if found else -1), "kept beside the entries, and never other than the last"
    return found


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        (0, (0, 0)),  # below all: it ends where the first one starts
        (1, (1, 10)),
        (2, (1, 10)),  # the largest that is not larger
        (3, (3, 20)),
        (5, (3, 20)),
        (6, (6, 25)),
        (7, None),  # beyond all: nothing can be said
    ],
)
def test_end_offset_for(epoch: int, expected: tuple[int, int] | None) -> None:
    assert cache().end_offset_for(epoch, END) == expected


def test_end_offset_for_agrees_with_the_log_itself() -> None:
    """A dumb twin: the log as a list of epochs per record."""
    log = [1] * 10 + [3] * 10 + [6] * 5
    for epoch in range(1, 7):
        largest = max(e for e in log if e <= epoch)
        twin = (largest, max(offset for offset, e in enumerate(log) if e <= epoch) + 1)
        assert cache().end_offset_for(epoch, len(log)) == twin


def test_an_empty_cache_knows_nothing() -> None:
    assert cache([]).end_offset_for(3, 0) is None
    assert cache([]).latest == -1


@pytest.mark.parametrize(
    ("epoch", "start", "expected"),
    [
        (6, 25, CACHE),  # known
        (7, 25, [*CACHE, (7, 25)]),
        (7, 20, [(1, 0), (3, 10), (7, 20)]),  # epoch 6 never wrote
    ],
)
def test_assign(epoch: int, start: int, expected: list[tuple[int, int]]) -> None:
    epochs = cache()
    assert epochs.assign(epoch, start) == (expected != CACHE)
    assert pairs(epochs) == expected


def test_an_abandoned_epoch_does_not_double_the_one_around_it() -> None:
    """A leader was elected in epoch 5 and deposed before it wrote; it then follows records of epoch 4 (KAFKA-7415)."""
    epochs = cache([(4, 0), (5, 2)])
    assert not epochs.assign(4, 2)
    assert pairs(epochs) == [(4, 0)]


def test_an_epoch_never_goes_back() -> None:
    with pytest.raises(ValueError, match="epoch 5 cannot start at offset 25: epoch 6 already starts at 20"):
        cache().assign(5, 25)


@pytest.mark.parametrize(
    ("end", "expected"),
    [(25, CACHE), (21, CACHE), (20, CACHE[:2]), (11, CACHE[:2]), (10, CACHE[:1]), (0, [])],
)
def test_truncate_end(end: int, expected: list[tuple[int, int]]) -> None:
    epochs = cache()
    epochs.truncate_end(end)
    assert pairs(epochs) == expected


@pytest.mark.parametrize(
    ("start", "expected"),
    [(0, CACHE), (5, [(1, 5), (3, 10), (6, 20)]), (10, [(3, 10), (6, 20)]), (24, [(6, 24)]), (25, [(6, 25)])],
)
def test_truncate_start(start: int, expected: list[tuple[int, int]]) -> None:
    epochs = cache()
    epochs.truncate_start(start)
    assert pairs(epochs) == expected


@pytest.mark.parametrize(("start", "end", "expected"), [(0, 25, 6), (0, 20, 3), (20, 20, -1), (0, 0, -1)])
def test_last_record_epoch(start: int, end: int, expected: int) -> None:
    """The entry of an epoch that has not written yet is not the epoch of the last record."""
    assert cache().last_record_epoch(start, end) == expected
