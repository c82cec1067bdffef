"""One broker process of the local world: started, stopped, killed, paused, wiped; never by name, always by its pid."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from skerry.engine.observation import ProcessState
from skerry.worlds.local.watchdog import Watchdog, process_state

LOG_TAIL_BYTES = 8192
POLL_S = 0.005
"""How often the end of a process is looked for. Waiting in a thread could not be broken off."""


def data_directory_in(directory: Path) -> Path:
    """Where a node keeps its data, of all that it leaves in its directory."""
    return directory / "data"


class BrokerProcess:
    """The broker with this ordinal, whichever process it is at the moment.

    Invariant 1: while a process is running, the watchdog knows it.
    Invariant 2: ``told_to_end`` is true from the first SIGTERM or SIGKILL that we send until the next start; a process
    that is gone without it has ended by itself.
    """

    def __init__(self, ordinal: int, command: Sequence[str], directory: Path, watchdog: Watchdog) -> None:
        """``command``: the program and its arguments; ``directory`` holds its ``data/`` and ``broker.log``."""
        self.ordinal = ordinal
        self.command = list(command)
        self.data_directory = data_directory_in(directory)
        self.log_path = directory / "broker.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.told_to_end = False
        self._watchdog = watchdog
        self._log: IO[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """The exit code of the last process that ended by itself or was ended; None while one runs, or before the
        first."""
        return self.process.poll() if self.process is not None else None

    @property
    def ended_by_itself(self) -> str:
        """How, and its last words, when nobody told the process to end; else empty."""
        code = self.exit_code
        if code is None or self.told_to_end:
            return ""
        words = self.log_tail(1)
        how = f"exited with code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}, not by us"
        return f"it {how}" + (f"; its log ends with: {words}" if words else "; its log says nothing")

    @property
    def state(self) -> ProcessState:
        pid = self.pid
        if pid is None:
            return ProcessState.GONE
        kernel_state = process_state(pid)
        if kernel_state in (None, "Z", "X"):
            return ProcessState.GONE
        return ProcessState.STOPPED if kernel_state == "T" else ProcessState.RUNNING

    def start(self) -> None:
        """Start it, on the directory it has. Does nothing while it runs."""
        if self.pid is not None:
            return
        self._close_log()
        self._log = self.log_path.open("ab")
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the runner; it stops the brokers in order
        )
        self.starts += 1
        self.told_to_end = False
        self._watchdog.watch(self.process.pid)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if there is a process to send it to."""
        self.told_to_end = self.told_to_end or number in (signal.SIGTERM, signal.SIGKILL)
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)

    def reap(self) -> bool:
        """True once the process is gone, and forgotten by the watchdog."""
        if self.process is None:
            return True
        if self.process.poll() is None:
            return False
        self._watchdog.forget(self.process.pid)
        self._close_log()
        return True

    async def gone(self, timeout_s: float) -> bool:
        """Wait for the end of the process; True when it is gone."""
        deadline_s = time.monotonic() + timeout_s
        while not self.reap():
            if time.monotonic() >= deadline_s:
                return False
            await asyncio.sleep(POLL_S)
        return True

    def wipe(self) -> None:
        """Remove the data directory. Raises RuntimeError while the process runs."""
        if self.pid is not None:
            raise RuntimeError(f"broker {self.ordinal} is running; its data directory is not wiped under it")
        shutil.rmtree(self.data_directory, ignore_errors=True)

    def log_tail(self, lines: int = 5) -> str:
        """The last lines that it wrote, for error messages; empty lines do not count."""
        with contextlib.suppress(OSError), self.log_path.open("rb") as log:
            log.seek(max(0, self.log_path.stat().st_size - LOG_TAIL_BYTES))
            written = log.read().decode(errors="replace").splitlines()
            return "\n".join([line.strip() for line in written if line.strip()][-lines:])
        return ""

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None
