"""How fast the simulator is: events per second with all invariants on, and virtual seconds per wall second.

Run alone it prints its rows; `bench/run.py` imports ``rows``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import quantiles
from time import perf_counter
from typing import NamedTuple

try:
    import skerry  # noqa: F401  (installed)
except ImportError:  # from a checkout without an installation
    ROOT = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(ROOT / "broker"), str(ROOT / "operator")]

from skerry.worlds.sim.chaos import SeedRun
from skerry.worlds.sim.plan import Plan, draw_plan
from skerry.worlds.sim.scheduler import Scheduler
from skerry_broker.core.node import Node
from skerry_broker.core.types import Acks

VIRTUAL_SECONDS = 10


class Row(NamedTuple):
    name: str
    unit: str
    p50: float
    p95: float
    max: float
    n: int
    goal: str


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
    """(events per second, virtual seconds per wall second) of a loaded cluster, all invariants on."""
    run = SeedRun(loaded_plan(seed, records_per_second), Node)
    run._form()
    run.cluster.run_for(1_000_000_000)
    events = run.cluster.scheduler.events
    began = perf_counter()
    run.cluster.run_for(VIRTUAL_SECONDS * 1_000_000_000)
    took = perf_counter() - began
    if run.violations:
        raise RuntimeError(f"seed {seed}: {run.violations[0]}")
    return (run.cluster.scheduler.events - events) / took, VIRTUAL_SECONDS / took


def measure_scheduler(count: int = 300_000) -> float:
    """Trivial events per second: each one posts the next."""
    scheduler = Scheduler()

    def again(left: int) -> None:
        if left:
            scheduler.post(scheduler.now_ns + 10, again, left - 1)

    for _ in range(100):
        again(count // 100)
    began = perf_counter()
    scheduler.run(count * 10)
    return scheduler.events / (perf_counter() - began)


def row(name: str, unit: str, values: list[float], goal: str) -> Row:
    cuts = quantiles(values, n=20, method="inclusive") if len(values) > 1 else values * 19
    return Row(name, unit, cuts[9], cuts[18], max(values), len(values), goal)


def rows(runs: int = 5) -> list[Row]:
    schedulers = [measure_scheduler() for _ in range(runs)]
    clusters = [measure_cluster(seed, 400) for seed in range(runs)]
    return [
        row("simulator: trivial events", "events/s", schedulers, ">= 1000000"),
        row("simulator: events, all invariants on", "events/s", [one for one, _ in clusters], ">= 60000"),
        row("simulator: virtual time, loaded cluster of 3", "s/s", [two for _, two in clusters], ">= 25"),
    ]


if __name__ == "__main__":
    for line in rows():
        print(f"{line.name:48} {line.p50:14,.1f} {line.unit:9} (max {line.max:,.1f}, n={line.n}, goal {line.goal})")
