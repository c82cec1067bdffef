"""Runs a document in a world by the command line, and says what a user learns from its report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

ONLY_SIM = ("invariants",)
"""What no other world can see: the simulator's observer."""
RUN_TIMEOUT_S = 100


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


def run(document: dict[str, Any], world: str, out: Path, path: Sequence[Path] = ()) -> Run:
    """``path``: folders of what is installed beside Skerry, as a test plays it."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "document.yaml"
    file.write_text(json.dumps(document, indent=1))  # which is YAML
    done = subprocess.run(
        [sys.executable, "-c", "from skerry.cli import main; main()", "run", file, "--world", world, "--out", out],
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, path), os.environ.get("PYTHONPATH", "")])},
    )
    reports = list(out.rglob("report.json"))
    assert len(reports) == 1, done.stdout + done.stderr
    report = json.loads(reports[0].read_text())
    return Run(outcome_of(report), report, done.stdout + done.stderr)


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
