"""The program of the probe pods, on loopback: what it says of a port that answers, is silent, refuses, comes back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable

import aiohttp
import pytest

from skerry.worlds.kubernetes import probe_pod
from skerry.worlds.kubernetes.probe_pod import Port, look, main, serve, url_error


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(probe_pod, "EVERY_S", 0.001)
    monkeypatch.setattr(probe_pod, "TIMEOUT_S", 0.05)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@contextlib.asynccontextmanager
async def running(*work):
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in a socket
            await asyncio.sleep(0.001)


async def test_a_port_that_answers_goes_and_comes_back(free_port):
    port = Port("127.0.0.1", free_port)
    async with running(port.watch_new(), port.watch_kept()):
        async with running(serve([free_port])):
            await until(lambda: port.new_ok_ns and port.kept_ok_ns)
            assert port.new_failing_ns == 0
            last_kept_ns = port.kept_ok_ns
            await until(lambda: port.kept_ok_ns > last_kept_ns)
        # Both: the kind of a failure before the server rose is kept, and the first one since may be a reset.
        await until(lambda: port.new_failing_ns and port.error == "ConnectionRefusedError")
        async with running(serve([free_port])):
            await until(lambda: not port.new_failing_ns and port.kept_opened == 2)


async def test_silence_is_told_from_a_refusal(free_port):
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    port = Port("127.0.0.1", free_port)
    server = await asyncio.start_server(swallow, "127.0.0.1", free_port)
    async with server, running(port.watch_new(), port.watch_kept()):
        await until(lambda: port.new_failing_ns)
        assert port.error == "TimeoutError"
        # The kept one waits: it does not take a silence for a loss.
        assert (port.kept_opened, port.kept_ok_ns) == (1, 0)


async def test_what_the_client_finds_is_served_with_its_own_clock(free_port, unused_tcp_port_factory):
    tell = unused_tcp_port_factory()
    port = Port("127.0.0.1", free_port)
    async with running(serve([free_port]), look([port], tell, "")), aiohttp.ClientSession() as session:
        await until(lambda: port.kept_ok_ns)
        async with session.get(f"http://127.0.0.1:{tell}/") as response:
            told = json.loads(await response.read())
    assert told["url_error"] == ""
    assert told["ports"][str(free_port)]["new_ok_ns"] <= told["now_ns"]


async def test_a_url_is_asked_and_its_failure_told(free_port):
    assert str(free_port) in await url_error(f"http://127.0.0.1:{free_port}/")


def test_it_ends_by_itself(free_port):
    assert main(["server", f"--port={free_port}", "--for-s=0.01"]) == 0


def test_a_port_that_is_taken_is_an_exit_code(free_port, capsys):
    with socket.socket() as taken:
        taken.bind(("", free_port))
        taken.listen()
        assert main(["server", f"--port={free_port}"]) == 1
    assert "error" in json.loads(capsys.readouterr().out)
