"""`skerry run` from the document to the exit code, in the simulator; and `skerry check`, which says the same again."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from skerry.cli import run, run_command_line
from skerry.history import read_history

pytestmark = [pytest.mark.sim, pytest.mark.timeout(120)]

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
CRASH = (EXPERIMENTS / "04a-leader-crash.yaml").read_text()
FAILS = CRASH.replace("name: leader-crash", "name: too-strict").replace("atMost: 2s", "atMost: 1ms")
UNSUPPORTED = (
    (EXPERIMENTS / "01-leader-isolation.yaml")
    .read_text()
    .replace("name: leader-isolation", "name: clients-cut")
    .replace("[Raft, Replication]", "[Client]")
)
NOT_RECOVERED = CRASH.replace("name: leader-crash", "name: short").replace("timeout: 2m", "timeout: 11s")


@pytest.fixture
def simulate(tmp_path):
    """Writes documents, runs them (as a suite when there are several), and gives the exit code."""

    def simulate(*texts: str, options: tuple[str, ...] = ()) -> int:
        directory = tmp_path / "suite"
        directory.mkdir(exist_ok=True)
        for number, text in enumerate(texts):
            (directory / f"{number}.yaml").write_text(text)
        target = directory if len(texts) > 1 else directory / "0.yaml"
        return run_command_line(["run", str(target), "--world", "sim", "--out", str(tmp_path / "out"), *options])

    return simulate


def digest(path: Path) -> str:
    with path.open("rb") as lines:
        return read_history(lines).digest


@pytest.mark.parametrize(
    ("text", "name", "code", "reason"),
    [
        (CRASH, "leader-crash", 0, "Passed"),
        (FAILS, "too-strict", 1, ""),
        (NOT_RECOVERED, "short", 2, "Timeout"),
        (UNSUPPORTED, "clients-cut", 2, "UnsupportedFault"),
    ],
    ids=["pass", "fail", "out of time", "unsupported"],
)
def test_check_says_again_what_the_run_said(text, name, code, reason, simulate, tmp_path, capsys):
    assert simulate(text) == code
    directory = tmp_path / "out" / f"{name}-001"
    report = json.loads((directory / "report.json").read_bytes())
    assert report["verdict"] == ("Pass", "Fail", "Inconclusive")[code]
    assert reason in report["reason"]
    before = (directory / "history.jsonl").read_bytes()
    assert run_command_line(["check", str(directory / "history.jsonl")]) == code
    out = tmp_path / "again"
    assert run_command_line(["report", str(directory / "history.jsonl"), "--out", str(out)]) == code
    again = json.loads((out / "report.json").read_bytes())
    assert again["history_digest"] == digest(directory / "history.jsonl")

    if code == 2:  # a run that was not carried out has no footer, and every judgement of it says so
        assert reason in {finding.get("reason") for finding in again["findings"]}
    else:
        assert again["findings"] == report["findings"]
    assert (directory / "history.jsonl").read_bytes() == before


def test_a_cut_and_the_same_seed_give_the_same_history(tmp_path, capsys):
    arguments = ["run", str(EXPERIMENTS / "01-leader-isolation.yaml"), "--world", "sim", "--seed", "11"]
    for _ in range(2):
        assert run_command_line([*arguments, "--out", str(tmp_path)]) == 0
    first, second = (digest(tmp_path / f"leader-isolation-00{number}" / "history.jsonl") for number in (1, 2))
    assert first == second
    assert "seed 11" in capsys.readouterr().out


def test_a_suite_is_one_table_one_junit_file_and_the_worst_exit_code(simulate, tmp_path, capsys):
    assert simulate(CRASH, UNSUPPORTED, FAILS) == 1
    lines = capsys.readouterr().out.splitlines()
    table = [line.split() for line in lines if line[:1] in ("✓", "✗", "?") and " sim " in line]
    assert [(words[1], words[2]) for words in table] == [
        ("Pass", "leader-crash"), ("Inconclusive", "clients-cut"), ("Fail", "too-strict"),
    ]  # fmt: skip
    assert lines[-2:] == [
        f"JUnit of all 3 runs: {tmp_path}/out/junit.xml",
        "Exit code 1, of the worst verdict: Fail of too-strict (TooSlow).",
    ]
    suites = ElementTree.parse(tmp_path / "out" / "junit.xml").getroot().findall("testsuite")
    assert [suite.get("name") for suite in suites] == [
        "leader-crash (sim, seed 7)", "clients-cut (sim, seed 7)", "too-strict (sim, seed 7)",
    ]  # fmt: skip


def test_a_suite_with_a_document_that_this_world_cannot_run_is_no_pass_and_says_which(simulate, capsys):
    assert simulate(CRASH, UNSUPPORTED) == 2
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "Exit code 2, of the worst verdict: Inconclusive of clients-cut (UnsupportedFault)."


def test_runs_count_their_seeds_up(simulate, tmp_path, capsys):
    assert simulate(CRASH, options=("--runs", "2", "--seed", "40")) == 0
    seeds = [json.loads(path.read_bytes())["seed"] for path in sorted(tmp_path.glob("out/*/report.json"))]
    assert seeds == [40, 41]
    assert capsys.readouterr().out.splitlines()[-1].startswith("JUnit of all 2 runs")
    histories = sorted(tmp_path.glob("out/*/history.jsonl"))
    assert digest(histories[0]) != digest(histories[1])


def test_ctrl_c_in_a_suite_exits_2_and_shows_what_was_done(simulate, tmp_path, capsys, monkeypatch):
    real, calls = run.run_in, []

    def interrupted_in_the_second(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(run, "run_in", interrupted_in_the_second)
    assert simulate(CRASH, FAILS) == 2
    output = capsys.readouterr()
    assert output.err == "interrupted\n"
    assert output.out.splitlines()[-1].startswith("JUnit of all 1 runs")


def test_a_disk_that_fills_up_is_one_sentence(simulate, tmp_path, capsys, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device", "out/history.jsonl")

    monkeypatch.setattr(run, "run_in", full)
    assert simulate(CRASH) == 3
    assert capsys.readouterr().err == (
        "out/history.jsonl: No space left on device; make room, or choose another --out\n"
    )
