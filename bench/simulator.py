"""How fast the simulator is: events with all invariants on, virtual seconds, and whole seeds, each per second of CPU
time, which a busy machine changes less than the time on the wall.

Run alone it prints its rows; `bench/run.py` imports ``rows``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

try:
    import skerry  # noqa: F401  (installed)
except ImportError:  # from a checkout without an installation
    ROOT = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(ROOT / "broker"), str(ROOT / "operator")]

from skerry.worlds.sim.chaos import SeedRun, run_seed
from skerry.worlds.sim.plan import Plan, draw_plan
from skerry.worlds.sim.scheduler import Scheduler
from skerry_broker.core.node import Node
from skerry_broker.core.types import Acks

VIRTUAL_SECONDS = 10


def loaded_plan(seed: int, records_per_second: int) -> Plan:
    """Three brokers, three partitions, three producers, two consumers, nothing broken."""
    drawn = draw_plan(seed)
    fields = {name: getattr(drawn, name) for name in Plan.__struct_fields__}
    fields |= {
        "brokers": 3,
        "partitions": 3,
        "producers": 3,
        "consumers": 2,
        "records_per_second": records_per_second,
        "acks": Acks.ALL,
        "idempotent": True,
        "codec": False,
        "max_drift_ppm": 0,
        "entries_before_snapshot": 1000,
        "classes": (),
        "steps": (),
    }
    return Plan(**fields)


def measure_cluster(seed: int, records_per_second: int) -> tuple[float, float]:
    """(events, virtual seconds) per second of CPU time of a loaded cluster, all invariants on."""
    run = SeedRun(loaded_plan(seed, records_per_second), Node)
    run._form()
    run.cluster.run_for(1_000_000_000)
    events = run.cluster.scheduler.events
    began = process_time()
    run.cluster.run_for(VIRTUAL_SECONDS * 1_000_000_000)
    took = process_time() - began
    if run.violations:
        raise RuntimeError(f"seed {seed}: {run.violations[0]}")
    return (run.cluster.scheduler.events - events) / took, VIRTUAL_SECONDS / took


def measure_seeds(first: int, count: int) -> float:
    """Whole chaos seeds per second of CPU time that this process itself used: what `make sim` is made of."""
    began = process_time()
    for seed in range(first, first + count):
        result = run_seed(seed)
        if not result.passed:
            raise RuntimeError(result.story())
    return count / (process_time() - began)


def measure_scheduler(count: int = 300_000) -> float:
    """Trivial events per second: each one posts the next."""
    scheduler = Scheduler()

    def again(left: int) -> None:
        if left:
            scheduler.post(scheduler.now_ns + 10, again, left - 1)

    for _ in range(100):
        again(count // 100)
    began = process_time()
    scheduler.run(count * 10)
    return scheduler.events / (process_time() - began)


def row(name: str, unit: str, values: list[float], goal: int) -> dict[str, Any]:
    """A rate: higher is better, so ``p95`` is what 95 % of the rounds reached."""
    ordered = sorted(values)
    return {
        "name": name,
        "unit": unit,
        "p50": round(median(ordered), 1),
        "p95": round(ordered[len(ordered) // 20], 1),
        "max": round(ordered[-1], 1),
        "n": len(ordered),
        "goal": goal,
    }


def rows(rounds: int = 5) -> list[dict[str, Any]]:
    """One line per figure: name, unit, p50, p95, max, n, goal (a lower bound of the median)."""
    schedulers = [measure_scheduler() for _ in range(rounds)]
    clusters = [measure_cluster(seed, 400) for seed in range(rounds)]
    seeds = [measure_seeds(5 * number, 5) for number in range(rounds)]
    return [
        row("simulator: trivial events", "events/s", schedulers, 1_000_000),
        row("simulator: events, all invariants on", "events/s", [one for one, _ in clusters], 60_000),
        row("simulator: virtual time, loaded cluster of 3", "s/s", [two for _, two in clusters], 25),
        row("simulator: seeds", "1/CPU s", seeds, 3),
    ]


if __name__ == "__main__":
    for line in rows():
        print(json.dumps(line))
