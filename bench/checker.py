"""How fast histories are judged: the linear check alone, and `skerry check` end to end.

    .venv/bin/python bench/checker.py [--operations N] [--rounds N]

Prints one JSON object a line: name, unit, p50, p95, max, n (rounds), goal. Rates: higher is better, so `p95` is the
rate that 95 % of the rounds reached. Inputs are generated, not recorded: an unbroken run of open-loop producers and
readers.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from skerry.checker import check, verdict_of
from skerry.checker.models.log.content import Content
from skerry.checker.models.log.linear import first_violation
from skerry.history import History, blocks_of, encode_history, read_history
from skerry.history.records import (
    DumpedBatch,
    FaultEvent,
    FaultStep,
    Fetch,
    Footer,
    Header,
    HistoryRecord,
    Outcome,
    Produce,
    ReplicaDump,
)

LINEAR_GOAL = 600_000
CHECK_GOAL = 150_000
PRODUCERS = 4
PARTITIONS = 3
DOCUMENT = """apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: bench}
spec:
  hypothesis: It is fast.
  topic: {name: orders, partitions: 3}
  faults: [{name: quiet, startAfter: 100ms, duration: 1s, pause: {target: {ordinal: 0}}}]
"""
MS = 1_000_000
PAUSED = (
    (FaultStep.INJECTING, 100),
    (FaultStep.EFFECTIVE, 100),
    (FaultStep.VERIFIED, 200),
    (FaultStep.HEALING, 1100),
    (FaultStep.HEALED, 1101),
)
"""The steps of the document's fault, milliseconds after the start. Nothing that is measured here takes its time."""


def generated_run(operations: int, *, partitions: int = PARTITIONS, records_per_read: int = 10) -> list[HistoryRecord]:
    """``operations`` client operations: ten writes of one record to one tail read and one read of ten records; then a
    final read and three replica dumps of everything. Nothing is wrong with it, so every check goes to its end."""
    records: list[HistoryRecord] = [Header(1, "bench", DOCUMENT, "sim", 7, 0, "bench", 3)]
    for step, at_ms in PAUSED:
        records.append(FaultEvent("quiet", 0, step, at_ms * MS, at_ms * MS, kind="pause", groups=((0,),)))
    logs: list[list[int]] = [[] for _ in range(partitions)]
    read_upto = [0] * partitions
    sent = [0] * PRODUCERS
    step = 12  # operations of one turn
    for turn in range(operations // step):
        partition = turn % partitions
        log, at = logs[partition], turn * 20_000
        for n in range(step - 2):
            process = n % PRODUCERS
            value = process + 1 << 40 | sent[process]
            sent[process] += 1
            records.append(_write(process + 1, partition, at + n * 1000, value, len(log)))
            log.append(value)
        records.append(_read(10, partition, at + 12_000, len(log), (), len(log)))
        values = tuple(log[read_upto[partition] : read_upto[partition] + records_per_read])
        records.append(_read(11, partition, at + 13_000, read_upto[partition], values, len(log)))
        read_upto[partition] += len(values)
    end = max(operations * 20_000, 2000 * MS)
    for partition, log in enumerate(logs):
        for start in range(0, len(log), 1000):
            records.append(_read(12, partition, end, start, tuple(log[start : start + 1000]), len(log), final=True))
        records.append(_read(12, partition, end, len(log), (), len(log), final=True))
        batches = tuple(DumpedBatch(offset, 1, value, 1, value) for offset, value in enumerate(log))
        for broker in range(3):
            records.append(ReplicaDump("orders", partition, broker, 0, len(log), len(log), batches))
    records.append(Footer(end))
    return records


def _write(process: int, partition: int, at_ns: int, value: int, offset: int) -> Produce:
    return Produce(
        process, "orders", partition, at_ns, at_ns + 5000, Outcome.OK, "All", value, 1,
        intended_ns=at_ns, base_offset=offset, leader=1, leader_epoch=1, idempotent=True,
    )  # fmt: skip


def _read(
    process: int,
    partition: int,
    at_ns: int,
    offset: int,
    values: tuple[int, ...],
    high_watermark: int,
    final: bool = False,
) -> Fetch:
    return Fetch(
        process, "orders", partition, at_ns, at_ns + 1000, Outcome.OK, offset, offset, values, high_watermark,
        leader=1, leader_epoch=1, final=final,
    )  # fmt: skip


def _client_operations(records: list[HistoryRecord]) -> int:
    return sum(1 for record in records if isinstance(record, Produce | Fetch))


def measured_rates(work: Callable[[], int], rounds: int) -> list[float]:
    """Units a second of each round; ``work`` returns how many units it did."""
    rates = []
    for _ in range(rounds):
        gc.collect()
        begin = time.perf_counter()
        units = work()
        rates.append(units / (time.perf_counter() - begin))
    return sorted(rates)


def row(name: str, unit: str, rates: list[float], goal: float) -> dict[str, Any]:
    """One line of the table; rates are sorted, slowest first."""
    return {
        "name": name,
        "unit": unit,
        "p50": round(rates[len(rates) // 2]),
        "p95": round(rates[len(rates) // 20]),
        "max": round(rates[-1]),
        "n": len(rates),
        "goal": goal,
    }


def linear_alone(operations: int, rounds: int) -> dict[str, Any]:
    """Content pass and time pass of one partition, from records in memory."""
    records = generated_run(operations, partitions=1)
    units = _client_operations(records)
    (partition,) = History(r for r in records if not isinstance(r, ReplicaDump)).partitions.values()

    def work() -> int:
        content = Content(partition)
        assert not content.conflicting
        assert first_violation(content) is None
        return units

    return row("linear check alone", "operations/s", measured_rates(work, rounds), LINEAR_GOAL)


def check_end_to_end(operations: int, rounds: int) -> dict[str, Any]:
    """From the bytes of a file to the verdict: decoding, grouping, every property."""
    records = generated_run(operations)
    lines = list(encode_history(records))
    assert max(len(line) for line, record in zip(lines, records, strict=True) if isinstance(record, Produce)) < 1024
    units = _client_operations(records)
    file = b"".join(lines)
    del records, lines

    def work() -> int:
        findings = check(read_history(blocks_of(io.BytesIO(file))))
        assert verdict_of(findings) == "Pass", findings
        return units

    return row("skerry check end to end", "operations/s", measured_rates(work, rounds), CHECK_GOAL)


def rows(operations: int = 1_000_000, rounds: int = 3) -> Iterator[dict[str, Any]]:
    """For `bench/run.py`."""
    yield linear_alone(operations, rounds)
    yield check_end_to_end(operations // 4, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how fast histories are judged.")
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for line in rows(options.operations, options.rounds):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
