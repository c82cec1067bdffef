"""Measures runs on a cluster that `make kind-up` made; prints a table and writes bench/results/kubernetes.json.

    .venv/bin/python bench/kube.py [--runs N]

Each figure is read from the recorded histories, not from what the operator says of itself. Nothing is retried: a run
that is no Pass is counted and shown, and its figures are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rows import Goal, Row, machine, measured, table
from wire import WirePing

from skerry.history.codec import blocks_of, read_history
from skerry.history.records import FaultEvent, FaultStep, LinkSample
from skerry.history.run import History

RESULTS = Path("bench/results/kubernetes.json")
LOCAL_RESULTS = Path("bench/results/soak.jsonl")
OUT = Path("out/bench-kubernetes")
NAMESPACE = "skerry"
NS = 1_000_000_000

NEW_ONLY = "leader-isolation-new"
CUT = Path("experiments/01-leader-isolation.yaml")
CRASH = Path("experiments/04a-leader-crash.yaml")
DELETION = Path("experiments/04b-leader-pod-deletion.yaml")


class Run(NamedTuple):
    scenario: str
    verdict: str
    message: str
    wall_s: float
    """The time from `skerry run` to its verdict."""
    measured: dict[str, str]
    """Expectation -> what was measured."""
    history: History | None
    wire: WirePing


def new_only() -> Path:
    """01 with `connections: New`: the first check of a new connection then comes right after the injection. Kept-open
    connections go on, so that nobody is isolated and nothing is expected of the brokers."""
    head, _, _ = CUT.read_text().partition("  expect:")
    text = head.replace("name: leader-isolation", f"name: {NEW_ONLY}").replace("connections: All", "connections: New")
    path = OUT / f"{NEW_ONLY}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def run_once(scenario: Path, seed: int) -> Run:
    """One run through the command line, as a user would, with one cut pair watched from outside."""
    before = set(OUT.glob("*/report.json"))
    begun = time.monotonic()
    said, wire = asyncio.run(run_watched(scenario, seed))
    wall_s = time.monotonic() - begun
    written = set(OUT.glob("*/report.json")) - before
    if not written:
        return Run(scenario.stem, "None", said[-400:], wall_s, {}, None, wire)
    path = written.pop()
    report: dict[str, Any] = json.loads(path.read_text())
    figures = {each["name"]: each["measured"] for each in report["findings"] if each.get("measured")}
    with (path.parent / "history.jsonl").open("rb") as file:
        history = read_history(blocks_of(file))
    return Run(scenario.stem, report["verdict"], report["message"], wall_s, figures, history, wire)


async def run_watched(scenario: Path, seed: int) -> tuple[str, WirePing]:
    command = [str(Path(sys.executable).parent / "skerry"), "run", str(scenario), "--world", "kubernetes"]
    command += ["-n", NAMESPACE, "--seed", str(seed), "--out", str(OUT)]
    async with WirePing(NAMESPACE, "broker-0", 1) as wire:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
    return said.decode(), wire


def new_cut_s(run: Run) -> Iterator[float]:
    """From when the fault was due to the opening of the first connection that failed, and none after it succeeded."""
    due = step(run, FaultStep.INJECTING)
    moment_ns = run.wire.first_cut_after_ns(due.wall_ns) if due else None
    if due and moment_ns:
        yield (moment_ns - due.wall_ns) / NS


def new_healed_s(run: Run) -> Iterator[float]:
    """From when the heal was begun to the opening of the first connection that succeeded."""
    healing = step(run, FaultStep.HEALING)
    moment_ns = run.wire.first_good_after_ns(healing.wall_ns) if healing else None
    if healing and moment_ns:
        yield (moment_ns - healing.wall_ns) / NS


def kept_cut_s(run: Run) -> Iterator[float]:
    """From when the fault was due to the last answered ping on any cut pair's kept-open connection."""
    due = step(run, FaultStep.INJECTING)
    failed = [link for link in kept(run) if due and link.before_ns >= due.before_ns and not link.ok]
    if due and failed:
        yield max(0, min(link.before_ns - link.silent_ns for link in failed) - due.before_ns) / NS


def kept_healed_s(run: Run) -> Iterator[float]:
    """From when the heal was begun to the first sample at which every cut pair answered pings again."""
    healing = step(run, FaultStep.HEALING)
    back: dict[tuple[int, int, str], int] = {}
    for link in kept(run):
        if healing and link.ok and link.before_ns >= healing.before_ns:
            back.setdefault((link.source, link.target, link.plane), link.before_ns)
    if healing and back:
        yield (max(back.values()) - healing.before_ns) / NS


