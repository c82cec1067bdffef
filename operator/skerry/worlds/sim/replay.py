"""Run one seed and tell what happened: ``python -m skerry.worlds.sim.replay SEED [--events N] [--shrink]``."""

from __future__ import annotations

import argparse
import sys

import msgspec

from skerry.worlds.sim.chaos import SeedResult, run_plan
from skerry.worlds.sim.plan import Plan, draw_plan
from skerry.worlds.sim.shrink import shrink


def broken_rule(result: SeedResult) -> str:
    """What the seed failed by; empty when it passed."""
    if result.violations:
        return result.violations[0].rule
    return result.findings[0].rule if result.findings else ""


def smallest(plan: Plan) -> Plan:
    """The plan itself when it passes."""
    rule = broken_rule(run_plan(plan))
    return shrink(plan, lambda smaller: broken_rule(run_plan(smaller)) == rule) if rule else plan


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Run one seed of the simulator and tell what happened.")
    parser.add_argument("seed", type=int)
    parser.add_argument("--events", type=int, default=60, help="how many of the last events to show")
    parser.add_argument(
        "--shrink", action="store_true", help="leave out every fault that is not needed for the failure"
    )
    given = parser.parse_args(arguments)
    plan = draw_plan(given.seed)
    if given.shrink:
        plan = smallest(plan)
    result = run_plan(plan, keep_events=given.events)
    write = sys.stdout.write
    for step in plan.steps:
        write(f"{step.at_ns / 1e9:10.3f}s plan {msgspec.json.encode(step).decode()}\n")
    if not result.passed:
        write("\n".join(result.last_events) + "\n")
    write(result.story() + "\n")
    write(
        f"{result.events} events, {result.virtual_ns / 1e9:.1f} virtual seconds, {result.acknowledged} records "
        f"acknowledged, hash {result.hash}\n"
    )
    return 0 if result.passed else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
