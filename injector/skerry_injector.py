"""The injector: the one program that touches a broker's pod from inside, as an ephemeral container.

It does one thing, ends by itself within a stated time, and tells what it did as one line of JSON, on standard output
and in its termination message (where the operator reads it from the pod's status). It opens no port, takes no orders
while it runs, runs no shell, and needs nothing but the standard library and, for `reset`, the program `ss`.

    reset   close the established TCP connections with some peers on some ports (needs NET_ADMIN)
    kill    signal the broker's process, the one child of the container's init (needs the broker's uid, no capability)

Exit codes: 0 done; 1 not done within the time (connections remain, the process did not change); 2 it cannot be done
here; 3 a wrong argument, or an image whose process 1 is the program itself.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

DONE, NOT_DONE, CANNOT, REFUSED = 0, 1, 2, 3

FOR_MS_MAX = 60_000
ROUND_MS = 50
SS_TIMEOUT_S = 5.0
GONE_TIMEOUT_MS = 2000
INIT = 1

CARRYING = ("established", "syn-recv", "fin-wait-1", "fin-wait-2", "close-wait")
"""The TCP states in which a connection can still bring data. A SYN that nobody answers is none, nor is TIME-WAIT."""

Report = dict[str, Any]


class Failure(Exception):
    """The command cannot go on; the message is one sentence: what, where, what to change."""

    def __init__(self, exit_code: int, sentence: str) -> None:
        self.exit_code = exit_code
        super().__init__(sentence)


class Log:
    """The termination message, which must be complete whenever this process is killed.

    Each `write` is one system call over the whole of the last one: later reports only add members, so they are longer.
    """

    def __init__(self, path: str) -> None:
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        except OSError as error:
            raise Failure(CANNOT, f"cannot write the termination message {path} ({error.strerror})") from None

    def write(self, report: Report) -> None:
        line = (json.dumps(report) + "\n").encode()
        os.pwrite(self._file, line, 0)
        os.ftruncate(self._file, len(line))


# --- reset


class Connection(NamedTuple):
    """Both ends as `ss -n` writes them, such as ``10.244.0.7:9093`` and ``[::ffff:10.244.0.8]:41234``."""

    local: str
    remote: str


def socket_filter(peers: Sequence[str], ports: Sequence[int]) -> list[str]:
    """The filter of `ss`, a word an argument: any of the peers, with any of the ports at either end."""
    states = [word for state in CARRYING for word in ("state", state)]
    hosts = [f"[{peer}]" if ":" in peer else peer for peer in peers]  # without brackets its last group is a port
    remote = [word for host in hosts for word in ("or", "dst", host)][1:]
    either = [word for port in ports for end in ("sport", "dport") for word in ("or", end, "=", f":{port}")][1:]
    return [*states, "(", *remote, ")", "and", "(", *either, ")"]


def parse_connections(text: str) -> set[Connection]:
    """What `ss -H -O -n -t` prints: state, two queues, local, remote; a line that is none of this is an error."""
    found = set()
    for line in text.splitlines():
        words = line.split()
        if len(words) < 5 or not (words[1].isdigit() and words[2].isdigit()):
            raise Failure(CANNOT, f"cannot understand this line of ss: {line.strip()[:120]!r}")
        found.add(Connection(words[3], words[4]))
    return found


def run_ss(arguments: Sequence[str]) -> tuple[str, str]:
    """Standard output and standard error of one `ss`. Raises Failure when it is missing, hangs or fails."""
    try:
        done = subprocess.run(
            ["ss", *arguments], capture_output=True, text=True, timeout=SS_TIMEOUT_S, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise Failure(CANNOT, "the program ss is not in this image; use an image with iproute2") from None
    except subprocess.TimeoutExpired:
        raise Failure(CANNOT, f"ss did not answer within {SS_TIMEOUT_S:.0f} s") from None
    if done.returncode != 0:
        raise Failure(CANNOT, f"ss ended with exit code {done.returncode}: {done.stderr.strip()[:200]}")
    return done.stdout, done.stderr


class Closer:
    """Closes what matches, and counts by listing again: `ss -K` says little and exits 0 whatever happened."""

    def __init__(self, peers: Sequence[str], ports: Sequence[int]) -> None:
        self._filter = socket_filter(peers, ports)
        self.closed = 0
        self.first_wall_ns = 0
        self.last_wall_ns = 0
        self.remaining = 0

    def round(self) -> bool:
        """True if there was a connection to close. Raises Failure when the kernel refuses to close any."""
        before = self._list()
        self.remaining = len(before)
        if not before:
            return False
        started_wall_ns = time.time_ns()
        _, complaint = run_ss(["-K", "-H", "-O", "-n", "-t", *self._filter])
        after = self._list()
        gone = before - after
        self.remaining = len(after)
        if gone:
            self.closed += len(gone)
            self.first_wall_ns = self.first_wall_ns or started_wall_ns
            self.last_wall_ns = time.time_ns()
        elif "Operation not permitted" in complaint:
            raise Failure(CANNOT, "the kernel does not permit closing connections; the container needs NET_ADMIN")
        elif "Operation not supported" in complaint:
            raise Failure(CANNOT, "this kernel cannot close connections; it was built without INET_DIAG_DESTROY")
        return True

    def _list(self) -> set[Connection]:
        return parse_connections(run_ss(["-H", "-O", "-n", "-t", *self._filter])[0])


class Limits(NamedTuple):
    for_ms: int
    quiet_ms: int
    at_least_ms: int


def watch(
    one_round: Callable[[], bool], limits: Limits, now_ms: Callable[[], float], sleep_ms: Callable[[int], None]
) -> bool:
    """Rounds until nothing was there for `quiet_ms`, after `at_least_ms` at the soonest: True. False when that was not
    reached within `for_ms`.

    It may start before the policy that it accompanies takes effect: a connection that comes back is closed again.
    """
    started_ms = quiet_since_ms = now_ms()
    while True:
        if one_round():
            quiet_since_ms = now_ms()
        passed_ms, quiet_ms = now_ms() - started_ms, now_ms() - quiet_since_ms
        if quiet_ms >= limits.quiet_ms and passed_ms >= limits.at_least_ms:
            return True
        if passed_ms >= limits.for_ms:
            return False
        sleep_ms(ROUND_MS)


def reset(options: argparse.Namespace, log: Log) -> tuple[int, Report]:
    closer = Closer(options.peer, options.port)
    limits = Limits(options.for_ms, options.quiet_ms, options.at_least_ms)
    error, exit_code = "", DONE
    try:
        if not watch(closer.round, limits, lambda: time.monotonic_ns() / 1e6, lambda ms: time.sleep(ms / 1000)):
            error, exit_code = f"connections were still there, or came back, after {limits.for_ms} ms", NOT_DONE
    except Failure as failure:
        error, exit_code = str(failure), failure.exit_code
    report = {
        "did": "reset",
        "closed": closer.closed,
        "first_wall_ns": closer.first_wall_ns,
        "last_wall_ns": closer.last_wall_ns,
        "remaining": closer.remaining,
        "error": error,
    }
    log.write(report)
    return exit_code, report


# --- kill


class Process(NamedTuple):
    pid: int
    parent: int
    state: str
    """The kernel's letter: ``T`` is stopped, ``Z`` is dead and not yet reaped."""
    command: str


