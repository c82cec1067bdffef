"""The command line, and what it leaves in a directory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from e2e_documents import ROOT

SKERRY = Path(sys.executable).parent / "skerry"


def skerry(*arguments: str, timeout_s: float = 320) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SKERRY), *arguments], cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False
    )


class Told(NamedTuple):
    """A report and its history, read back."""

    report: dict[str, Any]
    html: str
    history: list[dict[str, Any]]

    def notes(self) -> list[str]:
        return [each["text"] for each in self.history if each["type"] == "note"]

    def fault(self, step: str) -> dict[str, Any]:
        """The one event of this step."""
        found = [each for each in self.history if each["type"] == "fault" and each["step"] == step]
        assert len(found) == 1, f"the fault is {step} once, and not: {found}"
        return found[0]


def story(out: Path) -> str:
    """What a run that did not pass says of its faults, for the log of a machine that nobody can look at later."""
    kinds = ("fault", "note", "phase", "stall", "election")
    lines = [line for path in out.rglob("history.jsonl") for line in path.read_text().splitlines()]
    return "\n".join(line[:400] for line in lines if json.loads(line)["type"] in kinds)


def told(out: Path) -> Told:
    """What the one run in this directory has told."""
    (report,) = out.rglob("report.json")
    history = [json.loads(line) for line in report.with_name("history.jsonl").read_text().splitlines()]
    return Told(json.loads(report.read_text()), report.with_name("report.html").read_text(), history)
