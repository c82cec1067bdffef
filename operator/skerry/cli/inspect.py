"""Commands that touch no cluster: judge again, render, plan, schema."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

from rich.console import Console

from skerry.checker import check, document_of
from skerry.cli.abilities import abilities, ability, ability_lines
from skerry.cli.deadline import within_deadline
from skerry.cli.documents import read_document
from skerry.cli.errors import CommandError, name_of_input, open_input, output_error, read_error
from skerry.cli.names import STANDARD_INPUT, WorldName
from skerry.engine.plan import make_plan
from skerry.experiment import Experiment
from skerry.experiment.schema import json_schema
from skerry.history.codec import blocks_of, read_history
from skerry.history.errors import HistoryError
from skerry.history.packed import unpacked
from skerry.history.run import History
from skerry.report.files import write_report
from skerry.report.model import RunReport, make_report
from skerry.report.plan import plan_lines
from skerry.report.terminal import print_report

DEFAULT_SEED = 1
"""The seed of a plan whose document names none; a run then draws one."""
REFUSED = 3


def read_recording(path: Path) -> History:
    """Raises CommandError."""
    try:
        if path != STANDARD_INPUT and path.is_dir():
            inside = path / "history.jsonl"
            hint = f"name {inside}" if inside.is_file() else "name a history.jsonl"
            raise CommandError(f"{path}: is a directory; {hint}")
        with open_input(path) as file:
            return read_history(unpacked(blocks_of(file)))
    except OSError as error:
        raise read_error(path, "a history", error) from None
    except HistoryError as error:
        raise CommandError(f"{name_of_input(path)}: {error}; name the history.jsonl of a run") from None


def judge_recording(path: Path, command: str) -> tuple[RunReport, History, Experiment | None]:
    """``command``: what was typed, so that the report can say how it came to be. Raises CommandError."""
    history = read_recording(path)
    experiment, _ = document_of(history)
    aborted = history.footer is not None and history.footer.aborted
    findings = within_deadline(lambda: check(history))
    replay = f"skerry {command} {shlex.quote(str(path))}"
    report = make_report(experiment, history, findings, replay, "Aborted" if aborted else "")
    return report, history, experiment


def check_history(path: Path, console: Console) -> int:
    report, _, _ = judge_recording(path, "check")
    print_report(console, report, [])
    return report.verdict.exit_code


def render_report(path: Path, out: Path, console: Console) -> int:
    report, history, experiment = judge_recording(path, "report")
    try:
        files = write_report(out, report, history, experiment)
    except OSError as error:
        raise output_error(error, out) or error from None
    print_report(console, report, files)
    return report.verdict.exit_code


def show_plan(path: Path, seed: int | None, world: str | None, console: Console) -> int:
    """3 when the document must be changed before it can run: in this world, or where none is named, in any."""
    experiment = read_document(path).experiment
    chosen = seed if seed is not None else experiment.spec.seed if experiment.spec.seed is not None else DEFAULT_SEED
    plan = make_plan(experiment, chosen)
    found = abilities(experiment) if world is None else [ability(experiment, WorldName(world))]
    for line in (*plan_lines(plan), "", *ability_lines(found)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return REFUSED if plan.refusals or all(each.lacking for each in found) else 0


def show_schema() -> int:
    json.dump(json_schema(), sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 0
