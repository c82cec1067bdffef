"""Runs scenarios in the local world again and again, one JSON line a run. Nothing is retried."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from rows import machine

SCENARIOS = ("experiments/01-leader-isolation.yaml", "experiments/04a-leader-crash.yaml")
RESULTS = Path("bench/results/soak.jsonl")
OUT = Path("out/soak")


def run_once(scenario: str, seed: int) -> dict[str, object]:
    """One run through the command line, as a user would; its report is the source of the line."""
    before = set(OUT.glob("*/report.json"))
    begun = time.monotonic()
    command = ["skerry", "run", scenario, "--world", "local", "--seed", str(seed), "--out", str(OUT)]
    ended = subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]], capture_output=True, text=True, check=False
    )
    line: dict[str, object] = {
        "command": " ".join(command),
        "exit_code": ended.returncode,
        "wall_seconds": round(time.monotonic() - begun, 1),
    }
    written = set(OUT.glob("*/report.json")) - before
    if not written:
        return {**line, "verdict": "None", "message": (ended.stdout + ended.stderr)[-400:]}
    report = json.loads(written.pop().read_text())
    line |= {key: report[key] for key in ("experiment", "seed", "verdict", "reason", "message", "acknowledged_records")}
    line["measured"] = {
        finding["name"]: finding["measured"] for finding in report["findings"] if finding.get("measured")
    }
    return line


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=20, help="of each scenario")
    runs = arguments.parse_args().runs
    worst = 0
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("w") as results:
        results.write(json.dumps({"machine": machine(), "runs_each": runs}) + "\n")
        for number in range(runs):
            for scenario in SCENARIOS:
                line = run_once(scenario, seed=1000 + number)
                results.write(json.dumps(line) + "\n")
                results.flush()
                worst = max(worst, int(str(line["exit_code"])))
                print(
                    f"{number + 1:>3}/{runs} {scenario:<40} {line['verdict']:<12} {line['wall_seconds']} s", flush=True
                )
                if line["exit_code"]:
                    print(f"      {line['message']}", flush=True)
    print(f"written: {RESULTS}")
    return worst


if __name__ == "__main__":
    sys.exit(main())
