"""Measures every figure that has a goal; prints a table and writes bench/results/bench.json.

    .venv/bin/python bench/run.py [--only PART] [--quick]

Parts: throughput, failover, checker, simulator, timing. A goal that is missed is marked and makes the exit code 1: a
figure is not a test, but nobody should have to look for it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import checker
import failover
import msgspec
import simulator
import throughput
import timing
from rows import Row, machine, table

RESULTS = Path("bench/results/bench.json")
QUICK_RUNS = 5
RUNS = 20


def as_row(line: dict[str, Any]) -> Row:
    """A line of `checker` or `simulator`: rates, where the goal is a lower bound of the median."""
    met = line["p50"] >= line["goal"] if line["goal"] else None
    goal = f"p50 >= {line['goal']:g}" if line["goal"] else ""
    return Row(line["name"], line["unit"], line["p50"], line["p95"], line["p95"], line["max"], line["n"], goal, met)


def parts(quick: bool) -> dict[str, Callable[[], Iterable[Row]]]:
    return {
        "throughput": throughput.rows,
        "failover": lambda: failover.rows(QUICK_RUNS if quick else RUNS),
        "checker": lambda: map(as_row, checker.rows()),
        "simulator": lambda: map(as_row, simulator.rows()),
        "timing": lambda: timing.rows(QUICK_RUNS if quick else timing.RUNS),
    }


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", choices=sorted(parts(True)), help="one part")
    arguments.add_argument("--quick", action="store_true", help=f"{QUICK_RUNS} failovers of each kind, not {RUNS}")
    options = arguments.parse_args()
    rows: list[Row] = []
    for name, measure in parts(options.quick).items():
        if options.only in (None, name):
            begun = time.monotonic()
            rows += measure()
            print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    print(table(rows))
    if options.only is None:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode({"machine": machine(), "rows": rows})) + b"\n")
        print(f"written: {RESULTS}")
    return int(any(row.met is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