def step(run: Run, wanted: FaultStep) -> FaultEvent | None:
    return next((event for event in run.history.faults if event.step is wanted), None) if run.history else None


def kept(run: Run) -> Iterator[LinkSample]:
    """What was said of the kept-open connections between the leader's side and the others."""
    effective = step(run, FaultStep.EFFECTIVE)
    assert run.history is not None
    pairs = set(effective.links) if effective else set()
    planes = ("Raft", "Replication")
    return (
        link
        for link in run.history.links
        if link.connection == "kept" and link.plane in planes and (link.source, link.target) in pairs
    )


def seconds(text: str) -> float | None:
    """The first figure of a measurement: ``1.21 s``."""
    found = re.match(r"([0-9.]+) s$", text)
    return float(found[1]) if found else None


def expectation_rows(experiment: str, where: str, measured_of: list[dict[str, str]]) -> Iterator[Row]:
    for name in ("failover by the metrics", "ISR recovery by the metrics", "writers wait no longer"):
        values = [found for each in measured_of if (found := seconds(each.get(name, ""))) is not None]
        if values:
            yield measured(f"{experiment}: {name} ({where})", "s", values)


def local_runs(experiment: str) -> list[dict[str, str]]:
    """What `make soak` recorded of the same document in the local world."""
    lines = [json.loads(line) for line in LOCAL_RESULTS.read_text().splitlines()[1:]]
    return [line["measured"] for line in lines if line["experiment"] == experiment and line["verdict"] == "Pass"]


def rows_of(runs: list[Run]) -> Iterator[Row]:
    passed = [run for run in runs if run.history is not None and run.verdict == "Pass"]
    of_new = [run for run in passed if run.scenario == NEW_ONLY]
    of_all = [run for run in passed if run.scenario == CUT.stem]
    goal = Goal("p50", True, 0.4)
    figures = (
        ("fault due -> new connections cut", of_new + of_all, new_cut_s, (goal,)),
        ("fault due -> kept-open connections cut", of_all, kept_cut_s, ()),
        ("end -> new connections again", of_new + of_all, new_healed_s, (goal,)),
        ("end -> kept-open connections again", of_all, kept_healed_s, ()),
    )
    for name, some, measure, goals in figures:
        values = [each for run in some for each in measure(run)]
        if values:
            yield measured(name, "s", values, *goals)
    for scenario in (CUT, CRASH, DELETION):
        of_this = [run for run in passed if run.scenario == scenario.stem]
        if not of_this:
            continue
        yield measured(f"{scenario.stem}: command -> verdict and report", "s", [run.wall_s for run in of_this])
        name = scenario.stem.partition("-")[2]
        yield from expectation_rows(name, "kubernetes", [run.measured for run in of_this])
        yield from expectation_rows(name, "local", local_runs(name))


def write(runs: list[Run]) -> list[Row]:
    """What there is so far: a bench that is broken off leaves its figures."""
    rows = list(rows_of(runs))
    verdicts: dict[str, dict[str, int]] = {}
    for run in runs:
        of_this = verdicts.setdefault(run.scenario, {})
        of_this[run.verdict] = of_this.get(run.verdict, 0) + 1
    others = [f"{run.scenario}: {run.message}" for run in runs if run.verdict != "Pass"]
    content = {"machine": machine(), "verdicts": verdicts, "no_pass": others, "rows": rows}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")
    return rows


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=20, help="of each scenario")
    count = arguments.parse_args().runs
    scenarios = (new_only(), CUT, CRASH, DELETION)
    runs: list[Run] = []
    rows: list[Row] = []
    for number in range(count):
        for scenario in scenarios:
            run = run_once(scenario, 1000 + number)
            runs.append(run)
            print(f"{number + 1:>3}/{count} {run.scenario:<28} {run.verdict:<12} {run.wall_s:.1f} s", flush=True)
            if run.verdict != "Pass":
                print(f"      {run.message}", flush=True)
        rows = write(runs)
    print(table(rows))
    print(f"written: {RESULTS}")
    return int(any(row.met is False for row in rows) or any(run.verdict != "Pass" for run in runs))


if __name__ == "__main__":
    sys.exit(main())
