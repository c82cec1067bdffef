"""Runs a document in a world by the command line, and says what a user learns from its report."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from skerry.cli import run_command_line

ONLY_SIM = ("invariants",)
"""What no other world can see: the simulator's observer."""
RUN_TIMEOUT_S = 170


class Outcome(NamedTuple):
    """What has to be the same in every world: no number, no moment, no word of a sentence."""

    verdict: str
    reason: str
    faults: tuple[tuple[str, bool, bool], ...]
    """(name, proven, healed) of each, in the order in which they took effect."""
    findings: frozenset[tuple[str, str, str, str]]
    """(kind, rule, verdict, reason) of each."""


class Run(NamedTuple):
    outcome: Outcome
    report: dict[str, Any]
    output: str
    """The command's, for a failing test."""


def run(document: dict[str, Any], world: str, out: Path, path: Sequence[Path] = (), *, here: bool = False) -> Run:
    """``path``: folders of what is installed beside Skerry, modules and programs, as a test plays it: what it changes
    needs a process. ``here``: in this process, as the simulator always runs; for a run that is over before it starts
    any other."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "document.yaml"
    file.write_text(json.dumps(document, indent=1))  # which is YAML
    arguments = ["run", str(file), "--world", world, "--out", str(out)]
    output = _here(arguments) if here or (world == "sim" and not path) else _in_a_process(arguments, path)
    reports = list(out.rglob("report.json"))
    assert len(reports) == 1, output
    report = json.loads(reports[0].read_text())
    return Run(outcome_of(report), report, output)


def _here(arguments: list[str]) -> str:
    """What the command prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        run_command_line(arguments)
    return said.getvalue()


def _in_a_process(arguments: list[str], path: Sequence[Path]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from skerry.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        env=os.environ | environment_with(path),
    )
    return done.stdout + done.stderr


def environment_with(path: Sequence[Path]) -> dict[str, str]:
    """Where a process looks first that has these folders installed."""
    return {name: os.pathsep.join([*map(str, path), os.environ.get(name, "")]) for name in ("PYTHONPATH", "PATH")}


def outcome_of(report: dict[str, Any]) -> Outcome:
    """The part of a report that does not depend on where the run was made."""
    return Outcome(
        report["verdict"],
        report["reason"],
        tuple((each["fault"], bool(each.get("verified")), "healed_ns" in each) for each in report["faults"]),
        frozenset(
            (each["kind"], each["rule"], each["verdict"], each.get("reason", ""))
            for each in report["findings"]
            if each["rule"] not in ONLY_SIM
        ),
    )


def difference(first: Outcome, second: Outcome) -> list[str]:
    """A line for everything that only one of them has; empty: they are the same."""
    lines = [
        f"{name}: {one!r} and {other!r}"
        for name, one, other in zip(Outcome._fields[:3], first[:3], second[:3], strict=True)
        if one != other
    ]
    lines += [f"only the first has {finding}" for finding in sorted(first.findings - second.findings)]
    return lines + [f"only the second has {finding}" for finding in sorted(second.findings - first.findings)]
