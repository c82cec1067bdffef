"""Run one seed and tell what happened: ``python -m skerry.worlds.sim.replay SEED [EVENTS]``."""

from __future__ import annotations

import sys

import msgspec

from skerry.worlds.sim.chaos import run_seed


def main(arguments: list[str]) -> int:
    seed = int(arguments[0])
    keep = int(arguments[1]) if len(arguments) > 1 else 60
    result = run_seed(seed, keep_events=keep)
    write = sys.stdout.write
    for step in result.plan.steps:
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
