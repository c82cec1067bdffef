"""The injector program, without root: a fake `ss` on PATH, a made-up /proc, and real processes of our own."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[2] / "injector" / "skerry_injector.py"


@pytest.fixture(scope="module")
def injector() -> ModuleType:
    spec = importlib.util.spec_from_file_location("skerry_injector", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Ended:
    def __init__(self, done: subprocess.CompletedProcess[str], log: Path) -> None:
        self.exit_code = done.returncode
        self.stderr = done.stderr
        self.printed: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
        self.logged: dict[str, Any] = json.loads(log.read_text()) if log.exists() and log.read_text() else {}


def run(tmp_path: Path, *arguments: str) -> Ended:
    """The program with ``tmp_path/bin`` before the system's PATH."""
    log = tmp_path / "termination-log"
    done = subprocess.run(
        [sys.executable, "-I", str(PROGRAM), "--termination-log", str(log), *arguments],
        env={"PATH": str(tmp_path / "bin")},
        capture_output=True,
        text=True,
        timeout=30,
    )
    return Ended(done, log)


# --- reset: the parts

LISTING = """\
ESTAB      0      0            10.244.0.7:41234       10.244.0.8:9093
ESTAB      0      36           10.244.0.7:9093        10.244.0.8:50000
CLOSE-WAIT 1      0   [::ffff:10.244.0.7]:9094 [::ffff:10.244.0.8]:50001
"""


def test_every_line_of_a_listing_is_a_connection(injector: ModuleType) -> None:
    assert injector.parse_connections(LISTING) == {
        ("10.244.0.7:41234", "10.244.0.8:9093"),
        ("10.244.0.7:9093", "10.244.0.8:50000"),
        ("[::ffff:10.244.0.7]:9094", "[::ffff:10.244.0.8]:50001"),
    }
    assert injector.parse_connections("") == set()


@pytest.mark.parametrize("line", ["ESTAB 0 0 10.244.0.7:1", "Netid State Recv-Q Send-Q Local Peer", "Cannot open"])
def test_a_line_that_is_no_connection_is_not_guessed_at(injector: ModuleType, line: str) -> None:
    with pytest.raises(injector.Failure, match="cannot understand this line of ss"):
        injector.parse_connections(line)


def test_the_filter_names_every_peer_and_both_ends(injector: ModuleType) -> None:
    words = " ".join(injector.socket_filter(["10.0.0.1", "fd00::1"], [9093, 9094]))
    assert words == (
        "state established state syn-recv state fin-wait-1 state fin-wait-2 state close-wait "
        "( dst 10.0.0.1 or dst [fd00::1] ) and "
        "( sport = :9093 or dport = :9093 or sport = :9094 or dport = :9094 )"
    )


@pytest.mark.parametrize(
    ("seen", "quiet_ms", "at_least_ms", "rounds", "calm"),
    [
        ("", 0, 0, 1, True),  # nothing there, no quiet asked for
        ("", 300, 0, 7, True),  # 300 ms are six pauses of 50 ms
        ("x", 300, 0, 7, True),  # closed in the first round, then quiet
        ("  x", 300, 0, 9, True),  # came late, while the policy was not there yet
        ("", 100, 500, 11, True),  # it may not stop before the policy had time
        ("x" * 99, 300, 0, 21, False),  # comes back again and again: over after 1000 ms
        ("  x  x  x  x  x  x  x  x", 300, 0, 21, False),
    ],
)
def test_how_long_it_watches(
    injector: ModuleType, seen: str, quiet_ms: int, at_least_ms: int, rounds: int, calm: bool
) -> None:
    done = now_ms = 0

    def one_round() -> bool:
        nonlocal done
        done += 1
        return seen[done - 1 : done] == "x"

    def sleep_ms(pause_ms: int) -> None:
        nonlocal now_ms
        now_ms += pause_ms

    limits = injector.Limits(for_ms=1000, quiet_ms=quiet_ms, at_least_ms=at_least_ms)
    assert injector.watch(one_round, limits, lambda: float(now_ms), sleep_ms) is calm
    assert done == rounds


# --- reset: the program, with a fake `ss`

