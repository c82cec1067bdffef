"""Commands and exit codes; what they do is in `run.py` and `inspect.py`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skerry.cli.errors import CommandError
from skerry.cli.exit_codes import INTERRUPTED
from skerry.cli.names import WorldName
from skerry.report.encoding import use_any_encoding

if TYPE_CHECKING:
    from rich.console import Console

BROKEN_OFF = 2
USAGE_ERROR = 3
OUTPUT_CLOSED = 128 + signal.SIGPIPE
"""What a shell says of a program that was ended by a closed pipe: no verdict."""
ENDED_BY_CTRL_C = 128 + signal.SIGINT
"""What typer makes of Ctrl-C; no command of ours ends so."""
SEED_MAX = 2**53 - 1
"""The same limit as the document's."""


def _a_name(value: str) -> str:
    """It becomes part of paths and selectors, so it is looked at first."""
    import re

    from skerry.schema.base import LABEL_PATTERN

    if not re.fullmatch(LABEL_PATTERN, value):
        raise typer.BadParameter(f"`{value}` is no name of a Kubernetes object: lower-case letters, digits and `-`.")
    return value


app = typer.Typer(
    name="skerry",
    help="Chaos experiments with a verdict. Exit 0 Pass, 1 Fail, 2 Inconclusive, 3 wrong document or command.",
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Document = Annotated[
    Path,
    typer.Argument(help="An experiment (YAML); - is standard input.", metavar="FILE", show_default=False),
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, max=SEED_MAX, help="Of everything random. Default: the document's, else chosen.", metavar="N"),
]
Recording = Annotated[
    Path,
    typer.Argument(help="A recorded run; - is standard input.", metavar="HISTORY", show_default=False),
]
Namespace = Annotated[
    str | None,
    typer.Option("-n", "--namespace", help="Default: that of the kubeconfig's context.", metavar="NS", parser=_a_name),
]
Context = Annotated[str | None, typer.Option(help="Of the kubeconfig. Default: its current one.", metavar="NAME")]


def _show_version(asked: bool) -> None:
    if asked:
        import importlib.metadata

        sys.stdout.write(f"skerry {importlib.metadata.version('skerry')}\n")
        raise typer.Exit


