"""Commands and exit codes; what they do is in `run.py` and `inspect.py`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import click
import typer
from rich.console import Console

from skerry.cli import inspect, run
from skerry.cli.errors import CommandError

USAGE_ERROR = 3


class WorldName(StrEnum):
    SIM = "sim"
    LOCAL = "local"


app = typer.Typer(
    name="skerry",
    help="Chaos experiments with a verdict. Exit 0 Pass, 1 Fail, 2 Inconclusive, 3 wrong document or command.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Document = Annotated[Path, typer.Argument(help="An experiment document (YAML).", show_default=False)]
Seed = Annotated[int | None, typer.Option(help="Of everything random. Default: the document's, else chosen.")]
Recording = Annotated[Path, typer.Argument(help="A recorded run: history.jsonl.", show_default=False)]


@app.command("run")
def run_command(
    target: Annotated[Path, typer.Argument(help="A document, or a directory of them (a suite).", show_default=False)],
    world: Annotated[WorldName, typer.Option(help="Where.")] = WorldName.LOCAL,
    seed: Seed = None,
    runs: Annotated[int, typer.Option(min=1, max=10_000, help="How often; run n uses seed + n.")] = 1,
    out: Annotated[Path, typer.Option(help="Directory for histories and reports.")] = Path("out"),
    keep: Annotated[bool, typer.Option("--keep", help="Keep the brokers' data directories.")] = False,
) -> None:
    """Run an experiment, or every experiment of a directory, and judge it."""
    options = run.Options(target, str(world), seed, runs, out, keep)
    raise typer.Exit(run.run_suite(options, Console()))


@app.command("check")
def check_command(history: Recording) -> None:
    """Judge a recording again, with today's checker."""
    raise typer.Exit(inspect.check_history(history, Console()))


@app.command("report")
def report_command(
    history: Recording,
    out: Annotated[Path, typer.Option(help="Where to write the report's files.")] = Path("report"),
) -> None:
    """Render the report of a recording: JSON, JUnit XML, HTML."""
    raise typer.Exit(inspect.render_report(history, out, Console()))


@app.command("plan")
def plan_command(document: Document, seed: Seed = None) -> None:
    """Targets, phases, predicted effect on quorum and ISR. Nothing is touched."""
    raise typer.Exit(inspect.show_plan(document, seed, Console()))


@app.command("schema")
def schema_command() -> None:
    """The JSON schema of the document, for editors."""
    raise typer.Exit(inspect.show_schema())


def main() -> None:
    """The console script. Never shows a traceback for what the user can mend."""
    console = Console(stderr=True)
    try:
        code = app(standalone_mode=False)
    except CommandError as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        code = USAGE_ERROR
    except click.exceptions.NoArgsIsHelpError as error:
        console.print(error.format_message(), markup=False, highlight=False)
        code = USAGE_ERROR
    except click.ClickException as error:
        console.print(error.format_message(), style="red", markup=False, highlight=False)
        code = USAGE_ERROR
    except click.exceptions.Exit as end:
        code = end.exit_code
    except (click.Abort, KeyboardInterrupt):
        console.print("interrupted", style="yellow")
        code = 2
    sys.exit(code or 0)
