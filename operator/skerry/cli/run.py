"""`skerry run`: one document or a directory of them, in one world, as often as asked."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import random
import shutil
import signal
from pathlib import Path
from typing import NamedTuple

import uvloop
from rich.console import Console

from skerry.cli.errors import CommandError
from skerry.cli.inspect import read_document
from skerry.engine.conductor import Conductor
from skerry.experiment import Experiment
from skerry.experiment.verdict import Verdict, worst
from skerry.report.files import write_report
from skerry.report.live import LiveView
from skerry.report.model import RunReport, make_report
from skerry.report.terminal import print_report, print_suite
from skerry.worlds.local.world import CAPABILITIES, LocalWorld, RunResult, WorldError
from skerry.worlds.sim.world import run_simulated

SEED_MAX = 2**31


class Options(NamedTuple):
    target: Path
    world: str
    seed: int | None
    runs: int
    out: Path
    keep: bool


def run_suite(options: Options, console: Console) -> int:
    """The exit code of the worst verdict. Every document is read before the first run. Raises CommandError."""
    documents = [(path, *read_document(path)) for path in _documents(options.target)]
    reports = []
    for path, experiment, text in documents:
        first_seed = _seed(options, experiment)
        for number in range(options.runs):
            report = _run_once(options, path, experiment, text, first_seed + number, console)
            reports.append(report)
            if report.reason == "Aborted":
                return Verdict.INCONCLUSIVE.exit_code
    if len(reports) > 1:
        print_suite(console, reports)
    return worst(report.verdict for report in reports).exit_code


def _documents(target: Path) -> list[Path]:
    if not target.is_dir():
        return [target]
    found = sorted(path for path in target.rglob("*.y*ml") if path.suffix in (".yaml", ".yml"))
    if not found:
        raise CommandError(f"{target}: holds no experiment document (*.yaml)")
    return found


def _seed(options: Options, experiment: Experiment) -> int:
    if options.seed is not None:
        return options.seed
    if experiment.spec.seed is not None:
        return experiment.spec.seed
    return random.randrange(SEED_MAX)


def _run_once(
    options: Options, path: Path, experiment: Experiment, text: str, seed: int, console: Console
) -> RunReport:
    directory = _new_directory(options.out, experiment.name)
    version = importlib.metadata.version("skerry")
    with LiveView(experiment, options.world, seed, console) as live:
        if options.world == "sim":
            result = RunResult(*run_simulated(experiment, text, seed, directory, version, live.on_turn))
        else:
            result = _run_local(experiment, text, seed, directory, version, live)
    replay = f"skerry run {path} --world {options.world} --seed {seed}"
    reason = "Aborted" if result.finish.aborted else ""
    report = make_report(experiment, result.history, result.finish.findings, replay, reason)
    files = write_report(directory, report, result.history, experiment)
    print_report(console, report, [result.history_path, *files])
    if not options.keep:
        for data in sorted(directory.glob("broker-*/data")):
            shutil.rmtree(data)
    return report


def _run_local(
    experiment: Experiment,
    text: str,
    seed: int,
    directory: Path,
    version: str,
    live: LiveView,
) -> RunResult:
    world = LocalWorld(experiment, text, seed, directory, version, live.on_turn)

    def interrupt() -> None:
        world.abort("interrupted")
        live.say("interrupted: healing, draining, stopping every process that was started ...")

    async def drive() -> RunResult:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupt)
        return await world.run(Conductor(experiment, seed, CAPABILITIES))

    try:
        return uvloop.run(drive())
    except WorldError as error:
        raise CommandError(str(error)) from None


def _new_directory(out: Path, name: str) -> Path:
    """`out/NAME-001`, or the next number that is free. Raises CommandError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for number in range(1, 100_000):
            directory = out / f"{name}-{number:03}"
            with contextlib.suppress(FileExistsError):
                directory.mkdir()
                return directory
    except OSError as error:
        raise CommandError(f"{out}: cannot be written to ({error.strerror}); choose another --out") from None
    raise CommandError(f"{out}: is full of runs of {name}; remove some")
