"""Commands that touch no cluster: judge again, render, plan, schema."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console

from skerry.checker import check, document_of
from skerry.cli.errors import CommandError
from skerry.engine.plan import make_plan, plan_lines
from skerry.experiment import DocumentError, Experiment, load_document
from skerry.experiment.schema import json_schema
from skerry.history.codec import read_history
from skerry.history.errors import HistoryError
from skerry.history.run import History
from skerry.report.files import write_report
from skerry.report.model import RunReport, make_report
from skerry.report.terminal import print_report

DEFAULT_SEED = 1


def read_document(path: Path) -> tuple[Experiment, str]:
    """The experiment and its text. Raises CommandError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: cannot be read as a document: {_why(error)}") from None
    try:
        return load_document(text, source_name=str(path)), text
    except DocumentError as error:
        raise CommandError(str(error)) from None


def read_recording(path: Path) -> History:
    """Raises CommandError."""
    try:
        with path.open("rb") as lines:
            return read_history(lines)
    except OSError as error:
        raise CommandError(f"{path}: cannot be read as a history: {_why(error)}") from None
    except HistoryError as error:
        raise CommandError(f"{path}: {error}") from None


def judge_recording(path: Path) -> tuple[RunReport, History, Experiment | None]:
    history = read_recording(path)
    experiment, _ = document_of(history)
    findings = check(history)
    reason = history.footer.reason if history.footer is not None and history.footer.aborted else ""
    report = make_report(experiment, history, findings, f"skerry check {path}", "Aborted" if reason else "")
    return report, history, experiment


def check_history(path: Path, console: Console) -> int:
    report, _, _ = judge_recording(path)
    print_report(console, report, [])
    return report.verdict.exit_code


def render_report(path: Path, out: Path, console: Console) -> int:
    report, history, experiment = judge_recording(path)
    print_report(console, report, write_report(out, report, history, experiment))
    return report.verdict.exit_code


def show_plan(path: Path, seed: int | None, console: Console) -> int:
    experiment, _ = read_document(path)
    chosen = seed if seed is not None else experiment.spec.seed if experiment.spec.seed is not None else DEFAULT_SEED
    plan = make_plan(experiment, chosen)
    for line in plan_lines(plan):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 3 if plan.refusals else 0


def show_schema() -> int:
    json.dump(json_schema(), sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 0


def _why(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