@app.callback()
def all_commands(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Chaos experiments with a verdict. Exit 0 Pass, 1 Fail, 2 Inconclusive, 3 wrong document or command."""


@app.command("run")
def run_command(
    target: Annotated[
        Path,
        typer.Argument(
            help="A document (- is standard input), or a directory (a suite).",
            metavar="FILE|DIR",
            show_default=False,
        ),
    ],
    world: Annotated[
        WorldName, typer.Option(help="Simulated, real processes on this machine, or a cluster with the operator.")
    ] = WorldName.LOCAL,
    seed: Seed = None,
    runs: Annotated[int, typer.Option(min=1, max=10_000, help="How often; run n uses seed + n.", metavar="N")] = 1,
    out: Annotated[Path, typer.Option(help="Directory for histories and reports.", metavar="DIR")] = Path("out"),
    keep: Annotated[bool, typer.Option("--keep", help="Keep the brokers' data directories.")] = False,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Run an experiment, or every experiment of a directory, and judge it."""
    from skerry.cli import run

    if world is not WorldName.KUBERNETES and (namespace or context):
        raise CommandError("--namespace and --context say where in a cluster: use them with `--world kubernetes`")
    options = run.Options(target, str(world), seed, runs, out, keep, namespace, context)
    raise typer.Exit(run.run_suite(options, _console()))


@app.command("check")
def check_command(history: Recording) -> None:
    """Judge a recording again, with today's checker."""
    from skerry.cli import inspect

    raise typer.Exit(inspect.check_history(history, _console()))


@app.command("report")
def report_command(
    history: Annotated[
        Path | None,
        typer.Argument(help="A recorded run; - is standard input.", metavar="HISTORY", show_default=False),
    ] = None,
    kube: Annotated[
        str | None,
        typer.Option(
            help="Instead: fetch the report of this experiment from a cluster.", metavar="NAME", parser=_a_name
        ),
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    out: Annotated[Path, typer.Option(help="Where to write the report's files.", metavar="DIR")] = Path("report"),
) -> None:
    """The report of a run: JSON, JUnit XML, HTML. Rendered from a recording, or fetched from a cluster."""
    if (history is None) == (kube is None):
        raise CommandError("name either HISTORY, a recorded run, or --kube NAME; see `skerry report --help`")
    if kube is not None:
        from skerry.cli import kube_report

        raise typer.Exit(kube_report.fetch_report(kube_report.Options(kube, namespace, context, out), _console()))
    from skerry.cli import inspect

    assert history is not None
    raise typer.Exit(inspect.render_report(history, out, _console()))


@app.command("clean")
def clean_command(
    experiment: Annotated[
        str | None,
        typer.Argument(
            help="Only what this experiment left. Default: all.", metavar="NAME", parser=_a_name, show_default=False
        ),
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    reports: Annotated[bool, typer.Option("--reports", help="The reports, too.")] = False,
) -> None:
    """Remove from a cluster what experiments left behind: cuts first. Works without the operator, too."""
    from skerry.cli import clean

    raise typer.Exit(clean.clean(clean.Options(experiment, namespace, context, reports), _console()))


@app.command("doctor")
def doctor_command(
    namespace: Namespace = None,
    context: Context = None,
    operator_namespace: Annotated[
        str | None, typer.Option(help="Where the operator runs, if elsewhere.", metavar="NS", parser=_a_name)
    ] = None,
    statefulset: Annotated[str, typer.Option(help="The brokers.", metavar="NAME", parser=_a_name)] = "broker",
    probe: Annotated[
        bool | None,
        typer.Option(
            "--probe/--no-probe",
            help="Measure what NetworkPolicies do here, with two pods for ten seconds. "
            "Default: if the namespace allows experiments.",
            show_default=False,
        ),
    ] = None,
    prometheus_url: Annotated[str | None, typer.Option(help="Ask whether it answers.", metavar="URL")] = None,
) -> None:
    """Say what would keep experiments from being carried out in a namespace, before anything is tried."""
    from skerry.cli import doctor

    options = doctor.Options(namespace, context, operator_namespace, statefulset, probe, prometheus_url)
    raise typer.Exit(doctor.examine(options, _console()))


@app.command("plan")
def plan_command(
    document: Document,
    seed: Seed = None,
    world: Annotated[WorldName | None, typer.Option(help="Only this world.", show_default=False)] = None,
) -> None:
    """Targets, phases, predicted effect on the cluster, and which worlds can run it. Nothing is touched."""
    from skerry.cli import inspect

    raise typer.Exit(inspect.show_plan(document, seed, None if world is None else str(world), _console()))


@app.command("schema")
def schema_command() -> None:
    """The JSON schema of the document, for editors."""
    from skerry.cli import inspect

    raise typer.Exit(inspect.show_schema())


def run_command_line(arguments: Sequence[str]) -> int:
    """The exit code. Never a traceback for what the user can mend: a sentence on standard error, and 3."""
    use_any_encoding(sys.stdout, sys.stderr)
    try:
        code = app(list(arguments), prog_name="skerry", standalone_mode=False)
        sys.stdout.flush()
    except CommandError as error:
        _complain(str(error))
        return USAGE_ERROR
    except typer.TyperException as error:  # what the parser of the command line found wrong
        _complain(_usage_sentence(error))
        return USAGE_ERROR
    except (typer.Abort, KeyboardInterrupt):
        _complain("interrupted", style="yellow")
        return INTERRUPTED
    except BrokenPipeError:
        return _output_is_closed()
    except SystemExit as end:  # typer's way to end when nobody reads on; its 1 would read as Fail
        if isinstance(end.__context__, BrokenPipeError):
            return _output_is_closed()
        raise
    except Exception:  # a bug of ours is no verdict; Python's own exit code for it, 1, would read as Fail
        import traceback

        traceback.print_exc()
        _complain("this is a bug of skerry's, and says nothing about the cluster: inconclusive")
        return BROKEN_OFF
    if code == ENDED_BY_CTRL_C:
        _complain("interrupted", style="yellow")
        return INTERRUPTED
    return int(code or 0)


def _output_is_closed() -> int:
    """The reader of our output has read enough (`skerry schema | head`); the interpreter must not try again."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OUTPUT_CLOSED


def _usage_sentence(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "skerry"
    problem = error.format_message().replace("Value error, ", "")  # pydantic says it of our own parsers
    return f"{problem.rstrip('.').replace(chr(10), ' ')}; see `{command} --help`"


def _console() -> Console:
    from skerry.report.console import SafeConsole

    return SafeConsole()


def _complain(sentence: str, style: str = "red") -> None:
    from skerry.report.console import SafeConsole

    SafeConsole(stderr=True).print(sentence, style=style, markup=False, highlight=False, soft_wrap=True)
