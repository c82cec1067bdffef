"""A check that hangs or dies is ended, and there is an answer all the same."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from skerry.checker import check, verdict_of
from skerry.checker.findings import held
from skerry.cli.deadline import within_deadline
from skerry.history import History, encode_history
from skerry.history.records import Footer, Header
from skerry.runner.judging import judged_apart
from skerry.schema.verdict import Verdict

HEADER = Header(1, "quiet", "", "sim", 7, 0, "test", 3)
RECORDS = [HEADER, Footer(10)]


def hang():
    while True:
        pass


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def crash():
    raise ZeroDivisionError


def test_what_is_found_comes_through():
    findings = [held("lost-write", "\x1b[31mall there" * 20_000)]  # more than a pipe holds
    assert within_deadline(lambda: findings) == findings


@pytest.mark.timeout(20)
def test_a_check_that_hangs_is_ended():
    begin = time.monotonic()
    (finding,) = within_deadline(hang, deadline_s=0.2)
    assert time.monotonic() - begin < 5
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, "CheckerCrashed")
    assert "did not end within 0.2 s and was stopped" in finding.message


@pytest.mark.parametrize("end", [die, crash])
def test_a_check_that_dies_has_found_nothing(end):
    (finding,) = within_deadline(end)
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, "CheckerCrashed")


def test_a_run_is_judged_in_a_process_of_its_own(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_bytes(b"".join(encode_history(RECORDS)))
    assert asyncio.run(judged_apart(path)) == tuple(check(History(RECORDS)))


@pytest.mark.timeout(20)
def test_a_run_whose_check_is_late(tmp_path):
    path = tmp_path / "history.jsonl"
    os.mkfifo(path)  # nobody ever writes to it
    (finding,) = asyncio.run(judged_apart(path, deadline_s=0.3))
    assert verdict_of([finding]) is Verdict.INCONCLUSIVE
    assert "did not end within" in finding.message


def test_a_run_whose_check_dies_says_why(tmp_path):
    (finding,) = asyncio.run(judged_apart(tmp_path / "missing.jsonl"))
    assert finding.reason == "CheckerCrashed"
    assert "No such file" in finding.message