def parse_stat(text: str) -> Process:
    """A line of ``/proc/PID/stat``. The command may hold blanks and parentheses; the last ``)`` ends it."""
    head, _, tail = text.rpartition(")")
    pid, _, command = head.partition(" (")
    state, parent = tail.split()[:2]
    return Process(int(pid), int(parent), state, command)


def processes(proc: Path) -> list[Process]:
    found = []
    for entry in proc.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it ended while we looked
                found.append(parse_stat((entry / "stat").read_text()))
    return found


def the_child_of_init(found: Sequence[Process]) -> Process:
    """The one living child of process 1. Raises Failure when there is none, or more than one."""
    children = [process for process in found if process.parent == INIT and process.state not in ("Z", "X")]
    if not children:
        raise Failure(
            REFUSED,
            "process 1 is the program itself: the image has no init; a process cannot be killed from its own PID "
            "namespace when it is process 1, so run it under one, such as tini",
        )
    if len(children) > 1:
        names = ", ".join(f"{child.command} ({child.pid})" for child in sorted(children))
        raise Failure(REFUSED, f"process 1 has {len(children)} children, {names}; the broker must be the only one")
    return children[0]


def kill(options: argparse.Namespace, log: Log) -> tuple[int, Report]:
    """The report is written before the signal is sent: when the init ends, the whole PID namespace dies at once, and
    this process with it."""
    proc = Path(options.proc)
    report: Report = {"did": "kill", "signal": options.signal, "pid": 0, "command": "", "sent_wall_ns": 0}
    try:
        target = the_child_of_init(processes(proc))
        handle = os.pidfd_open(target.pid)  # from here on the number cannot come to mean somebody else
        if the_child_of_init(processes(proc)).pid != target.pid:
            raise Failure(NOT_DONE, f"process {target.pid} was replaced while it was looked at; try again")
        late_s = time.time() - (options.not_after or time.time())
        if late_s > 0:  # the run that asked has given it up, and healed: nobody would expect it any more
            raise Failure(NOT_DONE, f"it was to be done {late_s:.1f} s ago; it started too late, or the clocks differ")
        if options.hold_file:
            hold(Path(options.hold_file), options.hold_until)
        report |= {"pid": target.pid, "command": target.command, "sent_wall_ns": time.time_ns()}
        log.write(report)
        signal.pidfd_send_signal(handle, signal.Signals[f"SIG{options.signal}"])
        seen = wait_for_effect(handle, proc / str(target.pid) / "stat", options.signal)
    except (Failure, OSError) as error:
        failure = error if isinstance(error, Failure) else failure_of(error)
        report["error"] = str(failure)
        log.write(report)
        return failure.exit_code, report
    report["seen"] = seen
    log.write(report)
    return DONE if seen else NOT_DONE, report


