"""The Docker daemon: used when one runs, started when none does and this user may."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from . import host
from .cache import FILES, Cache
from .console import Console, Failure, tail

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
RUNTIME = "narrow"


def lacks_capabilities(status: str, last_capability: str) -> bool:
    """Whether the bounding set in a /proc/PID/status text is smaller than what the kernel (cap_last_cap) knows."""
    bits = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapBnd:"))
    everything = (1 << (int(last_capability) + 1)) - 1
    return bits & everything != everything


def refusal(*, root: bool, cgroups: bool, socket_denied: bool, docker_host: str = "") -> str | None:
    """Why no daemon can be started here, as one sentence; None when it can be tried."""
    if docker_host:
        return f"No Docker daemon answers at DOCKER_HOST={docker_host}: start it, or unset DOCKER_HOST."
    if socket_denied:
        return "Docker runs, but this user may not use it: add the user to the group `docker`, or run this as root."
    if not root:
        return "No Docker daemon answers, and only root can start one: start Docker, or run this as root."
    if not cgroups:
        return "No Docker daemon answers, and none can start here: /sys/fs/cgroup is not mounted; mount it first."
    return None


class Daemon:
    """The dockerd that the scripts start. Its log, process id and runtime are in the cache: a checkout can go away."""

    def __init__(self, cache: Cache, console: Console) -> None:
        self._folder = cache.root / "dockerd"
        self._console = console
        self._log = self._folder / "dockerd.log"
        self._pid_file = self._folder / "started.pid"

    def ensure(self) -> None:
        """Return when a daemon answers.

        Raises Failure: none does and none can be started, in one sentence.
        """
        host.install(self._console, {"docker": host.DOCKER_PACKAGES["docker"]})
        if self._answers():
            return
        socket = Path("/var/run/docker.sock")
        denied = socket.exists() and not os.access(socket, os.R_OK | os.W_OK)
        why = refusal(
            root=host.is_root(),
            cgroups=_has_cgroups(),
            socket_denied=denied,
            docker_host=os.environ.get("DOCKER_HOST", ""),
        )
        if why is not None:
            raise Failure(why)
        host.install(self._console, host.DOCKER_PACKAGES)
        if self._answers():  # the package started its service
            return
        with self._console.step("starting dockerd"):
            process = self._start()
            self._wait_until_it_answers(process)
            self._pid_file.write_text(str(process.pid))

    def stop(self) -> None:
        """Stop the daemon that `ensure` started; leave any other alone."""
        try:
            pid = int(self._pid_file.read_text())
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except (OSError, ValueError):
            name, pid = "", 0
        if name != "dockerd":
            self._console.say("dockerd: not started by kind-up, left alone")
            return
        with self._console.step("stopping dockerd"):
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + STOP_TIMEOUT_S
            while _runs(pid):
                if time.monotonic() > end:
                    raise Failure(f"dockerd (process {pid}) does not end in {STOP_TIMEOUT_S:.0f} s; see {self._log}.")
                time.sleep(0.2)
            self._pid_file.unlink(missing_ok=True)

    def _answers(self) -> bool:
        return self._console.succeeds(["docker", "info"])

    def _start(self) -> subprocess.Popen[bytes]:
        self._folder.mkdir(parents=True, exist_ok=True)
        argv = [shutil.which("dockerd") or "/usr/sbin/dockerd"]
        if lacks_capabilities(Path("/proc/self/status").read_text(), Path("/proc/sys/kernel/cap_last_cap").read_text()):
            wrapper = self._install_wrapper()
            self._console.say(f"this machine lacks capabilities: containers run through {wrapper}")
            argv += ["--add-runtime", f"{RUNTIME}={wrapper}", "--default-runtime", RUNTIME]
        with self._log.open("ab") as log:
            # A session of its own: it must outlive this run and the terminal.
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
            )
        return process

    def _install_wrapper(self) -> Path:
        # The interpreter is named in full: this runs for every container and exec, and PATH may lead to a slow one.
        wrapper = self._folder / "runc-narrow"
        unfinished = wrapper.with_suffix(".new")
        unfinished.write_text(f"#!{os.path.realpath(sys.executable)} -IS\n{(FILES / 'runc_narrow.py').read_text()}")
        unfinished.chmod(0o755)
        os.replace(unfinished, wrapper)
        return wrapper

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            ended = process.poll() is not None
            if ended or time.monotonic() > end:
                print(tail(self._log.read_text(errors="replace")), file=sys.stderr)
                process.terminate()
                what = "ends at once" if ended else f"does not answer within {START_TIMEOUT_S:.0f} s"
                raise Failure(f"dockerd {what}: the reason is at the end of {self._log}.")
            time.sleep(0.3)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""  # empty: it ended, and its parent has not looked yet
    except OSError:
        return False


def _has_cgroups() -> bool:
    root = Path("/sys/fs/cgroup")
    return (root / "cgroup.controllers").exists() or (root / "memory").is_dir()
