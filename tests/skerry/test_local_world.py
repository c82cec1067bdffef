"""The local world on real processes: a verdict only when the fault bit, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from skerry.engine.bounds import Bounds
from skerry.engine.conductor import Conductor
from skerry.experiment import load_document
from skerry.history.records import ReplicaDump
from skerry.schema.verdict import FindingKind, Verdict
from skerry.targets.skerry.process import SkerryLaunch
from skerry.worlds.local import world as world_module
from skerry.worlds.local.ports import ClaimedPorts
from skerry.worlds.local.proxies import FaultProxy
from skerry.worlds.local.proxy import Answer
from skerry.worlds.local.rules import Rule
from skerry.worlds.local.watchdog import process_state
from skerry.worlds.local.world import CAPABILITIES, LocalWorld, RunResult, refuse

pytestmark = [pytest.mark.local, pytest.mark.timeout(120)]

DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: short-cut}
spec:
  hypothesis: A follower that is cut off comes back.
  workload: {producers: 1, consumers: 1, ratePerSecond: 50}
  timeout: 90s
  faults:
  - name: cut
    startAfter: 200ms
    duration: 1500ms
    partition:
      groups: [[{ordinal: 2}], [{role: Other}]]
      planes: [Raft, Replication]
      connections: All
  expect:
  - {name: the ISR is whole again, inSyncReplicas: {equals: 3, within: 10s, afterHealOf: cut}}
"""


QUICK = Bounds(steady_hold_ns=200_000_000, recover_hold_ns=200_000_000)
"""What is judged here does not rest on how long the cluster is looked at before and after the fault."""


def run(directory: Path, document: str = DOCUMENT) -> RunResult:
    experiment = load_document(document, "test")

    async def drive() -> RunResult:
        world = LocalWorld(experiment, document, seed=1, directory=directory, version="test")
        return await world.run(Conductor(experiment, 1, CAPABILITIES, bounds=QUICK))

    return asyncio.run(drive())


