"""A broker that cannot start says why in one sentence that names what to change, exits 3, and leaves the directory as
it was."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from broker_processes import PLANES, Processes

from skerry_broker.config import FLAGS

pytestmark = [pytest.mark.local, pytest.mark.timeout(60)]


def run_broker(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "skerry_broker", *arguments], capture_output=True, text=True, timeout=30
    )
    return done.returncode, done.stdout, done.stderr


def start_and_stop(processes: Processes) -> None:
    """Once, in order, so that the directory belongs to a broker and a cluster."""
    processes.start(1)
    host, port = processes.address(1, "admin")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://{host}:{port}/readyz", timeout=2):
                break
        except OSError:
            time.sleep(0.05)
    assert processes.terminate(1) == 0


def content_of(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def test_help_names_every_flag_and_the_exit_codes() -> None:
    code, output, error = run_broker("--help")
    assert (code, error) == (0, "")
    assert all(f"--{flag}" in output for flag in FLAGS)
    assert "Exit codes: 0 stopped cleanly, 1 had to stop, 3 wrong" in " ".join(output.split())


def test_the_version_is_one_line() -> None:
    code, output, error = run_broker("--version")
    assert (code, output.count("\n"), error) == (0, 1, "")


@pytest.mark.parametrize("plane", PLANES)
def test_a_port_in_use(plane: str, tmp_path: Path) -> None:
    processes = Processes(tmp_path, count=1)
    host, port = processes.address(1, plane)
    with socket.create_server((host, port)):
        code, _, error = run_broker(*processes.arguments(1))
    sentence = (
        f"cannot listen on {host}:{port} (Address already in use); free that port or choose another with --listen"
    )
    assert (code, error) == (3, f"skerry-broker: {sentence}\n")


def test_a_host_that_is_not_here(tmp_path: Path) -> None:
    code, _, error = run_broker("--broker-id=1", f"--data-dir={tmp_path}", "--listen=192.0.2.1:0,0,0,0")
    sentence = "cannot listen on 192.0.2.1:0 (Cannot assign requested address); correct --listen"
    assert (code, error) == (3, f"skerry-broker: {sentence}\n")


@pytest.mark.parametrize("below", ["", "/data"])
def test_a_directory_that_is_a_file(below: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    directory = f"{tmp_path}/file{below}"
    code, _, error = run_broker("--broker-id=1", f"--data-dir={directory}", "--listen=127.0.0.1:0,0,0,0")
    assert code == 3
    assert error.startswith(f"skerry-broker: the data directory {directory} cannot be used: ")
    assert error.endswith("check that it exists on a writable volume and belongs to the broker's user\n")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("change", "arguments", "sentence"),
    [
        (None, ["--broker-id=2"], "belongs to broker 1, this is broker 2; correct the broker id or the data directory"),
        (("meta.json", b"{"), [], "restore it, or start with an empty directory"),
    ],
    ids=["another broker's", "damaged meta.json"],
)
def test_a_directory_that_is_not_this_brokers(change, arguments, sentence: str, tmp_path: Path) -> None:
    processes = Processes(tmp_path, count=1)
    try:
        start_and_stop(processes)
    finally:
        processes.close()
    if change is not None:
        (tmp_path / "1" / change[0]).write_bytes(change[1])
    before = content_of(tmp_path / "1")
    code, output, error = run_broker(*processes.arguments(1), *arguments)
    assert (code, output) == (3, "")
    assert error.startswith(f"skerry-broker: {tmp_path}/1")
    assert error.endswith(sentence + "\n")
    assert error.count("\n") == 1
    assert content_of(tmp_path / "1") == before


def test_a_directory_in_use_is_waited_for_and_then_named(tmp_path: Path) -> None:
    processes = Processes(tmp_path, count=1)
    try:
        processes.start(1)
        deadline = time.monotonic() + 20
        while "is listening" not in processes.log(1):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        code, _, error = run_broker(
            "--broker-id=1", f"--data-dir={tmp_path / '1'}", "--listen=127.0.0.1:0,0,0,0", "--lock-wait=200ms"
        )
        assert processes.running[1].poll() is None, "the first one runs on"
    finally:
        processes.close()
    assert code == 3
    assert error == (
        f"skerry-broker: the data directory {tmp_path / '1'} is still in use by another process after 0.2 s; "
        "stop that process or give this broker a directory of its own\n"
    )


async def test_a_directory_of_another_cluster_joins_nobody_and_keeps_its_data(tmp_path: Path) -> None:
    """Broker 1 of cluster A is given, by mistake, the addresses of the brokers 2 and 3 of cluster B."""
    stranger = Processes(tmp_path / "a", count=1, timing="Default")
    cluster = Processes(tmp_path / "b", count=3, timing="Default")
    for processes in (stranger, cluster):
        processes.directory.mkdir()
    try:
        await asyncio.to_thread(start_and_stop, stranger)
        stranger_meta = (tmp_path / "a" / "1" / "meta.json").read_bytes()
        cluster.start(1, 2, 3)
        await ready(cluster, 2)
        cluster.terminate(1)
        (tmp_path / "b" / "1").rename(tmp_path / "b" / "own")
        (tmp_path / "a" / "1").rename(tmp_path / "b" / "1")
        cluster.start(1)
        deadline = time.monotonic() + 10
        while "correct --peer or --data-dir of one of the two" not in cluster.log(1):
            assert time.monotonic() < deadline, cluster.log(1)
            await asyncio.sleep(0.05)
        assert "refused: this broker belongs to cluster" in cluster.log(1)
        assert (tmp_path / "b" / "1" / "meta.json").read_bytes() == stranger_meta
        await ready(cluster, 2)  # the others go on
        cluster.kill(1)
        (tmp_path / "b" / "1").rename(tmp_path / "a" / "1")
        await asyncio.to_thread(start_and_stop, stranger)  # and each directory is good where it belongs
        (tmp_path / "b" / "own").rename(tmp_path / "b" / "1")
        cluster.start(1)
        await ready(cluster, 1)
    finally:
        stranger.close()
        cluster.close()


async def ready(processes: Processes, broker: int) -> None:
    host, port = processes.address(broker, "admin")

    def ask() -> bool:
        try:
            with urllib.request.urlopen(f"http://{host}:{port}/readyz", timeout=2):
                return True
        except OSError:
            return False

    deadline = time.monotonic() + 20
    while not await asyncio.to_thread(ask):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
