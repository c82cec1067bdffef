"""`skerry run`: one document or a directory of them, in one world, as often as asked."""

from __future__ import annotations

import contextlib
import importlib.metadata
import random
import shutil
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from skerry.cli.documents import Document, read_suite
from skerry.cli.errors import CommandError, output_error
from skerry.cli.names import WorldName
from skerry.cli.worlds import run_in
from skerry.experiment import Experiment
from skerry.report.files import write_report, write_suite
from skerry.report.live import LiveView
from skerry.report.model import RunReport, make_report
from skerry.report.terminal import print_exit_code, print_report, print_suite
from skerry.schema.verdict import worst

DRAWN_SEED_MAX = 2**31
RUNS_OF_A_NAME_MAX = 99_999
ABORTED = "Aborted"


class Options(NamedTuple):
    target: Path
    world: str
    seed: int | None
    runs: int
    out: Path
    keep: bool
    namespace: str | None = None
    context: str | None = None


def run_suite(options: Options, console: Console) -> int:
    """The exit code of the worst verdict. Every document is read before the first run. Raises CommandError.

    Whatever ends it early (Ctrl-C, a full disk), the runs that are over are still in the table and in the JUnit file.
    """
    documents = read_suite(options.target)
    suite = options.runs > 1 or options.target.is_dir()
    reports: list[RunReport] = []
    try:
        try:
            _run_all(options, documents, console, reports)
        finally:
            if reports and suite:
                _print_suite(options.out, reports, console)
    except OSError as error:
        raise output_error(error, options.out) or error from None
    if suite:
        print_exit_code(console, reports)
    return worst(report.verdict for report in reports).exit_code


def _run_all(options: Options, documents: list[Document], console: Console, reports: list[RunReport]) -> None:
    """Until one is aborted. ``reports`` takes each as soon as it is there."""
    for document in documents:
        first_seed = _seed(options, document.experiment)
        for number in range(options.runs):
            reports.append(_run_one(options, document, first_seed + number, console))
            if reports[-1].reason == ABORTED:
                return


def _print_suite(out: Path, reports: list[RunReport], console: Console) -> None:
    print_suite(console, reports)
    path = write_suite(out / "junit.xml", reports)
    console.print(f"JUnit of all {len(reports)} runs: {path}", highlight=False, markup=False, soft_wrap=True)


def _seed(options: Options, experiment: Experiment) -> int:
    if options.seed is not None:
        return options.seed
    if experiment.spec.seed is not None:
        return experiment.spec.seed
    return random.randrange(DRAWN_SEED_MAX)


def _run_one(options: Options, document: Document, seed: int, console: Console) -> RunReport:
    directory = _new_directory(options.out, document.experiment.name)
    if options.world != WorldName.KUBERNETES:
        return _run_here(options, document, seed, directory, console)
    from skerry.cli import kube_run

    return kube_run.run_on_cluster(
        kube_run.Options(options.namespace, options.context, directory), document, seed, console
    )


def _run_here(options: Options, document: Document, seed: int, directory: Path, console: Console) -> RunReport:
    experiment = document.experiment
    try:
        with LiveView(experiment, options.world, seed, console) as live:
            outcome = run_in(options.world, document, seed, directory, importlib.metadata.version("skerry"), live)
    finally:
        if not options.keep:
            for data in sorted(directory.glob("broker-*/data")):
                shutil.rmtree(data)
    replay = document.replay(options.world, seed)
    reason = ABORTED if outcome.finish.aborted else ""
    report = make_report(experiment, outcome.history, outcome.finish.findings, replay, reason)
    files = write_report(directory, report, outcome.history, experiment)
    print_report(console, report, [outcome.history_path, *files])
    return report


def _new_directory(out: Path, name: str) -> Path:
    """`out/NAME-001`, or the next number that is free. Raises CommandError, OSError."""
    out.mkdir(parents=True, exist_ok=True)
    for number in range(1, RUNS_OF_A_NAME_MAX + 1):
        directory = out / f"{name}-{number:03}"
        with contextlib.suppress(FileExistsError):
            directory.mkdir()
            return directory
    raise CommandError(f"{out}: is full of runs of {name}; remove some, or choose another --out")
