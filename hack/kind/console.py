"""What the scripts print, and how they run other programs: one line a step, everything else into a log file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

STILL_RUNNING_EVERY_S = 30
TAIL_LINES = 12
# In the log, in front of what the scripts themselves print.
OWN_LINE = "--- "

Stream = int | IO[Any] | None


class Failure(Exception):
    """One sentence for the person at the terminal: what failed, where, what to change."""


def minutes(seconds: float) -> str:
    """Elapsed time as `m:ss`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """The last lines of a program's output, indented; without empty ones and those that the scripts wrote between."""
    kept = [line for line in text.splitlines() if line.strip() and not line.startswith(OWN_LINE)][-lines:]
    return "\n".join(f"    {line}" for line in kept)


class Console:
    """Prints progress and runs programs.

    Every line starts with the time since the start. The output of every program goes to the log; when one fails, its
    last lines are printed and the log's path is part of the `Failure`.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self._started = time.monotonic()
        self._step = "starting"
        self._log = log.open("wb", buffering=0)

    def close(self) -> None:
        self._log.close()

    def say(self, text: str) -> None:
        line = f"{minutes(time.monotonic() - self._started):>5}  {text}"
        print(line, flush=True)
        self._log.write(f"{OWN_LINE}{line}\n".encode())

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Name what is going on; failures and interruptions inside are reported under this name."""
        outer, self._step = self._step, name
        started = time.monotonic()
        self.say(f"{name} ...")
        yield
        self.say(f"{name}: done in {time.monotonic() - started:.0f} s")
        self._step = outer

    @property
    def current_step(self) -> str:
        return self._step

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        input_text: str | None = None,
    ) -> None:
        """Run a program to its end, its output into the log.

        Raises Failure: it cannot be started, or its exit code is not 0.
        """
        offset = self._begin(argv)
        stdin = subprocess.DEVNULL if input_text is None else subprocess.PIPE
        process = self._start(argv, cwd=cwd, env=env, stdin=stdin, stdout=self._log)
        if input_text is not None:
            process.communicate(input_text.encode())  # one that ends without reading is judged by its exit code
        self._finish(process, argv, offset)

    def pipe(self, source: Sequence[str], sink: Sequence[str]) -> None:
        """Run `source | sink`; both must succeed.

        Raises Failure: as for `run`.
        """
        offset = self._begin([*source, "|", *sink])
        first = self._start(source, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        second = self._start(sink, stdin=first.stdout, stdout=self._log)
        if first.stdout is not None:
            first.stdout.close()
        try:
            self._finish(second, sink, offset)
        finally:
            first.wait()  # nobody reads any more: it ends too
        self._finish(first, source, offset)

    def capture(self, argv: Sequence[str], *, cwd: Path | None = None) -> str:
        """What a program prints, without the last line break; its standard error goes to the log.

        Raises Failure: as for `run`.
        """
        offset = self._begin(argv)
        process = self._start(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        output, _ = process.communicate()
        self._finish(process, argv, offset)
        return bytes(output).decode().rstrip("\n")

    def succeeds(self, argv: Sequence[str]) -> bool:
        """Whether a program can be run and exits 0; says nothing either way."""
        self._begin(argv)
        try:
            return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log).returncode == 0
        except OSError:
            return False

    def _begin(self, argv: Sequence[str]) -> int:
        self._log.write(f"$ {' '.join(argv)}\n".encode())
        return self._log.tell()

    def _start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: Stream = None,
        stdout: Stream = None,
    ) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                argv,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=stdin,
                stdout=stdout,
                stderr=self._log,
            )
        except OSError as error:
            # A directory of PATH that may not be read hides, in what the system says, that it is in none of them.
            nowhere = os.sep not in argv[0] and shutil.which(argv[0]) is None
            why = "it is in no directory of PATH" if nowhere else error.strerror
            raise Failure(f"{self._step}: cannot run {argv[0]}: {why}.") from error

    def _finish(self, process: subprocess.Popen[bytes], argv: Sequence[str], log_offset: int) -> None:
        started = time.monotonic()
        try:
            while True:
                try:
                    code = process.wait(timeout=STILL_RUNNING_EVERY_S)
                    break
                except subprocess.TimeoutExpired:
                    self.say(f"{self._step}: still running after {time.monotonic() - started:.0f} s")
        except KeyboardInterrupt:
            process.wait()  # the terminal sent the same signal to the program
            raise
        if code != 0:
            with self.log.open("rb") as log:
                log.seek(log_offset)
                said = tail(log.read().decode(errors="replace"))
            print(said, file=sys.stderr)
            raise Failure(
                f"{self._step}: `{' '.join(argv[:3])} ...` ended with exit code {code}; its output is in {self.log}."
            )
