"""Idempotent producers by table, and against a dumb twin that reads the whole log."""

from __future__ import annotations

from random import Random

import pytest

from skerry_broker.core.producers import WINDOW, ProducerTable, Verdict, sequence_after
from skerry_broker.core.types import Batch

LAST = (1 << 31) - 1


def batch(seq: int, offset: int = -1, *, count: int = 1, pid: int = 7, epoch: int = 0) -> Batch:
    return Batch(offset, 1, count, b"", pid, epoch, seq)


def table(*batches: Batch, high_watermark: int = 1 << 40) -> ProducerTable:
    result = ProducerTable()
    for entry in batches:
        result.append(entry, high_watermark)
    return result


TEN = [batch(seq, seq) for seq in range(10)]


@pytest.mark.parametrize(
    ("before", "asked", "verdict", "offset"),
    [
        ([], batch(0), Verdict.NEW, -1),
        ([], batch(4), Verdict.OUT_OF_ORDER, -1),
        (TEN, batch(10), Verdict.NEW, -1),
        (TEN, batch(11), Verdict.OUT_OF_ORDER, -1),
        (TEN, batch(9), Verdict.DUPLICATE, 9),
        (TEN, batch(5), Verdict.DUPLICATE, 5),
        (TEN, batch(4), Verdict.OUT_OF_ORDER, -1),  # beyond the window
        (TEN, batch(8, count=2), Verdict.OUT_OF_ORDER, -1),  # not the same batch
        (TEN, batch(0, epoch=1), Verdict.NEW, -1),
        (TEN, batch(3, epoch=1), Verdict.OUT_OF_ORDER, -1),
        ([*TEN, batch(0, 10, epoch=2)], batch(10, epoch=1), Verdict.OLD_EPOCH, -1),
        ([*TEN, batch(0, 10, epoch=2)], batch(1, epoch=2), Verdict.NEW, -1),
        ([batch(0, 3, count=5)], batch(5), Verdict.NEW, -1),
        ([batch(0, 3, count=5)], batch(0, count=5), Verdict.DUPLICATE, 3),
        (TEN, batch(0, pid=8), Verdict.NEW, -1),
    ],
)
def test_judge(before: list[Batch], asked: Batch, verdict: Verdict, offset: int) -> None:
    judgement = table(*before).judge(asked)
    assert (judgement.verdict, judgement.base_offset) == (verdict, offset)


def test_sequences_wrap() -> None:
    assert sequence_after(LAST, 1) == 0
    known = ProducerTable()
    known.append(batch(LAST - 1, 0, count=2), 0)
    assert known.judge(batch(0)).verdict is Verdict.NEW
    known.append(batch(0, 2), 0)
    assert known.judge(batch(LAST - 1, count=2)).base_offset == 0


def test_truncation_brings_back_what_the_window_had_dropped() -> None:
    """KAFKA-12153. Ten batches, none committed: after cutting eight, the first two are known again."""
    known = table(*TEN, high_watermark=0)
    known.truncate(2)
    assert known.judge(batch(1)).base_offset == 1
    assert known.judge(batch(2)).verdict is Verdict.NEW
    known.truncate(0)
    assert known.judge(batch(0)).verdict is Verdict.NEW
    assert known.judge(batch(2)).verdict is Verdict.OUT_OF_ORDER


def test_what_is_committed_need_not_be_kept() -> None:
    known = table(*TEN)
    (state,) = known.states()
    assert [kept.base_sequence for kept in state.batches] == [5, 6, 7, 8, 9]
    known.truncate(5)  # not below a high watermark in life; even so no sequence is taken twice
    assert known.judge(batch(4)).verdict is Verdict.OUT_OF_ORDER
    assert known.judge(batch(5)).verdict is Verdict.NEW


def test_recovered_state_is_the_same_state() -> None:
    again = ProducerTable(table(*TEN).states())
    assert again.judge(batch(10)).verdict is Verdict.NEW
    assert again.judge(batch(9)).base_offset == 9
    assert again.states() == table(*TEN).states()


def test_the_table_is_bounded() -> None:
    known = ProducerTable(limit=3)
    for pid in range(10):
        known.append(batch(0, pid, pid=pid), pid)
    assert len(known) == 3


@pytest.mark.parametrize("seed", range(20))
def test_against_the_log_itself(seed: int) -> None:
    """The table after appends and truncations is the table of the log that is left."""
    rng = Random(seed)
    log: list[Batch] = []
    known = ProducerTable()
    high_watermark = 0
    for _ in range(200):
        end = log[-1].next_offset if log else 0
        if rng.random() < 0.1:
            end = rng.choice([high_watermark, *(b.base_offset for b in log if b.base_offset >= high_watermark)])
            log = [b for b in log if b.base_offset < end]
            known.truncate(end)
        elif rng.random() < 0.1:
            high_watermark = max([high_watermark, *(b.next_offset for b in log if rng.random() < 0.5)])
        else:
            pid = rng.randrange(3)
            mine = [b for b in log if b.producer_id == pid]
            expected = mine[-1].base_sequence + mine[-1].record_count if mine else 0
            entry = batch(expected, end, count=rng.randrange(1, 4), pid=pid)
            assert known.judge(entry).verdict is Verdict.NEW
            for old in mine[-WINDOW:]:
                assert known.judge(old).base_offset == old.base_offset
            log.append(entry)
            known.append(entry, high_watermark)
