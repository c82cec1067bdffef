"""The watchdog: when the runner dies, whatever it started dies too, paused or not.

A process of its own, in its own session, so that neither Ctrl-C nor SIGKILL of the runner takes it along. The runner
holds the other end of its standard input and tells it each process it starts (`+ PID START_TICKS`) and ends
(`- PID`); when that pipe closes, the watchdog kills what is still listed and exits. A pid alone can be somebody
else's by then, so a process is only killed while its kernel start time is the one that was told.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

GONE_TIMEOUT_S = 5.0
POLL_S = 0.005
ENDED = (None, "Z", "X")
"""States of a process that is gone, or only waits for its parent to hear of it."""


def start_ticks(pid: int) -> int | None:
    """When the kernel started this process, in clock ticks since boot; None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])


def process_state(pid: int) -> str | None:
    """The kernel's one-letter state (`T`: stopped, `Z`: dead, not yet reaped); None when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[0]


class Watchdog:
    """The runner's handle on its watchdog process."""

    def __init__(self) -> None:
        self._watched: dict[int, str] = {}
        self._process = self._start()

    @staticmethod
    def _start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "skerry.worlds.local.watchdog"]
        return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def watch(self, pid: int) -> None:
        """Kill this process if the runner dies."""
        self._watched[pid] = f"+ {pid} {start_ticks(pid)}\n"
        self._tell(self._watched[pid])

    def forget(self, pid: int) -> None:
        if self._watched.pop(pid, None) is not None:
            self._tell(f"- {pid}\n")

    def replace_if_dead(self) -> bool:
        """Somebody killed the watchdog: start another one, which learns all that this one knew. True if it did."""
        if self._process.poll() is None:
            return False
        self._close_pipe()
        self._process = self._start()
        for line in self._watched.values():
            self._tell(line)
        return True

    def close(self) -> None:
        """The runner has ended everything itself; the watchdog kills leftovers, if any, and goes."""
        self._close_pipe()
        self._process.wait(timeout=10)
        self._watched.clear()

    def _close_pipe(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it is dead; its replacement is told everything
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    watched: dict[int, int] = {}
    for line in sys.stdin:
        sign, pid, *ticks = line.split()
        if sign == "+":
            watched[int(pid)] = int(ticks[0])
        else:
            watched.pop(int(pid), None)
    left = {pid for pid, ticks_told in watched.items() if start_ticks(pid) == ticks_told}
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline_s = time.monotonic() + GONE_TIMEOUT_S
    while any(process_state(pid) not in ENDED for pid in left) and time.monotonic() < deadline_s:
        time.sleep(POLL_S)  # those who wait for the watchdog may rely on it


if __name__ == "__main__":
    main()
