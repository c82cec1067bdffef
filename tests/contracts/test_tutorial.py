"""The tutorial is run: every command ends as the page says, and prints what the page shows, but for the numbers."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from skerry.cli import run_command_line

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
NUMBER = re.compile(r"\d[\d,.]*")


class Step(NamedTuple):
    command: str
    code: int
    shown: list[str]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def steps() -> Iterator[Step]:
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            command, _, remark = command.partition("#")
            code = re.search(r"exit code (\d)", remark)
            yield Step(command.strip(), int(code.group(1)) if code else 0, shown.splitlines())


def carried_out(command: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error. A command of ours runs here, others in a shell."""
    words = shlex.split(command)
    if words[0] != "skerry":
        done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr
    said, complained = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
        code = run_command_line(words[1:])
    return code, said.getvalue(), complained.getvalue()


def in_words(line: str) -> str:
    """Without numbers and spacing, which a change of the broker's timing may change."""
    return " ".join(NUMBER.sub("N", line).split())


@pytest.mark.timeout(300)  # whole runs, one after the other
def test_every_command_of_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for document in blocks("yaml"):
        name = document.splitlines()[0].removeprefix("# ")
        (tmp_path / name).write_text(document, encoding="utf-8")
    seen = 0
    for step in steps():
        code, output, complaint = carried_out(step.command)
        assert (code, complaint) == (step.code, ""), step.command
        printed = iter(in_words(line) for line in output.splitlines())
        for line in step.shown:
            assert any(in_words(line) in each for each in printed), f"{step.command}: {line}"
        seen += 1
    assert seen == 8