FAKE_SS = f"""#!{sys.executable} -I
import json, pathlib, sys
here = pathlib.Path(__file__).parent
plan = json.loads((here / "plan.json").read_text())
calls = here / "calls"
with calls.open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
if "-K" in sys.argv:
    sys.stderr.write(plan["complaint"])
    plan["kills"] += 1
    (here / "plan.json").write_text(json.dumps(plan))
else:
    lists = plan["lists"]
    sys.stdout.write(lists[min(plan["kills"], len(lists) - 1)])
sys.exit(plan["exit"])
"""


def fake_ss(tmp_path: Path, *lists: str, complaint: str = "", exit_code: int = 0) -> Path:
    """`lists[n]` is what is open after n kills (the last for ever). Returns the file of all calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ss").write_text(FAKE_SS)
    (folder / "ss").chmod(0o755)
    plan = {"lists": lists, "kills": 0, "complaint": complaint, "exit": exit_code}
    (folder / "plan.json").write_text(json.dumps(plan))
    return folder / "calls"


RESET = ("reset", "--peer", "10.244.0.8", "--port", "9093,9094", "--for-ms", "20000", "--quiet-ms", "100")
"""Far more time than it needs, so that a slow machine changes nothing: it ends when it has been quiet."""


def test_it_closes_counts_and_tells(tmp_path: Path) -> None:
    calls = fake_ss(tmp_path, LISTING, "", complaint="RTNETLINK answers: Invalid argument\n")
    ended = run(tmp_path, *RESET)
    assert ended.exit_code == 0
    assert ended.printed == ended.logged
    assert {key: ended.logged[key] for key in ("did", "closed", "remaining", "error")} == {
        "did": "reset",
        "closed": 3,
        "remaining": 0,
        "error": "",
    }
    assert 0 < ended.logged["first_wall_ns"] <= ended.logged["last_wall_ns"]
    kills = [call for call in map(json.loads, calls.read_text().splitlines()) if "-K" in call]
    assert len(kills) == 1
    assert kills[0][:5] == ["-K", "-H", "-O", "-n", "-t"]
    assert "dst 10.244.0.8" in " ".join(kills[0])


def test_what_comes_back_is_closed_again(tmp_path: Path) -> None:
    back = LISTING.splitlines(keepends=True)[0].replace("41234", "41235")
    calls = fake_ss(tmp_path, LISTING, back, "")
    ended = run(tmp_path, *RESET)
    assert (ended.exit_code, ended.logged["closed"]) == (0, 4)
    assert calls.read_text().count('"-K"') == 2


def test_nothing_open_is_done_too(tmp_path: Path) -> None:
    fake_ss(tmp_path, "")
    ended = run(tmp_path, *RESET)
    assert (ended.exit_code, ended.logged["closed"], ended.logged["first_wall_ns"]) == (0, 0, 0)


def test_what_cannot_be_closed_remains_and_is_said(tmp_path: Path) -> None:
    fake_ss(tmp_path, LISTING, complaint="RTNETLINK answers: Invalid argument\n")
    ended = run(tmp_path, *RESET, "--for-ms", "400")
    assert (ended.exit_code, ended.logged["closed"], ended.logged["remaining"]) == (1, 0, 3)
    assert ended.logged["error"] == "connections were still there, or came back, after 400 ms"


@pytest.mark.parametrize(
    ("complaint", "exit_code", "says"),
    [
        ("SOCK_DESTROY answers: Operation not permitted\n", 0, "needs NET_ADMIN"),
        ("SOCK_DESTROY answers: Operation not supported\n", 0, "without INET_DIAG_DESTROY"),
        ("Error: bad filter\n", 255, "ss ended with exit code 255"),
    ],
)
def test_a_kernel_that_refuses_is_named(tmp_path: Path, complaint: str, exit_code: int, says: str) -> None:
    fake_ss(tmp_path, LISTING, complaint=complaint, exit_code=exit_code)
    ended = run(tmp_path, *RESET)
    assert ended.exit_code == 2
    assert says in ended.logged["error"]


def test_an_image_without_ss_is_named(tmp_path: Path) -> None:
    ended = run(tmp_path, *RESET)
    assert ended.exit_code == 2
    assert ended.logged["error"] == "the program ss is not in this image; use an image with iproute2"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("reset", "--peer", "broker-1", "--port", "1"), "give IP addresses"),
        (("reset", "--peer", "10.0.0.1;reboot", "--port", "1"), "give IP addresses"),
        (("reset", "--peer", "10.0.0.1", "--port", "http"), "must be ports from 1 to 65535"),
        (("reset", "--peer", "10.0.0.1", "--port", "0"), "must be ports from 1 to 65535"),
        (("reset", "--peer", "10.0.0.1", "--port", "1", "--for-ms", "60001"), "from 0 to 60000"),
        (("reset", "--peer", "10.0.0.1"), "--port"),
        (("kill",), "--signal"),
        (("kill", "--signal", "HUP"), "invalid choice"),
        (("kill", "--signal", "KILL", "--hold-until", "soon"), "'soon' must be a wall-clock second"),
        ((), "required"),
    ],
)
def test_a_wrong_argument_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    ended = run(tmp_path, *arguments)
    assert ended.exit_code == 3
    assert says in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.printed == {}


# --- kill: the parts


@pytest.mark.parametrize(
    ("stat", "process"),
    [
        ("7 (skerry-broker) S 1 7 7 0 -1", (7, 1, "S", "skerry-broker")),
        ("12 (a) b) (c) T 7 1", (12, 7, "T", "a) b) (c")),
        ("1 (tini) S 0 1 1", (1, 0, "S", "tini")),
    ],
)
def test_a_stat_line(injector: ModuleType, stat: str, process: tuple[int, int, str, str]) -> None:
    assert injector.parse_stat(stat) == process


def made_up_proc(tmp_path: Path, *stats: str) -> Path:
    proc = tmp_path / "proc"
    for stat in stats:
        folder = proc / stat.split()[0]
        folder.mkdir(parents=True)
        (folder / "stat").write_text(stat)
    (proc / "self").mkdir(parents=True, exist_ok=True)
    return proc


@pytest.mark.parametrize(
    ("stats", "says"),
    [
        (("1 (skerry-broker) S 0 1",), "process 1 is the program itself: the image has no init"),
        (("1 (skerry-broker) S 0 1", "9 (python3) R 0 9"), "the image has no init"),  # 9: the injector itself
        (("1 (tini) S 0 1", "7 (skerry-broker) Z 1 7"), "the image has no init"),
        (
            ("1 (tini) S 0 1", "7 (skerry-broker) S 1 7", "8 (helper) S 1 8"),
            "2 children, skerry-broker (7), helper (8)",
        ),
    ],
)
def test_whom_it_refuses_to_signal(tmp_path: Path, stats: tuple[str, ...], says: str) -> None:
    ended = run(tmp_path, "kill", "--signal", "KILL", "--proc", str(made_up_proc(tmp_path, *stats)))
    assert ended.exit_code == 3
    assert says in ended.logged["error"]
    assert ended.logged["sent_wall_ns"] == 0


def test_grandchildren_and_the_dead_do_not_count(injector: ModuleType) -> None:
    stats = ("1 (tini) S 0", "7 (skerry-broker) S 1", "8 (disk) S 7", "9 (old) Z 1", "20 (python3) R 0")
    assert injector.the_child_of_init([injector.parse_stat(stat) for stat in stats]).pid == 7


# --- kill: real signals to a process of ours that the made-up /proc calls a child of process 1


@pytest.fixture
def victim() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    yield process
    process.kill()
    process.wait()


def proc_of(tmp_path: Path, victim: "subprocess.Popen[bytes]", state: str = "S") -> str:
    return str(made_up_proc(tmp_path, "1 (tini) S 0 1", f"{victim.pid} (skerry-broker) {state} 1 1"))


@pytest.mark.parametrize("name", ["KILL", "TERM"])
def test_it_ends_the_process_and_sees_it_gone(tmp_path: Path, victim: "subprocess.Popen[bytes]", name: str) -> None:
    ended = run(tmp_path, "kill", "--signal", name, "--proc", proc_of(tmp_path, victim))
    assert ended.exit_code == 0
    assert ended.logged.pop("sent_wall_ns") > 0
    assert ended.logged == {
        "did": "kill",
        "signal": name,
        "pid": victim.pid,
        "command": "skerry-broker",
        "seen": "gone",
    }
    assert victim.wait(10) == (-9 if name == "KILL" else -15)


def test_what_is_restarted_in_place_is_told_to_wait(tmp_path: Path, victim: "subprocess.Popen[bytes]") -> None:
    hold = tmp_path / "hold"
    options = ["--hold-file", str(hold), "--hold-until", "1764259200.500", "--proc", proc_of(tmp_path, victim)]
    assert run(tmp_path, "kill", "--signal", "KILL", *options).exit_code == 0
    assert hold.read_text() == "1764259200.500"


def test_without_a_place_for_the_hold_nobody_is_signalled(tmp_path: Path, victim: "subprocess.Popen[bytes]") -> None:
    options = ["--hold-file", str(tmp_path / "no" / "hold"), "--hold-until", "1", "--proc", proc_of(tmp_path, victim)]
    assert run(tmp_path, "kill", "--signal", "KILL", *options).exit_code == 2
    assert victim.poll() is None


def test_it_stops_a_process(tmp_path: Path, victim: "subprocess.Popen[bytes]") -> None:
    ended = run(tmp_path, "kill", "--signal", "STOP", "--proc", proc_of(tmp_path, victim, state="T"))
    assert (ended.exit_code, ended.logged["seen"]) == (0, "stopped")
    pid, status = os.waitpid(victim.pid, os.WUNTRACED)
    assert (pid, os.WIFSTOPPED(status)) == (victim.pid, True)


def test_a_signal_without_the_promised_effect_is_not_done(tmp_path: Path, victim: "subprocess.Popen[bytes]") -> None:
    ended = run(tmp_path, "kill", "--signal", "STOP", "--proc", proc_of(tmp_path, victim, state="S"))
    assert (ended.exit_code, ended.logged["seen"]) == (1, "")


def test_a_process_that_has_gone_is_not_done(tmp_path: Path, victim: "subprocess.Popen[bytes]") -> None:
    proc = proc_of(tmp_path, victim)
    victim.kill()
    victim.wait()
    ended = run(tmp_path, "kill", "--signal", "KILL", "--proc", proc)
    assert (ended.exit_code, ended.logged["error"]) == (1, "the process had ended before the signal was sent")


@pytest.mark.parametrize(("ahead_s", "exit_code"), [(60, 0), (-60, 1)])
def test_one_that_starts_too_late_does_nothing(
    tmp_path: Path, victim: "subprocess.Popen[bytes]", ahead_s: int, exit_code: int
) -> None:
    """Its image took minutes to come; the run that asked has healed since, and nobody could take it back."""
    not_after = str(int(time.time()) + ahead_s)
    ended = run(tmp_path, "kill", "--signal", "KILL", "--not-after", not_after, "--proc", proc_of(tmp_path, victim))
    assert ended.exit_code == exit_code
    if exit_code:
        assert victim.poll() is None
        assert ended.logged["sent_wall_ns"] == 0
        assert ended.logged["error"].endswith(" s ago; it started too late, or the clocks differ")
    else:
        assert victim.wait() == -9


def test_without_a_place_for_the_evidence_nobody_is_signalled(
    tmp_path: Path, victim: "subprocess.Popen[bytes]"
) -> None:
    proc = proc_of(tmp_path, victim)
    ended = run(tmp_path, "--termination-log", str(tmp_path / "no" / "log"), "kill", "--signal", "KILL", "--proc", proc)
    assert ended.exit_code == 2
    assert "cannot write the termination message" in ended.stderr
    assert victim.poll() is None


def test_the_message_is_there_before_the_signal(
    tmp_path: Path, injector: ModuleType, victim: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The init's end takes the whole PID namespace along, so afterwards would be too late."""
    log = tmp_path / "termination-log"
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(
        injector.signal, "pidfd_send_signal", lambda handle, number: told.append(json.loads(log.read_text()))
    )
    monkeypatch.setattr(injector, "wait_for_effect", lambda *arguments: "gone")
    options = ["kill", "--signal", "KILL", "--proc", proc_of(tmp_path, victim)]
    parsed = injector.argument_parser().parse_args(["--termination-log", str(log), *options])
    assert injector.kill(parsed, injector.Log(str(log)))[0] == 0
    assert [(report["pid"], report["sent_wall_ns"] > 0) for report in told] == [(victim.pid, True)]
    assert "seen" not in told[0]


def test_a_longer_message_replaces_a_shorter_one_whole(tmp_path: Path, injector: ModuleType) -> None:
    path = tmp_path / "log"
    path.write_text("x" * 500)
    log = injector.Log(str(path))
    log.write({"did": "kill"})
    log.write({"did": "kill", "seen": "gone"})
    assert path.read_text() == '{"did": "kill", "seen": "gone"}\n'
