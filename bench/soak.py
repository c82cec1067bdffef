"""Runs documents in the local world again and again, one JSON line a run. Nothing is retried.

With ``--busy N`` so many processes compute beside it all the time. On such a machine a run may honestly be
Inconclusive, because its timing could not be measured; what it may never be is a Fail.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rows import machine

DOCUMENTS = ("experiments/01-leader-isolation.yaml", "experiments/04a-leader-crash.yaml")
RESULTS = Path("bench/results/soak.jsonl")
OUT = Path("out/soak")
INCONCLUSIVE = 2
BUSY = "while True: pass"


@contextmanager
def busy(number: int) -> Iterator[None]:
    """So many processes that compute and do nothing else."""
    loops = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(number)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def run_once(document: Path, seed: int) -> dict[str, Any]:
    """One run through the command line, as a user would; its report is the source of the line."""
    before = set(OUT.glob("*/report.json"))
    begun = time.monotonic()
    command = ["skerry", "run", str(document), "--world", "local", "--seed", str(seed), "--out", str(OUT)]
    ended = subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]], capture_output=True, text=True, check=False
    )
    line: dict[str, Any] = {
        "command": " ".join(command),
        "exit_code": ended.returncode,
        "wall_seconds": round(time.monotonic() - begun, 1),
        "load_1min": round(os.getloadavg()[0], 1),
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


def documents(named: Sequence[Path]) -> list[Path]:
    """Files as they are; of a folder every document below it, in the order of their names."""
    return [file for path in named for file in (sorted(path.rglob("*.yaml")) if path.is_dir() else [path])]


def summary(lines: Sequence[dict[str, Any]]) -> str:
    """How often each document had which verdict, and why."""
    counts: dict[str, Counter[str]] = {}
    for line in lines:
        why = "" if line["verdict"] == "Pass" else f" ({line.get('reason', 'no report')})"
        counts.setdefault(line["command"].split()[2], Counter())[line["verdict"] + why] += 1
    return "\n".join(
        f"{document:<50} {', '.join(f'{number} x {verdict}' for verdict, number in sorted(found.items()))}"
        for document, found in counts.items()
    )


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("documents", nargs="*", type=Path, default=[Path(each) for each in DOCUMENTS])
    arguments.add_argument("--runs", type=int, default=20, help="of each document")
    arguments.add_argument("--busy", type=int, default=0, help="how many processes compute beside it")
    arguments.add_argument("--results", type=Path, default=RESULTS)
    asked = arguments.parse_args()
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    lines: list[dict[str, Any]] = []
    with asked.results.open("w") as results, busy(asked.busy):
        results.write(json.dumps({"machine": machine(), "runs_each": asked.runs, "busy_loops": asked.busy}) + "\n")
        for number in range(asked.runs):
            for document in documents(asked.documents):
                line = run_once(document, seed=1000 + number)
                lines.append(line)
                results.write(json.dumps(line) + "\n")
                results.flush()
                done = f"{number + 1:>3}/{asked.runs} {document!s:<50}"
                print(f"{done} {line['verdict']:<12} {line['wall_seconds']} s", flush=True)
                if line["exit_code"]:
                    print(f"      {line['message']}", flush=True)
    print(summary(lines))
    print(f"written: {asked.results}")
    fine = {0, INCONCLUSIVE} if asked.busy else {0}
    return max((line["exit_code"] for line in lines if line["exit_code"] not in fine), default=0)


if __name__ == "__main__":
    sys.exit(main())