def test_a_cut_that_bit_is_judged(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.finish.verdict is Verdict.PASS, result.finish.message
    assert result.history.complete


def test_a_proxy_that_silently_does_nothing_is_inconclusive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = FaultProxy.set_rules

    async def lying(self: FaultProxy, rules: tuple[Rule, ...]) -> Answer:
        return await honest(self, ())

    monkeypatch.setattr(FaultProxy, "set_rules", lying)
    result = run(tmp_path)
    assert result.finish.verdict is Verdict.INCONCLUSIVE
    (expectation,) = [finding for finding in result.finish.findings if finding.kind is FindingKind.EXPECTATION]
    assert expectation.reason == "NotVerified"


def test_what_happens_to_the_files_of_stopped_brokers_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = SkerryLaunch.dumps

    def spoiled(*args: Any) -> list[ReplicaDump]:
        segment = next((tmp_path / "broker-0" / "data" / "topics" / "orders-0").glob("*.log"))
        content = bytearray(segment.read_bytes())
        content[70] ^= 1  # in the records of the first batch
        segment.write_bytes(content)
        # A shorter log is whole as far as it goes, and committed records are missing.
        segment = next((tmp_path / "broker-1" / "data" / "topics" / "orders-1").glob("*.log"))
        content = bytearray(segment.read_bytes())
        segment.write_bytes(content[: 12 + int.from_bytes(content[8:12], "big")])
        return honest(*args)

    monkeypatch.setattr(SkerryLaunch, "dumps", spoiled)
    result = run(tmp_path)
    assert result.finish.verdict is Verdict.FAIL
    found = {finding.reason: finding for finding in result.finish.findings if finding.rule == "replica-divergence"}
    unreadable, short = found.pop("DumpFailed"), found.popitem()[1]
    assert unreadable.verdict is Verdict.INCONCLUSIVE
    assert "broker-0/topics/orders-0/" in unreadable.message
    assert "checksum" in unreadable.message
    assert short.verdict is Verdict.FAIL
    assert "broker 1" in short.message


def take_away(index: int, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the ports of the next run is this one."""
    honest = world_module.claim_ports

    def unlucky(count: int, rng: random.Random) -> ClaimedPorts:
        ports = honest(count, rng)
        ports[index] = port
        return ports

    monkeypatch.setattr(world_module, "claim_ports", unlucky)


def test_a_port_that_was_taken_meanwhile_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        take_away(4, port, monkeypatch)  # the client port of broker 1
        result = run(tmp_path)
    assert (result.finish.verdict, result.finish.reason) == (Verdict.INCONCLUSIVE, "BrokersNotReady")
    assert result.finish.message.startswith("Broker 1 did not start: it exited with code 3")
    assert str(port) in result.finish.message
    assert any(note.broker == 1 and str(port) in note.text for note in result.history.notes)


def test_a_port_of_the_proxy_that_was_taken_meanwhile_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        take_away(-1, port, monkeypatch)
        result = run(tmp_path)
    assert (result.finish.verdict, result.finish.reason) == (Verdict.INCONCLUSIVE, "InjectorLost")
    assert str(port) in result.finish.message


def test_an_unsupported_fault_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    document = DOCUMENT.replace("planes: [Raft, Replication]", "planes: [Client]")
    result = refuse(load_document(document, "test"), document, 1, tmp_path, "test")
    assert result is not None
    assert (result.finish.verdict, result.finish.reason) == (Verdict.INCONCLUSIVE, "UnsupportedFault")
    assert "there is nothing on it between nodes" in result.finish.message
    assert not result.history.faults
    assert [path.name for path in tmp_path.iterdir()] == ["history.jsonl"]


def listening_pids(pids: set[int]) -> set[int]:
    """Which of these processes still exist (a zombie does not count)."""
    return {pid for pid in pids if process_state(pid) not in (None, "Z", "X")}


def descendants(pid: int) -> set[int]:
    found = set()
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == pid:
                    found |= {int(path.name)} | descendants(int(path.name))
    return found


@pytest.fixture
def runner(tmp_path: Path) -> subprocess.Popen[bytes]:
    """`skerry run` in the middle of its fault."""
    (tmp_path / "experiment.yaml").write_text(DOCUMENT.replace("duration: 1500ms", "duration: 20s"))
    command = [sys.executable, "-c", "from skerry.cli import main; main()", "run", "experiment.yaml"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    for line in process.stdout:
        if b"Holding" in line:
            return process
    raise AssertionError("the run ended before its fault was verified")


def test_a_killed_runner_leaves_no_process_and_no_port(runner: subprocess.Popen[bytes]) -> None:
    started = descendants(runner.pid)
    assert len(started) >= 5  # three brokers, the proxy, the watchdog
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    assert runner.stdout is not None
    runner.stdout.close()
    deadline = time.monotonic() + 10
    while listening_pids(started) and time.monotonic() < deadline:
        os.sched_yield()
    assert listening_pids(started) == set()


def test_a_proxy_that_dies_is_told_and_everything_ends_in_order(runner: subprocess.Popen[bytes]) -> None:
    started = descendants(runner.pid)
    (proxy,) = [pid for pid in started if b"worlds.local.proxy" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(proxy, signal.SIGKILL)
    output, _ = runner.communicate(timeout=60)
    assert runner.returncode == 2, output.decode()
    assert b"InjectorLost" in output
    assert listening_pids(started) == set()


def test_a_second_ctrl_c_kills_at_once(runner: subprocess.Popen[bytes]) -> None:
    started = descendants(runner.pid)
    assert runner.stdout is not None
    os.kill(runner.pid, signal.SIGINT)
    for line in runner.stdout:
        if b"interrupted" in line:
            break
    os.kill(runner.pid, signal.SIGINT)
    output, _ = runner.communicate(timeout=5)
    assert runner.returncode == 2, output.decode()
    assert b"Complete" not in output
    assert listening_pids(started) == set()


def test_ctrl_c_heals_and_stops_everything_and_exits_2(runner: subprocess.Popen[bytes]) -> None:
    started = descendants(runner.pid)
    os.kill(runner.pid, signal.SIGINT)
    output, _ = runner.communicate(timeout=60)
    assert runner.returncode == 2, output.decode()
    assert b"interrupted" in output
    assert listening_pids(started) == set()