def hold(path: Path, until: str) -> None:
    """Tell what is started in place of the dead one not to begin before that moment: the kubelet restarts a container
    at once. The file lies in a volume of the pod, and goes with it. Raises OSError."""
    new = path.with_suffix(".new")
    new.write_text(until)
    new.replace(path)


def failure_of(error: OSError) -> Failure:
    if isinstance(error, ProcessLookupError):
        return Failure(NOT_DONE, "the process had ended before the signal was sent")
    if isinstance(error, PermissionError):
        return Failure(CANNOT, "not permitted to signal the process; run with the broker's uid")
    return Failure(CANNOT, f"cannot signal the process ({error.strerror})")


def wait_for_effect(handle: int, stat: Path, name: str) -> str:
    """``gone``, ``stopped`` or ``running``, as the signal promises; "" if that was not seen within two seconds."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    for _ in range(GONE_TIMEOUT_MS // ROUND_MS):
        if poll.poll(ROUND_MS if name in ("KILL", "TERM") else 0):
            return "gone" if name in ("KILL", "TERM") else ""
        if name in ("STOP", "CONT"):
            with contextlib.suppress(OSError):
                if (parse_stat(stat.read_text()).state == "T") == (name == "STOP"):
                    return "stopped" if name == "STOP" else "running"
            time.sleep(ROUND_MS / 1000)
    return ""


# --- command line


def _addresses(text: str) -> list[str]:
    try:
        return [str(ipaddress.ip_address(part)) for part in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; give IP addresses, separated by commas") from None


def _second(text: str) -> str:
    try:
        float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} must be a wall-clock second, such as 1764259200.5") from None
    return text


def _ports(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= 65535 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} must be ports from 1 to 65535, separated by commas")
    return [int(part) for part in parts]


def _milliseconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) <= FOR_MS_MAX):
        raise argparse.ArgumentTypeError(f"{text!r} must be milliseconds, from 0 to {FOR_MS_MAX}")
    return int(text)


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise argparse.ArgumentTypeError(f"{text!r} must be whole seconds since 1970")
    return int(text)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Failure(REFUSED, f"{message}; see skerry-injector --help")


def argument_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="skerry-injector", description="Does one thing to the pod it runs in, and tells what.")
    parser.add_argument("--termination-log", default="/dev/termination-log", metavar="FILE")
    commands = parser.add_subparsers(dest="command", required=True)
    reset_parser = commands.add_parser("reset", help="close established TCP connections with peers")
    reset_parser.add_argument("--peer", type=_addresses, required=True, metavar="IP[,IP]")
    reset_parser.add_argument("--port", type=_ports, required=True, metavar="PORT[,PORT]", help="at either end")
    reset_parser.add_argument("--for-ms", type=_milliseconds, default=5000, help="give up after this long")
    reset_parser.add_argument("--quiet-ms", type=_milliseconds, default=300, help="done when nothing was seen so long")
    reset_parser.add_argument("--at-least-ms", type=_milliseconds, default=0, help="watch at least this long")
    reset_parser.set_defaults(act=reset)
    kill_parser = commands.add_parser("kill", help="signal the one child of the container's init")
    kill_parser.add_argument("--signal", choices=("KILL", "TERM", "STOP", "CONT"), required=True)
    kill_parser.add_argument("--not-after", type=_seconds, metavar="SECONDS", help="of the wall clock; else do nothing")
    kill_parser.add_argument("--hold-file", default="", metavar="FILE", help="gets --hold-until before the signal")
    kill_parser.add_argument("--hold-until", type=_second, default="0", metavar="SECOND", help="wall clock, decimal")
    kill_parser.add_argument("--proc", default="/proc", metavar="DIR", help="where the kernel shows the processes")
    kill_parser.set_defaults(act=kill)
    return parser


def told_to_stop(*_: object) -> NoReturn:
    raise Failure(NOT_DONE, "told to stop (SIGTERM) before it was done")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code; standard output gets the report, standard error the sentence when something is wrong."""
    signal.signal(signal.SIGTERM, told_to_stop)  # without a handler, process 1 ignores it
    try:
        options = argument_parser().parse_args(arguments)
        exit_code, report = options.act(options, Log(options.termination_log))
    except Failure as failure:
        sys.stderr.write(f"skerry-injector: {failure}\n")
        return failure.exit_code
    sys.stdout.write(json.dumps(report) + "\n")
    return int(exit_code)


if __name__ == "__main__":
    sys.exit(main())
