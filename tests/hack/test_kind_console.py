"""Programs run with their output in the log; a failing one is told in a sentence, with its last words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kind.console import Console, Failure, minutes, tail


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    console = Console(tmp_path / "log")
    yield console
    console.close()


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(("seconds", "text"), [(0.9, "0:00"), (61.0, "1:01"), (3600.0, "60:00")])
def test_elapsed_time(seconds: float, text: str) -> None:
    assert minutes(seconds) == text


def test_a_tail_leaves_out_empty_lines_and_our_own() -> None:
    assert tail("one\n\ntwo\n---  0:30  still running\nthree\n", lines=2) == "    two\n    three"


def test_output_goes_to_the_log_and_not_to_the_terminal(console: Console, capfd: pytest.CaptureFixture[str]) -> None:
    with console.step("greeting"):
        console.run(python("print('hello')"))
    assert "hello" in console.log.read_text()
    printed = capfd.readouterr().out
    assert "greeting ..." in printed
    assert "greeting: done" in printed
    assert "hello" not in printed


def test_a_failing_program_is_named_with_step_code_and_log(console: Console, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Failure) as caught, console.step("compiling"):
        console.run(python("print('the reason'); raise SystemExit(7)"))
    assert str(caught.value).startswith(f"compiling: `{sys.executable} -c print")
    assert "exit code 7" in str(caught.value)
    assert str(console.log) in str(caught.value)
    assert "    the reason" in capfd.readouterr().err


def test_a_program_that_is_not_there(console: Console) -> None:
    with pytest.raises(Failure, match="cannot run no-such-program: it is in no directory of PATH"):
        console.run(["no-such-program"])
    assert not console.succeeds(["no-such-program"])
    with pytest.raises(Failure, match="cannot run /no/such/program: No such file"):
        console.run(["/no/such/program"])


def test_a_directory_of_path_that_may_not_be_read_hides_nothing(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system says "Permission denied" then, for every user, if the program is in no other directory."""
    (tmp_path / "no-such-program").write_text("not to be executed")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure, match="cannot run no-such-program: it is in no directory of PATH"):
        console.run(["no-such-program"])


def test_both_ends_of_a_pipe_must_succeed(console: Console) -> None:
    swallow = python("import sys; sys.stdin.read()")
    console.pipe(python("print(1)"), swallow)
    with pytest.raises(Failure, match="exit code 3"):
        console.pipe(python("raise SystemExit(3)"), swallow)
    with pytest.raises(Failure, match="exit code 4"):
        console.pipe(python("print(1)"), python("import sys; sys.stdin.read(); sys.exit(4)"))


def test_what_a_program_says_and_is_told(console: Console) -> None:
    assert console.capture(python("print('one\\ntwo')")) == "one\ntwo"
    console.run(python("import sys; print(sys.stdin.read().upper())"), input_text="loud")
    assert "LOUD" in console.log.read_text()


def test_a_program_that_does_not_listen_is_judged_by_its_exit_code(console: Console) -> None:
    console.run(python("pass"), input_text="x" * 1_000_000)
